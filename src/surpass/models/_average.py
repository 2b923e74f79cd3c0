"""An exponential average of the weights while they train."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Average:
    """The exponential average of a model's trained parameters after each step, kept by torch's `AveragedModel`.

    After t steps it is sum_i d^(t-i) w_i / sum_i d^(t-i) over the weights w_1 ... w_t: the bias of a start is divided out,
    as in Adam, so that a short training is averaged over all of its steps and not held at its first weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Average what trains of `model`; `decay` d in (0, 1)."""
        self.own = nn.ParameterList(p for p in model.parameters() if p.requires_grad)
        self.mean = AveragedModel(self.own, multi_avg_fn=_corrected(decay))

    def update(self) -> None:
        """Take the weights after a step into the average."""
        self.mean.update_parameters(self.own)

    def swap(self) -> None:
        """Exchange the weights of the model and the average."""
        for own, mean in zip(self.own.parameters(), self.mean.module.parameters(), strict=True):
            own.data, mean.data = mean.data, own.data

    def state(self) -> dict[str, Any]:
        """Return the average, and how many steps are in it."""
        return {"mean": list(self.mean.module.parameters()), "count": self.mean.n_averaged}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""
        for mean, held in zip(self.mean.module.parameters(), state["mean"], strict=True):
            mean.copy_(held)
        self.mean.n_averaged.copy_(state["count"])

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Let the model have the average in this context."""
        self.swap()
        try:
            yield
        finally:
            self.swap()


def _corrected(decay: float) -> Any:
    @torch.no_grad()
    def update(means: list[Tensor], weights: list[Tensor], seen: Tensor | int) -> None:
        share = (1 - decay) / (1 - decay ** (int(seen) + 1))
        torch._foreach_lerp_(means, weights, share)

    return update
