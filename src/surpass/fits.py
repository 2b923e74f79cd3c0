"""One fit with everything it reads: what stands before a model is fitted, and what is made of it after."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import UNCLASSED, Facts, FeatureTable, Inputs, Predictions, Rows, Splits, Targets, Values, take
from surpass.errors import DataError, IncompatibleError, StageError
from surpass.labels.base import gold_values
from surpass.labels.gold import Gold
from surpass.methods.base import Given, Labelled
from surpass.models.base import Fitted, Solved, Work
from surpass.registry import REGISTRIES
from surpass.runtime import Runtime
from surpass.spec import describe_kind
from surpass.stages import Fit

HINT = "{text}\n\nI think this is {label}. What do you think?"  # the wording of Burns et al. 2023, appendix E.3


def told(rows: Rows, hint: Predictions | None, classes: Sequence[str]) -> Rows:
    """Return the rows with the most probable class of their label written under each text; `hint` None: as they are."""
    if hint is None:
        return rows
    if isinstance(rows.inputs, np.ndarray) or not all(isinstance(text, str) for text in rows.inputs):
        raise IncompatibleError("label 'imitation' writes labels under texts, but the inputs are no single texts.")
    names = [classes[i] for i in hint.on(rows.ids).argmax(axis=1)]
    inputs = tuple(HINT.format(text=text, label=name) for text, name in zip(rows.inputs, names, strict=True))
    return dataclasses.replace(rows, inputs=inputs)


@dataclasses.dataclass(frozen=True)
class Job:
    """One fit with everything it reads: what stands before the model is fitted, and what is made of it after.

    Attributes:
        spec: of the fit.
        splits: the rows of every split.
        train: the rows to train on before the method's selection.
        targets: what the method made of their labels.
        features: frozen features of train, transfer and evaluation rows, when the student reads them.
        hint: the labels that the texts are told; None for all but imitation tests.
        memo: rows and what is read of them, one for all jobs that are fitted together.
    """

    spec: Fit
    splits: Splits
    train: Rows
    targets: Targets
    features: FeatureTable | None
    hint: Predictions | None
    memo: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, spec: Fit, splits: Splits, named: Mapping[str, Sequence[Any]], features: FeatureTable | None = None
    ) -> Job:
        """Return the job of a fit from its inputs by name, rows and features joined."""
        labels: Predictions = named["labels"][0]
        train = _training_rows(spec, splits)
        targets = _prepared(spec, train, labels, splits.classes, _given(spec, splits, train, features, named))
        reads = spec.model.reads_features or spec.method.solves
        return cls(spec, splits, train, targets, features if reads else None, labels if spec.hint else None)

    def inputs(self, rows: Rows) -> Inputs:
        """Return what the student reads of the rows."""
        return self.features.on(rows.ids) if self.features else told(rows, self.hint, self.splits.classes).inputs

    def read(self, part: Literal["train", "known", "watched"]) -> Inputs:
        """Return what the student reads of the job's own rows, gathered once."""
        name = f"inputs of {part}"
        if name not in self.memo:
            self.memo[name] = self.inputs(getattr(self, part))
        found: Inputs = self.memo[name]
        return found

    @property
    def known(self) -> Rows:
        """The rows whose predictions others may be trained on."""
        return self._part("known", dict.fromkeys((self.spec.train_split, "transfer")))

    @property
    def watched(self) -> Rows:
        """The rows that are predicted at several points of training."""
        return self._part("watched", (name for name in self.splits.names() if name not in ("weak", "transfer")))

    def _part(self, name: str, splits: Iterable[str]) -> Rows:
        if name not in self.memo:
            self.memo[name] = self.splits.part(*splits)
        found: Rows = self.memo[name]
        return found

    def work(self) -> Work:
        """Return the job as a model sees it."""
        kept = np.flatnonzero(np.isin(np.array(self.train.ids), np.array(self.targets.ids)))
        task, classes = self.spec.data.task, self.targets.values.shape[1]
        train = self.read("train")
        return Work(
            inputs=train if len(kept) == len(self.train) else take(train, kept),
            targets=self.targets,
            watch=self.read("watched"),
            target=self.splits.target,
            classes=classes,
            method=self.spec.method,
            seed=self.spec.seed,
            reference=train if self.features else None,
            kept=kept,
            instruction=task.instruction,
            class_names=self.splits.classes,
            candidates=task.candidates if task.knows_candidates else None,
        )

    def fit(self, runtime: Runtime) -> Fitted:
        """Return the fitted student: the model's, or the method's own."""
        method, features = self.spec.method, self.features
        if not method.solves:
            return self.spec.model.fit(self.work(), runtime)
        if features is None:
            raise IncompatibleError(f"{describe_kind(method)} predicts from frozen features; its model has none.")
        return Solved(method.solve(self.targets, features.on(self.targets.ids)), _call, {})

    def finished(self, fitted: Fitted, runtime: Runtime) -> Predictions:
        """Return the predictions of the fitted student on every split."""
        known, watched, columns = self.known, self.watched, self.targets.values.shape[1]
        where = dict(zip(self.splits.rows.ids, self.splits.split, strict=True))
        ids = known.ids + watched.ids
        split = tuple(where[name] for name in ids)
        kept = fitted.save if runtime.keep_weights else None
        if self.splits.target == "generation":
            found = self._written(fitted)
            return dataclasses.replace(found, ids=ids, split=split, facts=self._facts(fitted), weights=kept)
        facts = self._facts(fitted)
        if self.spec.reprobe:
            return Predictions(ids, split, self._reprobed(fitted, runtime), facts=facts)
        values = fitted.predict(self.read("known"))
        if fitted.watched.shape[1] or not len(watched):
            end = fitted.watched[-1].reshape(len(watched), columns)
        else:
            end = fitted.predict(self.read("watched"))
        several = len(fitted.steps) > 1
        return Predictions(
            ids,
            split,
            np.concatenate([values, end]),
            fitted.steps,
            fitted.watched if several else np.zeros((1, 0, columns)),
            watched.ids if several else (),
            facts,
            kept,
        )

    def _facts(self, fitted: Fitted) -> Facts:
        features = self.features.facts if self.features else {}
        return {**features, **fitted.facts, "trained_on": len(self.targets.ids)}

    def _written(self, fitted: Any) -> Predictions:
        """Return what a model that answers with texts says of known and watched rows; `fitted`: a `Writer`."""
        parts = [fitted.write(self.read(part)) for part in ("known", "watched")]
        values, texts = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(fitted.steps) == 1:
            return Predictions((), (), values, fitted.steps, texts=texts)
        return Predictions(
            (),
            (),
            values,
            fitted.steps,
            fitted.watched,
            self.watched.ids,
            texts=texts,
            watched_texts=fitted.watched_texts,
        )

    def _reprobed(self, fitted: Fitted, runtime: Runtime) -> Values:
        """Return predictions of a linear probe over the student's states, fitted on ground truth of the training rows."""
        probe = REGISTRIES["model"].get("probe")(backbone="path:none")
        states = fitted.states(self.read("train"))  # type: ignore[attr-defined]  # planning asked for "hidden"
        gold = gold_values(dataclasses.replace(self.splits, rows=self.train, split=("",) * len(self.train)))
        work = dataclasses.replace(
            self.work(), inputs=states, targets=Targets.of(self.train.ids, gold), watch=states[:0], reference=None
        )
        head = probe.fit(work, runtime)
        parts = (self.read("known"), self.read("watched"))
        return np.concatenate([head.predict(fitted.states(part)) for part in parts])  # type: ignore[attr-defined]


