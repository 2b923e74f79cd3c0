"""Pairs of texts with a preference between them, for the tests of preferences."""

from __future__ import annotations

from typing import Any

import numpy as np
import tiny
from scipy.special import expit

from surpass.artifacts import Targets
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.runtime import Runtime

N, D = 120, 6
RNG = np.random.default_rng(4)
CANDIDATES = (RNG.normal(size=(N, 2, D)) * [1, 9, 0.2, 1, 1, 3] + [0, 3, 0, 0, -5, 0]).astype(np.float32)
DIFFERENCES = CANDIDATES[:, 0] - CANDIDATES[:, 1] + np.float32(0.3)  # a mean that a head must not lean on
NEW = RNG.normal(size=(20, D)).astype(np.float32)
FIRST = expit(DIFFERENCES @ [1, -0.1, 3, 0, 0, 0.5] + RNG.normal(size=N))
CPU = Runtime(device="cpu")


def chances(first: Any) -> np.ndarray:
    """Return the probabilities of "second" and "first" from those of "first"."""
    return np.stack([1 - np.asarray(first), np.asarray(first)], axis=1)


def pairs(n: int, seed: int = 3) -> tuple[tuple[tuple[str, str], ...], np.ndarray]:
    """Return n pairs of a good and a bad text, in either order, and where the good one is first."""
    texts, labels = tiny.texts(2 * n, seed=seed)
    good, bad = ([text for text, y in zip(texts, labels, strict=True) if y == kind] for kind in (1, 0))
    first = np.random.default_rng(seed).integers(2, size=n)
    return tuple((g, b) if f else (b, g) for g, b, f in zip(good, bad, first, strict=True)), first


def tuning(n: int = 32, *, method: Method | None = None, watch: int = 12, seed: int = 0) -> Work:
    """Return a fit of n pairs with soft labels, watching others."""
    inputs, first = pairs(n + watch)
    return Work(
        inputs=inputs[:n],
        targets=Targets.of([f"row-{i}" for i in range(n)], chances(0.1 + 0.8 * first[:n])),
        watch=inputs[n:],
        target="preference",
        classes=2,
        method=method or Soft(),
        seed=seed,
    )


def swapped(inputs: Any) -> Any:
    return tuple((second, first) for first, second in inputs)
