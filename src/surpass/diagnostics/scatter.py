"""Misfit against gain over many points: do they rise together, how steeply, and what is left between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._rows import check_level
from surpass.errors import DataError
from surpass.stats import Estimate

Values = npt.NDArray[np.float64]

FEWEST_POINTS = 3
"""So many points have a correlation: two lie on a line whatever they are."""
ENOUGH_POINTS = 10
"""From so many an interval over points tells something: of four it is as wide as what can be, or narrow by luck."""

_NAN = float("nan")
_SURE = 1 - 1e-15  # a correlation beyond has no Fisher's z in float64


class Scatter(NamedTuple):
    """Over points: Pearson's correlation, the slope of gain on misfit (least squares), and the mean of gain - misfit."""

    correlation: Estimate
    slope: Estimate
    slack: Estimate


def scatter(misfit: npt.ArrayLike, gain: npt.ArrayLike, *, level: float = 0.95, unit: str = "point") -> Scatter:
    """Return how gains (n,) go with misfits (n,), with intervals over the points.

    Correlation (as Fisher's z, arctanh r) and slope have the interval of the jackknife, value -+ t sqrt(variance) with the
    variance of the values without each point times n - 1, and n - 2 degrees of freedom; the mean slack has Student's. Of
    10 to 100 points with skewed misfits they cover 92 to 97 % where percentiles of a bootstrap cover 87 to 95 %; where the
    noise grows with the misfit the slope's cover 87 to 92 %.

    The interval asks how it would be for other such points, taken as drawn independently: tasks are, comparisons that
    share test rows or a supervisor are not, and theirs is too narrow. It holds nothing of the noise within a point, which
    pulls the slope towards 0 and, since misfit and gain share the student, can make a correlation of its own.

    Args:
        misfit: one number for each point.
        gain: likewise.
        level: nominal coverage.
        unit: what a point is, in notes.

    Raises:
        DataError: other shapes, or numbers that are not finite.
        SpecError: a level outside (0, 1).

    >>> scatter([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).slope.value
    2.0
    """
    check_level(level)
    x, y = _points(misfit, gain)
    n, how = len(x), f"jackknife over the {unit}s"
    if n < FEWEST_POINTS:
        note = f"needs at least {FEWEST_POINTS} {unit}s, got {n}"
        return Scatter(*[Estimate(_NAN, _NAN, _NAN, level, 0, n, how, note)] * 3)
    found = _lines(x, y)
    alike = f"{'misfit' if np.isnan(found[0, 1]) else 'gain'} is the same at all {n} {unit}s"

    def made(value: float, low: float, high: float) -> Estimate:
        note = f"an interval from {n} {unit}s is rough" if n < ENOUGH_POINTS else ""
        if not np.isfinite([value, low, high]).all():
            note = alike if np.isnan(value) else f"it hangs on one {unit} alone, so it has no interval"
            low = high = _NAN
        return Estimate(value, min(low, value), max(high, value), level, 0, n, how, note)

    return Scatter(*(made(*map(float, ends)) for ends in (*_of_line(found, level), _of_mean(y - x, level))))


def _of_line(found: Values, level: float) -> tuple[Values, Values]:
    """Return correlation and slope with their ends, (3,) each, from those of all points and without each (n + 1, 2)."""
    from scipy.special import stdtrit

    n, sides = len(found) - 1, np.array([-1.0, 1.0]) * stdtrit(len(found) - 3, (1 + level) / 2)
    z = np.arctanh(np.clip(found[:, 0], -_SURE, _SURE))
    turned = np.tanh(z[0] + sides * _error(z[1:])) if n > FEWEST_POINTS else np.sign(sides)  # two points have 1 or -1
    return np.r_[found[0, 0], turned], np.r_[found[0, 1], found[0, 1] + sides * _error(found[1:, 1])]


def _of_mean(values: Values, level: float) -> Values:
    """Return the mean with the ends of Student's interval, (3,)."""
    from scipy.special import stdtrit

    half = stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return np.asarray(values.mean() + half * np.array([0.0, -1.0, 1.0]))


def _error(without: Values) -> float:
    """Return the standard error from the values without each of n points."""
    return float(np.sqrt((len(without) - 1) * without.var()))


def _points(misfit: npt.ArrayLike, gain: npt.ArrayLike) -> tuple[Values, Values]:
    x, y = np.asarray(misfit, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(
            f"misfits of shape {x.shape} and gains of shape {y.shape}; both must be (n,) finite numbers. "
            "Leave out the points that have none."
        )
    return x, y


def _lines(x: Values, y: Values) -> Values:
    """Return correlation and slope of all points and then without each, (n + 1, 2); NaN where x, or y, is constant."""
    a, b = x - x.mean(), y - y.mean()
    terms = np.column_stack([np.ones_like(a), a, b, a * a, a * b, b * b])
    total = terms.sum(axis=0)
    mass, sa, sb, saa, sab, sbb = np.vstack([total, total - terms]).T
    spread_x, spread_y, both = saa - sa**2 / mass, sbb - sb**2 / mass, sab - sa * sb / mass
    tiny_x, tiny_y = 1e-12 * max(float(x @ x), 1e-300), 1e-12 * max(float(y @ y), 1e-300)
    known_x, known = spread_x > tiny_x, (spread_x > tiny_x) & (spread_y > tiny_y)
    correlation = np.where(known, both / np.sqrt(np.where(known, spread_x * spread_y, 1.0)), _NAN)
    slope = np.where(known_x, both / np.where(known_x, spread_x, 1.0), _NAN)
    return np.column_stack([np.clip(correlation, -1, 1), slope])
