"""The stages: pure functions from a spec and its inputs to an artifact. They never see the store.

    Data -> Features -> Fit -> ...          a Fit's labels are a Label (any label source) or another Fit

The config is the graph: `inputs_of` reads a stage's inputs off its spec, and the spec's key holds the keys of all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Artifact, FeatureTable, Inputs, Predictions, Rows, Splits, Targets
from surpass.errors import DataError, StageError
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.models.base import Encoder, Model, Work
from surpass.runtime import Runtime
from surpass.spec import Spec, option
from surpass.splits import Data, make_splits

Part = Literal["weak", "transfer", "evaluation"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features(Spec):
    """Frozen features of the rows of one part of the data; "evaluation" is val, test and shifted tests."""

    kind: ClassVar[str] = "features"

    data: Data
    part: Part
    encoder: Encoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label(Spec):
    """The labels that a label source gives to the rows of the data."""

    kind: ClassVar[str] = "label"

    data: Data
    source: LabelSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit(Spec):
    """A fitted model: supervisor, ceiling or student, depending on where its labels come from.

    Attributes:
        data: the rows.
        model: what is fitted.
        labels: ground truth, another fit, or any label source.
        method: how the labels become a fitted model.
        seed: the only source of randomness of the training.
    """

    kind: ClassVar[str] = "fit"

    data: Data
    model: Model
    labels: LabelSource | Fit
    method: Method = Soft()
    seed: int = option(0, low=0)

    @property
    def train_split(self) -> str:
        """The split whose rows the model is fitted on."""
        return "transfer" if isinstance(self.labels, Fit) else self.labels.train_split

    def label(self) -> str:
        """Return a short name for tables: the model's."""
        return self.model.label()


Stage = Data | Features | Label | Fit


def label_stage(labels: LabelSource | Fit, data: Data) -> Label | Fit:
    """Return the stage that yields the labels: a fit is one itself."""
    return labels if isinstance(labels, Fit) else Label(data=data, source=labels)


def inputs_of(spec: Stage) -> tuple[Stage, ...]:
    """Return the stages whose artifacts `compute` takes, in order."""
    if isinstance(spec, Data):
        return ()
    if isinstance(spec, Features):
        return (spec.data,)
    halves = (spec.data.training(), spec.data.evaluation())
    if isinstance(spec, Label):
        return (*halves, *(label_stage(source, spec.data) for source in spec.source.sources()))  # type: ignore[arg-type]
    return (*halves, label_stage(spec.labels, spec.data), *_features_of(spec))


def _features_of(fit: Fit) -> tuple[Features, ...]:
    """Return the feature stages a fit reads: for the model's inputs, or for a method that asks for them."""
    encoder = fit.model.encoder()
    if encoder is None or not (fit.model.reads_features or "features" in fit.method.needs):
        return ()
    training, evaluation = fit.data.training(), fit.data.evaluation()
    parts = dict.fromkeys((fit.train_split, "transfer"))
    found = [Features(data=training, part=part, encoder=encoder) for part in parts]  # type: ignore[arg-type]
    if fit.model.reads_features:
        found.append(Features(data=evaluation, part="evaluation", encoder=encoder))
    return tuple(found)


def compute(spec: Stage, inputs: Sequence[Artifact], runtime: Runtime) -> Artifact:
    """Return the artifact of a stage from the artifacts of `inputs_of(spec)`."""
    given: Sequence[Any] = inputs  # each branch knows the types that inputs_of gave it
    if isinstance(spec, Data):
        return make_splits(spec)
    if isinstance(spec, Features):
        return _extract(spec, given[0], runtime)
    splits = joined(given[0], given[1])
    if isinstance(spec, Label):
        return spec.source.compute(splits, given[2:])
    return _fit(spec, splits, given[2], FeatureTable.joined(given[3:]) if len(given) > 3 else None, runtime)


