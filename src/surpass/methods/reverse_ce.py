"""Reverse cross-entropy: the student's probabilities against the logarithm of the weak label.

Idea: change the slots of cross-entropy. The loss is linear in the student's probabilities, so it drives the student
to the supervisor's most probable class and is bounded where labels are wrong.

    loss = -sum_c p_c log y_c,   log y_c no lower than `floor`

Source: Xu et al. 2025 (arXiv 2505.24313), `reverse_bce_loss` of Gengze/W2SG-Bregman. A label of 0 has log -100 there,
the limit of PyTorch's binary cross-entropy, hence the default of `floor`. What differs: any number of classes; their
smoothing of the labels, 0 by default, is left out. `floor` matters when labels are hard or partly ground truth: at
-100 such a row pulls with up to 100 times the force of a doubtful one; -4 is the value of Wang et al. 2019 (arXiv
1908.06112).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from surpass.methods.base import Batch, Method
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReverseCE(Method):
    """Cross-entropy of the student's probabilities against the weak label's logarithm."""

    floor: float = option(-100.0, low=-100.0, high=-1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return -sum_c p_c log y_c of each row."""
        import torch

        log_y = batch.targets.log().clamp(min=self.floor)
        return -(torch.softmax(batch.logits.float(), dim=-1) * log_y).sum(dim=-1)
