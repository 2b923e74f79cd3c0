"""The imitation test: students read what the supervisor thinks, supervisor and ceiling do not."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
import tiny
from test_stages import evaluate

from surpass.artifacts import Predictions
from surpass.errors import IncompatibleError
from surpass.fits import told
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.labels.imitation import Imitation
from surpass.models.base import Model, Solved
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.runner import graph, run
from surpass.shelf import Shelf
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Features, Fit, Label, inputs_of, supervisor_of
from surpass.study import Pair, cells
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source

spec = dataclasses.dataclass(frozen=True, kw_only=True)
DATA = Data(task=Toy(rows=600), n_weak=40, n_transfer=100, n_val=20, n_test=100)


@spec
class _Dice(LabelSource):
    """Labels that no text gives away."""

    def compute(self, splits, sources, *, runtime=None):
        thrown = [hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 2 for name in splits.rows.ids]
        return Predictions(splits.rows.ids, splits.split, np.eye(2)[thrown] * 0.6 + 0.2)


def agreement(fit: Fit) -> float:
    labels: Predictions = evaluate(Label(data=DATA, source=fit.labels))
    test = evaluate(DATA).part("test").ids
    return float((evaluate(fit).on(test).argmax(axis=1) == labels.on(test).argmax(axis=1)).mean())


def test_contract():
    check_label_source(Imitation(weak=Gold(split="weak")))


def test_labels_pass_through():
    plain, told = (evaluate(Label(data=DATA, source=source)) for source in (_Dice(), Imitation(weak=_Dice())))
    assert plain.ids == told.ids
    assert plain.values.tolist() == told.values.tolist()


def test_a_student_that_can_only_read_the_hint_copies_the_supervisor():
    plain, told = (Fit(data=DATA, model=Sklearn(), labels=source) for source in (_Dice(), Imitation(weak=_Dice())))
    assert agreement(plain) < 0.7
    assert agreement(told) == 1.0


@spec
class _Reads(Model):
    """Keeps what it was given to read."""

    def fit(self, work, runtime):
        return Solved((work.inputs, work.watch), _even, {"first": str(work.inputs[0]), "watched": str(work.watch[0])})


def _even(seen, inputs):
    return np.full((len(inputs), 2), 0.5)


def test_what_is_read_in_training_and_testing_ends_in_the_hint():
    found = evaluate(Fit(data=DATA, model=_Reads(), labels=Imitation(weak=_Dice())))
    labels = evaluate(Label(data=DATA, source=_Dice()))
    splits = evaluate(DATA)
    for what, split in (("first", "transfer"), ("watched", "val")):
        rows = splits.part(split)
        name = splits.classes[labels.on(rows.ids[:1])[0].argmax()]
        assert found.facts[what] == f"{rows.inputs[0]}\n\nI think this is {name}. What do you think?"


def features_of(fit: Fit) -> list[Features]:
    return [item for item in inputs_of(fit) if isinstance(item, Features)]


def test_supervisor_and_ceiling_read_texts_as_they_are(small_study):
    weak, strong = Probe(backbone="path:weak"), Probe(backbone="path:strong")
    plain, told = cells(small_study(pairs=tuple(Pair(weak=w, strong=strong) for w in (weak, Imitation(weak=weak)))))
    assert told.ceiling == plain.ceiling
    assert supervisor_of(told.supervisor.source) == plain.supervisor
    hints = {item.hint for item in features_of(told.student)}
    assert hints == {told.supervisor}
    for fit in (told.ceiling, plain.supervisor, plain.student):
        assert {item.hint for item in features_of(fit)} == {None}
    assert not {key(f) for f in features_of(told.student)} & {key(f) for f in features_of(plain.student)}
    assert key(told.student) != key(plain.student)


def test_only_the_first_student_of_a_chain_is_told():
    first = Fit(data=DATA, model=Sklearn(), labels=Imitation(weak=_Dice()))
    assert first.hint == Label(data=DATA, source=Imitation(weak=_Dice()))
    assert Fit(data=DATA, model=Sklearn(), labels=first).hint is None


@spec
class _Moods(Toy):
    """Sentences whose classes are known to the tiny model, which knows none of their other words. Licence: none."""

    classes = ("awful it", "great it")


@pytest.mark.slow
def test_a_study_with_a_pretrained_student(small_study, store, tmp_path):
    """The full stop sticks to a name's last word for the tiny tokenizer; its first word remains to be read."""
    backbone = tiny.save_llama(tmp_path / "model")
    strong = Probe(backbone=backbone, layer=0, pool="mean", l2=1e-3, precision="fp32")
    pairs = tuple(Pair(weak=weak, strong=strong) for weak in (_Dice(), Imitation(weak=_Dice())))
    study = small_study(tasks=(_Moods(rows=400),), pairs=pairs)
    _, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    shelf, copied = Shelf(store), []
    for cell in cells(study.resolve()):
        scored = shelf.scored(cell)
        test, _ = scored.test("test")
        student, supervisor = scored.student.predictions.on(test.ids), scored.supervisor.on(test.ids)
        copied.append(float((student.argmax(axis=1) == supervisor.argmax(axis=1)).mean()))
    assert copied[0] < 0.75
    assert copied[1] == 1.0
    kinds = [node.spec.hint is not None for node in graph(study.resolve()).values() if isinstance(node.spec, Features)]
    assert sorted(kinds) == [False, False, True, True]


@pytest.mark.parametrize("text", ["pair", "vector"])
def test_what_cannot_be_told(text):
    rows = evaluate(DATA).part("test")
    labels = evaluate(Label(data=DATA, source=_Dice()))
    inputs = tuple((x, x) for x in rows.inputs) if text == "pair" else np.zeros((len(rows), 2))
    with pytest.raises(IncompatibleError, match="writes labels under texts, but the inputs are no single texts"):
        told(dataclasses.replace(rows, inputs=inputs), labels, ("no", "yes"))
