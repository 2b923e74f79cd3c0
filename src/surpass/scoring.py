"""From a study's artifacts to its results: every cell scored by every rule and metric, with what the guard saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from surpass.analyses import Analyses, analyse, joined
from surpass.analyses_sides import side_rows
from surpass.checks import Finding
from surpass.guard import distinct, guard_cells, guard_labels, guard_rows, guard_scores, guard_stages
from surpass.metrics import for_kind, metric
from surpass.results import AgreementRow, Curve, ResultRow, Results, StageFact
from surpass.runner import Plan
from surpass.shelf import Scored, Shelf, agreement_run, names, rules, run_of, scored_splits
from surpass.spec import encode, key, name_of
from surpass.stages import stored_as
from surpass.stats import agreement_estimate, compare_all
from surpass.stopping import point_scores, wanted_of
from surpass.store import Store
from surpass.study import Cell, Study, cells, describe
from surpass.work import Outcome, versions

Cells = list[Cell]


def results(plan: Plan, outcomes: Sequence[Outcome], store: Store) -> Results:
    """Return everything the report shows of a study that has run, failed stages included."""
    study, shelf = plan.study, Shelf(store)
    rows: list[ResultRow] = []
    agreement: list[AgreementRow] = []
    curves: list[Curve] = []
    findings: list[Finding] = []
    looked: set[str] = set()
    groups: list[list[Scored]] = []
    analyses: list[Analyses] = []
    for _, of_task in groupby(_groups(study), key=lambda group: group[0].task):  # whose runs the shelf then still holds
        old, start, past = len(groups), len(rows), len(agreement)
        for group in of_task:
            scored = [found for cell in group if (found := shelf.scored(cell)) is not None]
            if not scored:
                findings.append(_lost(group))
                continue
            groups.append(scored)
            findings += _guarded(study, scored, shelf, looked)
            rows += _rows(study, scored, len(group) - len(scored))
            agreement += _agreement(study, scored)
            curves += _curves(scored)
        analyses.append(analyse(study, groups[old:], rows[start:], agreement[past:]))
    primary = {task.label(): (study.metrics or for_kind(task.target))[0] for task in study.tasks}
    findings += guard_scores(study, rows, primary)
    stages = tuple(_stage_fact(plan, outcome, store) for outcome in sorted(outcomes, key=_order(plan)))
    return Results(
        name=study.name,
        study=encode(study),
        level=study.level,
        rows=tuple(rows),
        agreement=tuple(agreement),
        curves=tuple(curves),
        findings=distinct([*findings, *guard_stages(stages)]),
        stages=stages,
        versions=versions(),
        primary_metric=primary[study.tasks[0].label()],
        sides=side_rows(study, groups),
        **joined(analyses)._asdict(),
    )


def _guarded(study: Study, scored: list[Scored], shelf: Shelf, looked: set[str]) -> list[Finding]:
    """Return what the guard sees in a group; rows and supervisors whose keys were `looked` at are not looked at again."""
    first, found = scored[0].cell, list[Finding]()
    if key(first.data) not in looked:
        looked.add(key(first.data))
        found += guard_rows(scored[0].splits, first.task)
    if key(first.supervisor) not in looked:
        looked.add(key(first.supervisor))
        found += guard_labels(scored[0])
    return found + guard_cells(study, scored, shelf)


def _order(plan: Plan) -> Callable[[Outcome], int]:
    """Return a stage's place in the plan, so that reports list stages alike however they were scheduled."""
    places = {name: i for i, name in enumerate(plan.nodes)}
    return lambda outcome: places[outcome.key]


def _groups(study: Study) -> Iterator[Cells]:
    """Yield the cells that differ in their seed alone, in the study's order."""
    found: dict[tuple[Any, ...], Cells] = {}
    for cell in cells(study):
        found.setdefault((cell.task, cell.pair, cell.route), []).append(cell)
    yield from found.values()


def _rows(study: Study, scored: list[Scored], failed: int) -> Iterator[ResultRow]:
    first = scored[0]
    metrics = study.metrics or for_kind(first.splits.target)
    keys = {
        "student": tuple(key(s.student.fit) for s in scored),
        "supervisor": tuple(key(s.cell.supervisor) for s in scored),
        "ceiling": tuple(key(s.cell.ceiling) for s in scored),
    }
    for split in scored_splits(first):
        rows = len({name for one in scored for name in one.test(split)[0].ids})
        for rule in rules(first):
            runs = [run_of(s, split, rule) for s in scored]
            for found in compare_all(metrics, runs, level=study.level).values():
                notes = [found.pgr.note, f"{failed} seed{'s' if failed > 1 else ''} failed" if failed else ""]
                notes.append("stopping uses test labels" if rule == "oracle" else "")
                notes.append("a probe on ground truth: no result of a method" if first.cell.route.reprobe else "")
                notes.append(_chosen(scored))
                yield ResultRow(
                    **{**found._asdict(), **names(first.cell)},
                    split=split,
                    stopping=rule,
                    note="; ".join(filter(None, notes)),
                    seeds=len(scored),
                    n_test=rows,
                    key=keys["student"][0],
                    keys=keys,
                    failed=failed,
                )


def _chosen(scored: list[Scored]) -> str:
    """Return which of the tried settings were chosen, and in how many seeds."""
    if not scored[0].cell.route.tries:
        return ""
    counts = Counter(name_of(one.student.fit.method) for one in scored)
    return "chosen: " + ", ".join(f"{name} in {n} of {len(scored)} seeds" for name, n in counts.most_common())


def _agreement(study: Study, scored: list[Scored]) -> Iterator[AgreementRow]:
    if scored[0].splits.target == "regression":
        return
    for split in scored_splits(scored[0]):
        found = agreement_estimate([agreement_run(s, split, study.stopping) for s in scored], level=study.level)
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
        if "weak_val" not in rules(one):
            continue
        target = one.splits.target
        test, gold = one.test("test")
        val = one.splits.part("val").ids
        chosen = {rule: one.student.point(rule, one.splits, test, gold) % len(steps) for rule in rules(one)}
        shown = metric(for_kind(target)[0])
        sign = 1.0 if shown.higher_is_better else -1.0
        end = run_of(one, "test", "last")
        yield Curve(
            **names(one.cell),
            metric=shown.name,
            seed=one.cell.seed,
            steps=steps,
            test=tuple(sign * one.student.scores(test, gold, target)),
            weak_val=tuple(
                sign * point_scores(one.student.predictions, val, wanted_of(one.student.labels, val), target)
            ),
            chosen=chosen,
            floor=float(shown.value(end.labels, end.floor)),
            ceiling=float(shown.value(end.labels, end.ceiling)),
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
    manifest: Mapping[str, Any] = store.manifest(stored_as(node.spec), outcome.key) or {}
    seconds = outcome.seconds or float(manifest.get("seconds", 0.0))
    error = "\n".join(filter(None, (outcome.error, *outcome.trace.splitlines()[-4:])))
    kind = stored_as(node.spec) if stored_as(node.spec) in ("corpus", "pretrain") else ""
    facts = manifest.get("facts", {}) if kind else {}
    used = manifest.get("versions", {})
    return StageFact(outcome.key, describe(node.spec), outcome.status, seconds, used, error, facts, kind)