def _call(predictor: Any, inputs: Inputs) -> Any:
    return predictor(inputs)


def _training_rows(spec: Fit, splits: Splits) -> Rows:
    """Return the rows of the fit's split, domain and part; there must be some."""
    rows = splits.part(spec.train_split)
    if not len(rows):
        raise StageError(f"no rows to fit on: the {spec.train_split} split is empty. Raise n_{spec.train_split}.")
    if spec.domain:
        rows = rows.take(np.flatnonzero(np.array(rows.domains) == spec.domain))
    if spec.part:
        place, parts = spec.part
        rows = rows.take(np.flatnonzero(parts_of(rows.groups, parts) == place))
    if not len(rows):
        of = f" of domain '{spec.domain}'" if spec.domain else ""
        raise StageError(f"no rows to fit on: the {spec.train_split} split has none{of}. Raise n_{spec.train_split}.")
    return rows


def parts_of(groups: Sequence[str], parts: int) -> NDArray[np.int64]:
    """Return the part of each row, (n,), about as many rows in each and no group in two.

    Splits hold their classes in turns and in the order of a hash, so any stretch of rows is a fair sample. Groups of several
    rows are ordered by a hash of their own: those that came last may have given rows of one class alone.
    """
    sizes, before = Counter(groups), 0
    names = list(sizes) if len(sizes) == len(groups) else sorted(sizes, key=_drawn)
    of_group = dict[str, int]()
    for name in names:  # a group goes where its middle falls
        of_group[name] = ((2 * before + sizes[name] + 1) * parts - 2) // (2 * len(groups))
        before += sizes[name]
    return np.array([of_group[name] for name in groups], dtype=np.int64)


