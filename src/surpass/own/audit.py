"""`surpass audit`: what a model folder claims, whether its files are as they were written, and whether its numbers hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import candidates
from surpass.errors import DataError
from surpass.metrics import for_kind
from surpass.own import bundle
from surpass.own.evidence import as_json, from_json
from surpass.own.reading import Wanted, read
from surpass.stats import Estimate, Run, compare
from surpass.tables import open_table
from surpass.work import versions

_RARE = 3.7
"""Errors that n rows without one leave possible, in 1/n (exact interval of 95 %): bootstrap intervals have no width there."""


def audit(folder: Path, data: str | None = None) -> dict[str, Any]:
    """Return what there is to tell of a model folder.

    The result has `facts` (what the folder claims), `files` (how many were read), `problems` (files changed, missing or
    added, and scores that contradict the claim), `told` (sentences) and, with `data`, `again` (estimates on that table).

    Raises:
        DataError: the folder is none of ours, or the table has no gold labels.
    """
    facts = bundle.read_facts(folder)
    now = bundle.digests(folder)
    problems = _changed(facts["files"], now)
    told = [f"Format {facts['form']}, {len(facts['files'])} files; fitted {_versions(facts['versions'])}."]
    found: dict[str, Any] = {"facts": facts, "files": len(now), "problems": problems, "told": told}
    if data is not None:
        estimates = _again(folder, facts, data)
        found["again"] = as_json({"student": estimates})["student"]
        if open_table(data).digest() == facts["data"]["digest"]:
            told.append(
                f"'{data}' is the file that the student was fitted to: its training rows are among those measured here, so "
                "the scores below are too good. Give rows that it has not seen."
            )
        for name, estimate in estimates.items():
            text, wrong = _compared(name, estimate, facts)
            told.append(text)
            problems += [text] if wrong else []
    return found


def _changed(then: dict[str, str], now: dict[str, str]) -> list[str]:
    found = [f"{name} is missing" for name in sorted(then.keys() - now.keys())]
    found += [f"{name} was added" for name in sorted(now.keys() - then.keys())]
    return found + [f"{name} was changed" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]]


def _versions(then: dict[str, str]) -> str:
    now = versions()
    other = [f"{name} {then[name]} then, {now.get(name, 'none')} now" for name in then if then[name] != now.get(name)]
    return "with the versions that are installed" if not other else f"with other versions: {'; '.join(other)}"


def _again(folder: Path, facts: dict[str, Any], data: str) -> dict[str, Estimate]:
    if facts["target"] == "generation":
        raise DataError(
            "texts are not measured again: leave out --data, or write them with surpass predict and compare the columns."
        )
    columns = dict(facts["columns"])
    if not columns["gold"]:
        raise DataError("the student was fitted without a column of gold labels, so there is nothing to measure again.")
    # only texts and gold labels are read: `supervised` asks for no weak ones
    columns |= {"weak": (), "probabilities": (), "supervised": True}
    wanted = Wanted(**{**columns, "classes": () if columns["first"] else tuple(facts["classes"])})
    own = read(open_table(data), wanted)
    rows = np.flatnonzero(np.isfinite(own.gold))
    if len(rows) < 2:
        raise DataError(
            f"'{data}' has {len(rows)} rows with a gold label in '{columns['gold']}'; at least 2 are needed."
        )
    loaded = bundle.load(folder)
    inputs: Any = tuple(own.inputs[i] for i in rows)
    guess = loaded.prefer(*candidates(inputs)) if wanted.preference else loaded.predict(inputs)  # type: ignore[arg-type]
    run = Run(own.gold[rows], [own.groups[i] for i in rows], guess, guess, guess)
    return {name: compare(name, [run], level=facts["level"]).student for name in for_kind(facts["target"])}


def _compared(name: str, now: Estimate, facts: dict[str, Any]) -> tuple[str, bool]:
    """Return what the new score says of the claimed one, and whether their intervals lie apart."""
    claim = facts["evidence"]["metrics"].get(name, {}).get("student")
    if claim is None:
        return f"{name}: {now} on {now.examples} rows; the folder claims none.", False
    then = from_json(claim)
    slack = sum(_RARE / one.examples for one in (now, then) if one.low == one.high and one.examples)
    apart = now.defined and then.defined and (now.high + slack < then.low or now.low - slack > then.high)
    verdict = "their intervals lie apart" if apart else "which agrees with the claim"
    return f"{name}: {now} on {now.examples} rows, {then} claimed: {verdict}.", apart
