"""Every method of a finished study against a baseline: differences paired by test row and seed, and over tasks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from surpass.errors import DataError, SpecError, UnknownNameError
from surpass.metrics import METRICS, for_kind, metric
from surpass.runner import Plan
from surpass.shelf import Scored, Shelf, names, run_of, scored_splits
from surpass.splits import Data
from surpass.stats import Estimate, Outcome, OverTasks, outcome, over_tasks, paired_difference
from surpass.store import Store
from surpass.study import Cell, Study, cells
from surpass.work import versions

Place = tuple[str, str, str, Data]
"""A task, the labels of a pair's weak and strong model, and the rows of seed 0: pairs may differ in these alone."""
Quantity = Literal["difference", "pgr"]
Unit = Literal["task", "task x pair"]

_NAN = float("nan")
_ROUNDING = 1e-12  # of a mean of differences that cancel


@dataclasses.dataclass(frozen=True)
class DifferenceRow:
    """A method against the baseline on one task, pair and test split, over the seeds that both have.

    `difference` is positive where the method is better, whatever the metric's direction; `pgr` is the difference of the two
    PGRs. `lacking` counts seeds of the study that one of the two lacks. `note` says why a difference is undefined.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    metric: str
    student: Estimate
    baseline: Estimate
    difference: Estimate
    pgr: Estimate
    seeds: int
    lacking: int
    n_test: int
    note: str = ""

    @property
    def outcome(self) -> Outcome:
        """A win or loss when the difference's interval leaves 0 out, else a tie; "undefined" without an interval."""
        return outcome(self.difference)


@dataclasses.dataclass(frozen=True)
class Standing:
    """One method against the baseline, everywhere: outcomes and raw signs over task x pair, means and tests over tasks.

    `over` holds means and tests by unit and by quantity; unit "task x pair" only where some task has several pairs.
    """

    method: str
    metric: str
    outcomes: Mapping[Outcome, int]
    better: int
    same: int
    worse: int
    undefined_pgr: int
    over: Mapping[Unit, Mapping[Quantity, OverTasks]]

    @property
    def mean(self) -> Estimate:
        """The mean difference over tasks."""
        return self.over["task"]["difference"].mean


@dataclasses.dataclass(frozen=True)
class Versus:
    """All that `surpass compare` shows. `settings` holds how many settings each method had to choose from."""

    name: str
    baseline: str
    split: str
    stopping: str
    level: float
    seeds: int
    metrics: tuple[str, ...]
    rows: tuple[DifferenceRow, ...]
    standings: tuple[Standing, ...]
    settings: Mapping[str, int]
    versions: Mapping[str, str]

    @property
    def fair(self) -> bool:
        """Whether every method, the baseline too, was given the same number of settings to choose from."""
        return len(set(self.settings.values())) == 1

    def ranked(self, name: str) -> list[Standing]:
        """Return the methods under one metric, the largest mean difference first, undefined ones last."""
        own = [standing for standing in self.standings if standing.metric == name]
        return sorted(own, key=lambda s: math.inf if math.isnan(s.mean.value) else -s.mean.value)


def versus(
    plan: Plan, store: Store, *, baseline: str = "soft", metrics: Sequence[str] = (), split: str = "test"
) -> Versus:
    """Return every method of a study that has run against one of them.

    Args:
        plan: of the study; see `surpass.folder.recall`.
        store: where its artifacts are.
        baseline: name of the method that the others are compared with, as tables write it.
        metrics: metrics to compare; empty: the study's first metric of each kind of task.
        split: test split.

    Raises:
        UnknownNameError: the study has no such method, or there is no such metric.
        SpecError: a metric that serves none of the study's tasks.
        DataError: nothing to compare: one method only, no such split, or no seed finished for two methods.
    """
    study = plan.study
    places = _places(study)
    methods = dict.fromkeys(method for of_place in places.values() for method in of_place)
    if len(methods) < 2:
        has = f"one method, '{next(iter(methods))}'" if methods else "no method, only controls that read ground truth"
        raise DataError(f"study '{study.name}' has {has}. To compare, run it with two or more methods.")
    chosen = _baseline(baseline, places)
    wanted = _metrics(study, metrics)
    shelf = Shelf(store)
    rows = [
        row
        for place, of_place in places.items()
        for row in _rows(study, shelf, place, of_place, baseline=chosen, wanted=wanted, split=split)
    ]
    if not any(row.seeds for row in rows):
        raise _nothing(rows, study, split, _finished(shelf, places))
    shown = tuple(dict.fromkeys(row.metric for row in rows))
    placed = [standing for name in shown for standing in standings(rows, name, study.level)]
    tried = {name: max(len(c[0].route.settings) for p in places.values() if (c := p.get(name))) for name in methods}
    return Versus(
        study.name,
        chosen,
        split,
        study.stopping,
        study.level,
        study.seeds,
        shown,
        tuple(rows),
        tuple(placed),
        tried,
        versions(),
    )


