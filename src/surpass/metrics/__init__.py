"""Scores of predictions against gold labels, each with sample weights so that test rows can be resampled.

Shapes, for n rows and C classes: `labels` (n,) holds class numbers 0..C-1 for classification and preference (1 = the
first candidate is better) and values for regression; `probs` is (n, C), or (n,) for the probability of class 1 of two,
or (n,) values for regression; `weights` (n,) are not negative. Everything is computed in float64. A score that does not
exist (AUROC with one class, correlation of a constant) is NaN, never 0 or 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.errors import DataError, UnknownNameError
from surpass.metrics import _scores
from surpass.metrics._scores import BINS, clipped, confidence_bins, hard

__all__ = [
    "BINS",
    "JUDGED",
    "METRICS",
    "Agreement",
    "Metric",
    "agreement",
    "checked_predictions",
    "clipped",
    "confidence_bins",
    "for_kind",
    "hard",
    "metric",
]

Values = npt.NDArray[np.float64]
RowScores = Callable[[Values, Values], Values]
"""(labels, predictions) -> the score of each row, (n,)."""
ExactScore = Callable[[Values, Values, Values | None], float]
"""(labels, predictions, weights or None) -> the score."""
ManyScores = Callable[[Values, Values, Values], Values]
"""(labels, predictions, weights (B, n)) -> the score under each of B weightings, (B,)."""

_INFINITY = float("inf")


def checked_predictions(kind: str, labels: npt.ArrayLike, predictions: npt.ArrayLike) -> tuple[Values, Values]:
    """Return labels (n,) and predictions (n, C), or (n,) for regression, as float64 that a metric can take.

    For generation, labels are any numbers and predictions the scores (n, 3) of the texts, in the order of `JUDGED`.

    Raises DataError for no rows, shapes that differ, values that are not finite, probabilities outside [0, 1] or not
    summing to 1 (to 0.001), and labels that are not one of the C classes.

    >>> checked_predictions("preference", [1, 0], [0.75, 0.5])[1].tolist()
    [[0.25, 0.75], [0.5, 0.5]]
    """
    gold, guess = _numbers("labels", labels), _numbers("predictions", predictions)
    if gold.ndim != 1 or not len(gold):
        raise DataError(f"labels have shape {gold.shape}; a metric needs (n,) with n >= 1. Pass one label per row.")
    if guess.ndim not in (1, 2) or len(guess) != len(gold):
        raise DataError(
            f"predictions have shape {guess.shape} for labels of shape {gold.shape}; allowed are ({len(gold)},) and "
            f"({len(gold)}, C). Join both by row id first."
        )
    if kind == "generation":
        return gold, _checked_scores(guess)
    if kind == "regression":
        if guess.ndim == 2 and guess.shape[1] != 1:
            raise DataError(f"predictions have shape {guess.shape}; regression allows ({len(gold)},). Score one value.")
        return gold, guess.reshape(len(gold))
    probs = np.column_stack([1.0 - guess, guess]) if guess.ndim == 1 else guess
    _check_probabilities(gold, probs)
    return gold, probs


def _checked_scores(scores: Values) -> Values:
    if scores.ndim != 2 or scores.shape[1] != len(JUDGED) or scores.min() < 0 or scores.max() > 1:
        raise DataError(
            f"texts were given scores of shape {scores.shape} in [{scores.min():g}, {scores.max():g}]; {len(JUDGED)} "
            f"columns ({', '.join(JUDGED)}) in [0, 1] are needed. Look at the task's `right` and `accepts`."
        )
    return scores


def _numbers(what: str, values: npt.ArrayLike) -> Values:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} are not numbers; allowed are finite numbers. Encode classes as 0..C-1.") from None
    if not np.isfinite(array).all():
        first = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            f"{what} hold {array[tuple(first)]} at row {first[0] if first.size else 0}; allowed are finite numbers. "
            "Look for a fit that diverged, or drop the run and say so."
        )
    return array


def _check_probabilities(labels: Values, probs: Values) -> None:
    classes = probs.shape[1]
    if classes < 2:
        raise DataError(f"probabilities have {classes} column; at least 2 classes are needed. Pass (n, C) or (n,).")
    low, high = probs.min(), probs.max()
    if low < -1e-6 or high > 1 + 1e-6:
        raise DataError(
            f"probabilities range over [{low:g}, {high:g}]; allowed is [0, 1]. Pass probabilities, not logits."
        )
    sums = probs.sum(axis=1)
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > 1e-3:
        raise DataError(f"probabilities of row {worst} sum to {sums[worst]:g}; they must sum to 1. Normalise each row.")
    wrong = (labels != np.floor(labels)) | (labels < 0) | (labels >= classes)
    if wrong.any():
        raise DataError(
            f"label {labels[np.argmax(wrong)]:g} at row {int(np.argmax(wrong))} is no class; allowed are the whole "
            f"numbers 0 to {classes - 1}. Encode gold labels in the order of the task's classes."
        )


class Agreement(NamedTuple):
    """Share of test rows on which student and supervisor choose the same class (Burns et al. 2023, section 5.1.2)."""

    overall: float
    where_right: float
    """Over the rows on which the supervisor is right; NaN if there are none."""
    where_wrong: float
    """Over the rows on which the supervisor is wrong, that is how much of its errors is copied; NaN if there are none."""
    right: int
    wrong: int


def agreement(student: npt.ArrayLike, supervisor: npt.ArrayLike, labels: npt.ArrayLike) -> Agreement:
    """Return how often two classifiers (n, C) agree: overall, and where the supervisor is right and wrong.

    Raises DataError as `checked_predictions` does.

    >>> agreement([0.9, 0.9, 0.1], [0.8, 0.3, 0.2], [1, 1, 1])
    Agreement(overall=0.6666666666666666, where_right=1.0, where_wrong=0.5, right=1, wrong=2)
    """
    gold, first = checked_predictions("classification", labels, student)
    _, second = checked_predictions("classification", labels, supervisor)
    same, right = hard(first) == hard(second), hard(second) == gold
    where_right, where_wrong = (float(same[rows].mean()) if rows.any() else float("nan") for rows in (right, ~right))
    return Agreement(float(same.mean()), where_right, where_wrong, int(right.sum()), int((~right).sum()))


@dataclass(frozen=True)
class Metric:
    """A score: its name, the kinds of label it serves, and its value under any weighting of the rows.

    Attributes:
        name: as in tables and files.
        kinds: of "classification", "preference", "regression", "generation".
        higher_is_better: PGR needs no sign (it cancels); tables and the guard do.
        bounds: the lowest and highest possible value.
        per_row: labels and predictions to the score of each row, if the metric is the mean of such scores.
        exact: the score itself, for a metric that is no mean of rows.
        many: the score under each of B weightings, for a metric that is no mean of rows.
    """

    name: str
    kinds: tuple[str, ...]
    higher_is_better: bool
    bounds: tuple[float, float]
    per_row: RowScores | None = None
    exact: ExactScore | None = None
    many: ManyScores | None = None

    @property
    def decomposes(self) -> bool:
        """Whether the score is a (weighted) mean of one score per row."""
        return self.per_row is not None

    def value(self, labels: npt.ArrayLike, predictions: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
        """Return the score; a weight w counts a row w times. NaN where the score does not exist.

        Raises DataError for bad predictions (see `checked_predictions`) and bad weights.

        >>> METRICS["accuracy"].value([1, 0], [0.9, 0.9], weights=[3, 1])
        0.75
        """
        gold, guess = self.checked(labels, predictions)
        mass = None if weights is None else _checked_weights(weights, len(gold))
        return self.known(gold, guess, mass)

    def known(self, labels: Values, predictions: Values, weights: Values | None = None) -> float:
        """Return the score of arrays as `checked` returns them."""
        if self.per_row is not None:
            return float(np.average(self.per_row(labels, predictions), weights=weights))
        assert self.exact is not None  # a metric has per_row, or exact and many
        return self.exact(labels, predictions, weights)

    def values(self, labels: Values, predictions: Values, weights: Values) -> Values:
        """Return the score under each row of `weights` (B, n), (B,); arrays as `checked` returns them."""
        if self.per_row is not None:
            return np.asarray(weights @ self.per_row(labels, predictions) / weights.sum(axis=1))
        assert self.many is not None  # a metric has per_row, or exact and many
        return self.many(labels, predictions, weights)

    def checked(self, labels: npt.ArrayLike, predictions: npt.ArrayLike) -> tuple[Values, Values]:
        """Return labels and predictions as this metric takes them (see `checked_predictions`)."""
        return checked_predictions(self.kinds[0], labels, predictions)


def _checked_weights(weights: npt.ArrayLike, n: int) -> Values:
    mass = _numbers("weights", weights)
    if mass.shape != (n,):
        raise DataError(f"weights have shape {mass.shape} for {n} rows; allowed is ({n},). Pass one weight per row.")
    if mass.min() < 0 or mass.sum() <= 0:
        raise DataError(
            f"weights go down to {mass.min():g} and sum to {mass.sum():g}; allowed are weights >= 0 with a positive sum. "
            "Give at least one row a positive weight."
        )
    return mass


_CLASSES = ("classification", "preference")
JUDGED = ("exact_match", "edit_similarity", "accepted")
"""What is said of a text, in the order of the columns of `surpass.tasks._judging.judge`."""
_ALL = (
    Metric("accuracy", _CLASSES, True, (0.0, 1.0), per_row=_scores.correct),
    Metric("auroc", ("classification",), True, (0.0, 1.0), exact=_scores.auroc, many=_scores.auroc_many),
    Metric("log_loss", _CLASSES, False, (0.0, _INFINITY), per_row=_scores.surprise),
    Metric("brier", ("classification",), False, (0.0, 2.0), per_row=_scores.brier_rows),
    Metric("ece", ("classification",), False, (0.0, 1.0), exact=_scores.ece, many=_scores.ece_many),
    Metric("mse", ("regression",), False, (0.0, _INFINITY), per_row=_scores.squared_error),
    Metric("r2", ("regression",), True, (-_INFINITY, 1.0), exact=_scores.r2, many=_scores.r2_many),
    Metric(
        "rank_correlation",
        ("regression",),
        True,
        (-1.0, 1.0),
        exact=_scores.rank_correlation,
        many=_scores.rank_correlation_many,
    ),
    *(
        Metric(name, ("generation",), True, (0.0, 1.0), per_row=partial(_scores.column, place))
        for place, name in enumerate(JUDGED)
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every metric by name, in the order of tables.

accuracy: share of rows whose `hard` class is the label. auroc: share of (positive, negative) pairs in the right order,
a tie counting half; more than two classes: mean over classes, each against the rest; NaN if a class has no row.
log_loss: mean -ln p(label), p clipped at 2.2e-16 as in scikit-learn. brier: two classes, mean (p(1) - label)^2; more,
mean over rows of the sum over classes (range 0 to 2). ece: expected calibration error of the top class, 15 bins of equal
width over its probability, closed on the right. mse; r2 (NaN for constant labels); rank_correlation: Spearman's rho.
exact_match: share of texts that are right: equal to the target but for spaces at the ends, or by the task's own check.
edit_similarity: mean of 1 - edit distance / length of the longer text. accepted: share that could be an answer at all.
"""


def metric(name: str) -> Metric:
    """Return the metric of that name; UnknownNameError names the nearest one.

    >>> metric("brier").higher_is_better
    False
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]


def for_kind(kind: str) -> tuple[str, ...]:
    """Return the names of the metrics of a kind of label, in the order of tables.

    >>> for_kind("preference")
    ('accuracy', 'log_loss')
    """
    names = tuple(name for name, metric in METRICS.items() if kind in metric.kinds)
    if not names:
        raise UnknownNameError("kind of label", kind, {kind for metric in _ALL for kind in metric.kinds})
    return names
