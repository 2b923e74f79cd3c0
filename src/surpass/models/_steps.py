"""One optimizer step as a method's loss sees it, whatever trains: rows, targets, statistics of the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from surpass.artifacts import Targets, Values
from surpass.errors import StageError
from surpass.methods.base import Batch, Method, cross_entropy


@dataclasses.dataclass(frozen=True)
class Goal:
    """Targets as tensors: values (n, C), weight (n,), gold (n,), columns (n, k); `squared` when the targets are numbers."""

    values: Tensor
    weight: Tensor
    gold: Tensor
    columns: Tensor
    squared: bool

    @classmethod
    def of(cls, targets: Targets, target: str, device: torch.device | str = "cpu") -> Goal:
        """Return targets as tensors on a device."""
        return cls(
            torch.tensor(np.ascontiguousarray(targets.values), dtype=torch.float32, device=device),
            torch.tensor(targets.weight, dtype=torch.float32, device=device),
            torch.tensor(targets.gold, device=device),
            torch.tensor(targets.columns, dtype=torch.float32, device=device),
            target == "regression",
        )


def readings(total: int, points: int) -> tuple[int, ...]:
    """Return the steps after which the watched rows are predicted: evenly spaced, the last is the end.

    >>> readings(10, 5), readings(3, 5)
    ((2, 4, 6, 8, 10), (1, 2, 3))
    """
    return tuple(sorted({max(1, round(total * (i + 1) / points)) for i in range(points)}))


class StepLoss:
    """The loss of optimizer steps, over all rows of a step however they are cut into micro-batches."""

    def __init__(
        self, goal: Goal, method: Method, batch_size: int, total: int, companion: nn.Module | None = None
    ) -> None:
        """Keep the last `batch_size` training predictions for methods that ask for them.

        `companion` is what the method's `companion` made; whoever trains gives its parameters to the optimizer.
        """
        self.goal, self.method, self.total, self.companion = goal, method, total, companion
        self.step = 0
        self.statistics = method.batch_statistics
        self._kept, self._recent = batch_size, torch.zeros(0)
        self._custom = "custom_loss" in method.needs
        self._probs = self._before = torch.zeros(0)

    def begin(self, logits: Tensor) -> None:
        """Take the predictions of a whole step, in the order its rows were drawn, before its losses are asked for.

        Only methods with batch statistics need it; for others both tensors stay empty, so that reading them undeclared
        fails at once and not only when a step is cut.
        """
        self._probs = torch.softmax(logits.detach().float(), dim=-1)
        self._before = self._recent if len(self._recent) else self._probs[:0]

    def part(self, logits: Tensor, hidden: Tensor, rows: Tensor, drawn: Tensor) -> Tensor:
        """Return the losses of a micro-batch summed and divided by the rows of the step.

        Args:
            logits: (b, C).
            hidden: (b, d) pooled state under the head.
            rows: (b,) positions within the step.
            drawn: (B,) positions of the step's rows within the training rows.
        """
        chosen = drawn[rows]
        targets = self.goal.values[chosen]
        if self._custom:
            batch = Batch(
                logits=logits,
                targets=targets,
                gold=self.goal.gold[chosen],
                hidden=hidden,
                rows=rows,
                step_probs=self._probs,
                step_targets=self.goal.values[drawn],
                step_gold=self.goal.gold[drawn],
                recent_probs=self._before,
                step=self.step,
                columns=self.goal.columns[chosen],
                companion=self.companion,
            )
            losses = self.method.loss(batch, self.step / self.total)
        elif self.goal.squared:
            losses = mse_loss(logits.float(), targets, reduction="none").mean(dim=-1)
        else:
            losses = cross_entropy(logits, targets)
        return (losses * self.goal.weight[chosen]).sum() / len(drawn)

    def end(self, loss: float, lr: float, norm: float = 0.0) -> None:
        """Close the step; a loss or a gradient that is no number ends the training: see `check_finite`."""
        check_finite(loss, norm, lr=lr, step=self.step + 1, total=self.total)
        if self.statistics:
            self._recent = torch.cat([self._before, self._probs])[-self._kept :]
        self.step += 1

    def name(self) -> str:
        """Return the method with its options."""
        return repr(self.method)

    def content(self) -> tuple[Tensor, ...]:
        """Return the targets and what belongs to them."""
        return (self.goal.values, self.goal.weight, self.goal.gold, self.goal.columns)

    def state(self) -> dict[str, Any]:
        """Return what the steps so far have changed, but for what the optimizer trains."""
        buffers = [] if self.companion is None else list(self.companion.buffers())
        return {"step": self.step, "recent": self._recent, "buffers": buffers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""
        self.step, self._recent = int(state["step"]), state["recent"].to(self.goal.values.device)
        for buffer, held in zip(self.companion.buffers() if self.companion else (), state["buffers"], strict=True):
            buffer.copy_(held)


def check_finite(loss: float, norm: float, *, lr: float, step: int, total: int) -> None:
    """Raise StageError when a step's loss, or the norm of its gradient, is no number.

    A gradient whose norm overflows would be clipped to zero, and the training would stand still without a word.
    """
    if np.isfinite(loss) and np.isfinite(norm):
        return
    what = f"norm of the gradient is {norm}" if np.isfinite(loss) else f"training loss is {loss}"
    raise StageError(
        f"the {what} at step {step} of {total}, with learning rate {lr:.3g}. "
        "Nothing was written. Lower lr, add warmup, or look for extreme targets."
    )


def outputs(logits: Tensor, *, squared: bool) -> Values:
    """Return predictions from logits: probabilities whose rows sum to 1 within float64, or the numbers themselves."""
    values = logits.double()
    return (values if squared else torch.softmax(values, dim=-1)).cpu().numpy()


Predict = Callable[[], Values]
"""Predicts the watched rows with the model as it is now."""
