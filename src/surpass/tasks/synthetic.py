"""Random linear tasks on one random ReLU network: the synthetic experiment of the misfit theory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Array, Rows
from surpass.spec import option
from surpass.tasks._relu import Layers, drawn, drawn_layer, represent
from surpass.tasks.base import Example, Generated, Lessons, Row, Task

WIDTH, DEPTH, INPUTS = 16, 5, 8
SPREAD = 500.0  # a standard deviation, although the notebook's variable is called `var`
STREAMS = {name: i for i, name in enumerate(("network", "heads", "lessons", "weak", "transfer", "val", "test"))}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Synthetic(Task):
    """Numbers that a random linear head reads off a random network, one head for each of many tasks: y = a_t . h*(x) + b_t.

    h* has 5 hidden layers of 16 with a ReLU after each, h* and heads as torch draws them; x is 8 numbers from N(0, 500^2),
    fresh in every row, and labels have no noise (Charikar et al. 2024, as their notebook has it; the law is theirs, the
    draws are not: ours are NumPy's, which need no torch).

    Each task is a domain, whose number stands before the 8 inputs, and every split has as many rows of each (one more where
    it does not divide): 200,000 weak rows are 2,000 of each of 100 tasks. Test rows of a task are one group, so that
    intervals of means over all tasks take the tasks as drawn; a domain alone is resampled by its rows. Training rows are
    their own groups.

    What networks learn their representation from is `lessons`: other tasks on h*, with their true heads.

    Licence: made by this file, Apache-2.0.

    Attributes:
        tasks: how many, each with a head of its own.
        fresh: whether transfer rows have inputs of their own; false: the weak rows' inputs again, as in the notebook, whose
            weak labels are thus on rows that the weak model was fitted on.
        taught: how many other tasks there are to learn a representation from.
        rows_each: rows of each of those.
        seed: of h*, of all heads and of all inputs.
    """

    target: ClassVar[str] = "regression"
    input: ClassVar[str] = "vector"
    licence: ClassVar[str] = "Apache-2.0"
    citation: ClassVar[str] = (
        "Charikar, Pabbaraju & Shiragur (2024). Quantifying the Gain in Weak-to-Strong Generalization. NeurIPS 37"
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "weak/0/0", "task": 0, "inputs": [500.0, -250.0, 0.0, 1.0, 2.0, -3.0, 40.0, 700.0], "value": 0.5},
        {"id": "weak/0/1", "task": 1, "inputs": [5.0, 250.0, 100.0, -1.0, 2.0, 3.0, -40.0, 70.0], "value": -1.5},
    )
    endless: ClassVar[bool] = True
    numbered: ClassVar[bool] = True

    tasks: int = option(100, low=1)
    fresh: bool = True
    taught: int = option(10, low=1)
    rows_each: int = option(2000, low=1)
    seed: int = option(112233445, low=0)

    def source(self) -> Generated:
        """Return the generator of example rows; splits are drawn by `draw`."""
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        rows = self.draw("weak", 10 * self.tasks, 0)
        inputs: Any = rows.inputs
        for name, vector, label in zip(rows.ids, inputs.tolist(), rows.labels.tolist(), strict=True):
            yield {"id": name, "task": int(vector[0]), "inputs": vector[1:], "value": label}

    def example(self, row: Row, rng: Random) -> Example:
        """Return task number and inputs as one vector, with the value."""
        vector = np.array([row["task"], *row["inputs"]], dtype=np.float32)
        return Example(vector, row["value"], id=row["id"], domain=str(row["task"]))

    def network(self) -> Layers:
        """Return h*."""
        return drawn(self._rng("network"), INPUTS, [WIDTH] * DEPTH)

    def heads(self) -> Array:
        """Return the heads of the tasks, (tasks, 17), bias last."""
        return _heads(self._rng("heads"), self.tasks)

    def draw(self, split: str, n: int, seed: int) -> Rows:
        """Return n rows of a split, of the tasks in turns; evaluation rows are the same for all seeds."""
        stream = "weak" if split == "transfer" and not self.fresh else split
        inputs = self._rng(stream, seed).normal(0, SPREAD, (n, INPUTS)).astype(np.float32)
        numbers = np.arange(n) % self.tasks
        labels = _values(self.network(), self.heads()[numbers], inputs)
        ids = tuple(f"{split}/{seed}/{i}" for i in range(n))
        names = [str(number) for number in range(self.tasks)]
        domains = tuple(names[number] for number in numbers)
        vectors = np.column_stack([numbers.astype(np.float32), inputs])
        return Rows(ids, vectors, labels, domains if split == "test" else ids, domains)

    def lessons(self) -> Lessons:
        """Return other tasks on h* with rows and true heads."""
        rng, network = self._rng("lessons"), self.network()
        heads = _heads(rng, self.taught)
        inputs = rng.normal(0, SPREAD, (self.taught, self.rows_each, INPUTS)).astype(np.float32)
        return Lessons(inputs, _values(network, heads[:, None], inputs)[..., None], heads[..., None], network)

    def _rng(self, stream: str, seed: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, STREAMS[stream], seed))


def _heads(rng: np.random.Generator, n: int) -> Array:
    layers = [drawn_layer(rng, WIDTH, 1) for _ in range(n)]
    return np.array([[*weights[:, 0], bias[0]] for weights, bias in layers])


def _values(network: Layers, heads: Array, inputs: Array) -> Array:
    """Return (...,) what heads (..., 17) read of the inputs (..., 8)."""
    return np.asarray((represent(network, inputs.astype(np.float64)) * heads[..., :-1]).sum(axis=-1) + heads[..., -1])
