"""Votes of several raters as one label with doubt."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from surpass.artifacts import Values
from surpass.errors import SpecError

Combine = Literal["mean", "dawid-skene"]


def combined(votes: Values, classes: int, how: Combine = "mean") -> Values:
    """Return the label of each row as probabilities, (n, C); NaN in rows without a vote.

    Args:
        votes: (n, k) class indices of k raters, NaN where one gave none.
        classes: C.
        how: "mean" is the share of the votes that each class has; "dawid-skene" weighs raters by how often they are right
            with each class, estimated by EM (Dawid & Skene 1979).
    """
    if how not in get_args(Combine):
        raise SpecError(f"combine={how!r}; allowed are {', '.join(get_args(Combine))}.")
    if how == "dawid-skene" and votes.shape[1] < 2:
        raise SpecError("combine='dawid-skene' compares raters, but there is one column of labels. Use mean.")
    given = np.isfinite(votes)
    counts: Values = np.stack([((votes == c) & given).sum(axis=1) for c in range(classes)], axis=1).astype(np.float64)
    total = counts.sum(axis=1, keepdims=True)
    found: Values = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    if how == "dawid-skene":
        from surpass.labels._dawid_skene import dawid_skene

        rows = total[:, 0] > 0
        found[rows] = dawid_skene(votes[rows], classes)
    return found
