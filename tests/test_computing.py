"""What a fit reads: rows of a part or a domain, what its method asked for, labels told to texts, states read by a probe."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest

from surpass.artifacts import Predictions, Splits, Targets
from surpass.computing import compute
from surpass.errors import IncompatibleError, SpecError, StageError
from surpass.fits import Job, parts_of, told
from surpass.labels.base import LabelSource, gold_values
from surpass.labels.ensemble import Ensemble
from surpass.labels.gold import Gold
from surpass.methods.base import Given, Method
from surpass.models.base import Model, Solved, TextEncoder, Work
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Features, Fit, Label, Stage, inputs_of, named_inputs, supervisor_of
from surpass.tasks.toy import GOOD, Toy

spec = dataclasses.dataclass(frozen=True, kw_only=True)
DATA = Data(task=Toy(rows=400), n_weak=40, n_transfer=60, n_val=20, n_test=60)


@spec
class Counted(TextEncoder):
    """Features of a text that need no backbone: counts of pleasant words, of words, and whether a hint is there."""

    backbone: str = "path:none"
    salt: int = 0

    def encode(self, inputs: Any, runtime: Runtime) -> Any:
        rows = [(len(set(t.split()) & set(GOOD)), len(t.split()), "I think this is pleasant." in t) for t in inputs]
        return np.array(rows, dtype=np.float32) + self.salt, {"truncated": 0.0}


@spec
class Reads(Model):
    """A threshold on the first feature; its states are the features themselves."""

    reads_features: ClassVar[bool] = True
    salt: int = 0
    at: int = 0

    def encoder(self) -> TextEncoder:
        return Counted(salt=self.salt)

    def pretrained(self) -> Model:
        return Reads(salt=7)

    def fit(self, work: Work, runtime: Runtime) -> Any:
        seen.append(work)
        return _Threshold(None, lambda _, x: np.eye(2)[(np.asarray(x)[:, 0] > self.salt + self.at).astype(int)], {})


class _Threshold(Solved):
    def states(self, inputs: Any) -> Any:
        return np.asarray(inputs, dtype=np.float64)


@spec
class Asks(Method):
    """Keeps what it was given where the test can see it."""

    wants: ClassVar[Any] = frozenset({"features", "supervisor_features", "pretrained"})

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        asked.append((weak, given))
        return weak


@spec
class Weighs(Asks):
    """Asks for the members of an ensemble."""

    wants: ClassVar[Any] = frozenset({"members"})


@spec
class Nearest(Method):
    """Is the student itself: everything is of the first row's class."""

    wants: ClassVar[Any] = frozenset({"features"})

    @property
    def solves(self) -> bool:
        return True

    def solve(self, targets: Targets, features: Any) -> Any:
        return lambda x: np.repeat(targets.values[:1], len(x), axis=0)


@spec
class Tells(LabelSource):
    """Passes another's labels on and has them told."""

    told: ClassVar[bool] = True
    weak: Any = None

    def sources(self) -> Any:
        return (self.weak,)

    def compute(self, splits: Splits, sources: Any, *, runtime: Runtime | None = None) -> Predictions:
        return sources[0]


seen: list[Work] = []
asked: list[tuple[Targets, Given]] = []


@pytest.fixture(autouse=True)
def forget() -> None:
    seen.clear()
    asked.clear()


def evaluate(stage: Stage) -> Any:
    return compute(stage, [evaluate(item) for item in inputs_of(stage)], Runtime())


def rows(split: str) -> Any:
    return evaluate(DATA).part(split)


WEAK = Fit(data=DATA, model=Reads(salt=1), labels=Gold(split="weak"))


def test_a_part_is_a_stretch_of_the_split_and_all_parts_are_all_of_it():
    for i in range(3):
        compute_fit(part=(i, 3))
    ids = [work.targets.ids for work in seen]
    assert sum(ids, ()) == rows("transfer").ids
    assert [len(part) for part in ids] == [20, 20, 20]
    shares = [gold_of(part).mean(axis=0) for part in ids]
    assert np.allclose(shares, 0.5)  # balanced: rows stand in class turns


