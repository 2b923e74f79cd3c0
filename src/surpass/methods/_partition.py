"""Easy, hard and overlap rows, by change points.

A change point is the single cut of sorted values s_1..s_n with the least squared error around the means of its two sides,
that is with the largest t (n - t) / n (mean_left - mean_right)^2. It is looked for at every fifth place, as ruptures'
Binseg does by default; the last of equal cuts wins, and the value right of the cut is the threshold. Below 7 values the
median takes its place.

- `cosine`: similarity max |cos|; a row at the first threshold is hard (their experiment script).
- `inner`: similarity max x . x'; a row at the first threshold is not hard (their data-selection module).
- `exact`: ours, for measuring. Similarity max |cos|, a row at the first threshold is not hard, and every place is tried. The
  largest similarity makes one easy row among the hard ones enough to turn all easy rows into overlap: of 300 easy, 20
  overlap and 80 hard planted rows `cosine` finds 20 easy ones, because the row at its first threshold is an easy one.

Source: Shin et al. 2024 (arXiv 2412.03881) and SprocketLab/datacentric_w2s.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values

Variant = Literal["cosine", "inner", "exact"]
STRIDE = 5  # ruptures.Binseg(jump=5, min_size=2)
LEAST = 2
FEWEST = STRIDE + LEAST
"""Below so many values there is no place for a change point."""


def confidence(values: Values) -> Values:
    """Return (C max y - 1) / (C - 1) for probabilities (n, C): 0 for all classes alike, 1 for a certain one; (n,)."""
    classes = values.shape[1]
    return np.asarray((classes * values.max(axis=1) - 1) / (classes - 1))


def partition(confidence: Values, vectors: Values, variant: Variant) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are hard and which are overlap, (n,) each; what is neither is easy.

    Args:
        confidence: (n,) of the weak labels.
        vectors: (n, d) strong features.
        variant: see the module's text.
    """
    stride = 1 if variant == "exact" else STRIDE
    cut = threshold(confidence, stride)
    hard = confidence <= cut if variant == "cosine" else confidence < cut
    overlap = np.zeros(len(hard), dtype=bool)
    if hard.any() and not hard.all():
        likeness = _likeness(vectors[~hard], vectors[hard], variant)
        overlap[~hard] = likeness >= threshold(likeness, stride)
    return hard, overlap


def threshold(scores: Values, stride: int = STRIDE) -> float:
    """Return the first value right of the change point of the sorted scores (n,), n at least 1; cuts at each `stride`."""
    ordered = np.sort(scores)
    n = len(ordered)
    places = np.arange(max(stride, LEAST), n - LEAST + 1, stride)
    if n < FEWEST:
        return float(np.median(ordered))
    sums = np.cumsum(ordered - ordered.mean())  # of centred values: that of the right side is minus that of the left
    gains = sums[places - 1] ** 2 * n / (places * (n - places))
    return float(ordered[places[np.flatnonzero(gains == gains.max())[-1]]])


def _likeness(rows: Values, hard: Values, variant: str) -> Values:
    """Return each row's largest similarity to a hard row, (m,)."""
    if variant != "inner":
        rows, hard = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in (rows, hard))
    found = np.empty(len(rows))
    for start in range(0, len(rows), 1024):  # bounded memory
        product = rows[start : start + 1024] @ hard.T
        found[start : start + 1024] = (product if variant == "inner" else np.abs(product)).max(axis=1)
    return found
