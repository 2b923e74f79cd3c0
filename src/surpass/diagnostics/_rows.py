"""What the diagnostics over features share: checked tables and groups, undefined estimates, and a jackknife of blocks.

A quantity that is no function of means over rows (an eigenvalue, a slope between distances) has its interval by the
delete-a-block jackknife: groups are dealt to BLOCKS blocks at random, the quantity is computed without each, and

    variance = (B - 1) / B  sum_b (theta_b - mean theta)^2,      value -+ t sqrt(variance), t with B - 1 degrees of freedom

(Quenouille; Shao and Tu 1995, section 2.3: consistent for smooth functions of moments). Few blocks make it cheap and the t
quantile 2.26 instead of 1.96.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from surpass.errors import AlignmentError, DataError, SpecError
from surpass.stats import Estimate

Values = npt.NDArray[np.float64]
Groups = Sequence[str] | npt.NDArray[np.generic]

BLOCKS = 10
_NAN = float("nan")


def table(name: str, vectors: npt.ArrayLike, *, rows: int | None = None) -> npt.NDArray[np.floating]:
    """Return features (n, d) as they are (float32 or float64) after checking them; `name` is for messages.

    Raises:
        AlignmentError: another number of rows than `rows`.
        DataError: not two axes, no rows, or values that are not finite.
    """
    x = np.asarray(vectors)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(
            f"{name} have shape {x.shape}; allowed is (n, d) with n and d from 1. Pass one row per example."
        )
    if rows is not None and len(x) != rows:
        raise AlignmentError(f"{name} have {len(x)} rows where {rows} are expected. Join all inputs by row id first.")
    sums = x.sum(axis=1, dtype=np.float64)  # not finite where a value of the row is not
    if not np.isfinite(sums).all():
        bad = np.flatnonzero(~np.isfinite(sums))
        raise DataError(
            f"{name} hold values that are not finite in {len(bad)} of {len(x)} rows, the first at row {bad[0]}. "
            "Extract them again with precision fp32, or drop these rows everywhere."
        )
    return x


def names_of(groups: Groups | None, rows: int) -> npt.NDArray[np.str_]:
    """Return the name of each row's group (n,); without groups each row is one by itself.

    Raises:
        AlignmentError: another number of groups than rows.
    """
    if groups is None:
        return np.arange(rows).astype(str)
    if np.shape(groups) != (rows,):
        raise AlignmentError(
            f"groups have shape {np.shape(groups)} for {rows} rows. Pass the name of each row's group."
        )
    return np.asarray(groups).astype(str)


def undefined(why: str, *, seeds: int = 1, examples: int = 0, level: float = 0.95) -> Estimate:
    """Return an estimate without a value, with the reason."""
    return Estimate(_NAN, _NAN, _NAN, level, seeds, examples, "none", why)


def check_level(level: float) -> None:
    """Raise a SpecError for a level that makes no interval."""
    if not 0 < level < 1:
        raise SpecError(f"level={level}; allowed are numbers between 0 and 1, both left out. Use 0.95.")


def blocks_of(groups: Groups, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return the block of each row (n,), 0..BLOCKS-1 of about equal counts of groups; fewer blocks for fewer groups."""
    known, number = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(known)) % min(BLOCKS, len(known))
    return np.asarray(dealt[number], dtype=np.int64)


def jackknifed(
    value: float, without: Values, *, groups: int, level: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Return a value with its interval from the values without each block (b,); see the module's text.

    The interval is NaN, and the note says so, with fewer than two blocks or where a block cannot be left out.
    """
    from scipy.special import stdtrit

    blocks = len(without)
    how = f"jackknife of {blocks} blocks of rows"
    if groups < 2:
        return undefined(f"needs at least two groups of rows, got {groups}", examples=groups, level=level)
    if blocks < 2 or not np.isfinite(without).all():
        return undefined(
            f"needs more rows: it does not exist without each of {blocks} blocks", examples=groups, level=level
        )
    half = float(stdtrit(blocks - 1, (1 + level) / 2) * np.sqrt((blocks - 1) * without.var()))
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    note = "one table of features: the interval covers examples only"
    return Estimate(value, low, high, level, 1, groups, how, note)
