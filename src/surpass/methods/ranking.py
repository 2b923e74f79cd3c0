"""Guidance by ranking: the supervisor says which of two rows is likelier to be of a class, not how likely either is.

Idea: a weak supervisor's probabilities are shifted and scaled, its ordering less so. Ground truth on a narrow region
sets the level, and the supervisor orders the rest of the distribution.

    ground truth:  CE(softmax(z), y)
    others:        (1 - strength) CE(softmax(z), y) + strength R_i,
    R_i = mean over weakly labelled j != i of the step, and over classes, of BCE(sigmoid(s_i - sg(s_j)), P_ij)

s = log(p_c / (1 - p_c)) is a row's log-odds of a class, w the same of its weak label, sg holds constant; P_ij is
sigmoid(w_i - w_j) (`soft`), or whether w_i > w_j, 1/2 for a tie (`hard`). Holding s_j constant loses nothing: since
P_ji = 1 - P_ij, the term of (j, i) is the same function of s_i - s_j as that of (i, j). The gradient of the sum over
all ordered pairs is therefore twice the one taken here, in every logit.

Source: the logistic pair loss of Bradley and Terry (RankNet: Burges et al. 2005); no weak-to-strong publication is
followed. With two classes both give the same term; more are taken one against the rest. What to know: without ground
truth nothing sets the level (a constant added to every s_i changes no pair), so `strength` below 1 or a blend of
labels is needed; a step with fewer than two weak rows has R = 0. `strength` matters most: 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor

DOUBT = 1e-6
"""Smallest probability of a weak label, so that log-odds stay below 14."""
SMALLEST = 1e-30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking(Method):
    """Ground truth, and the supervisor's ordering of the other rows.

    Attributes:
        pairs: P_ij, "soft" or "hard".
        strength: the share of the ordering in the loss of a weakly labelled row.
    """

    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    pairs: Literal["soft", "hard"] = "soft"
    strength: float = option(1.0, low=0.0, high=1.0)

    @property
    def batch_statistics(self) -> bool:
        """A row is compared with all others of its step."""
        return True

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the cross-entropy of ground truth and the ranking loss of other rows; see the module's text."""
        import torch

        plain = cross_entropy(batch.logits, batch.targets)
        if self.strength == 0:
            return plain
        mixed = (1 - self.strength) * plain + self.strength * self._ranked(batch)
        return torch.where(batch.gold, plain, mixed)

    def _ranked(self, batch: Batch) -> Tensor:
        """Return R, (b,)."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits as bce

        label = _log_odds(batch.step_targets.clamp(min=DOUBT))
        beyond = label[batch.rows][:, None] - label  # (b, B, C)
        above = torch.sigmoid(beyond) if self.pairs == "soft" else (beyond.sign() + 1) / 2
        margin = _own_log_odds(batch.logits.float())[:, None] - _log_odds(batch.step_probs)
        terms = bce(margin, above, reduction="none").mean(dim=-1)
        others = torch.arange(len(label), device=label.device) != batch.rows[:, None]
        counted = others & ~batch.step_gold
        return (terms * counted).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)


def _own_log_odds(logits: Tensor) -> Tensor:
    """Return log(p_c / (1 - p_c)) from logits, (b, C): z_c less the log-sum-exp of the others, exact at any size."""
    import torch

    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - logits[:, None].masked_fill(itself, -torch.inf).logsumexp(dim=-1)


def _log_odds(probs: Tensor) -> Tensor:
    """Return log(p_c / (1 - p_c)), (n, C), within 69 of 0; 1 - p_c is summed, since subtracting would lose it."""
    import torch

    probs = probs.float()
    rest = probs @ (1 - torch.eye(probs.shape[1], dtype=probs.dtype, device=probs.device))
    return probs.clamp(min=SMALLEST).log() - rest.clamp(min=SMALLEST).log()
