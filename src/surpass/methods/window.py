"""Cross-entropy on the rows that the student is unsure of.

Idea: where a strong student is sure, the supervisor has nothing to teach it; train on the others only.

    loss = CE(softmax(z), y)  if max_c p_c < 1/C + 2 r (1 - 1/C),  else 0      (for two classes: max p < 1/2 + r)

The mean is taken over all rows of the step. With `radius` none, r is EleutherAI's "midweak": half of the rows' weak
labels are less sure than the border (for two classes r is the median of |y - 1/2|). It is computed once from the
labels to train on, so that nothing seen while training or evaluating moves it.

Source: `window` of EleutherAI/w2s (loss.py), radius 0.15 by default and "midweak" in their blog. What differs: rows
with ground truth are always trained on and stay out of the median; more than two classes scale the border between
chance and 1. `radius` matters most; anything above 0.5 is `soft`.
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
class Window(Method):
    """Weak labels, as long as the student is less sure than a border."""

    neutral: ClassVar[dict[str, Any]] = {"radius": 0.51}

    radius: float | None = option(None, above=0.0, high=1.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with the border below which a row is trained on as their column."""
        classes = weak.values.shape[1]
        if self.radius is None:
            counted = weak.values if weak.gold.all() else weak.values[~weak.gold]
            border = float(np.median(counted.max(axis=1)))
        else:
            border = 1 / classes + 2 * self.radius * (1 - 1 / classes)
        return dataclasses.replace(weak, columns=np.full((len(weak.ids), 1), border))

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the cross-entropy of rows inside the window and of ground truth, 0 for others."""
        import torch

        sure = torch.softmax(batch.logits.detach().float(), dim=-1).amax(dim=-1)
        inside = (sure < batch.columns[:, 0]) | batch.gold
        return cross_entropy(batch.logits, batch.targets) * inside