def _places(study: Study) -> dict[Place, dict[str, list[Cell]]]:
    """Return the cells of each task and pair by method, one per seed, in the study's order.

    A probe on ground truth after the training (`reprobe`) and a chain that starts from ground truth (`control: gold`) are
    left out: they are no method's students.
    """
    found: dict[Place, dict[str, list[Cell]]] = {}
    for cell in cells(study):
        if cell.route.reprobe or cell.route.control == "gold":
            continue
        told = names(cell)
        place = (told["task"], told["weak"], told["strong"], study.data_of(cell.task, cell.pair, 0))
        found.setdefault(place, {}).setdefault(told["method"], []).append(cell)
    return found


def _baseline(name: str, places: Mapping[Place, Mapping[str, Sequence[Cell]]]) -> str:
    """Return the method of that name; a plug-in's name alone stands for its only variant without a chain."""
    routes = {method: found[0].route for of_place in places.values() for method, found in of_place.items()}
    if name in routes:
        return name
    plain = [method for method, route in routes.items() if route.method.kind == name and not route.steps]
    if len(plain) == 1:
        return plain[0]
    raise UnknownNameError("method (--baseline)", name, routes)


def _metrics(study: Study, asked: Sequence[str]) -> dict[str, list[str]]:
    """Return the metrics to compare for each kind of label in the study."""
    kinds = dict.fromkeys(task.target for task in study.tasks)
    for name in asked:
        if not set(metric(name).kinds).intersection(kinds):
            allowed = dict.fromkeys(known for kind in kinds for known in for_kind(kind))
            raise SpecError(
                f"metric '{name}' serves {' and '.join(METRICS[name].kinds)}, but the study's tasks are "
                f"{' and '.join(kinds)}. Allowed: {', '.join(allowed)}."
            )
    found: dict[str, list[str]] = {}
    for kind in kinds:
        known = for_kind(kind)
        own = [name for name in study.metrics if name in known] or list(known)
        found[kind] = [name for name in dict.fromkeys(asked) if name in known] if asked else own[:1]
    return found


def _rows(
    study: Study,
    shelf: Shelf,
    place: Place,
    of_place: Mapping[str, Sequence[Cell]],
    *,
    baseline: str,
    wanted: Mapping[str, Sequence[str]],
    split: str,
) -> Iterator[DifferenceRow]:
    """Yield a row for each other method and metric of one task and pair."""
    scored = {method: _scored(shelf, found, split) for method, found in of_place.items()}
    others = [method for method in of_place if method != baseline]
    for method in others:
        task = of_place[method][0].task
        both = sorted(set(scored[method]).intersection(scored.get(baseline, {})))
        pairs = [(scored[method][seed], scored[baseline][seed]) for seed in both]
        runs = [(run_of(a, split, study.stopping), run_of(b, split, study.stopping)) for a, b in pairs]
        n_test = len({i for one, _ in pairs for i in one.splits.part(split).ids})
        lacking = len(study.seed_range()) - len(both)
        for name in wanted[task.target]:
            head = (place[0], split, place[1], place[2], method, name)
            if runs:
                found = paired_difference(name, runs, level=study.level)
                scores = (found.student, found.baseline, found.difference, found.pgr)
                yield DifferenceRow(*head, *scores, len(both), lacking, n_test, found.difference.note)
            else:
                why = _why_none(baseline, of_place, scored, method, split)
                nothing = Estimate(_NAN, _NAN, _NAN, study.level, 0, 0, "none", why)
                yield DifferenceRow(*head, nothing, nothing, nothing, nothing, 0, lacking, 0, why)


