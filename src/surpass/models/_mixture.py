"""The training of a mixture of logistic heads: one matrix holds all heads, and the loss is the method's."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from surpass.artifacts import Array, Facts, Inputs, Values
from surpass.errors import DataError
from surpass.models._steps import Goal, StepLoss, outputs
from surpass.models.base import Work

if TYPE_CHECKING:
    from surpass.models.mixture import Mixture

BLOCK = 4096  # rows that are read at a time: with a hundred heads each has thousands of numbers on the way


class Heads(nn.Module):
    """k logistic heads and how they are mixed; `forward` returns log probabilities (n, C) of vectors (n, d).

    Heads begin at PyTorch's default for a linear layer, each uniform within 1 / sqrt(d) and drawn by itself: equal heads
    would have equal gradients and stay one head. The mixing weights begin equal.
    """

    def __init__(self, width: int, heads: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, heads * classes)
        self.mixing = nn.Parameter(torch.zeros(heads))
        self._shape = (-1, heads, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the logarithm of the mixture; it is finite where every head's probability of a class rounds to 0."""
        each = torch.log_softmax(self.linear(vectors).view(self._shape), dim=-1)
        return torch.logsumexp(each + self.log_shares()[:, None], dim=1)

    def log_shares(self) -> Tensor:
        """Return the logarithm of how much each head counts, (k,)."""
        return torch.log_softmax(self.mixing, dim=0)


@dataclasses.dataclass
class Mixed:
    """A fitted mixture. It was chosen at one epoch, so its training is read once."""

    read: Callable[[Inputs], Array]
    scale: Callable[[Array], Any]
    heads: Heads
    facts: Facts
    steps: tuple[int, ...] = (0,)
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 0)))

    def predict(self, inputs: Inputs) -> Values:
        """Return (n, C) probabilities."""
        vectors = torch.from_numpy(self.scale(self.read(inputs)))
        with torch.no_grad():
            logits = torch.cat([self.heads(block) for block in torch.split(vectors, BLOCK)])
        return outputs(logits, squared=False)

    def save(self, folder: Path) -> None:
        """Write scale, weights (k, C, d), biases (k, C) and mixing weights (k,) with skops."""
        from surpass.models import _skops

        shape = self.heads._shape[1:]
        parts = {
            "scale": self.scale,
            "weight": self.heads.linear.weight.detach().numpy().reshape(*shape, -1),
            "bias": self.heads.linear.bias.detach().numpy().reshape(shape),
            "mixing": self.heads.log_shares().detach().exp().numpy(),
        }
        _skops.keep(folder, parts)


def train(model: Mixture, work: Work, scale: Callable[[Array], Any]) -> Mixed:
    """Return the mixture of the epoch with the least loss on the rows held out; without such rows that of the last."""
    vectors = torch.from_numpy(scale(model.read(work.inputs)))
    goal, rng = Goal.of(work.targets, work.target), np.random.default_rng(work.seed)
    taught, held = _halves(model, len(vectors), rng)
    width = vectors.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(work.seed)
        heads = Heads(width, model.heads, work.classes)
        companion = work.method.companion(width, goal.columns.shape[1])
    total = model.epochs * math.ceil(len(taught) / model.batch_size)
    loss = StepLoss(goal, work.method, model.batch_size, total, companion)
    # The loss of the end of training, so that epochs compare under losses that change on the way.
    judge = StepLoss(goal, work.method, model.batch_size, total, companion)
    judge.step = total - 1
    optimizer = _optimizer(model, heads, companion)
    least, best, kept, value = math.inf, model.epochs, heads.state_dict(), math.nan
    for epoch in range(1, model.epochs + 1):
        for drawn in torch.split(taught[torch.from_numpy(rng.permutation(len(taught)))], model.batch_size):
            value = _step(heads, vectors, drawn, loss, optimizer, model.lr)
        if len(held) and (found := _judged(heads, vectors, held, judge)) < least:
            least, best, kept = found, epoch, copy.deepcopy(heads.state_dict())
    heads.load_state_dict(kept)
    shares = heads.log_shares().detach().exp()
    facts: dict[str, float | int | str] = {
        "train_loss": value,
        "epoch": best,
        "held_out": len(held),
        "heads_used": float(torch.exp(-torch.xlogy(shares, shares).sum())),
    }
    mixed = Mixed(model.read, scale, heads, facts, steps=(total,))
    mixed.watched = mixed.predict(work.watch)[None]
    return mixed


def _halves(model: Mixture, rows: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and those held out, as positions."""
    count = round(model.held_out * rows)
    if model.held_out and not 0 < count < rows:
        raise DataError(
            f"held_out={model.held_out:g} of {rows} training rows leaves {count} to choose the epoch by and {rows - count} "
            "to train on. Give more rows, or set held_out: 0."
        )
    order = torch.from_numpy(rng.permutation(rows))
    return order[count:], order[:count]


def _optimizer(model: Mixture, heads: Heads, companion: nn.Module | None) -> torch.optim.Optimizer:
    free = [heads.linear.bias, heads.mixing, *(companion.parameters() if companion else ())]
    groups = [
        {"params": [heads.linear.weight], "weight_decay": model.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=model.lr, fused=True)


def _step(
    heads: Heads, vectors: Tensor, drawn: Tensor, loss: StepLoss, optimizer: torch.optim.Optimizer, lr: float
) -> float:
    """Take one optimizer step over the drawn rows and return its loss."""
    value = _loss(heads, vectors, drawn, loss)
    optimizer.zero_grad()
    torch.autograd.backward(value)
    optimizer.step()
    found = value.item()
    loss.end(found, lr)
    return found


def _judged(heads: Heads, vectors: Tensor, held: Tensor, judge: StepLoss) -> float:
    with torch.no_grad():
        return _loss(heads, vectors, held, judge).item()


def _loss(heads: Heads, vectors: Tensor, drawn: Tensor, loss: StepLoss) -> Tensor:
    hidden = vectors.index_select(0, drawn)
    logits = heads(hidden)
    if loss.statistics:
        loss.begin(logits)
    return loss.part(logits, hidden, torch.arange(len(drawn)), drawn)
