"""Fits on a person's own rows, through the stage that fits a study's: one pool of rows, features of each text once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import FeatureTable, Inputs, Predictions, Rows, Splits, Values, candidates, take
from surpass.fits import Job
from surpass.labels.base import LabelSource
from surpass.methods.base import Method
from surpass.models.base import Encoder, Fitted, Model
from surpass.runtime import Runtime
from surpass.splits import Data
from surpass.stages import Fit
from surpass.tasks.base import Task

Places = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnRows(Task):
    """A person's rows, which are in memory; only its kind of target is read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnPairs(OwnRows):
    """A person's pairs of candidates."""

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "pair"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnLabels(LabelSource):
    """A person's labels, which are in memory."""


@dataclasses.dataclass(frozen=True)
class Student:
    """A fitted model with what it needs to read new rows.

    Attributes:
        model: its spec.
        method: how it was made of the labels.
        seed: of the training.
        fitted: what the model family, or the method itself, made.
        encoder: the frozen features it reads; None: the rows themselves.
        trained_on: rows that the method kept.
        runtime: where it runs.
        pairs: whether rows are pairs of candidates.
    """

    model: Model
    method: Method
    seed: int
    fitted: Fitted
    encoder: Encoder | None
    trained_on: int
    runtime: Runtime
    pairs: bool = False

    def predict(self, inputs: Inputs) -> Values:
        """Return probabilities (n, C) of new rows."""
        if not len(inputs):
            return np.zeros((0, 0))
        if self.encoder is None:
            return self.fitted.predict(inputs)
        return self.fitted.predict(_encoded(self.encoder, inputs, self.runtime, pairs=self.pairs)[0])


@dataclasses.dataclass
class Pool:
    """All rows of a person's data, from which fits take theirs.

    Attributes:
        inputs: texts, pairs of texts, or vectors (n, d).
        classes: names of the classes.
        runtime: speed, place and noise.
        target: "classification" or "preference".
        features: of all rows, by encoder, once asked for.
    """

    inputs: Inputs
    classes: tuple[str, ...]
    runtime: Runtime
    target: str = "classification"
    features: dict[Encoder, FeatureTable] = dataclasses.field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the rows: their places."""
        return tuple(map(str, range(len(self.inputs))))

    def table(self, encoder: Encoder) -> FeatureTable:
        """Return the frozen features of all rows; computed once."""
        if encoder not in self.features:
            vectors, facts = _encoded(encoder, self.inputs, self.runtime, pairs=self.target == "preference")
            self.features[encoder] = FeatureTable(self.ids, vectors, facts)
        return self.features[encoder]

    def fit(
        self,
        model: Model,
        method: Method,
        rows: Places,
        values: Values,
        *,
        gold: NDArray[np.bool_] | None = None,
        seed: int = 0,
    ) -> Student:
        """Return the model fitted by the method to labels of some rows.

        Args:
            model: resolved, so that its precision is settled.
            method: how labels become a student.
            rows: places of k rows.
            values: (k, C) their labels as probabilities.
            gold: (k,) which of the labels are ground truth; None: none.
            seed: the only source of randomness.
        """
        ids = tuple(str(place) for place in rows)
        marks = np.zeros(len(rows), dtype=bool) if gold is None else gold
        split = ("transfer",) * len(rows)
        held = Rows(ids, take(self.inputs, rows), values.argmax(axis=1), ids)
        labels = Predictions(ids, split, values, gold=marks)
        splits = Splits(held, split, self.target, self.classes, {})
        task = OwnPairs() if self.target == "preference" else OwnRows()
        spec = Fit(data=Data(task=task), model=model, labels=OwnLabels(), method=method, seed=seed)
        encoder, reads = model.encoder(), model.reads_features or method.solves
        wants = encoder is not None and (reads or "features" in method.needs)
        table = self.table(encoder) if wants and encoder is not None else None
        model.warm(self._texts(), self.runtime)
        job = Job.of(spec, splits, {"labels": [labels]}, table)
        fitted = job.fit(self.runtime)
        return Student(
            model=model,
            method=method,
            seed=seed,
            fitted=fitted,
            encoder=encoder if reads else None,
            trained_on=len(job.targets.ids),
            runtime=self.runtime,
            pairs=self.target == "preference",
        )

    def _texts(self) -> Inputs:
        """Return the inputs, the candidates of pairs one after another."""
        if self.target != "preference" or isinstance(self.inputs, np.ndarray):
            return self.inputs
        first, second = candidates(self.inputs)
        return (*first, *second)

    def predict(self, student: Student, rows: Places) -> Values:
        """Return probabilities (k, C) of rows of this pool, from features that are known where there are any."""
        if student.encoder is not None:
            ids = [str(place) for place in rows]
            return student.fitted.predict(self.table(student.encoder).on(ids))
        return student.predict(take(self.inputs, rows))


def _encoded(
    encoder: Encoder, inputs: Inputs, runtime: Runtime, *, pairs: bool
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    if not pairs:
        vectors, facts = encoder.encode(inputs, runtime)
        return vectors, dict(facts)
    (first, facts), (second, _) = (encoder.encode(side, runtime) for side in candidates(inputs))
    return first - second, dict(facts)


def one_hot(labels: Sequence[int] | NDArray[np.int64], classes: int) -> Values:
    """Return certain labels as probabilities, (n, C)."""
    return np.eye(classes)[np.asarray(labels, dtype=np.int64)]
