"""Kullback-Leibler divergence between weak label and student, in either direction.

Idea: ask for the supervisor's probabilities as such. Forward, the student must cover every class that the supervisor
thinks possible; reverse, it may settle on one of them.

    forward:  KL(y || p) = sum_c y_c log(y_c / p_c)        reverse:  KL(p || y),  log y_c no lower than `floor`

Source: forward is the `kl` loss of EleutherAI/w2s (the mean over rows is their "batchmean"); its gradient is that of
`soft`, since the two differ by the entropy of the labels. Reverse is the misfit that Mulgund and Pabbaraju 2025
(arXiv 2501.19105) minimise, with the student in the first slot. What differs: the floor, which a label of exactly 0
needs. `direction` matters.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class KL(Method):
    """KL divergence between the weak label and the student's probabilities."""

    neutral: ClassVar[dict[str, Any]] = {"direction": "forward"}

    direction: Literal["forward", "reverse"] = "forward"
    floor: float = option(-20.0, low=-80.0, high=-1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the divergence of each row; see the module's text."""
        import torch

        if self.direction == "forward":
            return cross_entropy(batch.logits, batch.targets) + torch.xlogy(batch.targets, batch.targets).sum(dim=-1)
        log_p = torch.log_softmax(batch.logits.float(), dim=-1)
        log_y = batch.targets.log().clamp(min=self.floor)
        return (log_p.exp() * (log_p - log_y)).sum(dim=-1)
