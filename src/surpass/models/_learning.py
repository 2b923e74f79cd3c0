"""Learning a small representation network: forward, backward and AdamW by hand, since its steps are many and tiny.

The published experiment takes 630,000 steps of a network of 2,000 numbers, one after the other; a step here takes about as
long as one layer's call in torch. Gradients and steps are torch's (tests/test_mlp.py compares them).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from surpass.artifacts import Array
from surpass.errors import StageError
from surpass.tasks._relu import Layers, drawn, drawn_layer
from surpass.tasks.base import Lessons


class AdamW:
    """`torch.optim.AdamW` on one array, with torch's defaults but for the rate; `parameters` change in place."""

    def __init__(self, parameters: Array, *, lr: float, decay: float = 0.01) -> None:
        self._parameters, self._lr, self._decay = parameters, lr, decay
        self._mean, self._square = np.zeros_like(parameters), np.zeros_like(parameters)
        self._update, self._spread = np.empty_like(parameters), np.empty_like(parameters)
        self._first = self._second = 1.0

    def step(self, gradient: Array) -> None:
        """Take one step."""
        self._first, self._second = self._first * 0.9, self._second * 0.999
        self._mean *= 0.9
        self._mean += np.multiply(gradient, 0.1, out=self._update)
        self._square *= 0.999
        np.multiply(gradient, gradient, out=self._spread)
        self._spread *= 0.001
        self._square += self._spread
        np.sqrt(self._square, out=self._spread)
        self._spread /= np.sqrt(1 - self._second)
        self._spread += 1e-8
        np.divide(self._mean, self._spread, out=self._update)
        self._update *= self._lr / (1 - self._first)
        self._parameters *= 1 - self._lr * self._decay
        self._parameters -= self._update


class Network:
    """Layers with a ReLU after each, in one array `flat` with its `gradient`; of a linear layer for the output too, if asked.

    `step_gradient` fills the gradient of the mean squared error of a batch.
    """

    def __init__(self, layers: Sequence[Array], output: Sequence[Array] = (), *, kind: type = np.float32) -> None:
        arrays = [*layers, *output]
        self.flat: Array = np.concatenate([array.ravel() for array in arrays]).astype(kind)
        self.gradient = np.zeros_like(self.flat)
        shapes = [array.shape for array in arrays]
        views, slopes = _views(self.flat, shapes), _views(self.gradient, shapes)
        self._pairs, self._slopes = _pairs(views), _pairs(slopes)
        self._output = self._pairs.pop() if output else None

    def layers(self) -> Layers:
        """Return copies of weights and biases in turns, without the output's."""
        return tuple(array.copy() for pair in self._pairs for array in pair)

    def step_gradient(self, inputs: Array, values: Array, head: tuple[Array, Array] | None = None) -> float:
        """Fill the gradient for a batch, inputs (b, d) and values (b, k), and return its loss; `head` is kept as it is."""
        states = [inputs]
        for weights, bias in self._pairs:
            state = states[-1] @ weights
            state += bias
            states.append(np.maximum(state, 0, out=state))
        matrix, offset = head or self._output  # type: ignore[misc]  # one of the two there is
        error = states[-1] @ matrix
        error += offset
        error -= values
        loss = float(np.vdot(error, error)) / error.size
        error *= 2 / error.size
        if head is None:
            weight_slope, bias_slope = self._slopes[-1]
            np.dot(states[-1].T, error, out=weight_slope)
            error.sum(axis=0, out=bias_slope)
        slope = error @ matrix.T
        for i in range(len(self._pairs) - 1, -1, -1):
            slope *= states[i + 1] > 0
            weight_slope, bias_slope = self._slopes[i]
            np.dot(states[i].T, slope, out=weight_slope)
            slope.sum(axis=0, out=bias_slope)
            if i:
                slope = slope @ self._pairs[i][0].T
        return loss


def _views(flat: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def _pairs(arrays: Sequence[Array]) -> list[tuple[Array, Array]]:
    return list(zip(arrays[::2], arrays[1::2], strict=True))


class Settings(NamedTuple):
    """How a representation is learned: its hidden layers' widths, and AdamW's settings."""

    widths: Sequence[int]
    epochs: int
    lr: float
    batch_size: int


def learned(lessons: Lessons, settings: Settings, rng: np.random.Generator) -> tuple[Layers, float]:
    """Return a network learned on the lessons, visited in order in every epoch, and its last epoch's losses, summed.

    Heads that are known are copied in and frozen; else one linear output of all lessons is learned with the network.

    Raises:
        StageError: the loss is no number.
    """
    inputs, values = (np.ascontiguousarray(array, dtype=np.float32) for array in lessons[:2])
    heads = None if lessons.heads is None else np.asarray(lessons.heads, dtype=np.float32)
    output = drawn_layer(rng, settings.widths[-1], values.shape[2]) if heads is None else ()
    network = Network(drawn(rng, inputs.shape[2], settings.widths), output)
    optimizer, total = AdamW(network.flat, lr=settings.lr), 0.0
    for epoch in range(settings.epochs):
        total = 0.0
        for lesson in range(len(inputs)):
            order = rng.permutation(inputs.shape[1])
            rows, wanted = inputs[lesson][order], values[lesson][order]
            head = None if heads is None else (heads[lesson, :-1], heads[lesson, -1])
            for start in range(0, len(rows), settings.batch_size):
                batch = slice(start, start + settings.batch_size)
                total += network.step_gradient(rows[batch], wanted[batch], head)
                optimizer.step(network.gradient)
        if not np.isfinite(total):
            raise StageError(
                f"the loss of the network is {total} after {epoch + 1} epochs. Lower learn_lr={settings.lr:g}."
            )
    return network.layers(), total
