r"""Every weak label counts by the confidence that the supervisor has in it.

Idea: do not choose between sure and unsure labels, weigh them.

    w_i proportional to (max_c y_ic) ^ strength,      mean 1

For texts the largest probability of the row's texts is read. Products of many token probabilities differ by orders of
magnitude between short and long texts: `strength` below 1 evens them out.

Source: confidence weighting is common in learning from noisy labels; Burns et al. 2023 (arXiv 2312.09390) only threshold.
What differs: nothing that is published under this name. Rows of ground truth have the largest weight that a weak label may
have (confidence 1). `strength` is the only parameter; 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Given, Method
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weighted(Method):
    """Weak labels weighed by their probability.

    Attributes:
        strength: power of the probability.
    """

    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "generation"})

    strength: float = option(1.0, low=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return all rows with their weights."""
        confidence = np.where(weak.gold, 1.0, weak.values.max(axis=1)) ** self.strength
        mean = float(confidence.mean())
        if mean == 0:  # nothing has any probability: nothing to weigh by
            return weak
        return dataclasses.replace(weak, weight=weak.weight * confidence / float((weak.weight * confidence).mean()))
