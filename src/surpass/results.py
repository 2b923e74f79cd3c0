"""What a finished study says: plain records that the tables, the report and the files are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from surpass.checks import Finding
from surpass.diagnostics import Candidate, ReliabilityBin, SeedMisfit
from surpass.results_diagnoses import DiagnosisRow
from surpass.results_sides import SideRow
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
class ErrorRow:
    """What the student makes of its supervisor's errors on a split, read by the study's stopping rule.

    `bin` is 0 for all rows, else the number of a bin of the supervisor's confidence from the least sure, whose rows have a
    confidence in [low, high]. Of `rows` test rows, all seeds together, the supervisor has `wrong` wrong. Among those the
    student gives the supervisor's answer (`inheritance`), the right one (`correction`), or another wrong one (`other`);
    `new` is the share that it has wrong among the rows that the supervisor has right.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    bin: int
    low: float
    high: float
    rows: int
    wrong: int
    inheritance: Estimate
    correction: Estimate
    other: Estimate
    new: Estimate


@dataclasses.dataclass(frozen=True)
class CalibrationRow:
    """How far one role's probabilities can be believed on a split; `role` is floor, student or ceiling.

    `overconfidence` is mean confidence - accuracy. `curve` holds the filled bins of confidence, all seeds together.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    role: str
    ece: Estimate
    brier: Estimate
    confidence: Estimate
    overconfidence: Estimate
    curve: tuple[ReliabilityBin, ...]


@dataclasses.dataclass(frozen=True)
class Rung:
    """One student of a ladder; `parameters` of its backbone, None when unknown. Agreement is None for regression."""

    strong: str
    parameters: int | None
    student: Estimate
    pgr: Estimate
    overall: Estimate | None
    when_right: Estimate | None
    when_wrong: Estimate | None


@dataclasses.dataclass(frozen=True)
class LadderRow:
    """Students of several sizes that share task, supervisor, family and method, on the in-domain test rows.

    `rungs` ascend by parameters where all are known (`sized`), else they stand in the study's order. The differences are
    last - first rung, paired by test row and seed; None where they do not exist.
    """

    task: str
    weak: str
    family: str
    method: str
    metric: str
    sized: bool
    rungs: tuple[Rung, ...]
    student: Estimate | None
    overall: Estimate | None
    when_right: Estimate | None
    when_wrong: Estimate | None


@dataclasses.dataclass(frozen=True)
class Setting:
    """One supervisor of a `SettingRow`; `value` is None where it is left open, such as all raters of a row."""

    weak: str
    value: float | None
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    pgr: Estimate


@dataclasses.dataclass(frozen=True)
class SettingRow:
    """Supervisors that differ in one number, such as how many raters label a row, on the in-domain test rows.

    `kind` is what they are, `option` the number's name. `settings` ascend by its value, None last.
    """

    task: str
    strong: str
    method: str
    metric: str
    kind: str
    option: str
    settings: tuple[Setting, ...]


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to use a backbone: a frozen probe, finetuning, a probe after it, prompting; on weak labels or ground truth.

    `trained` counts its training rows in each seed. `share` is the part of the gap between the ends of the row that it
    closes, None for the ends themselves and where an end is missing.
    """

    what: str
    strong: str
    method: str
    trained: int
    score: Estimate
    share: Estimate | None


@dataclasses.dataclass(frozen=True)
class SaliencyRow:
    """Ways to use one backbone with one supervisor on the in-domain test rows, on the seeds that all of them have.

    `ends` are the places in `ways` of the probe on frozen features and of finetuning, both fitted on ground truth.
    """

    task: str
    weak: str
    backbone: str
    metric: str
    ways: tuple[Way, ...]
    ends: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ShiftRow:
    """What a shifted test costs: scores in domain less scores under shift; above 0 is worse under shift.

    `beyond` is the student's drop less its supervisor's. Only for metrics that are means over rows.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    metric: str
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    beyond: Estimate


@dataclasses.dataclass(frozen=True)
class MisfitRow:
    """How far the student is from its supervisor on a split, beside what it gains on it (`surpass.diagnostics.Misfit`).

    `domain` names one domain of the split, "" stands for all rows. Misfit is in `loss`, the errors `supervisor` and
    `student` in its metric; gain = supervisor - student, slack = gain - misfit, bound = supervisor - misfit. `clipped` is
    the share of rows with a probability of 0 where a logarithm was taken. `seeds` holds the means of each seed.
    """

    task: str
    split: str
    weak: str
    strong: str
    method: str
    domain: str
    loss: str
    misfit: Estimate
    supervisor: Estimate
    student: Estimate
    gain: Estimate
    slack: Estimate
    bound: Estimate
    clipped: float
    seeds: tuple[SeedMisfit, ...]


@dataclasses.dataclass(frozen=True)
class SelectionRow:
    """Several supervisors of one strong model and method, and which of them the smallest (error - misfit) picks.

    `weak` names the candidates. All are measured on the in-domain test rows (`rows` of a seed) and the `seeds` that all
    of them have; `hits` counts the seeds in which a best student is picked, `hits_error` those in which the supervisor
    with the least error has one. Regrets are differences of the students' errors to the best: of the picked one, of that
    whose supervisor has the least error, and at random.
    """

    task: str
    strong: str
    method: str
    loss: str
    weak: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    rows: int
    seeds: int
    hits: int
    hits_error: int
    regret: Estimate
    regret_error: Estimate
    regret_random: Estimate


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
    """One stage of the study: what it was, how it ended, how long it took when it was computed, and what failed.

    `facts` are those of texts and models that the study made, and `kind` says which: "corpus" or "pretrain"; else "".
    """

    key: str
    what: str
    status: str  # "done", "cached", "failed", "skipped"
    seconds: float
    versions: Mapping[str, str]
    error: str = ""
    facts: Mapping[str, float | int | str] = dataclasses.field(default_factory=dict)
    kind: str = ""


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
    errors: tuple[ErrorRow, ...] = ()
    calibration: tuple[CalibrationRow, ...] = ()
    ladders: tuple[LadderRow, ...] = ()
    saliency: tuple[SaliencyRow, ...] = ()
    shifts: tuple[ShiftRow, ...] = ()
    settings: tuple[SettingRow, ...] = ()
    misfits: tuple[MisfitRow, ...] = ()
    selections: tuple[SelectionRow, ...] = ()
    sides: tuple[SideRow, ...] = ()
    diagnoses: tuple[DiagnosisRow, ...] = ()  # of `surpass diagnose`; a run makes none
