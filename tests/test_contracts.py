"""Every plug-in passes its contract: a new file in tasks/, labels/, models/ or methods/ is covered with nothing edited."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from surpass import testing
from surpass.artifacts import Inputs, Predictions, Splits, Targets, Values
from surpass.errors import SpecError
from surpass.labels.base import LabelSource, gold_values
from surpass.methods.base import Batch, Given, Method
from surpass.models.base import Fitted, Model, Solved, Work
from surpass.models.sklearn import Sklearn
from surpass.registry import LABELS, METHODS, MODELS, TASKS
from surpass.runtime import Runtime
from surpass.tasks.base import Example
from surpass.tasks.toy import Toy

# for models with such fields: what lets a tiny random network learn sixty rows in a second or two
QUICK = {"lr": 1e-2, "epochs": 8, "batch_size": 10, "max_length": 16, "max_new_tokens": 4, "precision": "fp32"}

spec = dataclasses.dataclass(frozen=True, kw_only=True)


def _model_cases() -> list[Any]:
    """Return every model family; those that load a pretrained backbone take seconds."""
    found = []
    for name in MODELS.names():
        try:
            cls = MODELS.get(name)
            heavy = not cls.reads_features and "backbone" in cls.__annotations__
        except SpecError:  # its own test says why
            heavy = False
        found.append(pytest.param(name, marks=[pytest.mark.slow] if heavy else []))
    return found


@pytest.mark.parametrize("name", TASKS.names())
def test_task(name):
    testing.check_task(name)


@pytest.mark.parametrize(
    "name", [name for name in LABELS.names() if name != "endpoint"]
)  # it needs a server: tests/labels
def test_label_source(name):
    testing.check_label_source(name)


@pytest.mark.parametrize("name", METHODS.names())
def test_method(name):
    testing.check_method(name)


@pytest.mark.parametrize("name", _model_cases())
def test_model(name, request):
    cls = MODELS.get(name)
    fields = {field.name for field in dataclasses.fields(cls)}
    options: dict[str, Any] = {key: value for key, value in QUICK.items() if key in fields and cls.learns}
    if "backbone" in fields and not cls.reads_features:
        options["backbone"] = request.getfixturevalue("tiny_backbone")
    testing.check_model(name, **options)


# The suites notice what they are for: one broken plug-in for each promise.


@spec
class _Unlicensed(Toy):
    """Sentences that nobody says may be used."""


@spec
class _BadLabel(Toy):
    """Sentences. Licence: none."""

    def example(self, row, rng):
        return Example(row["text"], 2)


@spec
class _NumberedId(Toy):
    """Sentences. Licence: none."""

    def example(self, row, rng):
        return Example(row["text"], 1, id=int(row["id"]))


@spec
class _StrangeVote(Toy):
    """Sentences. Licence: none."""

    def example(self, row, rng):
        return Example(row["text"], 1, votes=(1.0, float("nan"), 2.0))


@spec
class _StrangeTarget(Toy):
    """Sentences. Licence: none."""

    target: ClassVar[str] = "ranking"


_seen: list[str] = []


@spec
class _Remembers(Toy):
    """Sentences. Licence: none."""

    def example(self, row, rng):
        _seen.append(row["text"])
        return Example(row["text"], len(_seen) // 2 % 2)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (_Unlicensed, "does not name the licence"),
        (_BadLabel, "label 2 is no index of its classes unpleasant, pleasant"),
        (_NumberedId, "id 0 is int; text is needed"),
        (_StrangeVote, "vote 2.0 is no label of this task"),
        (_StrangeTarget, "target 'ranking'; allowed are classification, preference, regression"),
        (_Remembers, "gives other examples each time"),
    ],
)
def test_broken_tasks_are_noticed(task, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_task(task)


@spec
class _ByPosition(LabelSource):
    """Labels drawn by position."""

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        values = np.random.default_rng(0).dirichlet((1, 1), size=len(splits.rows))
        return Predictions(splits.rows.ids, splits.split, values)


@spec
class _Unnormalized(LabelSource):
    """Labels that sum to 2."""

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        return Predictions(splits.rows.ids, splits.split, 2 * gold_values(splits))


@spec
class _Binary(LabelSource):
    """Two columns, whatever the classes are."""

    columns: ClassVar[int] = 2

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        size = len(splits.rows), self.columns if splits.target == "classification" else gold_values(splits).shape[1]
        return Predictions(splits.rows.ids, splits.split, np.full(size, 1 / size[1]))


@spec
class _TwoNumbers(LabelSource):
    """A number as two columns."""

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        gold = gold_values(splits)
        values = np.hstack([gold, gold]) if splits.target == "regression" else gold
        return Predictions(splits.rows.ids, splits.split, values)


@spec
class _FirstIsBetter(LabelSource):
    """A preference as one column."""

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        gold = gold_values(splits)
        return Predictions(splits.rows.ids, splits.split, gold[:, 1:] if splits.target == "preference" else gold)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (_ByPosition, "depends on its position"),
        (_Unnormalized, "miss the sum 1 by 1"),
        (_Binary, r"on classification of 5: values have shape \(60, 2\); \(60, 5\) is needed"),
        (_TwoNumbers, r"on regression: values have shape \(60, 2\); \(60, 1\) is needed"),
        (_FirstIsBetter, r"on preference of 2: values have shape \(60, 1\); \(60, 2\) is needed"),
    ],
)
def test_broken_label_sources_are_noticed(source, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_label_source(source)


@spec
class _Broken(Method):
    wrong = staticmethod(lambda weak, rng: weak)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        return type(self).wrong(weak, rng)


@spec
class _Reversed(_Broken):
    wrong = staticmethod(lambda weak, rng: weak.take(np.arange(len(weak.ids))[::-1]))


@spec
class _Doubled(_Broken):
    wrong = staticmethod(lambda weak, rng: dataclasses.replace(weak, weight=2 * weak.weight))


@spec
class _Dice(_Broken):
    wrong = staticmethod(lambda weak, rng: weak.take(np.flatnonzero(rng.random(len(weak.ids)) < 0.5)))


@spec
class _InPlace(_Broken):
    @staticmethod
    def wrong(weak, rng):
        weak.values[:] = 1 / weak.values.shape[1]
        return weak


@spec
class _Explodes(Method):
    def loss(self, batch: Batch, progress: float) -> Any:
        return batch.logits.exp().sum(dim=-1)


@spec
class _CutMatters(Method):
    def loss(self, batch: Batch, progress: float) -> Any:
        return batch.logits.sum(dim=-1) - batch.logits.mean()


@spec
class _Peeks(Method):
    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        return weak.take(np.flatnonzero(given.features[:, 0] > -9))


@spec
class _Solves(Method):
    solves = True


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (_Peeks, "`prepare` cannot do with what `wants` names, nothing: 'NoneType' object is not subscriptable"),
        (_Solves, "`solve` reads frozen features, which `wants` does not name"),
        (_Reversed, "in another order"),
        (_Doubled, "weights have mean 2, not 1"),
        (_Dice, "depends on the order of the rows"),
        (_InPlace, "changes the weak labels"),
        (_Explodes, "loss is not finite"),
        (_CutMatters, "cut or ordered into micro-batches"),
    ],
)
def test_broken_methods_are_noticed(method, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_method(method)


@spec
class _Guesses(Model):
    """Even odds for everything."""

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        return Solved(work.classes, _even, {})


def _even(classes: int, inputs: Inputs) -> Values:
    return np.full((len(inputs), classes), 1 / classes)


@spec
class _Moody(Model):
    """Other odds at every fit."""

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        return Solved(float(np.random.default_rng().random()), _tilted, {})


def _tilted(tilt: float, inputs: Inputs) -> Values:
    return np.tile([tilt, 1 - tilt], (len(inputs), 1))


@spec
class _Herd(Sklearn):
    """Models of which those that are fitted together follow the first."""

    @property
    def together(self) -> bool:
        return True

    @classmethod
    def fit_all(cls, jobs: Iterable[tuple[Sklearn, Work]], runtime: Runtime) -> list[Fitted | Exception]:
        found = super().fit_all(jobs, runtime)
        return found[:1] * len(found)


@spec
class _Crowded(_Herd):
    """Models that cannot be fitted together, though they say so."""

    @classmethod
    def fit_all(cls, jobs: Iterable[tuple[Sklearn, Work]], runtime: Runtime) -> list[Fitted | Exception]:
        return [ValueError("one at a time") for _ in jobs]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_Guesses, "an easy problem is learned on 50%"),
        (_Moody, "the same seed gives other predictions"),
        (_Herd, "fitted together with others it predicts otherwise than alone"),
        (_Crowded, r"`fit_all` fails where `fit` does not: ValueError\('one at a time'\)"),
    ],
)
def test_broken_models_are_noticed(model, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_model(model)
