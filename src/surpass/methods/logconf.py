r"""Auxiliary confidence loss: the student may believe itself where it is confident.

Idea: mix the weak label with the student's own hardened prediction, with a weight a that grows early in training. The
threshold t of the hardening follows the student's recent predictions, so that each class keeps its share.

    loss = CE(softmax(z), (1 - a) y + a h),   h = onehot(argmax_c (p_c - t_c)),   t_c = quantile of p_c

For two classes h is 1[p_1 > t]. Variants, each as its source has it:

- `paper` (Burns et al. 2023, arXiv 2312.09390, section 4.3.2 and A.4, equations 1 and 2): a rises linearly from 0 to
  `strength` over the first 20 % of training; t is the median of the step's predictions for two classes, which puts half
  of them in each. More classes take their shares from the step's weak labels, as the paper's footnote 7 asks.
- `openai` (openai/weak-to-strong, loss.py): t_0 = quantile of p_0 at the step's mean weak label of class 1. a equals
  0.1 * strength at 10 % of training and jumps to `strength` right after, because the ramp is not divided by its length.
- `eleuther` (EleutherAI/w2s, loss.py): a rises linearly over the first 100 steps; row by row, t_0 is the median of p_0 over
  the last B training predictions, the row itself included (their micro-batch is 1, where the prior is 1/2).

What differs: predictions made while evaluating never enter the window (they do in EleutherAI's release); more than two
classes, for which no source has an equation, use the quantile of each class at its share. The paper balances its tasks:
where two classes are unbalanced, `openai` takes their shares from the weak labels. `strength` matters most: 0.5 is
published for all but the largest students, which had 0.75; 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from surpass.methods.base import Batch, Method, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor

PAPER_WARMUP = 0.2
OPENAI_WARMUP = 0.1
ELEUTHER_WARMUP_STEPS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogConf(Method):
    """Cross-entropy on a mix of weak labels and the student's own confident predictions.

    Attributes:
        variant: whose ramp and threshold.
        strength: the largest a.
    """

    version: ClassVar[int] = 2  # 1 gave even shares to more than two classes in `paper`
    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    variant: Literal["paper", "openai", "eleuther"] = "paper"
    strength: float = option(0.5, low=0.0, high=1.0)

    @property
    def batch_statistics(self) -> bool:
        """The threshold is a quantile of the step's predictions."""
        return True

    def coefficient(self, progress: float, step: int) -> float:
        """Return the weight a of the student's own prediction, in [0, strength]."""
        if self.variant == "paper":
            return self.strength * min(1.0, progress / PAPER_WARMUP)
        if self.variant == "openai":
            return self.strength * (1.0 if progress > OPENAI_WARMUP else progress)
        return self.strength * min(1.0, step / ELEUTHER_WARMUP_STEPS)

    def hardened(self, batch: Batch) -> Tensor:
        """Return h, (b, C): each row's one-hot prediction against the variant's threshold."""
        import torch
        from torch.nn.functional import one_hot

        probs = batch.step_probs[batch.rows]  # not the logits': a second pass may round a row across its own threshold
        classes = probs.shape[1]
        if self.variant == "eleuther":
            thresholds = self._running_medians(batch)
        elif self.variant == "openai" or classes > 2:
            thresholds = _share_thresholds(batch.step_probs, batch.step_targets.mean(dim=0))
        else:
            even = torch.full((classes,), 1 / classes, dtype=probs.dtype, device=probs.device)
            thresholds = _share_thresholds(batch.step_probs, even)
        if classes == 2:  # a prediction at the threshold is class 0, as in the paper's f(x) > t and both released codes
            winner = (probs[:, 0] < thresholds[..., 0]).long()
        else:
            winner = (probs - thresholds).argmax(dim=-1)
        return one_hot(winner, classes).to(probs.dtype)

    def _running_medians(self, batch: Batch) -> Tensor:
        """Return for each row of the micro-batch the quantile of its window: the last B predictions, itself the last.

        B is the batch size, also in the shorter last step of an epoch: as many as came before, or as a whole step has.
        """
        import torch

        size = max(len(batch.step_probs), len(batch.recent_probs))
        history = torch.cat([batch.recent_probs, batch.step_probs]).float()
        ends = len(batch.recent_probs) + batch.rows + 1
        windows = history[(ends[:, None] - 1 - torch.arange(size, device=ends.device)).clamp(min=0)]  # (b, size, C)
        short = ends[:, None] <= torch.arange(size, device=ends.device)  # before the first prediction there was none
        windows = windows.masked_fill(short[..., None], torch.inf)  # sorted behind those that count
        held, classes = ends.clamp(max=size), windows.shape[-1]
        if classes == 2:
            first = _quantile(windows[..., 0], held, 0.5)
            return torch.stack([first, 1 - first], dim=-1)
        return torch.stack([_quantile(windows[..., c], held, 1 - 1 / classes) for c in range(classes)], dim=-1)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return CE(z, (1 - a) y + a h) of each row; see the module's text."""
        a = self.coefficient(progress, batch.step)
        if a == 0.0:
            return cross_entropy(batch.logits, batch.targets)
        return cross_entropy(batch.logits, (1 - a) * batch.targets + a * self.hardened(batch))


def _quantile(windows: Tensor, held: Tensor, q: float) -> Tensor:
    """Return the quantile of each row, (b,), of windows (b, size) of which the `held` (b,) smallest count."""
    import numpy as np
    import torch

    # NumPy sorts the rows of a processor's tensor ten times faster than torch does
    on_processor = windows.device.type == "cpu"
    ordered = torch.from_numpy(np.sort(windows.numpy(), axis=1)) if on_processor else windows.sort(dim=1).values
    place = q * (held - 1)
    low = place.floor().long()
    high = (low + 1).minimum(held - 1)
    below, above = (ordered.gather(1, k[:, None])[:, 0] for k in (low, high))
    return torch.lerp(below, above, (place - low).to(ordered.dtype))


def _share_thresholds(probs: Tensor, share: Tensor) -> Tensor:
    """Return t, (C,): with two classes exactly `share` of the rows lie above; more use each class's own quantile.

    Two classes use t_0 = quantile of p_0 at the share of class 1, as both released codes do, and t_1 = 1 - t_0.
    """
    import torch

    probs = probs.float()
    if probs.shape[1] == 2:
        first = torch.quantile(probs[:, 0], share[1].float().clamp(0, 1))
        return torch.stack([first, 1 - first])
    return torch.stack([torch.quantile(probs[:, c], 1 - share[c].float().clamp(0, 1)) for c in range(probs.shape[1])])
