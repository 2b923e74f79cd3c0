r"""Cross-entropy with a term against the student's doubt.

Idea: a strong student that is unsure is probably imitating; push it to make up its mind, without saying which way.

- `penalty`: CE(softmax(z), y) + a H(p), H(p) = -sum_c p_c log p_c, with gradient through p;
- `square`: CE(softmax(z), y) - a |p - 1/C|^2 / 2, which is -(p_1 - 1/2)^2 for two classes;
- `eleuther`: CE(softmax(z), (1 - a) y + a p), the p in the target constant.

Source: the first two are the confidence losses of Burns et al. 2023 (arXiv 2312.09390), appendix B, which give no
strength; their print has p log p with a plus, which as an added loss would reward doubt and is read here as loose
notation. a rises linearly over the first 20 % of training, the ramp of their main method. `eleuther` is the `entropy`
loss of EleutherAI/w2s, a rising over 100 steps. It penalises no entropy: its target being constant, the gradient is

    p - (1 - a) y - a p = (1 - a) (p - y),

that of `soft` times 1 - a, which an Adam-like optimizer hardly notices. Burns et al. found such terms good for linear
probes and bad under imbalance. `strength`, the largest a, matters most; 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor

PAPER_WARMUP = 0.2
ELEUTHER_WARMUP_STEPS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entropy(Method):
    """Weak labels, and a term that rewards the student for being sure.

    Attributes:
        variant: which term, and how a rises.
        strength: the largest a.
    """

    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    variant: Literal["penalty", "square", "eleuther"] = "penalty"
    strength: float = option(0.5, low=0.0, high=1.0)

    def coefficient(self, progress: float, step: int) -> float:
        """Return a, in [0, strength]."""
        share = step / ELEUTHER_WARMUP_STEPS if self.variant == "eleuther" else progress / PAPER_WARMUP
        return self.strength * min(1.0, share)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the variant's loss of each row; see the module's text."""
        import torch

        a = self.coefficient(progress, batch.step)
        log_p = torch.log_softmax(batch.logits.float(), dim=-1)
        if self.variant == "eleuther":
            return cross_entropy(batch.logits, (1 - a) * batch.targets + a * log_p.detach().exp())
        plain = cross_entropy(batch.logits, batch.targets)
        if self.variant == "penalty":
            return plain - a * (log_p.exp() * log_p).sum(dim=-1)
        return plain - a * (log_p.exp() - 1 / log_p.shape[1]).square().sum(dim=-1) / 2
