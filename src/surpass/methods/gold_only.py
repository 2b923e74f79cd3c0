"""Ground truth alone: the control that shows what guidance by a supervisor adds.

Idea: where labels are a blend of narrow ground truth and broad weak labels, drop the weak ones.

    loss = CE(softmax(z), y)  over the rows whose label is ground truth

Source: the usual control; nothing is published under this name. It has no parameter.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.errors import StageError
from surpass.methods.base import Given, Method, Need


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldOnly(Method):
    """The rows with ground truth, without the others."""

    wants: ClassVar[frozenset[Need]] = frozenset({"gold"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "generation"})

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows whose label is ground truth.

        Raises:
            StageError: there are none.
        """
        if not weak.gold.any():
            raise StageError(
                f"method 'gold-only' keeps rows with ground truth, but none of {len(weak.ids)} has it. "
                "Use labels that are a blend of ground truth and weak labels."
            )
        return weak.take(np.flatnonzero(weak.gold))
