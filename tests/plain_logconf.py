"""The auxiliary confidence loss in plain Python, row by row from the published formulas; slow and independent."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = Sequence[float]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile with linear interpolation between the order statistics."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def coefficient(variant: str, strength: float, step: int, total: int) -> float:
    """Return the weight of the student's own prediction before optimizer step `step` (from 0) of `total`."""
    if variant == "paper":
        return strength * min(1.0, (step / total) / 0.2)
    if variant == "openai":
        return strength if step / total > 0.1 else strength * (step / total)
    return strength * min(1.0, step / 100)


def hardened(variant: str, probs: Sequence[Row], weak: Sequence[Row], buffer: list[float], size: int) -> list[Row]:
    """Return the hardened two-class predictions of a step's rows in the order drawn.

    `buffer` holds p_0 of the training rows before this step and grows as in EleutherAI's code, one row at a time.
    """
    first = [p[0] for p in probs]
    found = []
    for p in probs:
        if variant == "paper":  # f(x) > t for class 1, t the median of f over the batch; ordered by p_0 = 1 - f
            above = p[0] < quantile(first, 0.5)
        elif variant == "openai":
            above = p[0] < quantile(first, sum(y[1] for y in weak) / len(weak))
        else:
            buffer.append(p[0])
            del buffer[:-size]
            above = p[0] < quantile(buffer, 0.5)
        found.append((0.0, 1.0) if above else (1.0, 0.0))
    return found


def mixed(weak: Sequence[Row], own: Sequence[Row], a: float) -> list[list[float]]:
    """Return (1 - a) y + a h of each row."""
    return [[(1 - a) * y + a * h for y, h in zip(row, hard, strict=True)] for row, hard in zip(weak, own, strict=True)]


def cross_entropy(logits: Row, target: Row) -> float:
    """Return CE(softmax(z), y) of one row."""
    top = max(logits)
    log_sum = top + math.log(sum(math.exp(z - top) for z in logits))
    return -sum(y * (z - log_sum) for z, y in zip(logits, target, strict=True))
