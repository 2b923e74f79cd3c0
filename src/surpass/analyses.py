"""The analyses that come with every run: errors by confidence, calibration, sizes, ways to use a backbone, shifts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from surpass.analyses_misfit import misfit_rows, selections
from surpass.artifacts import UNCLASSED
from surpass.diagnostics import calibration, can_drop, climb, closed, drops, error_shares
from surpass.metrics import for_kind
from surpass.models.base import Model
from surpass.registry import REGISTRIES
from surpass.results import (
    AgreementRow,
    CalibrationRow,
    ErrorRow,
    LadderRow,
    MisfitRow,
    ResultRow,
    Rung,
    SaliencyRow,
    SelectionRow,
    Setting,
    SettingRow,
    ShiftRow,
    Way,
)
from surpass.shelf import Seeds, Trained, names, rules, run_of, scored_splits, shared_runs
from surpass.spec import key
from surpass.splits import Data
from surpass.stats import Run
from surpass.study import Study

Scores = Mapping[tuple[str, ...], ResultRow]
Shares = Mapping[tuple[str, ...], AgreementRow]

FROZEN, TUNED = "probe on frozen features", "finetuned"
PROMPTED, ASKED = "prompted with examples", "prompted without examples"


FEWEST_SETTINGS = 3
"""So many supervisors that differ in one number make a curve."""


class Analyses(NamedTuple):
    """What is said of a study beside its scores; each empty where it has nothing to say."""

    errors: tuple[ErrorRow, ...]
    calibration: tuple[CalibrationRow, ...]
    ladders: tuple[LadderRow, ...]
    saliency: tuple[SaliencyRow, ...]
    shifts: tuple[ShiftRow, ...]
    settings: tuple[SettingRow, ...]
    misfits: tuple[MisfitRow, ...]
    selections: tuple[SelectionRow, ...]


def analyse(
    study: Study, groups: Sequence[Seeds], rows: Sequence[ResultRow], agreement: Sequence[AgreementRow]
) -> Analyses:
    """Return the analyses of a task's scored cells, read by the stopping rule; `rows` and `agreement` are their scores."""
    errors, calibrations = list[ErrorRow](), list[CalibrationRow]()
    shifts, misfits = list[ShiftRow](), list[MisfitRow]()
    scores = {(*_subject(row), row.split, row.metric, row.stopping): row for row in rows}
    for group in groups:  # one by one: each reads the same runs, which are made once
        if group[0].splits.target not in UNCLASSED:
            errors += _errors(study, group)
            calibrations += _calibration(study, group, scores)
        shifts += _shifts(study, group)
        misfits += misfit_rows(study, group)
    return Analyses(
        tuple(errors),
        tuple(calibrations),
        tuple(_ladders(study, groups, rows, agreement)),
        tuple(_saliency(study, groups)),
        tuple(shifts),
        tuple(_settings(study, groups, rows)),
        tuple(misfits),
        tuple(selections(study, groups)),
    )


def joined(parts: Sequence[Analyses]) -> Analyses:
    """Return the analyses of several tasks as those of the study; none compares tasks."""
    fields: Any = (tuple(chain.from_iterable(rows)) for rows in zip(*parts, strict=True))  # one type for each field
    return Analyses(*fields) if parts else Analyses(*((),) * len(Analyses._fields))


def _errors(study: Study, group: Seeds) -> Iterator[ErrorRow]:
    for split in scored_splits(group[0]):
        runs = [run_of(one, split, study.stopping) for one in group]
        for place, found in enumerate(error_shares(runs, level=study.level)):
            yield ErrorRow(split=split, bin=place, **{**found._asdict(), **names(group[0].cell)})


def _calibration(study: Study, group: Seeds, scores: Scores) -> Iterator[CalibrationRow]:
    told = tuple(names(group[0].cell).values())
    alike = {study.stopping in rules(one) for one in group}  # else rows of one rule mix what runs of another read
    rule = study.stopping if True in alike else "last"
    for split in scored_splits(group[0]):
        runs = [run_of(one, split, study.stopping) for one in group]
        rows = {metric: scores.get((*told, split, metric, rule)) for metric in ("ece", "brier")}
        known = {name: (row.floor, row.student, row.ceiling) for name, row in rows.items() if row and len(alike) == 1}
        for found in calibration(runs, known=known, level=study.level):
            yield CalibrationRow(split=split, **{**found._asdict(), **names(group[0].cell)})


