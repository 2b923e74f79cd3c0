"""What a shifted test costs: the scores of floor, student and ceiling in domain less those under shift.

The rows of the two tests are others, so a drop says how much harder the shifted rows are as well as what the shift does to a
model. What the student loses beyond its supervisor (the drop of its gain) is free of the first: both met the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surpass.errors import AlignmentError, SpecError
from surpass.metrics import Metric
from surpass.metrics import metric as metric_of
from surpass.stats import Estimate, Ratios, Run, ratio_estimates

ROLES = ("floor", "student", "ceiling")


class Drops(NamedTuple):
    """Scores in domain less scores under shift; above 0: worse under shift, whichever way the metric goes.

    `beyond` is the student's drop less the floor's: above 0 the student's lead over its supervisor shrinks.
    """

    floor: Estimate
    student: Estimate
    ceiling: Estimate
    beyond: Estimate


def can_drop(name: str) -> bool:
    """Return whether a metric's drop has an interval here: it must be a mean over rows."""
    return metric_of(name).per_row is not None


def drops(home: Sequence[Run], away: Sequence[Run], *, metric: str = "accuracy", level: float = 0.95) -> Drops:
    """Return what the shift costs, paired by seed; rows of both tests are resampled together, by group.

    Args:
        home: of each seed the run on the in-domain test rows.
        away: of the same seeds the run on the rows of the shifted test.
        metric: one for which `can_drop` holds.
        level: nominal coverage.

    Raises:
        AlignmentError: another number of seeds on one side.
        SpecError: a metric that is no mean over rows.
        DataError: no runs, or predictions that the metric cannot take.

    >>> rows = [f"row-{i}" for i in range(4)]
    >>> right = Run([1, 1, 0, 0], rows, student=[1, 1, 0, 0], floor=[1, 1, 0, 0], ceiling=[1, 1, 0, 0])
    >>> wrong = Run([1, 1, 0, 0], list("abcd"), student=[1, 0, 0, 0], floor=[1, 1, 0, 0], ceiling=[1, 1, 0, 0])
    >>> found = drops([right], [wrong])
    >>> found.student.value, found.floor.value, found.beyond.value
    (0.25, 0.0, 0.25)
    """
    if len(home) != len(away):
        raise AlignmentError(
            f"{len(home)} runs in domain and {len(away)} under shift; each seed needs one of both. Join them by seed."
        )
    score = metric_of(metric)
    if score.per_row is None:
        raise SpecError(
            f"metric '{metric}' is no mean over rows, so its drop has no interval here. Use accuracy or mse."
        )
    parts = [_ratios(score, *pair) for pair in zip(home, away, strict=True)]
    sign = 1.0 if score.higher_is_better else -1.0
    each = sign * np.hstack([np.eye(3), -np.eye(3)])
    names = [f"{metric} of the {role} {where}" for where in ("in domain", "under shift") for role in ROLES]
    found = ratio_estimates(parts, names, np.vstack([each, each[1] - each[0]]), level=level)
    return Drops(*found)


def _ratios(score: Metric, home: Run, away: Run) -> Ratios:
    """Return floor, student and ceiling in domain, then under shift, as shares over the rows of both, (n, 6)."""
    assert score.per_row is not None  # `drops` has asked
    blocks = [
        np.column_stack([score.per_row(*score.checked(run.labels, getattr(run, role))) for role in ROLES])
        for run in (home, away)
    ]
    tops = np.zeros((len(blocks[0]) + len(blocks[1]), 6))
    bottoms = np.zeros_like(tops)
    tops[: len(blocks[0]), :3], tops[len(blocks[0]) :, 3:] = blocks
    bottoms[: len(blocks[0]), :3] = bottoms[len(blocks[0]) :, 3:] = 1.0
    return Ratios(tops, bottoms, [*map(str, home.groups), *map(str, away.groups)])
