"""The scores themselves, over arrays that are known to be good: one per row, exact, or under many weightings at once.

R2 and rank correlation come from scikit-learn and scipy. Their twins `..._many` take weights (B, n) and return (B,): the
bootstrap needs a thousand weightings of the same rows, for which one sort serves all. AUROC and ECE have only that form;
tests hold AUROC against scikit-learn's, whose checks of its arguments take forty times as long as the score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

BINS = 15
"""Bins of the expected calibration error, as in Guo et al. 2017."""

_CLIP = float(np.finfo(np.float64).eps)  # what scikit-learn's log_loss clips float64 probabilities at


def clipped(probs: Values) -> Values:
    """Return probabilities of which a logarithm can be taken: no less than 2.2e-16, as in scikit-learn's log_loss."""
    return np.asarray(np.clip(probs, _CLIP, 1.0))


def hard(probs: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the most probable class of each row, (n,); of tied classes the first.

    >>> hard([[0.5, 0.5], [0.2, 0.8]]).tolist()
    [0, 1]
    """
    values = np.asarray(probs, dtype=np.float64)
    if values.ndim == 1:
        return (values > 0.5).astype(np.int64)
    return np.asarray(np.argmax(values, axis=1), dtype=np.int64)


def correct(labels: Values, probs: Values) -> Values:
    """1 where the most probable class is the label, else 0, (n,)."""
    return np.asarray(hard(probs) == labels, dtype=np.float64)


def surprise(labels: Values, probs: Values) -> Values:
    """Minus the log of the label's probability, (n,); see `clipped`."""
    return np.asarray(-np.log(clipped(probs[np.arange(len(labels)), labels.astype(np.int64)])))


def brier_rows(labels: Values, probs: Values) -> Values:
    """Squared error of p(1) for two classes; else summed over all classes (Brier 1950), (n,)."""
    if probs.shape[1] == 2:
        return np.asarray((probs[:, 1] - labels) ** 2)
    target = labels[:, None] == np.arange(probs.shape[1])
    return np.asarray(((probs - target) ** 2).sum(axis=1))


def squared_error(labels: Values, values: Values) -> Values:
    """Squared error of each row, (n,)."""
    return np.asarray((values - labels) ** 2)


def column(place: int, labels: Values, scores: Values) -> Values:
    """One of the scores that texts were given, (n,)."""
    return np.asarray(scores[:, place])


def _scored_classes(probs: Values) -> Sequence[int]:
    return [1] if probs.shape[1] == 2 else range(probs.shape[1])


def auroc(labels: Values, probs: Values, weights: Values | None) -> float:
    """Area under the ROC curve; more than two classes: mean over classes, each against the rest."""
    return float(auroc_many(labels, probs, np.ones((1, len(labels))) if weights is None else weights[None])[0])


def auroc_many(labels: Values, probs: Values, weights: Values) -> Values:
    """As `auroc`, under each weighting."""
    areas = [_area(labels == number, probs[:, number], weights) for number in _scored_classes(probs)]
    return np.asarray(np.mean(areas, axis=0))


def _area(positive: npt.NDArray[np.bool_], scores: Values, weights: Values) -> Values:
    """Return the weighted share of (positive, negative) pairs in the right order, a tie counting half, (B,)."""
    order, starts = _tied(scores)
    mass = weights.T[order]  # (n, B): each row is a copy of contiguous numbers
    above = _tie_sums(mass * positive[order, None], starts)
    below = _tie_sums(mass, starts) - above
    wins = np.einsum("ib,ib->b", above, np.cumsum(below, axis=0) - below / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(wins / (above.sum(axis=0) * below.sum(axis=0)))


def _tied(scores: Values) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ascending order of the scores and where each run of equal scores starts in it."""
    order = np.argsort(scores, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])


def _tie_sums(mass: Values, starts: npt.NDArray[np.int64]) -> Values:
    return mass if len(starts) == len(mass) else np.add.reduceat(mass, starts, axis=0)


def confidence_bins(confidence: Values) -> npt.NDArray[np.int64]:
    """Return the bin of each confidence, (n,) of 0..BINS-1: equal widths over [0, 1], closed on the right.

    >>> confidence_bins(np.array([0.4, 0.401, 1.0])).tolist()
    [5, 6, 14]
    """
    return np.asarray(np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1))


def ece_many(labels: Values, probs: Values, weights: Values) -> Values:
    """Guo et al. 2017, eq. 3: sum over bins of |sum of weight x (correct - confidence)| / total weight."""
    confidence = probs.max(axis=1)
    bins = confidence_bins(confidence)
    excess = np.zeros((len(labels), BINS))
    excess[np.arange(len(labels)), bins] = correct(labels, probs) - confidence
    return np.asarray(np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1))


def ece(labels: Values, probs: Values, weights: Values | None) -> float:
    """Expected calibration error of the top class; see `ece_many`."""
    return float(ece_many(labels, probs, np.ones((1, len(labels))) if weights is None else weights[None])[0])


def r2(labels: Values, values: Values, weights: Values | None) -> float:
    """Share of the labels' variance that is explained; NaN for constant labels."""
    from sklearn.metrics import r2_score

    kept = labels if weights is None else labels[weights > 0]
    if np.ptp(kept) == 0:
        return float("nan")
    return float(r2_score(labels, values, sample_weight=weights, force_finite=False))


def r2_many(labels: Values, values: Values, weights: Values) -> Values:
    """As `r2`, under each weighting; labels are centred first, so that moments lose no digits."""
    centred = labels - labels.mean()
    parts = np.column_stack([np.ones_like(labels), centred, centred**2, (values - labels) ** 2])
    total, first, second, error = (weights @ parts).T
    spread = second - first**2 / total
    spread[spread <= 1e-12 * second] = np.nan
    return np.asarray(1 - error / spread)


def rank_correlation(labels: Values, values: Values, weights: Values | None) -> float:
    """Spearman's rank correlation; NaN if either side is constant."""
    from scipy.stats import spearmanr

    if weights is not None:
        return float(rank_correlation_many(labels, values, weights[None])[0])
    if np.ptp(labels) == 0 or np.ptp(values) == 0:
        return float("nan")
    return float(spearmanr(labels, values).statistic)


def rank_correlation_many(labels: Values, values: Values, weights: Values) -> Values:
    """Pearson's correlation of weighted mid-ranks: for whole weights, Spearman's rho of the repeated rows."""
    total = weights.sum(axis=1, keepdims=True)
    first, second = (ranks - total / 2 for ranks in (_mid_ranks(labels, weights), _mid_ranks(values, weights)))
    product, left, right = (
        np.einsum("bi,bi,bi->b", weights, a, b) for a, b in ((first, second), (first, first), (second, second))
    )
    scale = np.sqrt(left * right)
    scale[scale <= 1e-12 * total[:, 0] ** 3] = np.nan
    return np.asarray(product / scale)


def _mid_ranks(scores: Values, weights: Values) -> Values:
    """Return for each row the weight below its score plus half the weight tied with it, (B, n)."""
    order, starts = _tied(scores)
    mass = _tie_sums(weights.T[order], starts)
    ranks = np.empty((len(scores), len(weights)))
    ranks[order] = np.repeat(np.cumsum(mass, axis=0) - mass / 2, np.diff(np.r_[starts, len(scores)]), axis=0)
    return ranks.T
