"""What the strong model's nearest rows say of a weak label.

Idea: rows that lie together in the strong model's features should have one label. The mean label of the nearest rows is a
second opinion: use it to drop weak labels, to replace them, or as the student itself.

    p(x) = mean of y over the k rows nearest to x (Euclidean distance, features as they are)

- `filter`: drop int(contamination * n) weak labels with the largest |p - y|.
- `relabel`: train on p in place of y.
- `predict`: p is the student; the strong model is not trained.

Source: EleutherAI/w2s (probe.py) and its blog, with k 50 and contamination 0.1; published as worse than plain training on
many datasets and better on a few, and as mostly worse above k = 50. Their quirk is kept: a row counts among its own
neighbours, which softens every disagreement; `itself: false` leaves it out.

What differs: validation labels stay as they are (they filter those too); a code comment there says cosine, but the code
measures Euclidean distance, and so do we. More than two classes, which the source does not define, compare by the total
variation sum_c |p_c - y_c| / 2. Ground truth votes, but is never dropped or replaced, and n counts the other rows. The
layer of the features matters most (theirs is the middle one), then k. contamination 0 with `filter` is `soft`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._opinion import SecondOpinion
from surpass.methods._selection import mean_of_nearest, nearest
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Knn(SecondOpinion):
    """Weak labels held against those of the nearest rows.

    Attributes:
        action: "filter", "relabel" or "predict".
        k: neighbours; at most as many as there are rows.
        itself: whether a training row counts among its own neighbours.
        contamination: share of the weak labels that "filter" drops.
    """

    neutral: ClassVar[dict[str, Any]] = {"action": "filter", "contamination": 0.0}

    k: int = option(50, low=1)
    itself: bool = True

    def opinion(self, table: Values, values: Values) -> Values:
        """Return the mean label of the k rows nearest to each row; its own label where it has no neighbour."""
        near = nearest(table, self.k, itself=self.itself)
        return values[near].mean(axis=1) if near.shape[1] else values

    def student(self, table: Values, targets: Targets) -> Callable[[NDArray[np.float32]], Values]:
        """Return the mean label of the k training rows nearest to each row."""
        return partial(mean_of_nearest, table, targets.values, self.k)
