"""Advice on a study: the predicted gain of each pair, which supervisor, which method, and what to buy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from surpass.advice.buying import GoldCurve, gold_curve
from surpass.advice.choosing import Choice, Rows, beside_soft, choose_supervisors, unadvised_all
from surpass.advice.deciding import Verdict, clearly_better, differences, verdict
from surpass.advice.evidence import LEVEL, Evidence, Rehearsal, evidence, row_scores
from surpass.advice.forecasting import Forecast, forecast
from surpass.advice.record import Record, shipped
from surpass.advice.rehearsing import Grounds, Part, stands_in
from surpass.advice.tracking import TrackRecord, track_record
from surpass.advice.words import json_of, text_of
from surpass.errors import StudyError, SurpassError
from surpass.feasibility import problems_of
from surpass.methods.base import FROM_LABELS
from surpass.methods.soft import Soft
from surpass.models.base import Model
from surpass.route import Route
from surpass.runtime import Runtime
from surpass.shelf import names
from surpass.spec import options_of
from surpass.stats import Estimate
from surpass.store import Store
from surpass.study import Cell, Study, cells

BASE = Route(method=Soft())  # what the track record was measured with


class MethodAdvice(NamedTuple):
    """A method's cross-fitted student against that of `soft`, by the same rows; `better` when clearly so."""

    method: str
    difference: Estimate
    better: bool


@dataclasses.dataclass(frozen=True)
class Advice:
    """What is to be said of one pair on one task, before its strong run.

    Attributes:
        task, weak, strong: which.
        data: the training rows in words: pairs with the same ones can be compared.
        finetuned: whether a probe stood in for a student that is finetuned.
        evidence: the cross-fitted scores; None where nothing could be tried.
        forecast: the predicted gain of the real student, by `soft`.
        verdict: yes, no, or unknown.
        methods: others than soft, the best first.
        gold_alone: the student's model on ground truth alone.
        note: why there is no evidence, or what a reader must know.
        rows: the cheap student's score on each row, to compare supervisors by; no part of the plain data.
    """

    task: str
    weak: str
    strong: str
    data: str
    finetuned: bool
    evidence: Evidence | None
    forecast: Forecast | None
    verdict: Verdict
    methods: tuple[MethodAdvice, ...] = ()
    gold_alone: GoldCurve | None = None
    note: str = ""
    rows: Rows | None = dataclasses.field(default=None, repr=False, compare=False, metadata={"plain": False})


