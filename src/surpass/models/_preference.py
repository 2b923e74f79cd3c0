"""The score of a candidate: how a linear map without bias tells which of two is better."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Score(nn.Linear):
    """A scoring map s without bias, read as two classes: logits (-s/2, s/2) of "the second" and "the first is better".

    It takes the difference x of the candidates' states. As s(x_1 - x_2) = s(x_1) - s(x_2), the softmax of its logits is the
    model of Bradley & Terry (1952), sigmoid(s(x_1) - s(x_2)), and swapped candidates have swapped logits, bit for bit.
    """

    def __init__(self, width: int, device: torch.device | str | None = None) -> None:
        """Take the width of a state."""
        super().__init__(width, 1, bias=False, device=device)

    def forward(self, differences: Tensor) -> Tensor:
        """Return logits, (n, 2), of differences, (n, width)."""
        half = super().forward(differences) / 2
        return torch.cat([-half, half], dim=-1)
