"""What planning tells before anything runs: labels that rows cannot carry, parts without rows, ground truth nobody marks."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest

import surpass
from surpass.errors import StudyError
from surpass.feasibility import problems_of
from surpass.labels.blend import Blend
from surpass.labels.boost import Boost
from surpass.labels.gold import Gold
from surpass.labels.imitation import Imitation
from surpass.labels.specialists import Specialists
from surpass.methods.gold_only import GoldOnly
from surpass.methods.soft import Soft
from surpass.models.generator import Generator
from surpass.models.sklearn import Sklearn
from surpass.route import Route
from surpass.runner import plan, run
from surpass.study import Pair
from surpass.tasks.base import Example, Generated, Task

WEAK = Sklearn(ngrams=1)
STRONG = Sklearn(params=(("C", 10.0),))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kinds(Task):
    """Rows of two domains, or pairs of texts. Licence: CC0."""

    classes: ClassVar[tuple[str, ...]] = ("no", "yes")

    paired: bool = False

    def source(self) -> Generated:
        return Generated(lambda: iter({"number": i} for i in range(600)))

    def example(self, row, rng) -> Example:
        number = row["number"]
        text = f"{'tea' if number % 2 else 'ink'} {number}"
        return Example((text, "and") if self.paired else text, number % 2, id=str(number), domain="ab"[number // 2 % 2])


@pytest.fixture
def problems(small_study):
    """Return what planning says of a study with these labels, ways to the student and task."""

    def of(weak, *ways, task=None) -> str:
        tasks = (task or Kinds(),)
        study = small_study(tasks=tasks, pairs=(Pair(weak=weak, strong=STRONG),), methods=ways or (Soft(),))
        return " ".join(problems_of(study))

    return of


def test_a_domain_that_the_rows_do_not_have_is_told_while_planning(problems):
    told = problems(Blend(weak=WEAK, domain="c"))
    assert (
        told == "task 'test_feasibility:Kinds': label 'blend': no transfer row is of domain 'c'. The domains are a, b."
    )
    told = problems(Specialists(model=WEAK, domains=("a", "c")))
    assert (
        told
        == "task 'test_feasibility:Kinds': label 'specialists': no weak row is of domain 'c'. The domains are a, b."
    )
    assert not problems(Blend(weak=Specialists(model=WEAK, domains=("a", "b")), domain="a"))


def test_labels_inside_labels_are_looked_at(problems):
    assert "no transfer row is of domain 'c'" in problems(Imitation(weak=Blend(weak=WEAK, domain="c")))


def test_more_parts_than_rows_are_told_while_planning(problems):
    assert "parts=41, but there are 40 weak rows" in problems(Specialists(model=WEAK, parts=41))
    assert not problems(Specialists(model=WEAK, parts=40))
    assert "fresh gives each of 2 steps" not in problems(WEAK, Route(method=Soft(), rounds=1, fresh=True))


def test_steps_without_rows_of_their_own_are_told_while_planning(small_study):
    data = {"n_weak": 40, "n_transfer": 3, "n_val": 20, "n_test": 60}
    for rounds, refused in ((2, False), (3, True)):
        study = small_study(methods=(Route(method=Soft(), rounds=rounds, fresh=True),), data=data)
        assert any("n_transfer=3" in text for text in problems_of(study, read_rows=False)) == refused


def test_imitation_needs_single_texts(problems):
    assert "label 'imitation' writes labels under texts" in problems(Imitation(weak=WEAK), task=Kinds(paired=True))


def test_what_cannot_be_fitted_inside_a_label_source_is_one_of_the_problems(problems):
    told = problems(Boost(model=Gold()))
    assert "label 'boost': label 'gold' cannot be fitted again on other rows or weights" in told


@pytest.mark.parametrize(
    ("weak", "way", "refused"),
    [
        (WEAK, GoldOnly(), True),
        (Blend(weak=WEAK, gold=0.0), GoldOnly(), True),
        (Blend(weak=WEAK, gold=0.5), GoldOnly(), False),
        (Imitation(weak=Blend(weak=WEAK, gold=0.5)), GoldOnly(), False),
        (Imitation(weak=WEAK), GoldOnly(), True),
        (Blend(weak=WEAK, gold=0.5), Route(method=GoldOnly(), rounds=1), True),
        (Blend(weak=WEAK, gold=0.5), Route(method=GoldOnly(), rounds=1, control="direct"), False),
    ],
)
def test_a_method_for_ground_truth_is_let_through_where_a_run_finds_some(weak, way, refused, small_study, store):
    study = small_study(pairs=(Pair(weak=weak, strong=STRONG),), methods=(way,))
    told = [text for text in problems_of(study) if "needs rows marked as ground truth" in text]
    assert bool(told) == refused
    if not refused:
        _, outcomes = run(study, store=store)
        assert {outcome.status for outcome in outcomes} == {"done"}


def test_rows_that_are_there_do_not_hide_what_new_labels_lack(small_study, store):
    good = small_study(tasks=(Kinds(),), pairs=(Pair(weak=Blend(weak=WEAK, domain="a"), strong=STRONG),))
    run(good, store=store)
    bad = dataclasses.replace(good, pairs=(Pair(weak=Blend(weak=WEAK, domain="c"), strong=STRONG),))
    with pytest.raises(StudyError, match="no transfer row is of domain 'c'"):
        plan(bad, store)


def test_a_writer_among_candidates_is_told_one_thing_of_a_task_of_classes(small_study, llama):
    writer = Generator(backbone=llama, among="candidates")
    told = problems_of(small_study(pairs=(Pair(weak=writer, strong=writer),)), read_rows=False)
    assert [text.partition(" cannot serve")[0] for text in told] == ["pair 1, model 'generator'"]


@pytest.mark.parametrize("name", sorted(surpass.__all__))
def test_every_public_name_loads(name):
    assert getattr(surpass, name)


def test_the_methods_of_texts_are_public():
    assert {"Accepted", "Weighted"} <= set(dir(surpass))
