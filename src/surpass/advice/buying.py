"""What to buy: gold labels or more weak rows, and how many gold labels show a gain of a given size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values
from surpass.stats import RESAMPLES, Estimate, Ratios, ratio_estimates
from surpass.stats.resampling import RatioRows, ratio_draws
from surpass.stats.runs import grouped

GAINS = (0.02, 0.05)
POWER = 0.8
FARTHEST = 10
"""A curve is not followed beyond so many times the gold labels that there are."""


class GoldPoint(NamedTuple):
    """So many gold labels, and the score of the model on them alone."""

    gold: int
    score: Estimate


@dataclasses.dataclass(frozen=True)
class GoldCurve:
    """The strong model on gold labels alone, against the student of weak labels.

    Attributes:
        points: by ascending gold labels.
        held: gold labels that there are.
        over_student: score at the last point minus that of the student.
        equals: gold labels at which gold alone has the student's score, at least 1; not defined where that cannot be told.
    """

    points: tuple[GoldPoint, ...]
    held: int
    over_student: Estimate
    equals: Estimate


def rows_to_see(gain: float, differing: Estimate, *, level: float) -> Estimate:
    """Return how many gold rows tell a gain from 0 with power 0.8, from the share of rows on which two predictors differ.

    Connor (1987), for paired shares: n = ((z sqrt(D) + z' sqrt(D - g^2)) / g)^2 for a gain g and a share D of rows that
    differ, z and z' the normal quantiles of the level and of the power. No gain can exceed D, so that D <= g is undefined.

    Args:
        gain: the accuracy gain to be seen, above 0.
        differing: D, in [0, 1].
        level: of the interval that is to exclude 0.

    >>> d = Estimate(0.2, 0.15, 0.25, 0.95, 1, 500, "")
    >>> str(rows_to_see(0.05, d, level=0.95))
    '626.000 [469.000, 783.000]'
    """
    from scipy.stats import norm

    outer, inner = norm.ppf((1 + level) / 2), norm.ppf(POWER)

    def count(share: float) -> float:
        if not share > gain:
            return math.nan
        return float(math.ceil(((outer * math.sqrt(share) + inner * math.sqrt(share - gain**2)) / gain) ** 2))

    value, low, high = (count(share) for share in (differing.value, differing.low, differing.high))
    note = "" if math.isfinite(value) else f"they differ on {differing.value:.3f} of the rows, so no such gain can be"
    low = low if math.isfinite(low) or not math.isfinite(value) else 0.0
    return dataclasses.replace(differing, value=value, low=low, high=high, method="Connor (1987)", note=note)


def gold_curve(
    student: Values, points: Sequence[tuple[int, Values]], groups: Sequence[str], *, held: int, level: float
) -> GoldCurve:
    """Return how gold labels alone do, and how many of them do as well as the student.

    The error at k gold labels is taken for A k^-b, fitted to the points' logarithms by least squares, in each resample of
    the rows anew; the interval is of these resamples' percentiles.

    Args:
        student: (n,) whether the student is right on each gold row, 0 or 1.
        points: (k, whether a model on k gold labels is right (n,), a mean over draws of the k labels), by ascending k.
        groups: (n,) names of what must not be parted.
        held: gold labels that there are.
        level: of the intervals.
    """
    counts = tuple(count for count, _ in points)
    tops = np.column_stack([student, *(right for _, right in points)])
    part = Ratios(tops, np.ones_like(tops), groups)
    names = ("student", *(f"gold alone, {count}" for count in counts))
    contrasts = np.eye(len(names))[1:]
    scores = ratio_estimates([part], names, contrasts, bounds=(0.0, 1.0), level=level)
    (over,) = ratio_estimates([part], names, [np.r_[-1.0, np.zeros(len(counts) - 1), 1.0]], level=level)
    told = tuple(map(GoldPoint, counts, scores))
    return GoldCurve(told, held, over, _equal(part, counts, over, held))


def _equal(part: Ratios, counts: Sequence[int], over: Estimate, held: int) -> Estimate:
    def told(value: float, low: float, high: float, note: str) -> Estimate:
        return dataclasses.replace(over, value=value, low=low, high=high, method="power law of the error", note=note)

    if len(counts) < 2 or not over.defined:
        return told(math.nan, math.nan, math.nan, "two points of a curve are needed")
    index, number = grouped([part.groups], [(len(part.tops),)])
    draws = ratio_draws(RatioRows([part.tops], [part.bottoms], index, number), resamples=RESAMPLES, seed=0)[:, 0]
    floor = 0.5 / len(part.tops)  # half a row: no error among n rows is not no error
    value = float(_crossing(1 - part.tops.mean(axis=0, keepdims=True), counts, floor)[0])
    low, high = np.quantile(
        _crossing(1 - draws, counts, floor), [(1 - over.level) / 2, (1 + over.level) / 2], method="nearest"
    )
    far = f"not within {FARTHEST} x the {held:,} gold labels that there are"
    if value > FARTHEST * held:
        return told(math.nan, float(low), math.nan, far)
    return told(value, float(low), float(high) if high <= FARTHEST * held else math.inf, "")


def _crossing(errors: Values, counts: Sequence[int], floor: float) -> NDArray[np.float64]:
    """Return where the curves of the errors (r, 1 + q) at the counts meet the error of the first column, (r,): 1 or more."""
    logs = np.log(errors.clip(min=floor))
    x = np.log(np.asarray(counts, dtype=np.float64))
    x0, y0 = x.mean(), logs[:, 1:].mean(axis=1)
    slope = ((logs[:, 1:] - y0[:, None]) * (x - x0)).sum(axis=1) / np.square(x - x0).sum()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.exp(x0 + (logs[:, 0] - y0) / slope)
    flat = slope >= 0  # more labels do not lower the error: as good already, or never
    return np.maximum(np.where(flat, np.where(logs[:, 0] >= logs[:, -1], counts[-1], np.inf), found), 1.0)
