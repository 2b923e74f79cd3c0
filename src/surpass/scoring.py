"""From a study's artifacts to its results: every cell scored by every rule and metric, with what the guard saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surpass.artifacts import Predictions, Rows, Splits, Values
from surpass.checks import Finding
from surpass.errors import StoreError
from surpass.labels.base import gold_values
from surpass.labels.gold import Gold
from surpass.metrics import for_kind, metric
from surpass.results import AgreementRow, Curve, ResultRow, Results, StageFact
from surpass.runner import Plan
from surpass.spec import encode, key, name_of
from surpass.stages import Fit, Stage, label_stage
from surpass.stats import Run, agreement_estimate, compare
from surpass.stopping import RULES, choose, point_scores
from surpass.store import Store
from surpass.study import Cell, Study, cells, describe
from surpass.work import Outcome, versions

Cells = list[Cell]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A student or ceiling of one seed with the labels it was trained on, as one-hot or soft values by row id."""

    predictions: Predictions
    labels: Predictions

    def point(self, rule: str, splits: Splits, test: Rows, gold: Values) -> int:
        """Return the point of training that a rule reads."""
        if rule == "last" or len(self.predictions.steps) == 1:
            return -1
        if rule == "oracle":
            return choose(point_scores(self.predictions, test.ids, gold, splits.target))
        val = splits.part("val")
        return choose(point_scores(self.predictions, val.ids, self.labels.on(val.ids), splits.target))


@dataclasses.dataclass(frozen=True)
class Scored:
    """The artifacts of one cell that finished."""

    cell: Cell
    splits: Splits
    supervisor: Predictions
    ceiling: Trained
    student: Trained

    def test(self, split: str) -> tuple[Rows, Values]:
        """Return the rows of a test split with their ground truth as values."""
        rows = self.splits.part(split)
        return rows, gold_values(dataclasses.replace(self.splits, rows=rows, split=(split,) * len(rows)))


class Shelf:
    """Artifacts of a study, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, Any] = {}

    def get(self, stage: Stage) -> Any:
        """Return a stage's artifact; StoreError when it is not there."""
        name = key(stage)
        if name not in self._held:
            self._held[name] = self._store.load(stage.kind, name)
        return self._held[name]

    def scored(self, cell: Cell) -> Scored | None:
        """Return the cell's artifacts, or None when one of its stages did not finish."""
        try:
            splits: Splits = self.get(cell.data.evaluation())
            ceiling, student = (self._trained(fit, splits) for fit in (cell.ceiling, cell.student))
            return Scored(cell, splits, self.get(cell.supervisor), ceiling, student)
        except StoreError:
            return None

    def _trained(self, fit: Fit, splits: Splits) -> Trained:
        labels = fit.labels
        if isinstance(labels, Gold):
            known = Predictions(splits.rows.ids, splits.split, gold_values(splits))
        else:
            known = self.get(label_stage(labels, fit.data))
        return Trained(self.get(fit), known)


def results(plan: Plan, outcomes: Sequence[Outcome], store: Store) -> Results:
    """Return everything the report shows of a study that has run, failed stages included."""
    study, shelf = plan.study, Shelf(store)
    rows: list[ResultRow] = []
    agreement: list[AgreementRow] = []
    curves: list[Curve] = []
    findings: list[Finding] = []
    for group in _groups(study):
        scored = [found for cell in group if (found := shelf.scored(cell)) is not None]
        findings += guard(scored, group)
        if scored:
            rows += _rows(study, scored, len(group) - len(scored))
            agreement += _agreement(study, scored)
            curves += _curves(scored)
        else:
            findings.append(_lost(group))
    findings += guard_rows(rows)
    stages = tuple(_stage_fact(plan, outcome, store) for outcome in sorted(outcomes, key=lambda o: order(plan, o)))
    findings += guard_versions(stages)
    primary = for_kind(study.tasks[0].target)[0]
    return Results(
        study.name,
        encode(study),
        study.level,
        tuple(rows),
        tuple(agreement),
        tuple(curves),
        _distinct(findings),
        stages,
        versions(),
        study.metrics[0] if study.metrics else primary,
    )


def order(plan: Plan, outcome: Outcome) -> int:
    """Return a stage's place in the plan, so that reports list stages alike however they were scheduled."""
    return list(plan.nodes).index(outcome.key)


def _distinct(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code, finding.message, repr(sorted(finding.where.items()))), finding)
    return tuple(seen.values())


def _groups(study: Study) -> Iterator[Cells]:
    """Yield the cells that differ in their seed alone, in the study's order."""
    found: dict[tuple[Any, ...], Cells] = {}
    for cell in cells(study):
        found.setdefault((cell.task, cell.pair, cell.method), []).append(cell)
    yield from found.values()


def names(cell: Cell) -> dict[str, str]:
    """Return what tables call the cell's parts."""
    weak = cell.supervisor.label() if isinstance(cell.supervisor, Fit) else cell.supervisor.source.label()
    return {
        "task": cell.task.label(),
        "weak": weak,
        "strong": cell.pair.strong.label(),
        "method": name_of(cell.method),
    }


def scored_splits(scored: Scored) -> list[str]:
    """Return the splits with ground truth that the supervisor labelled too: `test` and shifted tests."""
    known = set(scored.supervisor.split)
    return [name for name in scored.splits.names() if name == "test" or (name.startswith("shift:") and name in known)]


