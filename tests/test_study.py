"""A study stands for cells; several methods share one supervisor and one ceiling."""

from __future__ import annotations

import dataclasses

import pytest

from surpass.errors import SpecError
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.route import Route
from surpass.runner import graph
from surpass.spec import Spec, key
from surpass.splits import Data
from surpass.stages import Features, Fit, Label
from surpass.study import Pair, bind, cells, describe, role
from surpass.tasks.toy import Toy

WEAK, STRONG = Sklearn(ngrams=1), Sklearn()


def test_cells_are_the_product_of_tasks_pairs_methods_and_seeds(small_study):
    study = small_study(
        tasks=(Toy(rows=400), Toy(rows=500)),
        pairs=(Pair(weak=WEAK, strong=STRONG), Pair(weak=STRONG, strong=STRONG, methods=(Hard(),))),
        methods=(Soft(), Hard()),
        seeds=3,
    )
    found = cells(study)
    assert len(found) == 2 * (2 + 1) * 3
    assert len({key(cell.student) for cell in found}) == len(found)
    assert {cell.route for cell in found if cell.pair == study.pairs[1]} == {Route(method=Hard())}


def test_a_pair_may_name_its_tasks_and_its_rows(small_study):
    toys = (Toy(rows=400), Toy(rows=500))
    study = small_study(
        tasks=toys, pairs=(Pair(weak=WEAK, strong=STRONG, tasks=("toy(rows=500)",), data=(("n_weak", 10),)),)
    )
    (cell,) = cells(study)
    assert (cell.task, cell.data.n_weak, cell.data.n_transfer) == (toys[1], 10, 60)


@pytest.mark.parametrize(
    ("vary", "data_seeds", "fit_seeds"), [("both", {4, 5}, {4, 5}), ("data", {4, 5}, {4}), ("fit", {0}, {4, 5})]
)
def test_what_a_seed_changes(small_study, vary, data_seeds, fit_seeds):
    found = cells(small_study(seeds=2, first_seed=4, vary=vary))
    assert {cell.data.seed for cell in found} == data_seeds
    assert {cell.student.seed for cell in found} == fit_seeds


def test_methods_share_supervisor_and_ceiling(small_study):
    one, two = small_study(), small_study(methods=(Soft(), Hard()))
    soft, hard = cells(two)
    assert (soft.supervisor, soft.ceiling) == (hard.supervisor, hard.ceiling)
    extra = set(graph(two)) - set(graph(one))
    assert extra == {key(hard.student)}


def test_the_key_of_a_student_holds_its_supervisor(small_study):
    (cell,) = cells(small_study())
    other = dataclasses.replace(cell.supervisor, seed=9)
    assert key(dataclasses.replace(cell.student, labels=other)) != key(cell.student)


def test_a_label_source_can_be_the_weak_side(small_study):
    source = File(path="labels.csv")
    (cell,) = cells(small_study(pairs=(Pair(weak=source, strong=STRONG),)))
    assert cell.supervisor == Label(data=cell.data, source=source)
    assert cell.student.labels == source


def test_models_inside_a_label_source_become_supervisors():
    data = Data(task=Toy())
    bound = bind(Ensemble(members=(WEAK, Gold())), data, 3)
    assert bound == Ensemble(members=(Fit(data=data, model=WEAK, labels=Gold(split="weak"), seed=3), Gold()))
    done = Fit(data=data, model=WEAK, labels=Gold(split="weak"))
    assert bind(done, data, 3) is done


def test_what_cannot_label_is_refused():
    with pytest.raises(SpecError, match="method/soft cannot label rows; a model or a label source is needed"):
        bind(Soft(), Data(task=Toy()), 0)


def test_stages_in_words(small_study):
    (cell,) = cells(small_study(methods=(Hard(),)))
    assert role(cell.supervisor) == "supervisor"
    assert role(cell.ceiling) == "ceiling"
    assert role(cell.student) == "student (hard from tfidf LogisticRegression(ngrams=1))"
    assert describe(cell.data.training()) == "toy(rows=400): rows 40 weak, 60 transfer (seed 0)"
    assert describe(cell.ceiling) == "toy(rows=400), seed 0: ceiling tfidf LogisticRegression"
    assert describe(Label(data=cell.data, source=Gold())) == "toy(rows=400), seed 0: ground truth of the transfer rows"
    part = dataclasses.replace(cell.student, part=(1, 3))
    assert describe(part) == f"{describe(cell.student)} on part 2 of 3"
    own = dataclasses.replace(cell.supervisor, domain="tea")
    assert describe(own).endswith("supervisor tfidf LogisticRegression(ngrams=1) on domain tea")
    assert issubclass(Features, Spec)


def test_every_stage_has_its_inputs_before_it(small_study):
    nodes = graph(small_study(methods=(Soft(), Hard()), seeds=2))
    seen: set[str] = set()
    for node in nodes.values():
        assert seen.issuperset(node.inputs)
        seen.add(node.key)
