"""What the labels of a supervisor say: one class, a function of one feature, labels of rows it was fitted on; and raters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import TASK, codes, sentence

from surpass.artifacts import Rows
from surpass.checks import check_labelling, check_labels
from surpass.checks.raters import check_raters, kappa
from surpass.guard import guard_labels
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.shelf import Shelf
from surpass.stages import Fit
from surpass.study import Pair, cells

N = 600
WEAK = {"task": "toy", "weak": "rules"}
TEXTS = tuple(sentence(i) for i in range(N))
RNG = np.random.default_rng(0)


def rows(inputs: Any = TEXTS, **more: Any) -> Rows:
    ids = tuple(map(str, range(len(inputs))))
    return Rows(ids, inputs, np.zeros(len(ids)), ids, **more)


def soft(labels: Any, classes: int = 2) -> Any:
    """Return probabilities whose most probable class is the label, more or less sure."""
    values = RNG.uniform(0.1, 0.4, size=(len(labels), classes)) / classes
    values[np.arange(len(labels)), labels] = 1 - values.sum(axis=1) + values[np.arange(len(labels)), labels]
    return values


def flipped(labels: Any, share: float) -> Any:
    labels = np.array(labels)
    labels[: round(share * len(labels))] ^= 1
    return labels


HAS_AMBER = np.array(["amber" in text.split() for text in TEXTS]).astype(int)
RANDOM = RNG.integers(2, size=N)


def test_clean_labels_raise_nothing() -> None:
    assert check_labels(rows(), soft(RANDOM), where=WEAK) == []
    assert check_labels(rows(), RNG.normal(size=(N, 1)), where=WEAK, target="regression") == []
    assert check_labels(rows(RNG.normal(size=(N, 4))), soft(RANDOM), where=WEAK) == []


@pytest.mark.parametrize(("noise", "fires"), [(0.0, True), (0.01, True), (0.05, False)])
def test_a_keyword_rule_is_a_copycat(noise: float, fires: bool) -> None:
    found = check_labels(rows(), soft(flipped(HAS_AMBER, noise)), where={**WEAK, "strong": "bert"})
    assert [(f.code, f.severity, f.where) for f in found] == (
        [("copycat-supervisor", "warning", WEAK)] if fires else []
    )
    assert all(f.evidence["feature"] == 'the words "amber"' for f in found)


def test_a_length_is_a_copycat() -> None:
    long = np.array([len(text) > 40 for text in TEXTS]).astype(int)
    (found,) = check_labels(rows(), soft(long), where=WEAK)
    assert (found.code, found.evidence["feature"]) == ("copycat-supervisor", "its characters")


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_column_of_vectors_is_a_copycat_and_a_sum_of_two_is_not(classes: int) -> None:
    vectors = RNG.normal(size=(N, 6))
    cuts = np.quantile(vectors[:, 3], np.arange(1, classes) / classes)
    (found,) = check_labels(rows(vectors), soft(np.searchsorted(cuts, vectors[:, 3]), classes), where=WEAK)
    assert (found.code, found.evidence["feature"]) == ("copycat-supervisor", "number 3 of the input")
    both = vectors[:, 3] + 0.5 * vectors[:, 1]
    assert check_labels(rows(vectors), soft(np.searchsorted(cuts, both), classes), where=WEAK) == []


def test_images_and_pairs_of_vectors_are_looked_at_number_by_number() -> None:
    images = RNG.normal(size=(N, 4, 4))
    (found,) = check_labels(rows(images), soft((images[:, 2, 1] > 0).astype(int)), where=WEAK)
    assert found.evidence["feature"] == "number 9 of the input"


def test_a_domain_is_a_copycat() -> None:
    domains = tuple(("here", "there")[i % 2] for i in range(N))
    (found,) = check_labels(rows(domains=domains), soft(np.arange(N) % 2), where=WEAK)
    assert (found.code, found.evidence["feature"]) == ("copycat-supervisor", "its domain")


def test_ranks_of_a_column_are_a_copycat_in_regression() -> None:
    vectors = RNG.normal(size=(N, 5))
    (found,) = check_labels(rows(vectors), -np.exp(vectors[:, [2]]), where=WEAK, target="regression")
    assert (found.code, found.evidence["feature"]) == ("copycat-supervisor", "number 2 of the input")
    noisy = vectors[:, [2]] + RNG.normal(size=(N, 1))
    assert check_labels(rows(vectors), noisy, where=WEAK, target="regression") == []
    assert check_labels(rows(vectors), np.zeros((N, 1)), where=WEAK, target="regression") == []


def test_one_column_of_several_votes_is_a_note() -> None:
    votes = np.array([RANDOM, flipped(RANDOM, 0.2), flipped(RANDOM, 0.4)]).T.astype(float)
    (found,) = check_labels(rows(votes=tuple(map(tuple, votes))), soft(RANDOM), where=WEAK)
    assert (found.code, found.severity, found.evidence["feature"]) == ("copycat-supervisor", "note", "vote column 1")
    other = flipped(RANDOM[::-1], 0.1)
    assert check_labels(rows(votes=tuple(map(tuple, votes))), soft(other), where=WEAK) == []


@pytest.mark.parametrize(("others", "fires"), [(0, True), (3, True), (30, False)])
def test_labels_of_one_class_teach_nothing(others: int, fires: bool) -> None:
    labels = np.array([0] * others + [1] * (N - others))
    found = check_labels(rows(), soft(labels), where=WEAK)
    assert codes(found) == (["one-class-supervisor"] if fires else [])
    assert not fires or "of the rows that it labels for students" in found[0].message


def test_few_rows_are_silence() -> None:
    assert check_labels(rows(TEXTS[:40]), soft([1] * 40), where=WEAK) == []


# Labelling


def test_a_teacher_that_labels_its_own_rows() -> None:
    (found,) = check_labelling(["a", "b", "c"], ["b", "c", "d"], where=TASK)
    assert (found.code, found.severity, found.evidence) == (
        "trained-on-labelled-rows", "error", {"rows": 2, "of": 3, "gold": 1},
    )  # fmt: skip
    assert "the supervisor was fitted on ground truth of 2 of the 3 rows that it labels" in found.message
    assert check_labelling(["a"], ["b"], where=TASK) == []
    assert check_labelling([], [], where=TASK) == []
    taught = check_labelling(["a"], ["a"], gold=False, where=TASK)
    meant = check_labelling(["a"], ["a"], meant=True, where=TASK)
    assert [f.severity for f in taught + meant] == ["note", "note"]


@pytest.mark.parametrize(
    ("route", "severities"),
    [
        (Route(method=Soft()), []),
        (Route(method=Soft(), rounds=1), ["note"]),
        (Route(method=Soft(), rounds=2), ["note"]),  # both students alike: one finding
        (Route(method=Soft(), rounds=1, fresh=True), []),
        (Route(method=Soft(), rounds=1, control="gold"), ["note"]),
    ],
)
def test_chains_that_share_their_rows_are_noted(small_study, store, route, severities) -> None:
    plan, outcomes = run(small_study(methods=(route,)), store=store, runtime=Runtime())
    found = [f for f in results(plan, outcomes, store).findings if f.code == "trained-on-labelled-rows"]
    assert [f.severity for f in found] == severities
    assert all(f.where["strong"] == plan.study.pairs[0].strong.label() for f in found)


def test_a_supervisor_fitted_on_the_transfer_rows_is_an_error(small_study, store) -> None:
    """A study cannot say so by itself, but the fit may be given as the supervisor."""
    study = small_study().resolve()
    data = study.data_of(study.tasks[0], study.pairs[0], 0)
    cheat = Fit(data=data, model=Sklearn(ngrams=1), labels=Gold(split="transfer"))
    honest = Fit(data=data, model=Sklearn(ngrams=1), labels=Gold(split="weak"), seed=1)
    pair = Pair(weak=Ensemble(members=(cheat, honest)), strong=Sklearn())
    plan, outcomes = run(small_study(pairs=(pair,)), store=store, runtime=Runtime())
    found = [f for f in results(plan, outcomes, store).findings if f.code == "trained-on-labelled-rows"]
    assert [(f.severity, f.evidence["rows"]) for f in found] == [("error", 60)]


def test_the_labels_of_a_study_are_looked_at(small_study, store, tmp_path) -> None:
    plan, outcomes = run(small_study(), store=store, runtime=Runtime())
    scored = Shelf(store).scored(cells(plan.study)[0])
    assert scored is not None
    assert guard_labels(scored) == []
    known = scored.splits.rows
    lines = [f"{name},{int(len(text) > 38)}" for name, text in zip(known.ids, known.inputs, strict=True)]
    path = tmp_path / "rules.csv"
    path.write_text("\n".join(["id,label", *lines]) + "\n")
    study = small_study(pairs=(Pair(weak=File(path=str(path)), strong=Sklearn()),))
    plan, outcomes = run(study, store=store, runtime=Runtime())
    found = [f for f in results(plan, outcomes, store).findings if f.code == "copycat-supervisor"]
    assert [(f.where["task"], f.evidence["feature"]) for f in found] == [("toy(rows=400)", "its characters")]


# Raters


def crowd(n: int = 300, people: int = 5, errors: float = 0.2) -> Any:
    truth = RNG.integers(2, size=n)
    return np.array([np.where(RNG.random(n) < errors, 1 - truth, truth) for _ in range(people)]).T.astype(float)


def voted(votes: Any) -> Rows:
    return rows(tuple(sentence(i) for i in range(len(votes))), votes=tuple(map(tuple, votes)))


def test_a_rater_who_copies_another() -> None:
    votes = crowd()
    assert check_raters(voted(votes), where=TASK) == []
    votes[:, 3] = votes[:, 1]
    votes[0, 3] = 1 - votes[0, 3]
    (found,) = check_raters(voted(votes), where={**TASK, "weak": "people"})
    assert (found.code, found.severity, found.where, found.evidence["columns"]) == (
        "copied-rater",
        "note",
        TASK,
        "2 = 4",
    )
    assert "vote columns 2 and 4 agree on 99.7 % of the 300 rows" in found.message


def test_people_who_are_right_nearly_always_are_no_copies() -> None:
    assert check_raters(voted(crowd(errors=0.01)), where=TASK) == []


def test_copies_are_judged_by_rows_that_both_judged() -> None:
    votes = crowd()
    votes[:, 3] = votes[:, 1]
    votes[40:, 3] = np.nan
    assert check_raters(voted(votes), where=TASK) == []  # 40 rows are too few
    same = np.ones((300, 3))
    assert check_raters(voted(same), where=TASK) == []  # all say yes to everything: nothing is copied
    assert check_raters(voted(np.zeros((300, 0))), where=TASK) == []


def test_kappa_is_the_textbook_one() -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreement .7, by chance .5, hence .4."""
    one = np.array([1] * 25 + [0] * 25)
    other = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert kappa(one, other) == pytest.approx(0.4)
    assert kappa(np.ones(4), np.ones(4)) == 0.0
