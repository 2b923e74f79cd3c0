"""Estimates with intervals: floor, student, ceiling, gap, gain and PGR of one method over seeds and test rows.

A score varies for two reasons: other seeds would give other models, and other test rows other scores. The score of
seed s on row i is m + a_s + b_i + e_si, and the variance of the mean over k seeds is

    V = A/k + B      A: variance between the scores of the seeds (divisor k - 1), holding a_s and e_si
                     B: covariance of the scores of two seeds when the test rows are drawn again, holding b_i

B comes from a bootstrap in which whole groups of rows get multinomial weights, the same ones for every seed and for
student, floor and ceiling, so that what they share cancels in differences. Test rows may be the same for all seeds,
overlap or differ: rows that no other seed has put nothing into B, and A holds their noise already. With one seed V is
the bootstrap variance of its score.

The interval is value +- t x sqrt(V), t being Student's quantile with d degrees of freedom,

    1/d = u/(k - 1) + (1 - u)/(G - 1)      u = (A/k)/V, G groups

A is known from k - 1 numbers only. Satterthwaite's (1946) d has u^2 and (1 - u)^2 here; with 3 seeds the error of u
itself makes it cover as little as 92.2 %, against at least 94.3 % with the line above (by quadrature, G large).

PGR = (S - F)/(C - F) of the means over seeds, by Fieller (1954): its interval holds each r for which 0 lies in the
interval of (S - F) - r (C - F), computed as above. It is bounded exactly when the interval of the gap C - F leaves
out 0; otherwise the PGR is undefined, and says so.

Why seeds are not resampled, as rows are: k seeds drawn from k lose (k - 1)/k of A and ignore that A is uncertain, while
multiplied row and seed weights count e_si three times (Owen 2007, The pigeonhole bootstrap). The percentiles of
such a two-level bootstrap therefore cover too little when seeds differ much and too much when they do not: at nominal
95 %, COVERAGE_NAIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.errors import DataError, SpecError
from surpass.metrics import Metric, agreement, checked_predictions, hard, metric

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

RESAMPLES = 10_000
"""Resamples for a metric that is a mean over rows."""
RESAMPLES_SLOW = 1_000
"""Resamples for any other metric: each costs a pass over all rows; the interval's width is then known to 2 %."""

