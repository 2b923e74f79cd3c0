"""Logistic regression on soft labels for methods that judge labels by frozen features: exact, and out of fold."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values

MOST_STEPS = 5000


@dataclasses.dataclass(frozen=True)
class Logistic:
    """A fitted regression: logits x W + b with W (d, C), b (C,); the first logit is 0 for two classes."""

    matrix: Values
    bias: Values

    @classmethod
    def fit(cls, vectors: Values, values: Values, l2: float) -> Logistic:
        """Return the minimum of mean_i CE(softmax(x_i W + b), y_i) + l2 ||W||^2, for two classes over one vector W.

        L-BFGS meets features of very unequal size, as hidden states have, only after a change of variables that makes
        the loss about equally curved in all directions; it does not change the minimum.

        Args:
            vectors: (n, d) features x, taken as they are.
            values: (n, C) probabilities y.
            l2: penalty; there is no half before it and the bias is free.
        """
        from scipy.optimize import minimize

        n, classes = values.shape
        centre = vectors.mean(axis=0)
        centred = vectors - centre
        span = None
        if centred.shape[1] > n:  # the solution lies in the span of the rows
            span, corner = np.linalg.qr(centred.T)
            centred = corner.T
        curvature, axes = np.linalg.eigh(centred.T @ centred / (4 * n))
        floor = max(2 * l2, 1e-12 * max(float(curvature[-1]), 1e-300))
        axes = axes / np.sqrt(np.maximum(curvature, 0) + floor)
        columns = 1 if classes == 2 else classes
        problem = _Problem(centred @ axes, values, columns, axes, l2)
        start = np.zeros((axes.shape[1] + 1) * columns)
        options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "ftol": 1e-15, "gtol": 1e-8}
        solution = minimize(problem, start, jac=True, method="L-BFGS-B", options=options).x.reshape(-1, columns)
        matrix = axes @ solution[:-1]
        matrix = matrix if span is None else span @ matrix
        bias = solution[-1] - centre @ matrix
        if columns == 1:
            matrix, bias = np.hstack([np.zeros_like(matrix), matrix]), np.array([0.0, bias[0]])
        return cls(matrix, bias)

    def __call__(self, vectors: NDArray[Any]) -> Values:
        """Return probabilities (m, C) for vectors (m, d)."""
        return np.asarray(np.exp(log_softmax(np.asarray(vectors, dtype=np.float64) @ self.matrix + self.bias)))


@dataclasses.dataclass(frozen=True)
class _Problem:
    """The objective and its gradient over coefficients u with W = axes u."""

    vectors: Values
    values: Values
    columns: int
    axes: Values
    l2: float

    def __call__(self, flat: Values) -> tuple[float, Values]:
        coefficients = flat.reshape(-1, self.columns)
        logits = self.vectors @ coefficients[:-1] + coefficients[-1]
        if self.columns == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        log_p = log_softmax(logits)
        n = len(self.values)
        error = ((np.exp(log_p) - self.values) / n)[:, -self.columns :]
        matrix = self.axes @ coefficients[:-1]
        loss = -float((self.values * log_p).sum()) / n + self.l2 * float((matrix**2).sum())
        slope = self.vectors.T @ error + 2 * self.l2 * (self.axes.T @ matrix)
        return loss, np.vstack([slope, error.sum(axis=0)]).ravel()


def log_softmax(logits: Values) -> Values:
    """Return log probabilities, (n, C)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def standardized(vectors: Values, reference: Values | None = None) -> Values:
    """Return vectors with the mean and deviation of the reference's columns, or their own, taken out; a constant one is 0."""
    reference = vectors if reference is None else reference
    deviation = reference.std(axis=0)
    return np.asarray((vectors - reference.mean(axis=0)) / np.where(deviation > 1e-12, deviation, np.inf))


def folds_of(ids: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Return the fold of each row, (n,): rows in the order of a hash of their ids take turns."""
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in ids]
    found = np.empty(len(ids), dtype=np.int64)
    found[np.argsort(np.array(hashes), kind="stable")] = np.arange(len(ids)) % folds
    return found


def out_of_fold(vectors: Values, values: Values, ids: Sequence[str], folds: int, l2: float) -> Values:
    """Return for each row what a regression on the other folds predicts, (n, C); features are standardized on those.

    A row without any other to learn from gets even odds.
    """
    found = np.full(values.shape, 1 / values.shape[1])
    fold = folds_of(ids, folds)
    for number in range(folds):
        held, rest = fold == number, fold != number
        if held.any() and rest.any():
            model = Logistic.fit(standardized(vectors[rest]), values[rest], l2)
            found[held] = model(standardized(vectors[held], vectors[rest]))
    return found
