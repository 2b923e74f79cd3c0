"""Which rows stand for the study, and which findings touch a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from surpass.checks import SEVERITIES, Finding
from surpass.metrics import METRICS
from surpass.results import AgreementRow, Curve, ResultRow, Results
from surpass.stats import Estimate
from surpass.stopping import RULES

IN_DOMAIN = "test"


class Subject(NamedTuple):
    """What a number is about: a task, a pair and a method."""

    task: str
    weak: str
    strong: str
    method: str


def subject(row: ResultRow | AgreementRow | Curve) -> Subject:
    """Return the task, pair and method of a row."""
    return Subject(row.task, row.weak, row.strong, row.method)


def stopping_rules(rows: Iterable[ResultRow]) -> tuple[str, ...]:
    """Return the stopping rules of the rows: last step first, the oracle after those that a person could use."""
    found = dict.fromkeys(row.stopping for row in rows)
    known = [name for name in RULES[:-1] if name in found]
    return (*known, *(name for name in found if name not in RULES), *(["oracle"] if "oracle" in found else []))


def shown_metrics(results: Results) -> dict[str, str]:
    """Return the metric that stands for each task: the primary one where the task has it, else the task's first."""
    shown: dict[str, str] = {}
    for row in results.rows:
        if row.task not in shown or row.metric == results.primary_metric:
            shown[row.task] = row.metric
    return shown


def primary_rows(results: Results) -> tuple[ResultRow, ...]:
    """Return the rows of the shown metrics, every split and stopping rule."""
    shown = shown_metrics(results)
    return tuple(row for row in results.rows if row.metric == shown[row.task])


def default_stopping(results: Results, rows: Sequence[ResultRow]) -> tuple[ResultRow, ...]:
    """Return one row of each subject and split: of the study's stopping rule, else of the first rule it has.

    A subject without that rule (a model that learns in one step, say) keeps its row; none drops out.
    """
    wanted = results.study.get("stopping")
    rank = {name: i for i, name in enumerate(stopping_rules(rows))}
    best: dict[tuple[Subject, str], ResultRow] = {}
    for row in sorted(rows, key=lambda row: -1 if row.stopping == wanted else rank[row.stopping]):
        best.setdefault((subject(row), row.split), row)
    chosen = {id(row) for row in best.values()}
    return tuple(row for row in rows if id(row) in chosen)


def headline_rows(results: Results) -> tuple[ResultRow, ...]:
    """Return the rows of the headline table: shown metric, in-domain test split, default stopping rule."""
    return default_stopping(results, [row for row in primary_rows(results) if row.split == IN_DOMAIN])


def is_defined(row: ResultRow) -> bool:
    """Whether the row has a PGR."""
    return not math.isnan(row.pgr.value)


def is_scored(row: ResultRow) -> bool:
    """Whether the student has a score."""
    return not math.isnan(row.student.value)


def has_gap(row: ResultRow) -> bool:
    """Whether the interval of ceiling - floor leaves 0 out."""
    return not (math.isnan(row.gap.value) or row.gap.low <= 0 <= row.gap.high)


def why_undefined(row: ResultRow) -> str:
    """Return in words why the row has no PGR."""
    reason = row.pgr.note or row.note
    if reason:
        return reason
    return "no reason given" if is_scored(row) else "not scored"


def improvement(row: ResultRow) -> int:
    """Return 1 when the student is better than its supervisor beyond chance, -1 when it is worse, else 0."""
    return _better(row.metric, row.gain)


def ceiling_is_worse(row: ResultRow) -> bool:
    """Whether the ceiling is worse than the floor beyond chance."""
    return _better(row.metric, row.gap) < 0


def _better(metric: str, difference: Estimate) -> int:
    """Return 1 when a difference of scores is for the better beyond chance, -1 when for the worse, else 0."""
    if math.isnan(difference.value) or difference.low <= 0 <= difference.high:
        return 0
    return -1 if (difference.value > 0) == less_is_better(metric) else 1


def less_is_better(metric: str) -> bool:
    """Whether a metric counts errors."""
    known = METRICS.get(metric)
    return known is not None and not known.higher_is_better


def touches(finding: Finding, row: ResultRow | AgreementRow) -> bool:
    """Whether the finding is about this row: all it names but the seed agrees, and it names something.

    A finding about the whole study names nothing; it is shown once and not at every row.
    """
    named = {name: text for name, text in finding.where.items() if name != "seed"}
    return bool(named) and all(getattr(row, name, text) == text for name, text in named.items())


class Touching:
    """The findings of a study by what they name, so that those of a row are found without asking each of them."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._about: dict[tuple[str, ...], dict[tuple[str, ...], list[tuple[int, Finding]]]] = {}
        for number, finding in enumerate(ordered(findings), 1):
            names = tuple(sorted(name for name in finding.where if name != "seed"))
            if names:
                values = tuple(finding.where[name] for name in names)
                self._about.setdefault(names, {}).setdefault(values, []).append((number, finding))

    def of(self, row: ResultRow | AgreementRow) -> list[tuple[int, Finding]]:
        """Return the findings that `touches` the row, each with its number in the report, ascending."""
        found: list[tuple[int, Finding]] = []
        for names, held in self._about.items():
            if all(hasattr(row, name) for name in names):
                found += held.get(tuple(getattr(row, name) for name in names), [])
            else:
                found += [item for items in held.values() for item in items if touches(item[1], row)]
        return sorted(found, key=lambda item: item[0])


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings, errors first, otherwise in the guard's order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
