"""How many rows teach the student something new: overlap density.

Rows are easy (the supervisor's features settle them), hard (only the strong model's do) or both at once: overlap. A student
learns the hard features from overlap rows, whose weak labels are right because they are easy, so

    density = n_overlap / (n_easy + n_hard + n_overlap)

predicts whether there is a gain (Shin et al. 2024, arXiv 2412.03881). The partition by two change points is theirs and
shared with the method `overlap`: the least confident weak labels are hard; of the others those whose strong
features are most like a hard row's are overlap.

Assumptions: the supervisor's confidence tells easy from hard rows (a badly calibrated supervisor still ranks them), hard
rows of the strong features lie together, and both values have one jump. Label-free: it needs weak labels and strong
features alone.

Range [0, 1]; easy + hard + overlap = 1, since what is neither is not detected. The threshold of a change point always
exists where values differ, so a density is found also where no groups are: it compares supervisors or sources of data on
the same task, not one task with another. Similarity is a largest value over the hard rows and grows with their number, so
compare at equal numbers of rows.

Undefined, with the reason: fewer than 7 rows, or fewer than 7 that are not hard (no place for a change point); weak labels
that are all equally sure (0 and 1, or constant); no hard row.

Intervals resample the rows by group and take both thresholds as given. Where the groups of rows run into each other the
thresholds move with the sample, and the intervals are short: of 400 such rows, nominal 95 % covered the mean of such
densities in 75 %, of the shares of easy and hard rows in 55 and 81 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surpass.diagnostics._rows import Values, check_level, names_of, table, undefined
from surpass.diagnostics.kernel import Views
from surpass.errors import DataError
from surpass.methods._partition import FEWEST, Variant, confidence, partition
from surpass.metrics import checked_predictions
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, ratio_estimates

_DIGITS = 9  # confidences equal to this many decimals are one: 1 - 0.3 and 0.7 differ in the last bit


class OverlapDensity(NamedTuple):
    """Shares of rows that are overlap, easy and hard; they sum to 1."""

    density: Estimate
    easy: Estimate
    hard: Estimate


def overlap_density(views: Sequence[Views], *, variant: Variant = "exact", level: float = 0.95) -> OverlapDensity:
    """Return the shares of overlap, easy and hard rows, means over seeds; see the module's text.

    Args:
        views: one per seed; `labels` are the weak labels (n, C), `weak` is not read.
        variant: "exact" counts planted rows right; "cosine" and "inner" are the two published codes (`methods._partition`).
        level: nominal coverage.

    Raises:
        AlignmentError: other rows in features, labels or groups.
        DataError: no seeds, features that are not finite, or labels that are no probabilities.
        SpecError: a level outside (0, 1).
    """
    check_level(level)
    if not views:
        raise DataError("there are no seeds; a density needs at least one. Look for seeds that failed.")
    parts = []
    for number, view in enumerate(views):
        found = _shares(view, variant)
        if isinstance(found, str):
            why = found if len(views) == 1 else f"seed {number + 1} of {len(views)}: {found}"
            examples = len(np.unique(view.groups))
            return OverlapDensity(*(undefined(why, seeds=len(views), examples=examples, level=level) for _ in range(3)))
        parts.append(found)
    names = ("overlap", "easy", "hard")
    return OverlapDensity(*ratio_estimates(parts, names, bounds=(0.0, 1.0), level=level, resamples=RESAMPLES_SLOW))


def _shares(view: Views, variant: Variant) -> Ratios | str:
    """Return which rows are overlap, easy and hard (n, 3), or why there is no partition."""
    labels = np.asarray(view.labels, dtype=np.float64)
    strong = table("strong features", view.strong, rows=len(labels))
    _, probs = checked_predictions("classification", np.zeros(len(labels)), labels)
    sure: Values = np.round(confidence(probs), _DIGITS)
    if len(sure) < FEWEST:
        return f"{len(sure)} rows; a change point needs at least {FEWEST}"
    if sure.min() == sure.max():
        return f"all weak labels are equally sure ({probs.max(axis=1)[0]:.3g}), so no change point tells easy from hard"
    hard, overlap = partition(sure, strong.astype(np.float64), variant)
    if not hard.any() or (~hard).sum() < FEWEST:
        return f"{hard.sum()} of {len(hard)} rows are hard; it needs one, and {FEWEST} others for a second change point"
    tops = np.column_stack([overlap, ~hard & ~overlap, hard]).astype(np.float64)
    return Ratios(tops, np.ones_like(tops), names_of(view.groups, len(labels)))
