"""Representation networks: what turns a task's inputs into the features that linear heads read."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Array, Facts, Inputs, Parameters
from surpass.errors import DataError
from surpass.models.base import Encoder
from surpass.runtime import Runtime
from surpass.spec import key, option
from surpass.tasks._relu import Layers, represent
from surpass.tasks.base import Lessons, Task

Representation = Literal["learned", "target", "perturbed"]
Reads = Literal["vectors", "morgan"]
MISSING = "package 'rdkit' is not installed, but molecules need it. pip install 'surpass[molecules]'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Encoder):
    """A representation network, learned before any row of a study is read. Fields: see model `mlp`, which makes it."""

    kind: ClassVar[str] = "network"
    learns: ClassVar[bool] = True

    learned_on: Task
    representation: Representation = "learned"
    reads: Reads = "vectors"
    depth: int = option(8, low=1)
    width: int = option(16, low=1)
    size: float = option(0.1, above=0.0)
    epochs: int = option(1000, low=0)
    lr: float = option(1e-3, above=0.0)
    batch_size: int = option(32, low=1)
    seed: int = option(0, low=0)

    def problem(self) -> str | None:
        """Return why nothing can be learned from the task, or None."""
        if problem := self.learned_on.problem():
            return problem
        return self._molecules_problem() if self.reads == "morgan" else self._lessons_problem()

    def _molecules_problem(self) -> str | None:
        if self.learned_on.input != "text":
            return f"model 'mlp': reads='morgan', but task '{self.learned_on.label()}' has no texts that are molecules."
        if self.representation != "learned":
            return f"model 'mlp': reads='morgan' and representation='{self.representation}'. Molecules have no true network."
        return MISSING if importlib.util.find_spec("rdkit") is None else None

    def _lessons_problem(self) -> str | None:
        where, lessons = f"task '{self.learned_on.label()}'", self.learned_on.lessons()
        if lessons is None:
            return f"model 'mlp': {where} has no lessons to learn a representation from. Use 'synthetic', or reads: morgan."
        if self.representation != "learned":
            kind = self.representation
            return None if lessons.target else f"model 'mlp': {where} knows no true network, so none is {kind}."
        if lessons.heads is not None and lessons.heads.shape[1] != self.width + 1:
            return (
                f"model 'mlp': width={self.width}, but true heads of {where} read {lessons.heads.shape[1] - 1} numbers."
            )
        return None

    def learn(self, runtime: Runtime) -> Parameters:
        """Return the layers of the network; facts: the losses of the last epoch, summed over its batches."""
        from surpass.models._learning import Settings, learned

        rng = np.random.default_rng((self.seed, 7))
        lessons = self._lessons()
        if self.representation == "target":
            return Parameters(lessons.target, {})
        if self.representation == "perturbed":
            return Parameters(perturbed(lessons.target, self.size, rng), {})
        settings = Settings([self.width] * self.depth, self.epochs, self.lr, self.batch_size)
        layers, loss = learned(lessons, settings, rng)
        return Parameters(layers, {"summed_loss": loss})

    def encode(
        self, inputs: Inputs, runtime: Runtime, learned: Parameters | None = None
    ) -> tuple[NDArray[np.float32], Facts]:
        """Return representations (n, w), after the number of the task where the task has its rows numbered."""
        if learned is None:
            if (name := key(self)) not in runtime.memo:
                runtime.memo[name] = self.learn(runtime)
            learned = runtime.memo[name]
        vectors = self._vectors(inputs)
        numbers, vectors = np.split(vectors, [int(self.learned_on.numbered)], axis=1)
        wide = learned.arrays[0].shape[0]
        if vectors.shape[1] != wide:
            raise DataError(
                f"model 'mlp': inputs have {vectors.shape[1]} numbers, but the network was learned on {wide}."
            )
        found = represent([array.astype(np.float64) for array in learned.arrays], vectors.astype(np.float64))
        return np.concatenate([numbers, found], axis=1, dtype=np.float32), {}

    def _vectors(self, inputs: Inputs) -> Array:
        if self.reads == "vectors":
            vectors = np.asarray(inputs)
            if vectors.dtype.kind in "fiu":
                return vectors.reshape(len(vectors), -1)
            raise DataError("model 'mlp': reads='vectors', but the inputs are texts. Of molecules set reads: morgan.")
        from surpass.models._molecules import morgan

        texts: Any = inputs
        return morgan(texts)

    def _lessons(self) -> Lessons:
        if self.reads == "vectors":
            lessons = self.learned_on.lessons()
            if lessons is None:
                raise DataError(str(self.problem()))
            return lessons
        from surpass.models._molecules import descriptors

        found = (example.input for example in self.learned_on.examples() if example is not None)
        texts = sorted(set(found))
        numbers = descriptors(texts)
        deviation = numbers.std(axis=0)
        values = (numbers - numbers.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        return Lessons(self._vectors(tuple(texts))[None], values[None])


def perturbed(layers: Layers, size: float, rng: np.random.Generator) -> Layers:
    """Return layers with normal noise on every number, `size` times the root mean square of its array in spread."""
    return tuple(array + size * np.sqrt(np.mean(array**2)) * rng.normal(size=array.shape) for array in layers)
