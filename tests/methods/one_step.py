"""One optimizer step for tests of losses, and cross-entropy in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from surpass.methods.base import Batch, Method

Row = Sequence[float]


def batch(
    classes: int = 2, *, size: int = 6, seed: int = 0, rows: Sequence[int] | None = None, **changes: Any
) -> Batch:
    """Return a step of random logits and soft labels, or some of its rows; `logits` and `targets` may be given, (B, C)."""
    draw = torch.Generator().manual_seed(seed)
    logits = changes.pop("logits", 2 * torch.randn(size, classes, generator=draw))
    targets = changes.pop("targets", torch.softmax(2 * torch.randn(size, classes, generator=draw), dim=-1))
    gold = changes.pop("gold", torch.zeros(len(logits), dtype=torch.bool))
    columns = changes.pop("columns", torch.zeros(len(logits), 0))
    chosen = torch.arange(len(logits)) if rows is None else torch.tensor(rows)
    values: dict[str, Any] = {
        "logits": logits[chosen].clone().requires_grad_(),
        "targets": targets[chosen],
        "gold": gold[chosen],
        "hidden": None,
        "rows": chosen,
        "step_probs": torch.softmax(logits.float(), dim=-1),
        "step_targets": targets,
        "step_gold": gold,
        "recent_probs": torch.zeros(0, logits.shape[1]),
        "step": 0,
        "columns": columns[chosen],
    }
    return Batch(**{**values, **changes})


def losses(method: Method, step: Batch, progress: float = 0.5) -> list[float]:
    """Return the loss of each row."""
    found: list[float] = method.loss(step, progress).tolist()
    return found


def gradient(method: Method, step: Batch, progress: float = 0.5) -> torch.Tensor:
    """Return the gradient of the summed losses in the logits."""
    (found,) = torch.autograd.grad(method.loss(step, progress).sum(), step.logits)
    return found


def probabilities(logits: Row) -> list[float]:
    """Return softmax of one row."""
    top = max(logits)
    powers = [math.exp(z - top) for z in logits]
    return [power / sum(powers) for power in powers]


def plain_cross_entropy(logits: Row, target: Row) -> float:
    """Return -sum_c y_c log p_c of one row."""
    return -sum(y * math.log(p) for y, p in zip(target, probabilities(logits), strict=True))