def _shifts(study: Study, group: Seeds) -> Iterator[ShiftRow]:
    """Yield what each shifted test costs; none for a metric that is no mean over rows."""
    metric = _primary(study, group)
    shifted = [split for split in scored_splits(group[0]) if split != "test"]
    if not shifted or not can_drop(metric):
        return
    home = [run_of(one, "test", study.stopping) for one in group]
    for split in shifted:
        away = [run_of(one, split, study.stopping) for one in group]
        found = drops(home, away, metric=metric, level=study.level)
        yield ShiftRow(split=split, metric=metric, **{**found._asdict(), **names(group[0].cell)})


def _ladders(
    study: Study, groups: Sequence[Seeds], rows: Sequence[ResultRow], agreement: Sequence[AgreementRow]
) -> Iterator[LadderRow]:
    """Yield the students of several sizes that share task, training rows, supervisor, family and method."""
    scores = {(*_subject(row), row.metric, row.stopping): row for row in rows if row.split == "test"}
    shares = {_subject(row): row for row in agreement if row.split == "test"}
    found: dict[tuple[str, str, str, str, Data], list[Seeds]] = {}
    for group in groups:
        told, cell = names(group[0].cell), group[0].cell
        trained = study.data_of(cell.task, cell.pair, 0).training()
        place = (told["task"], told["weak"], _family(_model(group)), told["method"], trained)
        found.setdefault(place, []).append(group)
    for (task, weak, family, method, _), members in found.items():
        sizes = [_parameters(member) for member in members]
        sized = None not in sizes
        if len(members) < 2 or (sized and len(set(sizes)) < 2):
            continue
        if sized:
            members = [members[i] for i in sorted(range(len(members)), key=lambda i: sizes[i] or 0)]
        metric = _primary(study, members[0])
        rungs = tuple(_rung(study, member, metric, scores, shares) for member in members)
        target = members[0][0].splits.target
        shared = shared_runs([members[0], members[-1]], study.stopping)
        step = climb(*shared, metric=metric, classes=target not in UNCLASSED, level=study.level) if shared else None
        yield LadderRow(task, weak, family, method, metric, sized, rungs, *(step or (None, None, None, None)))


def _subject(row: ResultRow | AgreementRow) -> tuple[str, ...]:
    """Return what a row is about, in the order of `shelf.names`."""
    return row.task, row.weak, row.strong, row.method


def _model(group: Seeds) -> Model:
    return group[0].cell.pair.strong


def _family(model: Model) -> str:
    """Return the model's family, with how much of it trains: only within it do sizes compare."""
    return " ".join(filter(None, (_name(model), str(getattr(model, "tune", "")))))


def _name(model: Model) -> str:
    return REGISTRIES[model.family].display(model.kind)


def _parameters(group: Seeds) -> int | None:
    held = group[0].student.predictions.facts.get("parameters")
    return None if held is None else round(float(held))


def _primary(study: Study, group: Seeds) -> str:
    return (study.metrics or for_kind(group[0].splits.target))[0]


def _score(study: Study, group: Seeds, metric: str, scores: Scores) -> ResultRow:
    name = tuple(names(group[0].cell).values())
    return scores.get((*name, metric, study.stopping)) or scores[*name, metric, "last"]


def _rung(study: Study, group: Seeds, metric: str, scores: Scores, shares: Shares) -> Rung:
    row = _score(study, group, metric, scores)
    same = shares.get(tuple(names(group[0].cell).values()))
    held = (same.overall, same.when_right, same.when_wrong) if same else (None, None, None)
    return Rung(row.strong, _parameters(group), row.student, row.pgr, *held)


class _Place(NamedTuple):
    """What supervisors share that differ in one number: their `kind`, and the `rest` of their fields, are the same."""

    task: str
    strong: str
    method: str
    kind: str
    option: str
    rest: tuple[tuple[str, Any], ...]
    data: Data


