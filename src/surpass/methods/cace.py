"""Confidence-adaptive cross-entropy: forward where the supervisor is sure, reverse where it is not.

Idea: cross-entropy learns a sure label fast; reverse cross-entropy learns less from a doubtful one, which is the more
often wrong.

    loss = CE(softmax(z), y)  if u >= c,  else  -sum_k p_k log y_k        (log y_k no lower than `floor`)
    u = (max_k y_k - 1/C) / (2 - 2/C)                                     (for two classes: |y_1 - 1/2|)

Source: `CACE_loss` of Gengze/W2SG-Bregman, the code of Xu et al. 2025 (arXiv 2505.24313); c = 0.01 and log 0 = -100
as there. At that c only rows at the very border are reversed. What differs: more than two classes scale a label's
confidence between chance and certainty. Ground truth is sure, hence always forward. `threshold` c matters most; 0 is
`soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class CACE(Method):
    """Cross-entropy on sure weak labels, reverse cross-entropy on doubtful ones."""

    neutral: ClassVar[dict[str, Any]] = {"threshold": 0.0}

    threshold: float = option(0.01, low=0.0, high=0.5)
    floor: float = option(-100.0, low=-100.0, high=-1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the loss of each row; see the module's text."""
        import torch

        chance = 1 / batch.targets.shape[1]
        sure = (batch.targets.amax(dim=-1) - chance) / (2 - 2 * chance)
        log_y = batch.targets.log().clamp(min=self.floor)
        reverse = -(torch.softmax(batch.logits.float(), dim=-1) * log_y).sum(dim=-1)
        forward = (sure >= self.threshold) | batch.gold | (self.threshold == 0)  # chance itself may round below 0
        return torch.where(forward, cross_entropy(batch.logits, batch.targets), reverse)
