"""Misfit against gain over many points: do they rise together, how steeply, and what is left between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.errors import DataError
from surpass.stats import RESAMPLES_SLOW, Estimate
from surpass.stats.resampling import group_weights

Values = npt.NDArray[np.float64]

FEWEST_POINTS = 3
"""So many points have a correlation: two lie on a line whatever they are."""
ENOUGH_POINTS = 10
"""From so many a bootstrap over points tells something: of four it gives narrow intervals by luck."""

_NAN = float("nan")


class Scatter(NamedTuple):
    """Over points: Pearson's correlation, the slope of gain on misfit (least squares), and the mean of gain - misfit."""

    correlation: Estimate
    slope: Estimate
    slack: Estimate


def scatter(
    misfit: npt.ArrayLike,
    gain: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
    unit: str = "point",
) -> Scatter:
    """Return how gains (n,) go with misfits (n,), with percentile intervals of a bootstrap over the points.

    The interval asks how it would be for other such points, taken as drawn independently: tasks are, comparisons that
    share test rows or a supervisor are not, and theirs is too narrow. It holds nothing of the noise within a point, which
    pulls the slope towards 0 and, since misfit and gain share the student, can make a correlation of its own.

    Args:
        misfit: one number for each point.
        gain: likewise.
        level: nominal coverage.
        resamples: draws of the points; those in which the misfits are all alike are left out.
        seed: of the draws.
        unit: what a point is, in notes.

    Raises:
        DataError: other shapes, or numbers that are not finite.

    >>> scatter([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).slope.value
    2.0
    """
    x, y = _points(misfit, gain)
    n, method = len(x), f"percentiles of {resamples} bootstrap resamples of the {unit}s"
    if n < FEWEST_POINTS:
        note = f"needs at least {FEWEST_POINTS} {unit}s, got {n}"
        return Scatter(*[Estimate(_NAN, _NAN, _NAN, level, 0, n, method, note)] * 3)
    weights = np.concatenate([np.ones((1, n)), *group_weights(n, resamples, seed, rows=0)])
    found = _moments(x, y, weights)
    note = f"an interval from {n} {unit}s is rough" if n < ENOUGH_POINTS else ""
    alike = f"{'misfit' if np.isnan(found[1][0]) else 'gain'} is the same at all {n} {unit}s"
    made = []
    for values in found:
        draws = values[1:][np.isfinite(values[1:])]
        if np.isnan(values[0]):
            made.append(Estimate(_NAN, _NAN, _NAN, level, 0, n, method, alike))
        else:
            low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) if len(draws) else (_NAN, _NAN)
            made.append(Estimate(float(values[0]), float(low), float(high), level, 0, n, method, note))
    return Scatter(*made)


def _points(misfit: npt.ArrayLike, gain: npt.ArrayLike) -> tuple[Values, Values]:
    x, y = np.asarray(misfit, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(
            f"misfits of shape {x.shape} and gains of shape {y.shape}; both must be (n,) finite numbers. "
            "Leave out the points that have none."
        )
    return x, y


def _moments(x: Values, y: Values, weights: Values) -> tuple[Values, Values, Values]:
    """Return correlation, slope and mean of y - x under each weighting (B, n), (B,) each; NaN where x is constant."""
    a, b = x - x.mean(), y - y.mean()
    sums = weights @ np.column_stack([np.ones_like(a), a, b, a * a, a * b, b * b])
    mass, sa, sb, saa, sab, sbb = sums.T
    spread_x, spread_y, both = saa - sa**2 / mass, sbb - sb**2 / mass, sab - sa * sb / mass
    tiny_x, tiny_y = 1e-12 * max(float(x @ x), 1e-300), 1e-12 * max(float(y @ y), 1e-300)
    known_x, known = spread_x > tiny_x, (spread_x > tiny_x) & (spread_y > tiny_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where(known, both / np.sqrt(np.where(known, spread_x * spread_y, 1.0)), _NAN)
        slope = np.where(known_x, both / np.where(known_x, spread_x, 1.0), _NAN)
    return np.clip(correlation, -1, 1), slope, weights @ (y - x) / mass
