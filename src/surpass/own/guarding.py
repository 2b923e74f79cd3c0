"""The guard on a person's own rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Facts, Rows, Splits, Values, take
from surpass.checks import (
    Finding,
    check_labels,
    check_predictions,
    check_scores,
    check_splits,
    check_truncation,
)
from surpass.guard import distinct
from surpass.own.evidence import Division, Predicted
from surpass.own.reading import Own
from surpass.stats import Estimate


def splits_of(own: Own, division: Division, weak: Values, *, supervised: bool) -> Splits:
    """Return the rows as a study's: `weak` fit a supervisor, `transfer` the student, `val` and `test` are set aside.

    A row's label is gold where that may be known, else the most probable weak label, by lot where several are.
    """
    used = np.isin(division.train, division.known) if supervised else np.zeros(len(division.train), dtype=bool)
    parts = {
        "weak": division.known if supervised else division.known[:0],
        "transfer": division.train[~used],
        "val": division.held,
        "test": division.test,
    }
    places = np.concatenate(list(parts.values()))
    lots = 1e-9 * np.random.default_rng(0).random(weak.shape)  # ties of raters are no rows of the first class
    guess = (np.where(np.isfinite(weak), weak, 0.0) + lots).argmax(axis=1)
    labels = np.where(np.isfinite(own.gold), np.nan_to_num(own.gold), guess).astype(np.int64)
    groups = own.groups
    rows = Rows(
        tuple(str(i) for i in places),
        take(own.inputs, places),
        labels[places],
        tuple(groups[i] for i in places),
        votes=tuple(tuple(own.votes[i]) for i in places),
    )
    split = tuple(name for name, part in parts.items() for _ in part)
    return Splits(rows, split, own.target, own.classes, {})


ABOUT_GOLD = ("surface-leak", "surface-cues", "phrase-leak", "conflicting-labels")
"""Codes that are about ground truth: of weak labels they say nothing, since rules make labels that a word gives away."""


class Line(NamedTuple):
    """A line of results, as `check_scores` reads it."""

    task: str
    split: str
    weak: str
    strong: str
    method: str
    stopping: str
    metric: str
    floor: Estimate
    ceiling: Estimate
    gap: Estimate
    pgr: Estimate
    seeds: int


def findings(
    splits: Splits,
    weak: Values,
    known: NDArray[np.bool_],
    predicted: Predicted | None,
    estimates: Mapping[str, Mapping[str, Estimate]],
    facts: Mapping[str, Sequence[Facts]],
    where: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return what the guard saw in rows, labels, predictions, scores and cut texts, as plain data.

    Args:
        splits: as `splits_of` returns them.
        weak: (n, C) weak labels of all rows of the table, NaN where there are none.
        known: (n,) which of them have a gold label.
        predicted: of the test rows; None without any.
        estimates: by metric, as `with_gold` returns them.
        facts: of the fits, by role.
        where: what is looked at.
    """
    found = [one for one in check_splits(splits, where=where) if one.code not in ABOUT_GOLD]
    found += [one for one in check_splits(_of_gold(splits, known), where=where) if one.code in ABOUT_GOLD]
    rows = splits.part("transfer")
    places = np.array(rows.ids, dtype=np.int64)
    given = np.isfinite(weak[places]).all(axis=1)
    if given.any():
        found += check_labels(rows.take(np.flatnonzero(given)), weak[places[given]], where=where)
    if predicted is not None:
        own = check_predictions(predicted.runs(), where={**where, "split": "test"})
        if not predicted.ceiling:  # the student stands in for a ceiling that nobody knows
            own = [one for one in own if one.code not in ("one-class-ceiling", "saturated")]
        found += own
        if predicted.ceiling:
            found += check_scores([_line(estimates["accuracy"], where)])
    found += check_truncation(facts, where=where)
    return [_plain(one) for one in distinct(found)]


def _of_gold(splits: Splits, known: NDArray[np.bool_]) -> Splits:
    """Return the rows whose label is gold."""
    kept = np.flatnonzero(known[np.array(splits.rows.ids, dtype=np.int64)])
    return dataclasses.replace(splits, rows=splits.rows.take(kept), split=tuple(splits.split[i] for i in kept))


def _line(scores: Mapping[str, Estimate], where: Mapping[str, str]) -> Line:
    names = {name: where.get(name, "") for name in ("task", "weak", "strong", "method")}
    values = {name: scores[name] for name in ("floor", "ceiling", "gap", "pgr")}
    return Line(**names, split="test", stopping="last", metric="accuracy", seeds=scores["student"].seeds, **values)  # type: ignore[arg-type]


def _plain(one: Finding) -> dict[str, Any]:
    evidence = {k: v.item() if hasattr(v, "item") else v for k, v in one.evidence.items()}
    return {
        "code": one.code,
        "severity": one.severity,
        "message": one.message,
        "where": dict(one.where),
        "evidence": evidence,
    }
