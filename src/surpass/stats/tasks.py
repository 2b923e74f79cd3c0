"""Methods against a baseline over tasks: means, paired tests, Holm's correction, wins and losses.

The unit is the task: a method's value on a task is one number, the mean of its differences to the baseline there, and tasks
are taken as drawn from the tasks one might have chosen. So a test here asks whether a method would be better on another such
task; an interval of one task's difference (`surpass.stats.paired`) asks whether it is better on this one.

t: Student's t of the mean difference, n - 1 degrees of freedom. Wilcoxon: the signed ranks of the differences, exact: the
share of all 2^n choices of signs with a rank sum as far out, for ties and zeros too. A zero keeps its rank and gives half
of it to either side (scipy's zero_method="zsplit"): tasks on which two methods do alike are evidence that they are alike.

Holm (1979, Scandinavian Journal of Statistics 6, 65-70): of m p-values in ascending order the i-th is multiplied by
m - i + 1, and none may be below the one before it. A family is all methods under one test and one alternative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from surpass.errors import SpecError
from surpass.stats.intervals import Estimate

Values = npt.NDArray[np.float64]
Alternative = Literal["two-sided", "greater", "less"]

ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")
"""What a test is against: any difference; the method is better; the method is worse."""

_NAN = float("nan")
_ALIKE = 1e-12  # relative; differences nearer to each other than this differ by rounding alone


@dataclass(frozen=True)
class PairedTest:
    """A test of a method against a baseline over tasks.

    Attributes:
        statistic: Student's t; for Wilcoxon the sum of the ranks of the tasks on which the method is better.
        p: the p-value; NaN when undefined, and then `note` says why.
        p_holm: the p-value corrected for the number of methods; NaN when undefined.
        n: tasks.
        note: what a reader must know.
    """

    statistic: float
    p: float
    p_holm: float
    n: int
    note: str = ""

    @property
    def defined(self) -> bool:
        """Whether there is a p-value."""
        return bool(np.isfinite(self.p))


Tests = Mapping[Alternative, PairedTest]


@dataclass(frozen=True)
class OverTasks:
    """One method over n tasks: the mean difference with its interval, the raw signs, and both tests by alternative."""

    mean: Estimate
    better: int
    same: int
    worse: int
    t: Tests
    wilcoxon: Tests


def over_tasks(
    values: Mapping[str, Sequence[float]], *, level: float = 0.95, unit: str = "task"
) -> dict[str, OverTasks]:
    """Return for each method its mean over tasks and the paired tests, corrected for the number of methods.

    Args:
        values: for each method one difference to the baseline per task; positive is better. All finite.
        level: nominal coverage of the interval of the mean, by Student's t.
        unit: what one value stands for, in notes.

    Raises:
        SpecError: a level outside (0, 1), or a value that is not finite.

    >>> over_tasks({"new": [1.0, 2.0, 3.0]})["new"].wilcoxon["greater"].p
    0.125
    """
    if not 0 < level < 1:
        raise SpecError(f"level={level}; allowed are numbers between 0 and 1, both left out. Use 0.95.")
    found = {name: _tested(np.asarray(given, dtype=np.float64), level, unit) for name, given in values.items()}
    t = _corrected({name: one.t for name, one in found.items()})
    wilcoxon = _corrected({name: one.wilcoxon for name, one in found.items()})
    return {name: replace(one, t=t[name], wilcoxon=wilcoxon[name]) for name, one in found.items()}


def _corrected(tests: Mapping[str, Tests]) -> dict[str, Tests]:
    """Return the tests of all methods with their p-values corrected, one family for each alternative."""
    made: dict[str, dict[Alternative, PairedTest]] = {name: {} for name in tests}
    for alternative in ALTERNATIVES:
        corrected = holm([of_method[alternative].p for of_method in tests.values()])
        for (name, of_method), p in zip(tests.items(), corrected, strict=True):
            made[name][alternative] = replace(of_method[alternative], p_holm=float(p))
    return dict(made)


def _tested(values: Values, level: float, unit: str) -> OverTasks:
    if not np.isfinite(values).all():
        raise SpecError(f"a {unit}'s difference is {values[~np.isfinite(values)][0]}; leave out what is undefined.")
    problem = _problem(values, unit)
    told = _without_rounding(values)
    return OverTasks(
        mean=_mean(values, level, unit),
        better=int((told > 0).sum()),
        same=int((told == 0).sum()),
        worse=int((told < 0).sum()),
        t={side: _t_test(values, side, problem) for side in ALTERNATIVES},
        wilcoxon=_wilcoxon(told, level, unit),
    )


def _without_rounding(values: Values) -> Values:
    """Return the values in multiples of a tiny share of the largest, so that sums of equal numbers tie."""
    largest = np.abs(values).max(initial=0.0)
    return np.asarray(np.rint(values / (largest * _ALIKE))) if largest else values


def _problem(values: Values, unit: str) -> str:
    """Return why there is no t-test."""
    if len(values) < 2:
        return f"needs at least two {unit}s, got {len(values)}"
    if np.ptp(values) <= _ALIKE * np.abs(values).max():
        return f"the difference is the same on all {len(values)} {unit}s, so its spread over {unit}s is not known"
    return ""


def _mean(values: Values, level: float, unit: str) -> Estimate:
    from scipy.special import stdtrit

    n = len(values)
    method = f"t over {n} {unit}{'s'[: n != 1]}"
    if not n:
        return Estimate(_NAN, _NAN, _NAN, level, 0, 0, method, f"no {unit} has a difference")
    value = float(values.mean())
    if problem := _problem(values, unit):
        return Estimate(value, _NAN, _NAN, level, 0, n, method, f"no interval: {problem}")
    half = float(stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(value, value - half, value + half, level, 0, n, method)


def _t_test(values: Values, alternative: Alternative, problem: str) -> PairedTest:
    if problem:
        return PairedTest(_NAN, _NAN, _NAN, len(values), problem)
    from scipy.stats import ttest_1samp

    found = ttest_1samp(values, 0.0, alternative=alternative)
    return PairedTest(float(found.statistic), float(found.pvalue), _NAN, len(values))


def _wilcoxon(values: Values, level: float, unit: str) -> dict[Alternative, PairedTest]:
    n = len(values)
    problem = f"needs at least two {unit}s, got {n}" if n < 2 else f"the difference is 0 on all {n} {unit}s"
    if n < 2 or not values.any():
        return dict.fromkeys(ALTERNATIVES, PairedTest(_NAN, _NAN, _NAN, n, problem))
    from scipy.stats import rankdata

    twice = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)  # mean ranks of ties are halves
    moving = twice[values != 0]
    chances = _sum_chances(moving)
    reached = int(twice[values > 0].sum())
    above, below = chances[reached:].sum(), chances[: reached + 1].sum()
    p: dict[Alternative, float] = {"two-sided": 2 * min(above, below), "greater": above, "less": below}
    least = 2.0 ** (1 - len(moving))
    short = f"p cannot be below {least:.3g} two-sided, {least / 2:.3g} one-sided: {len(moving)} {unit}s differ"
    note = short if least > 1 - level else ""
    statistic = float(reached + (twice.sum() - moving.sum()) / 2) / 2
    return {side: PairedTest(statistic, min(1.0, float(p[side])), _NAN, n, note) for side in ALTERNATIVES}


def _sum_chances(ranks: npt.NDArray[np.int64]) -> Values:
    """Return the chance of each sum 0..sum(ranks) when every rank counts or not with equal chance."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[:-rank]
        chances = (chances + shifted) / 2
    return chances


def holm(p_values: Sequence[float]) -> Values:
    """Return Holm's corrected p-values in the given order; NaN stays NaN and does not count as a test.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(len(given), _NAN)
    order = [i for i in np.argsort(given, kind="stable") if np.isfinite(given[i])]
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * float(given[i])))
        corrected[i] = highest
    return corrected