def rules(scored: Scored) -> list[str]:
    """Return the stopping rules that differ for a cell: a model without steps is read at its end alone."""
    if len(scored.student.predictions.steps) == 1:
        return ["last"]
    return [rule for rule in RULES if rule != "weak_val" or "val" in scored.splits.names()]


def run_of(scored: Scored, split: str, rule: str) -> Run:
    """Return a seed's test rows as the statistics take them; floor is read at the end, whose labels were given."""
    test, gold = scored.test(split)
    student, ceiling = (
        trained.predictions.at(trained.point(rule, scored.splits, test, gold), test.ids)
        for trained in (scored.student, scored.ceiling)
    )
    floor = scored.supervisor.on(test.ids)
    if scored.splits.target == "regression":
        student, ceiling, floor = student[:, 0], ceiling[:, 0], floor[:, 0]
    return Run(test.labels, test.groups, student, floor, ceiling)


def _rows(study: Study, scored: list[Scored], failed: int) -> Iterator[ResultRow]:
    first = scored[0]
    metrics = study.metrics or for_kind(first.splits.target)
    keys = {
        "student": tuple(key(s.cell.student) for s in scored),
        "supervisor": tuple(key(s.cell.supervisor) for s in scored),
        "ceiling": tuple(key(s.cell.ceiling) for s in scored),
    }
    for split in scored_splits(first):
        for rule in rules(first):
            runs = [run_of(s, split, rule) for s in scored]
            for name in metrics:
                found = compare(name, runs, level=study.level)
                notes = [found.pgr.note, f"{failed} seed(s) failed" if failed else ""]
                notes.append("stopping uses test labels" if rule == "oracle" else "")
                yield ResultRow(
                    **names(first.cell),
                    split=split,
                    stopping=rule,
                    metric=name,
                    floor=found.floor,
                    student=found.student,
                    ceiling=found.ceiling,
                    gap=found.gap,
                    gain=found.gain,
                    pgr=found.pgr,
                    note="; ".join(filter(None, notes)),
                    seeds=len(scored),
                    n_test=len({i for s in scored for i in s.splits.part(split).ids}),
                    key=keys["student"][0],
                    keys=keys,
                    failed=failed,
                )


def _agreement(study: Study, scored: list[Scored]) -> Iterator[AgreementRow]:
    if scored[0].splits.target != "classification":
        return
    for split in scored_splits(scored[0]):
        found = agreement_estimate([run_of(s, split, study.stopping) for s in scored], level=study.level)
        yield AgreementRow(
            **names(scored[0].cell),
            split=split,
            overall=found.overall,
            when_right=found.where_right,
            when_wrong=found.where_wrong,
        )


def _curves(scored: list[Scored]) -> Iterator[Curve]:
    for one in scored:
        steps = one.student.predictions.steps
        if len(steps) == 1 or "val" not in one.splits.names():
            continue
        target = one.splits.target
        test, gold = one.test("test")
        val = one.splits.part("val").ids
        chosen = {rule: one.student.point(rule, one.splits, test, gold) % len(steps) for rule in rules(one)}
        shown = metric("accuracy" if target == "classification" else "mse")
        sign = 1.0 if target == "classification" else -1.0
        ceiling = one.ceiling.predictions.at(-1, test.ids)
        floor = one.supervisor.on(test.ids)
        yield Curve(
            **names(one.cell),
            metric=shown.name,
            seed=one.cell.seed,
            steps=steps,
            test=tuple(sign * point_scores(one.student.predictions, test.ids, gold, target)),
            weak_val=tuple(sign * point_scores(one.student.predictions, val, one.student.labels.on(val), target)),
            chosen=chosen,
            floor=float(shown.value(test.labels, floor)),
            ceiling=float(shown.value(test.labels, ceiling)),
        )


def _lost(group: Cells) -> Finding:
    return Finding(
        "cell-failed",
        "error",
        f"none of {len(group)} seeds finished, so there is no number; see the failed stages.",
        names(group[0]),
        {"seeds": len(group)},
    )


def _stage_fact(plan: Plan, outcome: Outcome, store: Store) -> StageFact:
    node = plan.nodes[outcome.key]
    manifest: Mapping[str, Any] = store.manifest(node.spec.kind, outcome.key) or {}
    seconds = outcome.seconds or float(manifest.get("seconds", 0.0))
    error = "\n".join(filter(None, (outcome.error, *outcome.trace.splitlines()[-4:])))
    return StageFact(outcome.key, describe(node.spec), outcome.status, seconds, manifest.get("versions", {}), error)


def guard_splits(splits: Splits, where: Mapping[str, str]) -> list[Finding]:
    """Return what the guard sees in the rows of one task."""
    return []


def guard(scored: list[Scored], group: Cells) -> list[Finding]:
    """Return what the guard sees in the rows and predictions of the cells of one task, pair and method."""
    return []


def guard_rows(rows: Sequence[ResultRow]) -> list[Finding]:
    """Return what the guard sees in the scores."""
    return []


def guard_versions(stages: Sequence[StageFact]) -> list[Finding]:
    """Return a finding when the stages of one study were computed with different library versions."""
    return []


