"""Where a run of training is read: three rules over the predictions that a fit stored at several points.

`last` is the end. `weak_val` is the point that agrees best with the labels the model was trained on, on validation rows: all
that a person without ground truth can do. `oracle` is the best point on the test rows themselves: it uses what nobody has and
only bounds what better stopping could give (Burns et al. 2023, section 5.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Array, Predictions, Values
from surpass.tasks._judging import same

RULES = ("last", "weak_val", "oracle")


def wanted_of(labels: Predictions, ids: Sequence[str]) -> Array:
    """Return the labels of rows as `point_scores` takes them: values (n, C), or texts (n,)."""
    return labels.on(ids) if labels.texts is None else labels.texts_on(ids)[:, 0]


def point_scores(predictions: Predictions, ids: Sequence[str], wanted: Array, target: str) -> NDArray[np.float64]:
    """Return how well each point of training meets `wanted` on the given rows; higher is better.

    Accuracy of the most probable class (n, C) for classification, minus the squared error (n, k) for regression, and the
    share of equal texts (n,) for generation, spaces at the ends aside.
    """
    points = range(len(predictions.steps))
    if target == "generation":
        return np.array([same(predictions.texts_at(point, ids), wanted.tolist()).mean() for point in points])
    return np.array([_score(predictions.at(point, ids), wanted, target) for point in points])


def _score(values: Values, wanted: Values, target: str) -> float:
    if target != "regression":
        return float((values.argmax(axis=1) == wanted.argmax(axis=1)).mean())
    return -float(((values - wanted) ** 2).mean())


def choose(scores: NDArray[np.float64]) -> int:
    """Return the best point; of equals the earliest, which has trained least on weak labels."""
    return int(scores.argmax())
