"""Cross-entropy on the supervisor's most probable class.

Idea: keep what the supervisor decides and drop how sure it was.

    loss = CE(softmax(z), onehot(argmax y))

Source: the `hard` labels of openai/weak-to-strong; chess in Burns et al. 2023 (arXiv 2312.09390), appendix A.2. A tie goes
to the first class, which equals EleutherAI's rule y > 0.5 for two classes. Of several texts the most probable one stays, with
the probability that it has. It has no parameter.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Given, Method


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hard(Method):
    """Weak labels hardened to one class, or to the most probable text."""

    targets: ClassVar[frozenset[str]] = frozenset({"classification", "generation"})

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the weak labels with all probability on the most probable class; of texts the others are left out."""
        if weak.texts is not None:
            first = np.arange(len(weak.ids)), weak.values.argmax(axis=1)
            return dataclasses.replace(weak, values=weak.values[first][:, None], texts=weak.texts[first][:, None])
        values = np.eye(weak.values.shape[1])[weak.values.argmax(axis=1)]
        return dataclasses.replace(weak, values=values)
