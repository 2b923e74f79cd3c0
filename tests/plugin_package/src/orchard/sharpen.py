"""Weak labels raised to a power: as soft as they are, or nearer to hard.

y' = y^power / sum(y^power)
"""

from __future__ import annotations

import dataclasses

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Given, Method
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharpen(Method):
    """Sharpened weak labels.

    Attributes:
        power: 1 is `soft`; large is `hard`.
    """

    power: float = option(2.0, above=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the weak labels, sharpened."""
        values = weak.values**self.power
        return dataclasses.replace(weak, values=values / values.sum(axis=1, keepdims=True))