def _scored(shelf: Shelf, found: Sequence[Cell], split: str) -> dict[int, Scored]:
    """Return by seed what finished and has the split."""
    read = {cell.seed: shelf.scored(cell) for cell in found}
    return {seed: one for seed, one in read.items() if one is not None and split in scored_splits(one)}


def _why_none(
    baseline: str,
    of_place: Mapping[str, Sequence[Cell]],
    scored: Mapping[str, Mapping[int, Scored]],
    method: str,
    split: str,
) -> str:
    if baseline not in of_place:
        return f"'{baseline}' is not run on this pair with these rows"
    counts = [f"{len(scored[name])} of {len(of_place[name])} of '{name}'" for name in (method, baseline)]
    return f"no seed has both methods on split '{split}': finished are {' and '.join(counts)}"


def _finished(shelf: Shelf, places: Mapping[Place, Mapping[str, Sequence[Cell]]]) -> Iterator[Scored]:
    every = (cell for of_place in places.values() for found in of_place.values() for cell in found)
    return (one for cell in every if (one := shelf.scored(cell)) is not None)


def _nothing(rows: Sequence[DifferenceRow], study: Study, split: str, finished: Iterator[Scored]) -> DataError:
    """Return the error that says why not one difference could be made."""
    splits = list(dict.fromkeys(name for one in finished for name in scored_splits(one)))
    if splits and split not in splits:
        return DataError(f"study '{study.name}' has no test split '{split}'. Give one of --split {', '.join(splits)}.")
    reason = rows[0].note if rows else "it has no method beside the baseline on any pair"
    return DataError(
        f"nothing in study '{study.name}' can be compared: {reason}. Run the study again, or look at its failed stages "
        "with surpass report."
    )


def standings(rows: Sequence[DifferenceRow], name: str, level: float) -> list[Standing]:
    """Return how each method stands under one metric, in the order of the rows."""
    of_method: dict[str, list[DifferenceRow]] = {}
    for row in rows:
        if row.metric == name:
            of_method.setdefault(row.method, []).append(row)
    units = _units([row for own in of_method.values() for row in own])
    over = {unit: _over(of_method, unit, level) for unit in units}
    return [_standing(method, name, own, {u: o[method] for u, o in over.items()}) for method, own in of_method.items()]


def _standing(
    method: str, name: str, own: Sequence[DifferenceRow], over: Mapping[Unit, Mapping[Quantity, OverTasks]]
) -> Standing:
    values = [row.difference.value for row in own if not math.isnan(row.difference.value)]
    outcomes = [row.outcome for row in own]
    kinds: tuple[Outcome, ...] = ("win", "tie", "loss", "undefined")
    return Standing(
        method,
        name,
        {kind: outcomes.count(kind) for kind in kinds},
        sum(value > _ROUNDING for value in values),
        sum(abs(value) <= _ROUNDING for value in values),
        sum(value < -_ROUNDING for value in values),
        sum(math.isnan(row.pgr.value) for row in own),
        over,
    )


def _units(rows: Sequence[DifferenceRow]) -> tuple[Unit, ...]:
    tasks, places = {row.task for row in rows}, {(row.task, row.weak, row.strong) for row in rows}
    return ("task", "task x pair") if len(places) > len(tasks) else ("task",)


def _over(
    of_method: Mapping[str, Sequence[DifferenceRow]], unit: Unit, level: float
) -> dict[str, dict[Quantity, OverTasks]]:
    """Return means and tests over the units; a unit's value is the mean over its rows that have one."""
    found: dict[str, dict[Quantity, OverTasks]] = {method: {} for method in of_method}
    quantities: tuple[Quantity, ...] = ("difference", "pgr")
    for quantity in quantities:
        values = {method: _values(own, quantity, unit) for method, own in of_method.items()}
        for method, one in over_tasks(values, level=level, unit=unit).items():
            found[method][quantity] = one
    return found


def _values(own: Sequence[DifferenceRow], quantity: Quantity, unit: Unit) -> list[float]:
    parts: dict[tuple[str, ...], list[float]] = {}
    for row in own:
        value = getattr(row, quantity).value
        if not math.isnan(value):
            where = (row.task,) if unit == "task" else (row.task, row.weak, row.strong)
            parts.setdefault(where, []).append(value)
    return [math.fsum(part) / len(part) for part in parts.values()]
