"""RAVEN: the weights of several supervisors are learned together with a student, by the same loss.

Idea: a supervisor whose labels a linear student can follow is trusted more. The student starts on rows about which all
supervisors agree, so that it is worth following before the weights depend on it.

    min over W, b, u of  mean_i CE(softmax(W x_i + b), sum_m u_m y_mi),   u_m >= 0, sum_m u_m = 1
    grad u_m = c_m - sum_k u_k c_k,   c_m = mean_i CE(softmax(W x_i + b), y_mi)

After each gradient step u is clipped at 1e-6 and scaled to sum 1. The labels returned are sum_m u_m y_mi; the strong model is
then fitted to them. The weights are logged at level INFO.

Source: "Weak-to-Strong Generalization under Distribution Shifts" (arXiv 2510.21332) and its code (mlbio-epfl/raven): u by
plain gradient steps of rate 1e-3, the head by Adam of rate 1e-4 with a cosine schedule, 100 epochs of batches of 128.

What differs: the student that learns the weights is a linear head on frozen, standardized features whatever the strong
model is, and every step takes all rows, so nothing is drawn. Both rates are constant and ten times as large: 200 steps go
as far as 100 epochs over 2,560 rows there. In the first epochs the loss is the mean over the rows of agreement, there over
the batch. Ground truth keeps its own label.

`weight_lr` matters most: 0 is the members' mean. The loss is linear in u, so long training ends with one member. Of two
members that decide alike the surer one costs less, right or wrong: members of unequal calibration are not weighed fairly.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._logistic import log_softmax, standardized
from surpass.methods._selection import by_id
from surpass.methods.base import Given, Method, Need
from surpass.spec import option

log = logging.getLogger(__name__)

SMALLEST = 1e-6
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's usual constants


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raven(Method):
    """An ensemble's labels under weights that are learned on the strong model's features.

    Attributes:
        epochs: steps over all rows.
        epochs_agree: of these the first, on rows whose most probable class is the same for all members; with no such row
            they take all rows.
        lr: of Adam, for the head.
        weight_lr: of the gradient steps, for the members' weights.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features", "members"})

    epochs: int = option(200, low=0)
    epochs_agree: int = option(20, low=0)
    lr: float = option(1e-3, above=0.0)
    weight_lr: float = option(1e-2, low=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the members' mean under the learned weights."""
        if given.features is None or given.members is None:
            raise ValueError("method 'raven' needs features and members")
        order = by_id(weak.ids)  # sums are taken in one order, however the rows come
        fixed = np.where(weak.gold[:, None], weak.values, np.nan)
        weights = self.learned(given.features[order], given.members[:, order], fixed[order])
        log.info("raven: weights %s", " ".join(f"{weight:.3f}" for weight in weights))
        return dataclasses.replace(weak, values=_mixed(weights, given.members, fixed))

    def learned(self, features: NDArray[np.float32], members: Values, fixed: Values) -> Values:
        """Return the weights, (M,).

        Args:
            features: (n, d), unscaled.
            members: labels, (M, n, C).
            fixed: (n, C) labels of rows that are known, NaN elsewhere.
        """
        vectors = np.hstack([standardized(features.astype(np.float64)), np.ones((len(features), 1))])
        weights = np.full(len(members), 1 / len(members))
        head, momentum, square = np.zeros((3, vectors.shape[1], members.shape[2]))
        decided = members.argmax(axis=2)
        agreed = (decided == decided[0]).all(axis=0) | ~np.isnan(fixed[:, 0])
        for epoch in range(self.epochs):
            if epoch in (0, self.epochs_agree):
                rows = np.flatnonzero(agreed) if epoch < self.epochs_agree and agreed.any() else np.arange(len(vectors))
                seen, said, known = vectors[rows], members[:, rows], fixed[rows]
                free = np.isnan(known[:, 0])
            logs = log_softmax(seen @ head)
            slope = seen.T @ (np.exp(logs) - _mixed(weights, said, known)) / len(rows)
            costs = -(said * logs)[:, free].sum(axis=(1, 2)) / len(rows)
            momentum = FIRST * momentum + (1 - FIRST) * slope
            square = SECOND * square + (1 - SECOND) * slope**2
            step = momentum / (1 - FIRST ** (epoch + 1))
            head = head - self.lr * step / (np.sqrt(square / (1 - SECOND ** (epoch + 1))) + TINY)
            weights = np.maximum(weights - self.weight_lr * (costs - weights @ costs), SMALLEST)
            weights = weights / weights.sum()
        return weights


def _mixed(weights: Values, members: Values, fixed: Values) -> Values:
    """Return the labels (n, C) under the weights, rows that are known as they are."""
    return np.where(np.isnan(fixed), np.tensordot(weights, members, axes=1), fixed)
