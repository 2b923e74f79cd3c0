"""Cross-entropy on the product of the supervisor's and the student's own probabilities.

Idea: the label is what supervisor and student agree on. A student that is sure moves the label, one in doubt follows
it.

    loss = CE(softmax(z), t),   t_c = p_c^beta y_c^alpha / sum_k p_k^beta y_k^alpha,   t constant

Source: `product` of openai/weak-to-strong (loss.py), alpha = beta = 1; Burns et al. 2023 (arXiv 2312.09390), appendix
B, who found it better than plain labels on two tasks; alpha = beta = 0.5 is the geometric mean they tried too. The
released code takes a warm-up and never uses it, so there is none here. What differs: powers are taken as logarithms,
so that a class which both rule out gives no 0/0. With beta = alpha = 1 the gradient vanishes where the student is
sure, right or wrong: lower `beta` if it locks itself in; 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 1e-37
"""Of float32: labels of 0 count as this, so that their logarithm is a number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product(Method):
    """Cross-entropy on the normalized product of weak label and own prediction.

    Attributes:
        alpha: the power of the weak label.
        beta: the power of the student's own prediction.
    """

    neutral: ClassVar[dict[str, Any]] = {"alpha": 1.0, "beta": 0.0}

    alpha: float = option(1.0, low=0.0, high=10.0)
    beta: float = option(1.0, low=0.0, high=10.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return CE(z, t) of each row; see the module's text."""
        import torch

        log_p = torch.log_softmax(batch.logits.detach().float(), dim=-1)
        log_y = batch.targets.clamp(min=SMALLEST).log()
        target = torch.softmax(self.beta * log_p + self.alpha * log_y, dim=-1)
        return cross_entropy(batch.logits, target)
