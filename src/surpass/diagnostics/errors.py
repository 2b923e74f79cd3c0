"""What a student makes of its supervisor's errors, by how sure the supervisor was.

Where the supervisor is wrong the student either gives the same wrong answer (inheritance), the right one (correction) or,
with more than two classes, another wrong one (other): the three sum to 1. Where it is right the student may still be
wrong (new errors). Inheritance over all rows is the agreement where the supervisor is wrong of Burns et al. 2023 (section
5.1.2), and new errors are 1 - the agreement where it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.errors import SpecError
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, Run, ratio_estimates

Values = npt.NDArray[np.float64]

SHARES = ("inheritance", "correction", "other", "new")
BINS = 4
"""Bins of confidence unless told: enough to see a trend, and a quarter of the rows in each."""

_DIGITS = 9  # confidences equal to this many decimals are one: 1 - 0.3 and 0.7 differ in the last bit


class ErrorShares(NamedTuple):
    """What the student makes of its supervisor's errors, among rows whose supervisor has a confidence in [low, high].

    `rows` counts them over all seeds, `wrong` those of them that the supervisor has wrong.
    """

    low: float
    high: float
    rows: int
    wrong: int
    inheritance: Estimate
    correction: Estimate
    other: Estimate
    new: Estimate


def confidence_bounds(confidence: npt.ArrayLike, bins: int = BINS) -> Values:
    """Return the highest confidence of each of at most `bins` bins of about equal count, ascending.

    Equal values share a bin, so bins are fewer where many rows are equally sure: one for labels without confidence. Each
    cut lies between the two neighbouring values whose counts come closest to equal shares, the lower of two as close.

    Args:
        confidence: (n,) numbers, n >= 1.
        bins: at least 1.

    Raises:
        SpecError: fewer than one bin.

    >>> confidence_bounds([0.5, 0.6, 0.6, 0.6, 0.7, 0.9], 2).tolist()
    [0.6, 0.9]
    """
    if bins < 1:
        raise SpecError(f"bins={bins}; allowed are whole numbers from 1. Leave it out for {BINS}.")
    values, counts = np.unique(np.round(np.asarray(confidence, dtype=np.float64), _DIGITS), return_counts=True)
    below = np.cumsum(counts)
    wanted = below[-1] * np.arange(1, bins) / bins
    cuts = {int(np.argmin(np.abs(below - count))) for count in wanted}
    return np.asarray(values[sorted(cuts | {len(values) - 1})])


def error_shares(
    runs: Sequence[Run], *, bins: int = BINS, level: float = 0.95, resamples: int = RESAMPLES_SLOW, seed: int = 0
) -> list[ErrorShares]:
    """Return the shares over all rows and then, from the least sure, by bins of the supervisor's confidence.

    The supervisor (`floor` of a run) is as sure as its highest probability says. Bins hold the rows of all seeds
    together; without two of them (labels that carry no confidence) there is only the line over all rows. Each share is a
    mean over seeds with the interval of `surpass.stats.ratio_estimates`; it is undefined where a seed has no such row.

    Args:
        runs: one per seed; classes, not numbers.
        bins: at most so many.
        level: nominal coverage.
        resamples: draws of the test rows; a thousand tell a standard error to about 2 %.
        seed: of the draws.

    Raises:
        DataError: no runs, or predictions that are no probabilities.
        SpecError: fewer than one bin, a level outside (0, 1) or fewer than 100 resamples.
    """
    sure = [_confidence(run) for run in runs]
    bounds = confidence_bounds(np.concatenate(sure), bins) if sure else np.zeros(1)
    places = [np.searchsorted(bounds, values) for values in sure]
    chosen = range(-1, len(bounds) if len(bounds) > 1 else 0)  # -1: all rows
    among = [np.column_stack([(place == i) | (i < 0) for i in chosen]).astype(np.float64) for place in places]
    parts = [_ratios(run, inside) for run, inside in zip(runs, among, strict=True)]
    names = [f"{share} {_where(i, bounds)}" for i in chosen for share in SHARES]
    found = ratio_estimates(parts, names, bounds=(0.0, 1.0), level=level, resamples=resamples, seed=seed)
    lines = []
    for number in range(len(chosen)):
        held = np.concatenate([s[a[:, number] > 0] for s, a in zip(sure, among, strict=True)])
        rows, wrong = len(held), sum(int(part.bottoms[:, 4 * number].sum()) for part in parts)
        of_bin = found[4 * number : 4 * number + 4]
        lines.append(ErrorShares(float(held.min()), float(held.max()), rows, wrong, *of_bin))
    return lines


def _confidence(run: Run) -> Values:
    supervisor = run.read("classification", "floor")[1]
    return np.asarray(np.round(supervisor.max(axis=1), _DIGITS))


def _ratios(run: Run, among: Values) -> Ratios:
    """Return the four shares within each column of `among` (n, m), 1 where a row belongs, as (n, 4 m)."""
    labels, _ = run.read("classification", "student")
    given, supervisor = run.answers("student"), run.answers("floor")
    wrong, right = supervisor != labels, given == labels
    other = wrong & ~right & (given != supervisor)
    tops = np.column_stack([wrong & (given == supervisor), wrong & right, other, ~wrong & ~right])
    bottoms = np.column_stack([wrong, wrong, wrong, ~wrong])
    n = len(labels)
    within = [(among[:, :, None] * part[:, None, :]).reshape(n, -1) for part in (tops, bottoms)]
    return Ratios(within[0], within[1], run.groups)


def _where(place: int, bounds: Values) -> str:
    if place < 0:
        return "over all rows"
    return f"at confidence up to {bounds[place]:.3g}" + (f" and above {bounds[place - 1]:.3g}" if place else "")