@pytest.mark.parametrize(("n", "parts"), [(60, 3), (7, 3), (100, 7), (5, 5), (2, 3)])
def test_rows_without_groups_are_cut_into_equal_parts(n, parts):
    expected = [part for part in range(parts) for _ in range(n * part // parts, n * (part + 1) // parts)]
    assert parts_of([str(i) for i in range(n)], parts).tolist() == expected


def test_a_group_is_never_cut_into_parts():
    """Questions with one right and three wrong answers, in class turns: the wrong ones of a question come first."""
    right, wrong = [str(i) for i in range(60)], [str(i // 3) for i in range(60)]
    groups = [name for both in zip(right, wrong, strict=True) for name in both]
    found = parts_of(groups, 3)
    for name in set(groups):
        assert len({part for group, part in zip(groups, found, strict=True) if group == name}) == 1
    assert np.bincount(found).tolist() == pytest.approx([40, 40, 40], abs=4)


def compute_fit(**changes: Any) -> Predictions:
    found: Predictions = evaluate(Fit(data=DATA, model=Reads(), labels=Gold(), **changes))
    return found


def gold_of(ids: Any) -> Any:
    splits = evaluate(DATA)
    return Predictions(splits.rows.ids, splits.split, gold_values(splits)).on(ids)


@pytest.mark.parametrize("part", [(0,), (3, 3), (-1, 2), (0, 1, 2)])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(SpecError, match="give \\(i, k\\) with 0 <= i < k"):
        Fit(data=DATA, model=Reads(), labels=Gold(), part=part)


def test_a_domain_is_fitted_alone():
    splits = Splits.joined([evaluate(DATA.training()), evaluate(DATA.evaluation())])
    domains = tuple("near" if i % 3 else "far" for i in range(len(splits.rows)))
    marked = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, domains=domains))
    fit = Fit(data=DATA, model=Sklearn(), labels=Gold(), domain="far")
    labels = Predictions(splits.rows.ids, splits.split, gold_values(splits))
    job = Job.of(fit, marked, {"labels": [labels]})
    where = dict(zip(marked.rows.ids, domains, strict=True))
    assert {where[row] for row in job.targets.ids} == {"far"}
    with pytest.raises(StageError, match="the transfer split has none of domain 'moon'"):
        Job.of(dataclasses.replace(fit, domain="moon"), marked, {"labels": [labels]})


def test_a_method_gets_what_it_asks_for_and_nothing_else():
    evaluate(Fit(data=DATA, model=Reads(), labels=WEAK, method=Asks()))
    weak, given = asked[0]
    assert weak.ids == rows("transfer").ids
    count = [len(set(text.split()) & set(GOOD)) for text in rows("transfer").inputs]
    assert given.features[:, 0].tolist() == count
    assert given.supervisor_features[:, 0].tolist() == [n + 1 for n in count]  # its own encoder's
    assert given.labelled.ids == rows("weak").ids
    assert np.array_equal(given.labelled.gold, gold_of(given.labelled.ids))
    assert given.labelled.supervisor_features.shape == (40, 3)
    assert np.array_equal(given.pretrained, np.eye(2)[(np.array(count) > 0).astype(int)])
    assert given.members is None


def test_a_method_gets_the_members_of_an_ensemble_in_order():
    other = dataclasses.replace(WEAK, model=Reads(salt=2))
    fit = Fit(data=DATA, model=Reads(), labels=Ensemble(members=(WEAK, other)), method=Weighs())
    evaluate(fit)
    _, given = asked[0]
    assert given.members.shape == (2, 60, 2)
    assert np.array_equal(given.members[0], evaluate(WEAK).on(rows("transfer").ids))
    assert given.features is given.labelled is None
    assert supervisor_of(fit.labels) is None


def test_ground_truth_is_marked_row_by_row():
    evaluate(Fit(data=DATA, model=Reads(), labels=WEAK, method=Asks()))
    assert not asked[0][0].gold.any()
    compute_fit(method=Asks())
    assert asked[-1][0].gold.all()


def test_a_method_can_be_the_student():
    fit = Fit(data=DATA, model=Reads(), labels=WEAK, method=Nearest())
    parts = [item.part for item in inputs_of(fit) if isinstance(item, Features)]
    assert parts == ["transfer", "evaluation"]
    found = evaluate(fit)
    assert (found.values == found.values[0]).all()
    assert len(seen) == 1  # the supervisor's fit; the student's model was not asked


def test_labels_are_told_to_the_student_in_every_split_and_to_nobody_else():
    fit = Fit(data=DATA, model=Reads(), labels=Tells(weak=WEAK))
    label = Label(data=DATA, source=fit.labels)
    found = [item for item in inputs_of(fit) if isinstance(item, Features)]
    assert [item.hint for item in found] == [label, label]
    assert supervisor_of(fit.labels) == WEAK
    evaluate(fit)
    supervisor, student = seen[0], seen[-1]
    decided = evaluate(WEAK)
    assert np.array_equal(student.inputs[:, 2], decided.on(student.targets.ids).argmax(axis=1))
    assert (supervisor.inputs[:, 2] == 1).all()  # its own salt, and no hint
    plain = Fit(data=DATA, model=Reads(), labels=WEAK)
    assert not any(item.hint for item in inputs_of(plain) if isinstance(item, Features))
    assert key(found[0]) != key(next(item for item in inputs_of(plain) if isinstance(item, Features)))


def test_the_wording_is_the_papers_and_texts_alone_can_be_told():
    splits = evaluate(DATA)
    labels = Predictions(splits.rows.ids, splits.split, gold_values(splits))
    test = splits.part("test")
    name = splits.classes[int(test.labels[0])]
    assert told(test, labels, splits.classes).inputs[0] == (
        f"{test.inputs[0]}\n\nI think this is {name}. What do you think?"
    )
    vectors = dataclasses.replace(test, inputs=np.zeros((len(test), 2)))
    with pytest.raises(IncompatibleError, match="writes labels under texts"):
        told(vectors, labels, splits.classes)


def test_a_probe_on_ground_truth_reads_the_students_states():
    fit = Fit(data=DATA, model=Reads(at=99), labels=WEAK, reprobe=True)
    found, plain = evaluate(fit), evaluate(dataclasses.replace(fit, reprobe=False))
    test = rows("test")
    right = found.on(test.ids).argmax(axis=1) == test.labels
    assert plain.on(test.ids).argmax(axis=1).max() == 0  # the student itself learnt nothing
    assert right.mean() > 0.7  # its states hold the number of pleasant words all the same
    assert key(fit) != key(dataclasses.replace(fit, reprobe=False))


def test_inputs_have_names():
    fit = Fit(data=DATA, model=Reads(), labels=WEAK, method=Asks())
    names = [name for name, _ in named_inputs(fit)]
    assert names.count("data") == 2
    assert names.count("labels") == names.count("pretrained") == 1
    assert all(isinstance(t, Features) for name, t in named_inputs(fit) if name == "supervisor_features")
