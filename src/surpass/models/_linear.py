"""Linear heads without bias, solved exactly: what a finetuned head may start as, and the scores of preferences."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from surpass.artifacts import Targets, Values

L2 = 0.3
"""Penalty on the weights of scaled states, per row: what model `probe` has, whose docstring says why."""


def solved(states: Values, targets: Targets, target: str) -> Values:
    """Return the weights W, (C, d), that minimize the probe's loss.

        mean_i w_i CE(softmax(W x_i), y_i) + l2 / 2 * ||W D||^2        (squared error for regression)

    D is the spread of each state, so that the penalty does not depend on their scales. States keep their means, which
    stand in for the bias that the head does not have. For two classes W is one vector, half of it for each class: the
    zero start knows no first class either. A class that no label names keeps weights of zero.

    States of a preference are differences of candidates: W is the one vector of the score, (1, d), and D their root mean
    square, so that it does not matter which candidate is called the first.
    """
    preference = target == "preference"
    spread = np.sqrt(np.square(states).mean(axis=0)) if preference else states.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    scaled, n, classes = states / spread, len(states), targets.values.shape[1]
    if target == "regression":
        # Ridge sums where ours takes means, over rows and columns, and has no half before the penalty.
        ridge = Ridge(alpha=targets.values.size * L2 / 2, fit_intercept=False)
        return np.atleast_2d(ridge.fit(scaled, targets.values, sample_weight=targets.weight).coef_) / spread
    if preference:
        return score(scaled, targets.values, targets.weight, L2)[None] / spread
    rows, named = np.nonzero(targets.values > 0)
    found = np.zeros((classes, states.shape[1]))
    if len(known := np.unique(named)) < 2:
        return found  # labels of one class have no direction
    model = LogisticRegression(C=1 / (n * L2), fit_intercept=False, tol=1e-6, max_iter=5000)
    model.fit(scaled[rows], named, sample_weight=targets.values[rows, named] * targets.weight[rows])
    found[known] = np.outer((-0.5, 0.5), model.coef_[0]) if len(known) == 2 else model.coef_
    return found / spread


def score(differences: Values, values: Values, weight: Values, l2: float) -> Values:
    """Return the weights w, (d,), of the score of a candidate by which its preference is likely (Bradley & Terry 1952).

        mean_i w_i CE((sigmoid(-w x_i), sigmoid(w x_i)), y_i) + l2 / 2 * ||w||^2

    Each pair enters both ways round, half each: labels that all name the first candidate are no matter of one class.

    Args:
        differences: (n, d), of the first candidate to the second.
        values: (n, 2) probabilities that the second is better, and the first.
        weight: (n,).
        l2: the penalty.
    """
    x, soft = np.concatenate([differences, -differences]), np.concatenate([values, values[:, ::-1]])
    rows, named = np.nonzero(soft > 0)
    model = LogisticRegression(C=1 / max(len(values) * l2, 1e-12), fit_intercept=False, tol=1e-6, max_iter=5000)
    model.fit(x[rows], named, sample_weight=soft[rows, named] * np.tile(weight / 2, 2)[rows])
    found: Values = model.coef_[0]
    return found
