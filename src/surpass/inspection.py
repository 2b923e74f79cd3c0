"""What the command line tells about plug-ins, artifacts and the guard's findings."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from surpass import presets
from surpass.artifacts import Splits
from surpass.checks import PRECISION, Finding
from surpass.errors import StoreError, StudyError, SurpassError
from surpass.feasibility import NEEDS, problems_of
from surpass.folder import recall
from surpass.guard import guard_rows
from surpass.models._pretrain import Pretrain
from surpass.registry import REGISTRIES, Registry
from surpass.route import Route
from surpass.scoring import results
from surpass.spec import HIDDEN_FIELDS, Json, Spec, describe_field
from surpass.splits import Data, make_splits
from surpass.store import Store
from surpass.studyfile import read
from surpass.tasks.base import Task


def listing(what: str) -> list[dict[str, Any]]:
    """Return name, one-line summary and problem (a missing source, say) of each plug-in or preset."""
    if what == "presets":
        return [{"name": name, "summary": _headline(name), "problem": ""} for name in presets.names()]
    found = _registry(what)
    return [_row(found.family, name) for name in found.names()]


def _registry(what: str) -> Registry:
    """Return the registry of the plug-ins that go by a word such as "tasks"."""
    return next(each for each in REGISTRIES.values() if each.plural == what)


def _headline(name: str) -> str:
    """Return the first comment line of a recipe."""
    first = presets.recipe(name).read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def _row(family: str, name: str) -> dict[str, Any]:
    try:
        cls = REGISTRIES[family].get(name)
    except SurpassError as error:
        return {"name": name, "summary": "", "problem": str(error)}
    row: dict[str, Any] = {"name": name, "summary": first_line(cls), "problem": ""}
    return row | _task_facts(cls) if family == "task" else row


def _task_facts(cls: type[Task]) -> dict[str, Any]:
    """Return what a task is, and what it needs here; no network is asked, so a listing answers at once."""
    given = all(field.default is not dataclasses.MISSING for field in dataclasses.fields(cls))
    task = cls() if given else None  # the user's own file has to be named first
    needs = task.needs() if task else ""
    return {
        "kind": cls.target,
        "input": cls.input,
        "classes": list(task.class_names() if task else cls.classes),
        "rows": cls.size,
        "licence": cls.licence,
        "citation": cls.citation,
        "source": task.source().where if task else "file",
        "available": not needs,
        "needs": needs,
        "problem": needs,
    }


def about(what: str, name: str) -> dict[str, Any]:
    """Return all there is to tell about a plug-in or preset: text for people, options with their defaults."""
    if what == "presets":
        return {"name": name, "text": presets.recipe(name).read_text(encoding="utf-8").rstrip()}
    trained_here = (what, name) == ("models", "pretrain")  # a stage, which models take as their backbone
    cls: type[Any] = Pretrain if trained_here else _registry(what).get(name)
    options = defaults_of(cls)
    module = inspect.getmodule(cls)
    parts = [inspect.getdoc(module) or "", inspect.getdoc(cls) or ""]
    needed = {field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING}
    lines = [
        f"  {option}: {'must be given' if option in needed else _written(value)} ({describe_field(cls, option)})"
        for option, value in options.items()
    ]
    text = "\n\n".join([*filter(None, parts), "Options and defaults:\n" + ("\n".join(lines) or "  none")])
    if what == "methods":
        asks = [NEEDS[need] for need in sorted(cls().needs)] if not needed else []
        text += f"\n\nNeeds: {', '.join(asks)}." if asks else ""
        text += f"\n\nBeside any method, in a study file:\n{_beside_methods()}"
    return {"name": name, "options": {k: repr(v) for k, v in options.items()}, "text": text}


def _written(value: Any) -> str:
    """Return a default as a study file has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _beside_methods() -> str:
    """Return what a route takes beside its method, under the names that study files have for it."""
    attributes = (inspect.getdoc(Route) or "").partition("Attributes:\n")[2]
    return attributes.partition("\n")[2].replace("    tries:", "    try:")


def defaults_of(cls: type[Spec]) -> dict[str, Any]:
    """Return the options of a plug-in with their defaults, for `surpass ls`."""
    return {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(cls)
        if field.name not in HIDDEN_FIELDS
    }


def first_line(cls: type[Any]) -> str:
    """Return the first line of a class's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def manifest(store: Store, prefix: str) -> dict[str, Any]:
    """Return the manifest of the artifact whose key begins with `prefix`; StoreError when it is none or several."""
    found = store.find(prefix)
    if len(found) != 1:
        what = "no artifact in store '{}' has" if not found else f"{len(found)} artifacts in store '{{}}' have"
        raise StoreError(
            f"{what.format(store.root)} a key that begins with '{prefix}'. "
            "Give a key of results.csv or of the report's appendix, or another --store."
        )
    facts = dict(store.manifest(*found[0]) or {})
    if "spec" not in facts:
        raise StoreError(f"{' '.join(found[0])} has a damaged manifest. Run its study again: it will be recomputed.")
    return facts


def differences(store: Store, left: str, right: str) -> dict[str, Any]:
    """Return where the specs of two artifacts differ: path to a pair of values."""
    pair = [manifest(store, prefix)["spec"] for prefix in (left, right)]
    return {path: list(values) for path, values in difference(*pair).items()}


def difference(left: Json, right: Json, path: str = "") -> dict[str, tuple[Json, Json]]:
    """Return where two encoded specs differ: dotted path to the two values, None where one has no such field."""
    if isinstance(left, dict) and isinstance(right, dict):
        found: dict[str, tuple[Json, Json]] = {}
        for name in sorted({*left, *right}):
            found |= difference(left.get(name), right.get(name), f"{path}.{name}" if path else name)
        return found
    return {} if left == right else {path: (left, right)}


def findings_before(
    source: str, precision: float = PRECISION, *, tell: Callable[[str], None] = lambda text: None
) -> list[Finding]:
    """Return what the guard sees in the rows of a study file; StudyError when the study has problems.

    `precision` is the half width of an accuracy's 95 % interval that the tests should allow. `tell` is told of each task
    that is left out: its rows are made of corpora, of which there are none before the study runs.
    """
    study = read(source)
    if problems := problems_of(study):
        raise StudyError(problems)
    for task in study.tasks:
        if task.sources():
            tell(
                f"rows of task '{task.label()}' are made of corpora, which the study builds first, and were not looked at. "
                "Once it ran: surpass check OUT."
            )
    study = study.resolve()
    found: dict[Data, list[Finding]] = {}
    for pair in study.pairs:
        for task in (task for task in study.tasks_of(pair) if not task.sources()):
            data = study.data_of(task, pair, study.first_seed)
            if data not in found:
                splits = Splits.joined([make_splits(data.training()), make_splits(data.evaluation())])
                found[data] = guard_rows(splits, task, precision)
    return [finding for findings in found.values() for finding in findings]


def findings_of(out: Path, store: str | Path | None = None) -> list[Finding]:
    """Return what the guard sees in a finished study, before and after."""
    return list(results(*recall(out, store)).findings)
