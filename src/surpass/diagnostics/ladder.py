"""What a larger student changes: its score, and how often it gives its supervisor's answer.

Burns et al. 2023 (section 5.1.3) found that larger students agree less with their supervisor, above all where it is wrong:
inverse scaling. Smallest and largest student are compared on the same test rows and seeds. With two or three sizes a rank
correlation says nothing, so none is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surpass.errors import AlignmentError
from surpass.stats import Estimate, Ratios, Run, compare, ratio_estimates

_NAMES = ("agreement", "agreement where the supervisor is right", "agreement where the supervisor is wrong")


class Climb(NamedTuple):
    """Largest - smallest student: of the score, and of the agreement with the supervisor; None without classes."""

    score: Estimate
    overall: Estimate | None
    when_right: Estimate | None
    when_wrong: Estimate | None


def climb(
    smallest: Sequence[Run], largest: Sequence[Run], *, metric: str, classes: bool = True, level: float = 0.95
) -> Climb:
    """Return what changes from the smallest student to the largest, paired by test row and seed.

    Args:
        smallest: of each seed the run of the smallest student.
        largest: of the same seeds the run of the largest, on the same rows in the same order.
        metric: whose score is compared.
        classes: False for regression, which has no agreement.
        level: nominal coverage.

    Raises:
        AlignmentError: other seeds or rows on one side.
        DataError: no runs, or predictions that the metric cannot take.
    """
    if len(smallest) != len(largest) or any(
        list(one.groups) != list(other.groups) or not np.array_equal(one.labels, other.labels)
        for one, other in zip(smallest, largest, strict=False)
    ):
        raise AlignmentError(
            f"{len(smallest)} and {len(largest)} runs differ in their seeds or test rows; a difference needs the same. "
            "Join them by seed and row id first."
        )
    pairs = list(zip(smallest, largest, strict=True))
    # `compare` gives student - floor as its gain: here that is largest - smallest
    both = [Run(b.labels, b.groups, student=b.student, floor=a.student, ceiling=b.student) for a, b in pairs]
    score = compare(metric, both, level=level).gain
    if not classes:
        return Climb(score, None, None, None)
    parts = [_ratios(*pair) for pair in pairs]
    names = [f"{name} of the {size} student" for size in ("smallest", "largest") for name in _NAMES]
    contrasts = np.hstack([-np.eye(3), np.eye(3)])
    return Climb(score, *ratio_estimates(parts, names, contrasts, bounds=(-1.0, 1.0), level=level))


def _ratios(smallest: Run, largest: Run) -> Ratios:
    """Return the agreement of either student with its own supervisor: overall, where right, where wrong, (n, 6)."""
    tops, bottoms = [], []
    for run in (smallest, largest):
        right = run.answers("floor") == run.read("classification", "floor")[0]
        among = np.column_stack([np.ones(len(right)), right, ~right])
        tops.append(among * (run.answers("student") == run.answers("floor"))[:, None])
        bottoms.append(among)
    return Ratios(np.hstack(tops), np.hstack(bottoms), smallest.groups)
