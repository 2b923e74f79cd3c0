"""The guard at work: which checks a study's rows, predictions and scores go through, and where their findings belong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from surpass.artifacts import Splits
from surpass.checks import (
    SEVERITIES,
    Finding,
    check_predictions,
    check_scores,
    check_splits,
    check_truncation,
    check_versions,
)
from surpass.results import ResultRow, StageFact
from surpass.shelf import Scored, names, run_of, scored_splits
from surpass.study import Study


def guard_rows(splits: Splits, task: str) -> list[Finding]:
    """Return what the guard sees in the rows of a task."""
    return check_splits(splits, where={"task": task})


def guard_cells(study: Study, scored: Sequence[Scored]) -> list[Finding]:
    """Return what the guard sees in the predictions of one task, pair and method over its seeds."""
    found: list[Finding] = []
    where = names(scored[0].cell)
    for split in scored_splits(scored[0]):
        runs = [run_of(one, split, study.stopping) for one in scored]
        seeds = [one.cell.seed for one in scored]
        target = scored[0].splits.target
        found += check_predictions(runs, where={**where, "split": split}, seeds=seeds, target=target)
    facts = {
        "supervisor": [one.supervisor.facts for one in scored],
        "student": [one.student.predictions.facts for one in scored],
        "ceiling": [one.ceiling.predictions.facts for one in scored],
    }
    return found + check_truncation(facts, where=where)


def guard_scores(study: Study, rows: Iterable[ResultRow], primary: Mapping[str, str]) -> list[Finding]:
    """Return what the guard sees in the headline scores: each task's primary metric by the study's stopping rule.

    A cell without that rule is read at its end, as `shelf.run_of` reads it.
    """
    held = [row for row in rows if row.metric == primary[row.task]]
    ruled = {(row.task, row.weak, row.strong, row.method) for row in held if row.stopping == study.stopping}
    rule = {True: study.stopping, False: "last"}
    return check_scores(
        row for row in held if row.stopping == rule[(row.task, row.weak, row.strong, row.method) in ruled]
    )


def guard_stages(stages: Iterable[StageFact]) -> list[Finding]:
    """Return a finding when the stages of one study were computed with different library versions."""
    return check_versions([stage.versions for stage in stages])


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without repeats, the gravest first, otherwise in the order in which they were made."""
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code, finding.message, repr(sorted(finding.where.items()))), finding)
    return tuple(sorted(seen.values(), key=lambda finding: SEVERITIES.index(finding.severity)))
