"""Guidance by consistency: ground truth where there is some, the supervisor's probabilities elsewhere.

Idea: a strong model has ground truth on a narrow region only. A weak supervisor that knows the whole distribution
holds it to its own probabilities outside, so that it does not drift where nobody checks.

    loss = w CE(softmax(z), y),   w proportional to 1 for ground truth and to `strength` for weak labels, mean 1

Source: a weighted sum of a supervised and a distillation loss; no publication is followed. The weight acts through
`prepare`, so that models solved exactly can be guided too. Made for labels that are a blend; with one kind of label
it is `soft`. `strength` matters most: 1 is `soft`, 0 in the limit `gold-only`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Given, Method
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Consistency(Method):
    """Ground truth and weak labels, with a weight between them."""

    neutral: ClassVar[dict[str, Any]] = {"strength": 1.0}

    strength: float = option(0.5, above=0.0, high=100.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with weights of mean 1: those of weak labels are `strength` times those of ground truth."""
        weight = weak.weight * np.where(weak.gold, 1.0, self.strength)
        return dataclasses.replace(weak, weight=weight / weight.mean())
