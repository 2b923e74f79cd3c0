"""How reliable each of several known raters is, from their votes alone, and what the votes then say.

Source: Dawid & Skene (1979). Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm. Applied
Statistics 28(1). A rater has a confusion matrix, that is how often a row of a class gets each vote; given the class, raters
are independent. EM starts from the shares of the votes. What differs: each cell of a matrix counts SMOOTHING votes more, so
that a vote that a rater never gave to a class does not rule that class out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surpass.artifacts import Values

SMOOTHING = 0.01
ROUNDS = 500
CLOSE = 1e-6
"""EM ends when no probability moves by more."""


class Crowd(NamedTuple):
    """What is known of the raters: `prior` (C,) of the classes, `confusion` (k, C, C): rater, class, vote."""

    prior: Values
    confusion: Values

    def read(self, votes: Values) -> Values:
        """Return the probabilities of the classes, (n, C), given votes (n, k); NaN is no vote."""
        logs = np.tile(np.log(self.prior), (len(votes), 1))
        for theirs, said in zip(self.confusion, votes.T, strict=True):
            given = ~np.isnan(said)
            logs[given] += np.log(theirs[:, said[given].astype(int)]).T
        values = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True))


def estimate(votes: Values, classes: int) -> Crowd:
    """Return what votes tell of the k raters who gave them.

    Args:
        votes: (n, k) class indices, one column a rater; NaN is no vote.
        classes: C.
    """
    said = np.stack([votes == c for c in range(classes)], axis=2).astype(np.float64)
    counts = said.sum(axis=1)
    values = (counts + SMOOTHING) / (counts + SMOOTHING).sum(axis=1, keepdims=True)
    for _ in range(ROUNDS):
        confusion = np.einsum("nc,nkv->kcv", values, said) + SMOOTHING
        prior = values.sum(axis=0) + SMOOTHING
        crowd = Crowd(prior / prior.sum(), confusion / confusion.sum(axis=2, keepdims=True))
        before, values = values, crowd.read(votes)
        if np.abs(values - before).max(initial=0.0) < CLOSE:
            break
    return crowd


def dawid_skene(votes: Values, classes: int) -> Values:
    """Return the probabilities of the classes, (n, C), of rows with votes (n, k) of k raters; NaN is no vote.

    >>> votes = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]] * 5, dtype=float)
    >>> dawid_skene(votes, 2)[:2, 1].round(2)
    array([1., 0.])
    """
    return estimate(votes, classes).read(votes)
