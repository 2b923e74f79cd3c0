"""Diagnoses of a finished study, from the artifacts in its store: nothing is trained, no feature is extracted.

What reads no ground truth reads the transfer rows, whose weak labels it could have read before any strong run was scored;
what needs ground truth reads the test rows. One task is held at a time, and of its features no more than there is room for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from surpass.diagnosing.evidence import Desk, Evidence
from surpass.diagnosing.geometry import MEASURES as OF_FEATURES
from surpass.diagnosing.measure import Found, Measure
from surpass.diagnosing.predicted import MEASURES as OF_PREDICTIONS
from surpass.errors import DataError, SurpassError, reason
from surpass.results_diagnoses import DiagnosisRow, undefined
from surpass.runner import Plan
from surpass.shelf import Shelf, names
from surpass.spec import key
from surpass.store import Store
from surpass.study import Cell, Study, cells
from surpass.tasks.base import Task

__all__ = ["MEASURES", "Desk", "Evidence", "diagnose"]

log = logging.getLogger(__name__)

MEASURES: tuple[Measure, ...] = (*OF_PREDICTIONS, *OF_FEATURES)

Progress = Callable[[float | None, str], None]
Seeds = list[Evidence]


def diagnose(plan: Plan, store: Store, *, progress: Progress | None = None) -> tuple[DiagnosisRow, ...]:
    """Return every diagnostic of every comparison that finished, over the seeds that finished.

    A diagnostic that cannot be had is there too, undefined with the reason; one that fails costs the others nothing.

    Args:
        plan: of the study; see `surpass.folder.recall`.
        store: of its artifacts.
        progress: called with the share that is done and what is being looked at.

    Raises:
        DataError: no cell of the study finished.
    """
    study, tell = plan.study, progress or (lambda share, text: None)
    total = sum(len(study.tasks_of(pair)) for pair in study.pairs)
    rows: list[DiagnosisRow] = []
    done = 0
    for task in study.tasks:
        for by_method in _finished(study, task, store):
            if by_method:
                told = names(by_method[0][0].scored.cell)
                tell(done / total, f"{told['task']}, {told['weak']} → {told['strong']}")
            done += 1
            for measure in MEASURES:
                compared = by_method if measure.of == "method" else _of_pair(by_method)
                rows += [row for seeds in compared for row in _rows(measure, seeds, study.level)]
    if not rows:
        raise DataError(
            f"study '{study.name}' has no finished cell in store '{store.address}', so there is nothing to diagnose. See "
            "what failed or is gone with surpass report, then run it again, or give its store with --store."
        )
    tell(1.0, f"{len(rows)} numbers")
    return tuple(rows)


def _finished(study: Study, task: Task, store: Store) -> Iterator[list[Seeds]]:
    """Yield for each pair of a task the seeds that finished, one list for each method that has any."""
    shelf, desk = Shelf(store), Desk(store)
    of_pair: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells(study):
        if cell.task == task:
            of_pair.setdefault(key(cell.pair), {}).setdefault(cell.route.label(), []).append(cell)
    for by_method in of_pair.values():
        held = []
        for of_method in by_method.values():
            scored = filter(None, map(shelf.scored, of_method))
            held.append([Evidence(one, study.stopping, desk) for one in scored])
        yield [seeds for seeds in held if seeds]


def _of_pair(by_method: Sequence[Seeds]) -> list[Seeds]:
    """Return one list of seeds, each with the first method that finished it: what belongs to a pair reads no student."""
    of_seed: dict[int, Evidence] = {}
    for seeds in by_method:
        for one in seeds:
            of_seed.setdefault(one.scored.cell.seed, one)
    return [[of_seed[seed] for seed in sorted(of_seed)]] if of_seed else []


def _rows(measure: Measure, seeds: Seeds, level: float) -> Iterator[DiagnosisRow]:
    """Yield the numbers of one diagnostic of one comparison, or that there are none and why."""
    if seeds[0].target not in measure.targets and not measure.why_not:
        return
    subject = names(seeds[0].scored.cell) | ({"method": ""} if measure.of == "pair" else {})
    found, crashed = _found(measure, seeds, level)
    for one in found:
        yield DiagnosisRow(
            **subject,
            diagnostic=measure.name,
            quantity=one.quantity,
            part=one.part,
            rows=measure.rows,
            gold=measure.gold,
            estimate=one.estimate,
            crashed=crashed,
        )


def _found(measure: Measure, seeds: Seeds, level: float) -> tuple[list[Found], bool]:
    """Return the numbers of a diagnostic, undefined ones when it has none, and whether it failed unforeseen."""
    why, crashed = "", False
    if seeds[0].target not in measure.targets:
        why = measure.why_not.format(target=seeds[0].target)
    else:
        try:
            return list(measure.find(seeds, level)), False
        except SurpassError as error:
            why = str(error).rstrip(".")
        except Exception as error:  # one diagnostic's error must not cost the others theirs; the row says what it was
            log.info("diagnostic %s failed", measure.name, exc_info=True)
            why, crashed = f"it failed: {reason(error)}", True
    return [Found(name, undefined(why, level), measure.part) for name in measure.quantities], crashed