_BLOCK = 1 << 20  # weights held at once: 8 MB
_ROLES = ("floor", "student", "ceiling")
_FLOOR, _STUDENT, _CEILING = np.eye(3)
_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: the point estimate; NaN when undefined, and then `note` says why.
        low: lower end of the interval.
        high: upper end of the interval.
        level: nominal coverage of the interval, for instance 0.95.
        seeds: seeds that the estimate rests on.
        examples: groups of test rows that were resampled (the independent examples), over all seeds.
        method: how the interval was made.
        note: what a reader must know, for instance that one seed says nothing about other seeds.
    """

    value: float
    low: float
    high: float
    level: float
    seeds: int
    examples: int
    method: str
    note: str = ""

    @property
    def defined(self) -> bool:
        """Whether value and interval are numbers."""
        return bool(np.isfinite([self.value, self.low, self.high]).all())

    def __str__(self) -> str:
        if not self.defined:
            return f"undefined ({self.note})"
        value, low, high = (_short(number) for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def _short(number: float) -> str:
    text = f"{number:.3f}"
    if text in ("-0.000", "0.000"):
        return ".000"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


@dataclass(frozen=True, eq=False)
class Run:
    """Predictions of one seed on its test rows.

    Attributes:
        labels: gold labels (n,).
        groups: name of the group of each row, (n,): what must be resampled together (question, passage, or the row id).
            The same name in two runs means the same group.
        student: predictions (n, C), or (n,) for regression.
        floor: predictions of the supervisor, same shape.
        ceiling: predictions of the strong model fitted on ground truth, same shape.
    """

    labels: npt.ArrayLike
    groups: Sequence[str] | npt.NDArray[np.object_] | npt.NDArray[np.str_]
    student: npt.ArrayLike
    floor: npt.ArrayLike
    ceiling: npt.ArrayLike


class Comparison(NamedTuple):
    """Six estimates from the same resamples: three scores, gap = ceiling - floor, gain = student - floor, and PGR."""

    metric: str
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    gap: Estimate
    gain: Estimate
    pgr: Estimate


class AgreementEstimate(NamedTuple):
    """Agreement of student and supervisor: overall, and where the supervisor is right and wrong."""

    overall: Estimate
    where_right: Estimate
    where_wrong: Estimate


def compare(
    name: str, runs: Sequence[Run], *, level: float = 0.95, resamples: int | None = None, seed: int = 0
) -> Comparison:
    """Return floor, student, ceiling, gap, gain and PGR of a metric over the runs of one cell, one run per seed.

    The formulas stand at the head of this module. The order of rows and runs does not matter.

    Args:
        name: of a metric in `surpass.metrics.METRICS`.
        runs: one per seed; one alone gives intervals over examples only, and the notes say so.
        level: nominal coverage.
        resamples: draws of the test rows; by default RESAMPLES for means over rows, RESAMPLES_SLOW for other metrics.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        DataError: no runs, or predictions that the metric cannot take.
        SpecError: a level outside (0, 1) or fewer than 100 resamples.
        UnknownNameError: no such metric.

    >>> rows = [f"row-{i}" for i in range(4)]
    >>> run = Run([1, 1, 0, 0], rows, student=[0.9, 0.8, 0.6, 0.1], floor=[0.9, 0.4, 0.6, 0.1], ceiling=[1, 1, 0, 0])
    >>> compare("accuracy", [run]).student.value
    0.75
    """
    score = metric(name)
    count = resamples or (RESAMPLES if score.decomposes else RESAMPLES_SLOW)
    _check(runs, level=level, resamples=count)
    sets = [[score.checked(run.labels, getattr(run, role)) for role in _ROLES] for run in runs]
    points = np.array([[score.value(*pair) for pair in pairs] for pairs in sets])
    index, groups = _grouped([run.groups for run in runs], [len(pairs[0][0]) for pairs in sets])
    if score.per_row is not None:
        rows = [np.column_stack([score.per_row(*pair) for pair in pairs]) for pairs in sets]
        draws = _mean_draws(rows, [np.ones((len(r), 1)) for r in rows], index, groups, (count, seed))
    else:
        draws = _score_draws(score, sets, index, groups, (count, seed))
    spread = _spread(points, draws, groups=groups, level=level)
    gap = spread.estimate(_CEILING - _FLOOR)
    return Comparison(
        name,
        *(spread.estimate(role, bounds=score.bounds) for role in (_FLOOR, _STUDENT, _CEILING)),
        gap,
        spread.estimate(_STUDENT - _FLOOR),
        _pgr(spread, gap, higher_is_better=score.higher_is_better),
    )


def agreement_estimate(
    runs: Sequence[Run], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> AgreementEstimate:
    """Return the agreement of student and supervisor (the floor's predictions) as means over runs, with intervals.

    Classification and preference only. Arguments and errors as in `compare`; see `surpass.metrics.agreement`.
    """
    _check(runs, level=level, resamples=resamples)
    points, tops, bottoms = [], [], []
    for run in runs:
        points.append(agreement(run.student, run.floor, run.labels)[:3])
        labels, student = checked_predictions("classification", run.labels, run.student)
        supervisor = hard(checked_predictions("classification", run.labels, run.floor)[1])
        parts = np.column_stack([np.ones(len(labels)), supervisor == labels, supervisor != labels]).astype(np.float64)
        tops.append(parts * (hard(student) == supervisor)[:, None])
        bottoms.append(parts)
    index, groups = _grouped([run.groups for run in runs], [len(top) for top in tops])
    draws = _mean_draws(tops, bottoms, index, groups, (resamples, seed))
    spread = _spread(np.array(points), draws, groups=groups, level=level)
    return AgreementEstimate(*(spread.estimate(part, bounds=(0.0, 1.0)) for part in np.eye(3)))
