"""Generalized cross-entropy: between cross-entropy, which fits every label, and absolute error, which lets outliers go.

Idea: cross-entropy pulls hardest on the rows that fit worst, which are often the mislabelled ones. This loss
multiplies the pull by p^q.

    loss = sum_c y_c (1 - p_c^q) / q

Source: Zhang and Sabuncu 2018 (arXiv 1805.07836), equation 6, q = 0.7 there; Burns et al. 2023 (arXiv 2312.09390),
appendix B, tried it without gain. What differs: the source's labels are hard; a soft one takes the mean over its
classes, which has no minimum at p = y for q > 0. `q` matters most: q -> 0 is `soft`, q = 1 half the absolute error.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneralizedCE(Method):
    """Weak labels with the pull of badly fitting rows held down."""

    neutral: ClassVar[dict[str, Any]] = {"q": 0.0}

    q: float = option(0.7, low=0.0, high=1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return sum_c y_c (1 - p_c^q) / q of each row; the cross-entropy at q = 0."""
        import torch

        if self.q == 0:
            return cross_entropy(batch.logits, batch.targets)
        log_p = torch.log_softmax(batch.logits.float(), dim=-1)
        return (batch.targets * -torch.expm1(self.q * log_p)).sum(dim=-1) / self.q
