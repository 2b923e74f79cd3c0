"""Networks of linear layers with a ReLU after each: NumPy arrays, weights (in, out) and bias (out,) of each in turns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from surpass.artifacts import Array

Layers = tuple[Array, ...]


def drawn_layer(rng: np.random.Generator, inputs: int, outputs: int) -> Layers:
    """Return weights and bias of a layer as `torch.nn.Linear` draws them: uniform in +-1 / sqrt(inputs)."""
    bound = 1 / np.sqrt(inputs)
    return rng.uniform(-bound, bound, (inputs, outputs)), rng.uniform(-bound, bound, outputs)


def drawn(rng: np.random.Generator, inputs: int, widths: Sequence[int]) -> Layers:
    """Return the layers of a network as torch draws them."""
    pairs = [drawn_layer(rng, *sizes) for sizes in itertools.pairwise((inputs, *widths))]
    return tuple(array for pair in pairs for array in pair)


def represent(layers: Sequence[Array], inputs: Array) -> Array:
    """Return the representation (..., w) of inputs (..., d): what the last ReLU gives; no layers give the inputs."""
    found = inputs
    for weights, bias in zip(layers[::2], layers[1::2], strict=True):
        found = np.maximum(found @ weights + bias, 0)
    return found
