"""Adaptive confidence loss: each row weighs the supervisor against the student's own decision.

Idea: the confidence loss without threshold and schedule. How far a row's label is the student's own decision depends
on how well its prediction fits its own decision and the supervisor's.

    loss = (1 - a) CE(softmax(z), y) + a CE(softmax(z), h),   h = onehot(argmax p),  k = argmax y,
    a = e^(CE(z, h)/T) / (e^(CE(z, h)/T) + e^(-log p_k/T)),  constant

Source: Guo et al. 2024 (arXiv 2402.03749), `AdaptConf` of ggjy/vision_weak_to_strong
(classification/distillers/adaptconf.py). As CE(z, h) is never above -log p_k, a is at most 1/2: it is 1/2 where both
decide alike, and falls towards 0 the surer the student is of another class, so that the supervisor prevails just
there. What differs: their ground-truth term and the temperature of their distillation are left out (a blend of labels
gives the one; the other is 1); a value for T was not found, and 1 leaves it out. Any number of classes. `strength`
multiplies a; 0 is `soft`. `temperature` matters most.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaptConf(Method):
    """Cross-entropy on a mix of weak label and own decision, weighed row by row."""

    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    temperature: float = option(1.0, low=0.01, high=100.0)
    strength: float = option(1.0, low=0.0, high=1.0)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the loss of each row; see the module's text."""
        import torch
        from torch.nn.functional import one_hot

        log_p = torch.log_softmax(batch.logits.detach().float(), dim=-1)
        own, theirs = log_p.argmax(dim=-1), batch.targets.argmax(dim=-1)
        rows = torch.arange(len(log_p), device=log_p.device)
        a = torch.sigmoid((log_p[rows, theirs] - log_p[rows, own]) / self.temperature) * self.strength
        decided = one_hot(own, log_p.shape[1]).to(log_p.dtype)
        return cross_entropy(batch.logits, (1 - a)[:, None] * batch.targets + a[:, None] * decided)
