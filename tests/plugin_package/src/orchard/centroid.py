"""Nearest class centre of word counts."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from surpass.artifacts import Inputs, Values
from surpass.models.base import Model, Solved, Work
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Centroid(Model):
    """Class centres of word counts; a probability falls with the distance to the centre.

    Attributes:
        sharpness: how fast it falls.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text"})

    sharpness: float = option(8.0, above=0.0)

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        """Return the centres, each row counted by its targets and weight."""
        words = sorted({word for text in work.inputs for word in text.split()})
        counts = _counts(work.inputs, words)
        shares = work.targets.values * work.targets.weight[:, None]
        centres = shares.T @ counts / np.maximum(shares.sum(axis=0), 1e-12)[:, None]
        return Solved((words, centres, self.sharpness), _predict, {})


def _counts(texts: Inputs, words: list[str]) -> Values:
    return np.array([[float(word in text.split()) for word in words] for text in texts]).reshape(len(texts), -1)


def _predict(predictor: tuple[list[str], Values, float], inputs: Inputs) -> Values:
    words, centres, sharpness = predictor
    distances = ((_counts(inputs, words)[:, None, :] - centres) ** 2).sum(axis=2)
    values = np.exp(-sharpness * (distances - distances.min(axis=1, keepdims=True)))
    return values / values.sum(axis=1, keepdims=True)
