"""What a finished study says: plain records that the tables, the report and the files are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from surpass.checks import Finding
from surpass.stats import Estimate


@dataclasses.dataclass(frozen=True)
class ResultRow:
    """One line of results.csv: a task, test split, pair, method, stopping rule and metric over all seeds.

    `floor`, `student` and `ceiling` are the scores; `gap` is ceiling - floor, `gain` is student - floor. `weak`, `strong`
    and `method` are labels for people. `keys` holds the stage keys of each seed: `student`, `supervisor`, `ceiling`.
    `failed` counts seeds of which a stage failed and which the numbers therefore miss.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    stopping: str
    metric: str
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    gap: Estimate
    gain: Estimate
    pgr: Estimate
    note: str
    seeds: int
    n_test: int
    key: str
    keys: Mapping[str, tuple[str, ...]]
    failed: int = 0


@dataclasses.dataclass(frozen=True)
class AgreementRow:
    """Agreement of student and supervisor on a split: overall, and where the supervisor is right or wrong."""

    task: str
    split: str
    weak: str
    strong: str
    method: str
    overall: Estimate
    when_right: Estimate
    when_wrong: Estimate


@dataclasses.dataclass(frozen=True)
class Curve:
    """A student's training of one seed, at the optimizer steps `steps` (several, else there is no curve).

    `test` is the metric against ground truth on the test rows, `weak_val` against the weak labels of the validation rows,
    `ceiling` the ceiling's score on the test rows at its end. `chosen` maps a stopping rule to an index of `steps`.
    """

    task: str
    weak: str
    strong: str
    method: str
    metric: str
    seed: int
    steps: tuple[int, ...]
    test: tuple[float, ...]
    weak_val: tuple[float, ...]
    chosen: Mapping[str, int]
    floor: float
    ceiling: float


@dataclasses.dataclass(frozen=True)
class StageFact:
    """One stage of the study: what it was, how it ended, how long it took when it was computed, and what failed."""

    key: str
    what: str
    status: str  # "done", "cached", "failed", "skipped"
    seconds: float
    versions: Mapping[str, str]
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything the report shows. `study` is the study as plain data; `settings` describes it in words."""

    name: str
    study: Mapping[str, Any]
    level: float
    rows: tuple[ResultRow, ...]
    agreement: tuple[AgreementRow, ...]
    curves: tuple[Curve, ...]
    findings: tuple[Finding, ...]
    stages: tuple[StageFact, ...]
    versions: Mapping[str, str]
    primary_metric: str  # the metric that headline tables and plots show, such as "accuracy"
