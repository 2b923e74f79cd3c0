"""Curriculum: the supervisor's sure labels first, all of them later.

Idea: what a student learns first shapes the rest, and sure labels are right more often. So the `share` of rows with
the surest weak labels trains alone for the first `until` of training, and all rows after it.

    loss = CE(softmax(z), y)  if the row is among the sure or progress >= until,  else 0

Source: the "MDL curriculum" of the automated weak-to-strong researcher (safety-research/automated-w2s-research): two
passes over the sure half, then three over all rows at half the learning rate. What differs: a waiting row still takes
its place in a step with loss 0, so that passes and steps stay those of other methods, and early gradients are about
`share` times as large (plain gradient descent then moves at that share of its rate; Adam hardly notices). The rate
follows the model's schedule and is not halved. Rows with ground truth never wait, and are not counted in the share.
Confidence is max_c y_c, ties by id, any number of classes. `until` matters most: 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Batch, Given, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curriculum(Method):
    """Weak labels, the sure ones first."""

    neutral: ClassVar[dict[str, Any]] = {"until": 0.0}

    share: float = option(0.5, above=0.0, high=1.0)
    until: float = option(0.4, low=0.0, high=1.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with a column that is 1 for rows which train from the start, at least one, and 0 for others."""
        first = weak.gold.copy()
        waiting = np.flatnonzero(~weak.gold)
        order = sorted(waiting, key=lambda i: (-weak.values[i].max(), weak.ids[i]))
        first[order[: max(1, round(self.share * len(waiting)))]] = True
        return dataclasses.replace(weak, columns=first[:, None].astype(np.float64))

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the cross-entropy of each row, 0 for rows that wait."""
        found = cross_entropy(batch.logits, batch.targets)
        return found * batch.columns[:, 0] if progress < self.until else found
