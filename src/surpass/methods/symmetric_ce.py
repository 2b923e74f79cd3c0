"""Symmetric cross-entropy: forward and reverse cross-entropy added.

Idea: the forward term learns hard classes, the reverse term is bounded where a label is wrong; together they fit
noisy labels less.

    loss = alpha CE(softmax(z), y) - beta sum_c p_c log y_c,   log y_c no lower than `floor`

Source: Wang et al. 2019 (arXiv 1908.06112), where log 0 is A = -4 and labels are hard; `SL_loss` of
Gengze/W2SG-Bregman, the code of Xu et al. 2025 (arXiv 2505.24313), with alpha = 1, beta = 0.1, the defaults here.
What differs: with soft labels the floor also lifts probabilities between 0 and e^A (0.018 at -4); W2SG-Bregman's
floor is -100. `beta` matters most; alpha = 1, beta = 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class SymmetricCE(Method):
    """A weighted sum of cross-entropy and reverse cross-entropy.

    Attributes:
        alpha: the weight of cross-entropy.
        beta: the weight of reverse cross-entropy.
        floor: the least log y_c.
    """

    neutral: ClassVar[dict[str, Any]] = {"alpha": 1.0, "beta": 0.0}

    alpha: float = option(1.0, low=0.0)
    beta: float = option(0.1, low=0.0)
    floor: float = option(-4.0, low=-100.0, high=-1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return alpha CE + beta RCE of each row."""
        import torch

        log_y = batch.targets.log().clamp(min=self.floor)
        reverse = -(torch.softmax(batch.logits.float(), dim=-1) * log_y).sum(dim=-1)
        return self.alpha * cross_entropy(batch.logits, batch.targets) + self.beta * reverse