def _drawn(group: str) -> str:
    return hashlib.sha256(f"part/{group}".encode()).hexdigest()


def _given(
    spec: Fit, splits: Splits, train: Rows, features: FeatureTable | None, named: Mapping[str, Sequence[Any]]
) -> Given:
    """Return what the method asked for, for the rows to train on."""
    needs = spec.method.needs
    labelled = vectors = None
    if "supervisor_features" in named:
        table = FeatureTable.joined(named["supervisor_features"])
        weak = splits.part("weak")
        gold = gold_values(dataclasses.replace(splits, rows=weak, split=("weak",) * len(weak)))
        labelled, vectors = Labelled(weak.ids, gold, table.on(weak.ids)), table.on(train.ids)
    return Given(
        features=features.on(train.ids) if features and "features" in needs else None,
        supervisor_features=vectors,
        labelled=labelled,
        members=np.stack([member.on(train.ids) for member in named["member"]]) if "member" in named else None,
        pretrained=named["pretrained"][0].on(train.ids) if "pretrained" in named else None,
        accepted=_accepted(spec, train, named["labels"][0]) if "accepted" in needs else None,
    )


def _accepted(spec: Fit, train: Rows, labels: Predictions) -> NDArray[np.bool_]:
    """Return which texts of the labels the task takes for answers, (n, k)."""
    columns = labels.texts_on(train.ids).T.tolist()
    return np.column_stack([spec.data.task.accepts(train.inputs, column) for column in columns])


def _prepared(spec: Fit, train: Rows, labels: Predictions, classes: Sequence[str], given: Given) -> Targets:
    """Return the method's targets after checking that it kept rows, and kept them in order."""
    gold: bool | NDArray[np.bool_] = isinstance(spec.labels, Gold) or labels.gold_on(train.ids)
    texts = None if labels.texts is None else labels.texts_on(train.ids)
    weak = Targets.of(train.ids, labels.on(train.ids), gold=gold, texts=texts)
    rng = np.random.default_rng((spec.seed, 1))  # not the trainer's
    targets = spec.method.prepare(weak, given, rng)
    if targets.texts is not None:
        targets = targets.take(_said(targets))
    if texts is not None and not len(_said(weak)):
        raise StageError(
            f"all {len(train)} weak texts are empty: the supervisor writes nothing that its student could learn. Train it "
            "longer, or give another supervisor."
        )
    if not targets.ids:
        counts = np.bincount(weak.values.argmax(axis=1), minlength=weak.values.shape[1])
        held = ", ".join(f"{n} {name}" for n, name in zip(counts, classes, strict=True)) if classes else "no classes"
        raise StageError(
            f"{describe_kind(spec.method)} kept none of {len(train)} rows (weak labels: {held}). "
            "Loosen its selection, or raise n_transfer."
        )
    _check_targets(spec, train, targets)
    return targets


def _said(targets: Targets) -> NDArray[np.int64]:
    """Return the rows that have a text: nothing can be learned from one that nothing was written for."""
    texts: Any = targets.texts
    written = np.array([[bool(text.strip()) for text in row] for row in texts.tolist()], dtype=np.bool_)
    return np.flatnonzero(((targets.values > 0) & written).any(axis=1))


def _check_targets(spec: Fit, train: Rows, targets: Targets) -> None:
    """Raise DataError where a method's targets are not what its student can be fitted to."""
    known = {name: i for i, name in enumerate(train.ids)}
    places = [known.get(name, -1) for name in targets.ids]
    if places != sorted(set(places)) or places[0] < 0:
        raise DataError(f"{describe_kind(spec.method)} must return rows it was given, once each and in their order.")
    if targets.texts is not None and (targets.values.min() < 0 or targets.values.sum(axis=1).max() > 1 + 1e-6):
        raise DataError(
            f"{describe_kind(spec.method)} must return probabilities of texts: each row's sum to 1 at most."
        )
    if spec.data.task.target not in UNCLASSED and (
        targets.values.min() < 0 or not np.allclose(targets.values.sum(axis=1), 1.0, atol=1e-6)
    ):
        raise DataError(f"{describe_kind(spec.method)} must return probabilities: none below 0, rows that sum to 1.")
    if abs(float(targets.weight.mean()) - 1) > 1e-6:
        raise DataError(
            f"{describe_kind(spec.method)} returned weights of mean {targets.weight.mean():.4g}; it must be 1."
        )
