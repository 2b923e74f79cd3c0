"""What a label source is: a spec that yields labels for the rows of every split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from surpass.artifacts import Predictions, Splits, Values, Written
from surpass.errors import DataError
from surpass.runtime import Runtime
from surpass.spec import Spec, name_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSource(Spec):
    """Whatever labels rows: ground truth, people, rules, earlier models. A `Fit` is a label source too.

    Whatever labels the transfer rows is the supervisor, and its score on the test rows is the floor.
    """

    family: ClassVar[str] = "label"
    required: ClassVar[tuple[tuple[str, ...], ...]] = (("compute",),)
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression", "preference"})
    told: ClassVar[bool] = False
    """Whether students read the label under each text; see `imitation`."""

    @property
    def train_split(self) -> str:
        """The split on which a model is fitted to these labels."""
        return "transfer"

    def sources(self) -> tuple[Spec, ...]:
        """Return the fits whose predictions `compute` takes, in order."""
        return ()

    def bind(self, fit: Callable[..., Spec]) -> Self:
        """Return this source with what its study leaves open filled in.

        `fit(spec, **options)` turns a model into a `Fit` on the study's `weak` rows, with options of `Fit`, and binds other
        label sources. By default every model and label source in the fields is bound.
        """
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Spec) and value.family != "method":
                changes[field.name] = fit(value)
            elif isinstance(value, tuple) and any(isinstance(item, Spec) for item in value):
                changes[field.name] = tuple(fit(item) for item in value)
        return dataclasses.replace(self, **changes) if changes else self

    @property
    def marks_gold(self) -> bool:
        """Whether some of these labels are ground truth and say so in `Predictions.gold`; see `blend`."""
        return False

    def lacks(self, splits: Splits) -> str | None:
        """Return why these rows, those of a study's first seed, cannot be labelled, or None; told while planning."""
        return None

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return labels for the rows of the splits (all of them, or those the source knows), with their ids.

        Args:
            splits: the rows.
            sources: predictions of `sources`, in their order.
            runtime: jobs, threads, devices and a scratch folder of the stage, which no label may depend on; none: the
                usual ones. Long work keeps what is finished in `runtime.scratch`, as `Corpus.build` does.
        """
        raise NotImplementedError

    def label(self) -> str:
        """Return a short name for tables."""
        return name_of(self)


def one_hot(label: int, classes: int) -> Values:
    """Return the values, (C,), of a row that is certainly of one class."""
    values: Values = np.zeros(classes)
    values[label] = 1.0
    return values


def gold_values(splits: Splits) -> Values:
    """Return ground truth as values: (n, C) one-hot for classes, (n, 1) numbers or, for texts, their probability, 1."""
    labels = splits.rows.labels
    if splits.target == "generation":
        return np.ones((len(labels), 1))
    if splits.target != "regression":
        return np.eye(len(splits.classes))[labels]
    return np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)


def gold_texts(splits: Splits) -> Written | None:
    """Return ground truth as texts, (n, 1), for generation; None for numbers."""
    return splits.rows.labels[:, None] if splits.target == "generation" else None


def as_predictions(splits: Splits, values: Values, *, what: str) -> Predictions:
    """Return values for all rows of the splits as predictions, after checking their shape and that rows sum to 1.

    For generation the texts are the targets themselves.
    """
    expected = gold_values(splits).shape
    if values.shape != expected:
        raise DataError(f"{what} gave values of shape {values.shape}; the rows need {expected}.")
    if splits.target != "regression" and not np.allclose(values.sum(axis=1), 1.0, atol=1e-6):
        worst = int(np.abs(values.sum(axis=1) - 1).argmax())
        raise DataError(
            f"{what}: the probabilities of row {splits.rows.ids[worst]!r} sum to {values[worst].sum():.4g}, not 1. "
            "Give one probability per class, or a class name."
        )
    return Predictions(splits.rows.ids, splits.split, values, texts=gold_texts(splits))