@dataclasses.dataclass(frozen=True)
class StudyAdvice:
    """Advice on every pair of a study, the choice among its supervisors, and how advice like this has done."""

    name: str
    level: float
    pairs: tuple[Advice, ...]
    choices: tuple[Choice, ...]
    record: TrackRecord

    def text(self) -> str:
        """Return what a terminal shows."""
        return text_of(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, for scripts."""
        return json_of(self)


def advise_study(
    study: Study,
    *,
    store: Store,
    runtime: Runtime,
    level: float = LEVEL,
    record: Record | None = None,
    progress: Callable[[str], None] | None = None,
) -> StudyAdvice:
    """Return advice on every pair and task of a study, from the training rows of its first seed. No test label is read.

    Args:
        study: as it would be run.
        store: keeps the frozen features, for the study's own run too.
        runtime: speed and place.
        level: of all intervals.
        record: what predicted gains are calibrated by; None: the shipped one.
        progress: is told what is being looked at.

    Raises:
        StudyError: the study has problems that show before it runs, or no task that there is advice on.
    """
    if problems := problems_of(study, read_rows=False) or unadvised_all(study):  # no rows: the test's are among them
        raise StudyError(problems)
    study, grounds, found = study.resolve(), Grounds(store, runtime), list[Advice]()
    record = shipped() if record is None else record
    first = {(cell.task, cell.pair): cell for cell in reversed(cells(study)) if cell.seed == study.first_seed}
    for cell in sorted(first.values(), key=lambda cell: cell.task.label()):
        if progress:
            progress(" / ".join(list(names(cell).values())[:3]))
        found.append(advise(cell, study.routes_of(cell.pair), grounds=grounds, level=level, record=record))
    return StudyAdvice(study.name, level, tuple(found), choose_supervisors(found, level=level), track_record(record))


def advise(cell: Cell, routes: Sequence[Route], *, grounds: Grounds, level: float, record: Record) -> Advice:
    """Return advice on one pair and task; what fails is said in it."""
    model, finetuned = stands_in(cell.pair.strong)
    what: dict[str, Any] = {name: text for name, text in names(cell).items() if name != "method"}
    try:
        ground = grounds.of(cell.data, cell.pair.weak, finetuned=finetuned)
        part = Part(ground, cell.pair.weak, model, cell.student.seed)
        rehearsal = part.rehearse(BASE)
        seen = evidence(rehearsal, level=level)
        made = forecast(seen, finetuned=finetuned, record=record.without(cell.task.label()), level=level)
    except SurpassError as error:
        unknown = Verdict("unknown", f"Cannot be known: {error}")
        return Advice(
            **what, data="", finetuned=finetuned, evidence=None, forecast=None, verdict=unknown, note=str(error)
        )
    alone, judges = _gold(part, rehearsal, level), part.ground.judges
    return Advice(
        **what,
        data=_rows_of(cell),
        finetuned=finetuned,
        evidence=seen,
        forecast=made,
        verdict=verdict(made, alone),
        methods=_methods(part, rehearsal, routes, level),
        gold_alone=alone,
        note=_note(finetuned, routes),
        rows=Rows(judges.ids, judges.groups, row_scores(rehearsal, rehearsal.student)),
    )


def _rows_of(cell: Cell) -> str:
    return "; ".join((cell.task.label(), *options_of(cell.data.training(), leave_out={"task"})))


def _note(finetuned: bool, routes: Sequence[Route]) -> str:
    stood = "a probe on the backbone's frozen features stood in for the student, which is finetuned"
    notes = [stood] if finetuned else []
    if BASE not in routes:
        notes.append("the predicted gain is that of method soft, which the study does not run")
    return "; ".join(notes)


def _methods(part: Part, rehearsal: Rehearsal, routes: Sequence[Route], level: float) -> tuple[MethodAdvice, ...]:
    """Return how other methods do than soft, by heads on the same rows; their intervals are wider for being several."""
    tried = {route.label(): route for route in _candidates(part.model, routes, rehearsal.target)}
    fits = {name: part.student(route) for name, route in tried.items()}
    part.ground.solve(list(fits.values()))
    scores, base = {}, BASE.label()
    for name, fit in fits.items():
        judged = part.ground.judged([fit] * part.ground.folds)
        if not judged.problem:
            scores[name] = row_scores(rehearsal, judged.values)
    soft = {base: row_scores(rehearsal, rehearsal.student)}
    found = differences(soft | scores, base, rehearsal.groups, level=level)
    made = [MethodAdvice(name, one, clearly_better(one)) for name, one in found.items()]
    return tuple(sorted(made, key=lambda one: -one.difference.value))


def _candidates(model: Model, routes: Sequence[Route], target: str) -> list[Route]:
    """Return the routes to try beside soft: those that advice always tries, and the study's own that are cheap."""
    found = [Route(method=method) for method in beside_soft(model, target)]
    for route in routes:
        able = not route.method.needs - FROM_LABELS - model.can and route.control == "none" and not route.reprobe
        if able and route != BASE and all(not stands_in(m)[1] for m in route.through):
            found.append(dataclasses.replace(route, tries=()))
    return list(dict.fromkeys(found))


def _gold(part: Part, rehearsal: Rehearsal, level: float) -> GoldCurve | None:
    """Return the curve of the student's model on a quarter, half and all of the ground truth of the other folds."""
    held, teach = len(part.ground.fold), len(part.ground.fold) - len(rehearsal.labels) / part.ground.folds
    points: list[tuple[int, Any]] = []
    for parts in (4, 2, 1):
        fits = [part.gold((i, parts) if parts > 1 else ()) for i in range(min(parts, 2))]
        judged = [part.ground.judged([fit] * part.ground.folds) for fit in fits]
        if any(one.problem for one in judged):
            continue
        points.append((round(teach / parts), np.mean([row_scores(rehearsal, one.values) for one in judged], axis=0)))
    if len(points) < 2:
        return None
    return gold_curve(row_scores(rehearsal, rehearsal.student), points, rehearsal.groups, held=held, level=level)