def _settings(study: Study, groups: Sequence[Seeds], rows: Sequence[ResultRow]) -> Iterator[SettingRow]:
    """Yield the supervisors, three or more, that differ in one number alone and share task, rows, strong model and method."""
    scores = {(*_subject(row), row.metric, row.stopping): row for row in rows if row.split == "test"}
    found: dict[_Place, dict[float | None, Seeds]] = {}
    for group in groups:
        cell, told = group[0].cell, names(group[0].cell)
        weak, data = cell.pair.weak, study.data_of(cell.task, cell.pair, 0)
        values = {field.name: getattr(weak, field.name) for field in dataclasses.fields(weak)}
        for option, value in values.items():
            if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
                rest = tuple((name, other) for name, other in values.items() if name != option)
                place = _Place(told["task"], told["strong"], told["method"], weak.kind, option, rest, data)
                found.setdefault(place, {})[value] = group
    for (task, strong, method, kind, option, *_), members in found.items():
        if len(members) >= FEWEST_SETTINGS:
            metric = _primary(study, next(iter(members.values())))
            values_up = sorted(members, key=lambda value: math.inf if value is None else value)
            scored = [(value, _score(study, members[value], metric, scores)) for value in values_up]
            settings = [Setting(row.weak, value, row.floor, row.student, row.ceiling, row.pgr) for value, row in scored]
            family, _, _ = kind.partition("/")
            yield SettingRow(task, strong, method, metric, REGISTRIES[family].display(kind), option, tuple(settings))


def _saliency(study: Study, groups: Sequence[Seeds]) -> Iterator[SaliencyRow]:
    """Yield the backbones that one supervisor's labels are used with in more than one way."""
    found: dict[tuple[str, str, str, str], list[Seeds]] = {}
    for group in groups:
        model, told = _model(group), names(group[0].cell)
        if _way(model, group[0].student) and hasattr(model, "backbone"):
            place = (told["task"], told["weak"], str(model.backbone), str(getattr(model, "digest", "")))
            found.setdefault(place, []).append(group)
    for (task, weak, backbone, _), members in found.items():
        if len({_way(_model(member), member[0].student) for member in members}) < 2:
            continue
        if shared := shared_runs(members, study.stopping):
            name = backbone.partition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0]
            metric = _primary(study, members[0])
            yield SaliencyRow(task, weak, name, metric, *_ways(study, members, shared, metric))


def _way(model: Model, student: Trained) -> str:
    """Return how a fit uses its backbone; nothing for models without one."""
    if student.fit.reprobe:
        return f"{TUNED}, then a probe on ground truth"
    if _name(model) == "prompt":
        return PROMPTED if getattr(model, "shots", 1) else ASKED
    return {"probe": FROZEN, "hf": TUNED}.get(_name(model), "")


class _Draft(NamedTuple):
    """A way before it is scored: the fit of the first seed, and the predictions of all seeds in `Run.student`."""

    what: str
    strong: str
    method: str
    trained: int
    runs: list[Run]


def _drafts(members: Sequence[Seeds], shared: Sequence[Sequence[Run]]) -> list[_Draft]:
    """Return each way once, those on ground truth first; a model that is asked without examples reads no labels at all."""
    found: dict[str, _Draft] = {}
    for gold in (True, False):
        for member, runs in zip(members, shared, strict=True):
            model, used = _model(member), member[0].ceiling if gold else member[0].student
            what, told = _way(model, used), names(member[0].cell)
            if what == ASKED:
                place, trained = f"{ASKED} {told['strong']}", 0
            else:
                place, trained = key(used.fit), int(used.predictions.facts.get("trained_on", 0))
                trained = getattr(model, "shots", trained)
            if what in (FROZEN, TUNED, PROMPTED):
                what = f"{what}, {'gold' if gold else 'weak'} labels"
            scored = [Run(r.labels, r.groups, r.ceiling if gold else r.student, r.floor, r.ceiling) for r in runs]
            # the way says already that a probe reads the finetuned model
            method = "" if gold else dataclasses.replace(member[0].cell.route, reprobe=False).label()
            found.setdefault(place, _Draft(what, told["strong"], method, trained, scored))
    return list(found.values())


def _ways(
    study: Study, members: Sequence[Seeds], shared: Sequence[Sequence[Run]], metric: str
) -> tuple[tuple[Way, ...], tuple[int, ...]]:
    """Return each way to use the backbone, and which of them are the ends of the gap."""
    drafts = _drafts(members, shared)
    whats = [draft.what for draft in drafts]
    ends = [whats.index(end) for end in (f"{FROZEN}, gold labels", f"{TUNED}, gold labels") if end in whats]
    low, high = ([run.student for run in drafts[i].runs] for i in ends) if len(ends) == 2 else (None, None)
    ways = []
    for i, draft in enumerate(drafts):
        found = closed(metric, draft.runs, lower=low, upper=high, level=study.level)
        share = None if i in ends else found.share
        ways.append(Way(draft.what, draft.strong, draft.method, draft.trained, found.score, share))
    return tuple(ways), tuple(ends)