def joined(training: Splits, evaluation: Splits) -> Splits:
    """Return training and evaluation rows of one task as one table."""
    left, right = training.rows, evaluation.rows
    inputs: Inputs
    if isinstance(left.inputs, np.ndarray):
        inputs = np.concatenate([x for x in (left.inputs, right.inputs) if len(x)])
    else:
        inputs = (*left.inputs, *right.inputs)
    rows = Rows(left.ids + right.ids, inputs, np.concatenate([left.labels, right.labels]), left.groups + right.groups)
    split = training.split + evaluation.split
    return Splits(rows, split, training.target, training.classes, {**evaluation.facts, **training.facts})


def _extract(spec: Features, splits: Splits, runtime: Runtime) -> FeatureTable:
    rows = splits.rows if spec.part == "evaluation" else splits.part(spec.part)
    vectors, facts = spec.encoder.encode(rows.inputs, runtime)
    return FeatureTable(rows.ids, vectors, facts)


def _fit(
    spec: Fit, splits: Splits, labels: Predictions, features: FeatureTable | None, runtime: Runtime
) -> Predictions:
    train = splits.part(spec.train_split)
    if not len(train):
        raise StageError(f"no rows to fit on: the {spec.train_split} split is empty. Raise n_{spec.train_split}.")
    targets = _prepared(spec, train, labels, features)
    reading = features if spec.model.reads_features else None
    kept = np.isin(np.array(train.ids), np.array(targets.ids))
    watched = splits.part(*(name for name in splits.names() if name not in ("weak", "transfer")))
    work = Work(
        inputs=_inputs(train.take(np.flatnonzero(kept)), reading),
        targets=targets,
        watch=_inputs(watched, reading),
        target=splits.target,
        classes=targets.values.shape[1],
        method=spec.method,
        seed=spec.seed,
    )
    fitted = spec.model.fit(work, runtime)
    known = splits.part(*dict.fromkeys((spec.train_split, "transfer")))
    values = fitted.predict(_inputs(known, reading))
    if fitted.watched.shape[1] or not len(watched):
        end = fitted.watched[-1].reshape(len(watched), values.shape[1])
    else:
        end = fitted.predict(_inputs(watched, reading))
    where = dict(zip(splits.rows.ids, splits.split, strict=True))
    ids = known.ids + watched.ids
    return Predictions(
        ids,
        tuple(where[name] for name in ids),
        np.concatenate([values, end]),
        fitted.steps,
        fitted.watched if len(fitted.steps) > 1 else np.zeros((1, 0, values.shape[1])),
        watched.ids if len(fitted.steps) > 1 else (),
        {**(features.facts if features and reading else {}), **fitted.facts, "trained_on": len(targets.ids)},
        fitted.save if runtime.keep_weights else None,
    )


def _prepared(spec: Fit, train: Rows, labels: Predictions, features: FeatureTable | None) -> Targets:
    """Return the method's targets after checking that it kept rows, and kept them in order."""
    gold = isinstance(spec.labels, Gold)
    weak = Targets.of(train.ids, labels.on(train.ids), gold=gold)
    vectors = features.on(train.ids) if features and "features" in spec.method.needs else None
    targets = spec.method.prepare(
        weak, features=vectors, rng=np.random.default_rng((spec.seed, 1))
    )  # not the trainer's
    if not targets.ids:
        raise StageError(
            f"method '{spec.method.kind}' kept none of {len(train)} rows. Loosen its selection, or raise n_transfer."
        )
    known = {name: i for i, name in enumerate(train.ids)}
    places = [known.get(name, -1) for name in targets.ids]
    if places != sorted(set(places)) or places[0] < 0:
        raise DataError(f"method '{spec.method.kind}' must return rows it was given, once each and in their order.")
    if spec.data.task.target == "classification" and (
        targets.values.min() < 0 or not np.allclose(targets.values.sum(axis=1), 1.0, atol=1e-6)
    ):
        raise DataError(f"method '{spec.method.kind}' must return probabilities: none below 0, rows that sum to 1.")
    if abs(float(targets.weight.mean()) - 1) > 1e-6:
        raise DataError(
            f"method '{spec.method.kind}' returned weights of mean {targets.weight.mean():.4g}; it must be 1."
        )
    return targets


def _inputs(rows: Rows, features: FeatureTable | None) -> Inputs:
    return rows.inputs if features is None else features.on(rows.ids)
