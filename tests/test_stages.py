"""Stages: the graph is read off the spec, and a chain of fits is a spec."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from surpass.artifacts import Artifact, Predictions, Splits, Targets
from surpass.computing import compute
from surpass.errors import DataError, StageError
from surpass.labels.ensemble import Ensemble
from surpass.labels.gold import Gold
from surpass.methods.base import Given, Method
from surpass.models.base import Model, TextEncoder
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Features, Fit, Label, Stage, inputs_of
from surpass.tasks.toy import Toy

spec = dataclasses.dataclass(frozen=True, kw_only=True)
DATA = Data(task=Toy(rows=400), n_weak=40, n_transfer=60, n_val=20, n_test=60)
WEAK = Fit(data=DATA, model=Sklearn(ngrams=1), labels=Gold(split="weak"))
STUDENT = Fit(data=DATA, model=Sklearn(), labels=WEAK)


def evaluate(stage: Stage, done: dict[str, Artifact] | None = None) -> Any:
    """Return the artifact of a stage, computing its inputs first."""
    done = {} if done is None else done
    if key(stage) not in done:
        done[key(stage)] = compute(stage, [evaluate(item, done) for item in inputs_of(stage)], Runtime())
    return done[key(stage)]


def rows(split: str) -> tuple[str, ...]:
    splits: Splits = evaluate(DATA)
    return splits.part(split).ids


def test_inputs_are_halves_and_labels():
    assert inputs_of(DATA) == ()
    assert inputs_of(WEAK) == (DATA.training(), DATA.evaluation(), Label(data=DATA, source=Gold(split="weak")))
    assert inputs_of(STUDENT) == (DATA.training(), DATA.evaluation(), WEAK)
    both = Label(data=DATA, source=Ensemble(members=(WEAK, Gold())))
    assert inputs_of(both)[2:] == (WEAK, Label(data=DATA, source=Gold()))


@spec
class _Reads(Model):
    """A head on frozen features."""

    reads_features = True

    def encoder(self) -> TextEncoder:
        return TextEncoder(backbone="path:none")


@spec
class _Wants(Method):
    """A method that asks for features."""

    wants = frozenset({"features"})


def test_features_are_stages_of_their_own_shared_by_seeds():
    weak = Fit(data=DATA, model=_Reads(), labels=Gold(split="weak"))
    parts = [item for item in inputs_of(weak) if isinstance(item, Features)]
    assert [(item.part, item.data) for item in parts] == [
        ("weak", DATA.training()),
        ("transfer", DATA.training()),
        ("evaluation", DATA.evaluation()),
    ]
    other = dataclasses.replace(weak, data=dataclasses.replace(DATA, seed=1))
    assert inputs_of(other)[-1] == parts[-1]
    assert not [item for item in inputs_of(STUDENT) if isinstance(item, Features)]


def test_features_for_a_method_alone_are_of_the_training_rows():
    @spec
    class Has(Model):
        def encoder(self) -> TextEncoder:
            return TextEncoder(backbone="path:none")

    fit = Fit(data=DATA, model=Has(), labels=WEAK, method=_Wants())
    assert [item.part for item in inputs_of(fit) if isinstance(item, Features)] == ["transfer"]
    without = dataclasses.replace(fit, method=Fit.__dataclass_fields__["method"].default)
    assert not [item for item in inputs_of(without) if isinstance(item, Features)]


def test_a_supervisor_predicts_the_rows_it_did_not_see():
    found: Predictions = evaluate(WEAK)
    assert set(found.split) == {"weak", "transfer", "val", "test"}
    assert found.facts["trained_on"] == 40
    assert found.on(rows("transfer")).shape == (60, 2)


def test_a_student_learns_from_the_supervisor_not_from_the_truth():
    student, supervisor = evaluate(STUDENT), evaluate(WEAK)
    hard = supervisor.on(rows("transfer")).argmax(axis=1)
    assert (student.on(rows("transfer")).argmax(axis=1) == hard).mean() > 0.8
    assert "weak" not in student.split


def test_chains_are_specs():
    chain = Fit(data=DATA, model=Sklearn(ngrams=3), labels=STUDENT)
    again = Fit(data=DATA, model=Sklearn(), labels=chain)
    found: Predictions = evaluate(again)
    assert found.on(rows("test")).shape == (60, 2)
    assert len({key(fit) for fit in (WEAK, STUDENT, chain, again)}) == 4


def test_an_ensemble_of_chains_labels_a_student():
    second = dataclasses.replace(WEAK, seed=1, model=Sklearn(ngrams=2))
    both = Ensemble(members=(STUDENT, Fit(data=DATA, model=Sklearn(), labels=second)))
    student: Predictions = evaluate(Fit(data=DATA, model=Sklearn(), labels=both))
    assert student.on(rows("test")).shape == (60, 2)


def test_without_evaluation_rows_a_fit_predicts_the_training_rows():
    data = dataclasses.replace(DATA, n_val=0, n_test=0)
    found = evaluate(dataclasses.replace(WEAK, data=data))
    assert set(found.split) == {"weak", "transfer"}


def test_no_rows_to_fit_on():
    with pytest.raises(StageError, match=r"no rows to fit on: the weak split is empty. Raise n_weak"):
        evaluate(dataclasses.replace(WEAK, data=dataclasses.replace(DATA, n_weak=0)))


@spec
class _Keeps(Method):
    """Keeps rows as told."""

    rows: tuple[int, ...] = ()

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        return weak.take(np.array(self.rows, dtype=int))


def test_a_method_may_keep_some_rows():
    found = evaluate(dataclasses.replace(STUDENT, method=_Keeps(rows=tuple(range(0, 60, 2)))))
    assert found.facts["trained_on"] == 30
    assert len(found.on(rows("transfer"))) == 60


@pytest.mark.parametrize(
    ("kept", "error", "message"),
    [
        (
            (),
            StageError,
            r"kept none of 60 rows \(weak labels: \d+ unpleasant, \d+ pleasant\)\. Loosen its selection, or raise n_transfer",
        ),
        ((1, 0), DataError, "must return rows it was given, once each and in their order"),
        ((0, 0), DataError, "once each and in their order"),
    ],
)
def test_what_a_method_keeps_is_checked(kept, error, message):
    with pytest.raises(error, match=message):
        evaluate(dataclasses.replace(STUDENT, method=_Keeps(rows=kept)))


def test_halves_join_to_one_table():
    splits = Splits.joined([evaluate(DATA.training()), evaluate(DATA.evaluation())])
    assert splits.names() == ("weak", "transfer", "val", "test")
    assert splits.rows.ids == evaluate(DATA).rows.ids
