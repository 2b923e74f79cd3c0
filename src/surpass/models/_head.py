"""A probe's head trained by Adam on a method's loss: minibatches over cached features."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from surpass.artifacts import Facts, Inputs, Values
from surpass.models._preference import Score
from surpass.models._steps import Goal, StepLoss, outputs, readings
from surpass.models.base import Work
from surpass.runtime import Runtime

if TYPE_CHECKING:
    from surpass.models.probe import Probe


@dataclasses.dataclass
class Head:
    """A trained head with what it read on the way."""

    scale: Any  # the standardization, from vectors (n, d) to vectors
    layer: torch.nn.Linear
    squared: bool
    facts: Facts
    steps: tuple[int, ...] = ()
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 0)))

    def predict(self, inputs: Inputs) -> Values:
        """Return predictions for feature vectors (n, d)."""
        return self.read(self.scaled(inputs))

    def scaled(self, inputs: Inputs) -> torch.Tensor:
        """Return feature vectors as the layer takes them."""
        return torch.tensor(self.scale(inputs), dtype=torch.float32)

    def read(self, vectors: torch.Tensor) -> Values:
        """Return predictions for what `scaled` made."""
        with torch.no_grad():
            return outputs(self.layer(vectors), squared=self.squared)

    def save(self, folder: Path) -> None:
        """Write scale and weights with skops."""
        from surpass.models.probe import save_head

        matrix = self.layer.weight.detach().numpy().T
        if isinstance(self.layer, Score):
            matrix, bias = np.hstack([np.zeros_like(matrix), matrix]), np.zeros(2)
        else:
            bias = self.layer.bias.detach().numpy()
        save_head(folder, (self.scale, matrix, bias, "regression" if self.squared else "classification"))


def train(probe: Probe, work: Work, scale: Any, runtime: Runtime) -> Head:
    """Return a head trained on `work.method`'s loss plus l2 / 2 * ||W||^2, from zero."""
    vectors = torch.tensor(scale(work.inputs), dtype=torch.float32)
    goal = Goal.of(work.targets, work.target)
    with torch.random.fork_rng(devices=[]):
        width = vectors.shape[1]
        layer = Score(width) if work.target == "preference" else torch.nn.Linear(width, work.classes)
        head = Head(scale, layer, goal.squared, {})
        torch.manual_seed(work.seed)
        companion = work.method.companion(width, goal.columns.shape[1])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    n, size = len(vectors), probe.batch_size
    total = probe.epochs * -(-n // size)
    loss = StepLoss(goal, work.method, size, total, companion)
    trained = [*layer.parameters(), *(companion.parameters() if companion else ())]
    optimizer = torch.optim.Adam(trained, lr=probe.lr, fused=True)
    watch = head.scaled(work.watch)
    wanted, seen, rng = readings(total, probe.points), [], np.random.default_rng(work.seed)
    value = 0.0
    for _ in range(probe.epochs):
        for drawn in torch.split(torch.tensor(rng.permutation(n)), size):
            value = _step(layer, vectors, drawn, loss, optimizer, probe)
            if loss.step in wanted:
                seen.append(head.read(watch))
    head.steps, head.watched, head.facts = wanted, np.stack(seen), {"train_loss": value}
    return head


def _step(
    layer: torch.nn.Linear,
    vectors: torch.Tensor,
    drawn: torch.Tensor,
    loss: StepLoss,
    optimizer: torch.optim.Optimizer,
    probe: Probe,
) -> float:
    """Take one optimizer step over the drawn rows and return its loss, the penalty included."""
    hidden = vectors.index_select(0, drawn)
    logits = layer(hidden)
    if loss.statistics:
        loss.begin(logits)
    value = loss.part(logits, hidden, torch.arange(len(drawn)), drawn) + probe.l2 / 2 * layer.weight.square().sum()
    optimizer.zero_grad()
    torch.autograd.backward(value)
    optimizer.step()
    found = value.item()
    loss.end(found, probe.lr)
    return found
