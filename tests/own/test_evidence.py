"""Which gold rows test, which are used, and what is said of the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surpass.diagnostics.misfit import misfit_rows
from surpass.errors import DataError
from surpass.own.card import ROLES
from surpass.own.evidence import MOST_TEST, Predicted, as_json, divide, from_json, with_gold, without_gold

EVERY = np.ones(1000, dtype=bool)
NAMES = [f"text {i}" for i in range(1000)]


def some(n: int, of: int = 1000) -> np.ndarray:
    marks = np.zeros(of, dtype=bool)
    marks[:n] = True
    return marks


def test_half_of_the_gold_rows_test_and_no_fit_sees_them():
    found = divide(some(300), EVERY, NAMES)
    assert (len(found.test), len(found.known), len(found.train)) == (150, 150, 850)
    assert not set(found.test) & set(found.train)
    assert set(found.known) <= set(found.train)
    assert not found.fair
    assert not len(found.held)


def test_a_fair_comparison_keeps_gold_from_the_student():
    found = divide(EVERY, EVERY, NAMES)
    assert found.fair
    assert (len(found.known), len(found.test), len(found.train)) == (0, 500, 500)


def test_no_more_than_2000_rows_test():
    many = np.ones(6000, dtype=bool)
    assert len(divide(many, many, [str(i) for i in range(6000)]).test) == MOST_TEST


def test_gold_rows_without_a_weak_label_do_not_test():
    found = divide(some(300), ~some(200), NAMES)
    assert set(found.test) <= set(range(200, 300))
    assert set(range(200)) <= set(found.known)


def test_without_gold_a_tenth_is_held_out():
    found = divide(~EVERY, EVERY, NAMES)
    assert (len(found.held), len(found.train), len(found.test)) == (100, 900, 0)
    assert not set(found.held) & set(found.train)


def test_a_supervisor_gets_the_known_rows_and_labels_the_others():
    found = divide(some(300), EVERY, NAMES, supervised=True)
    assert (len(found.known), len(found.test)) == (150, 150)
    assert not found.fair


def test_n_gold_hides_the_other_gold_labels_from_the_student():
    found = divide(EVERY, EVERY, NAMES, supervised=True, n_gold=200)
    assert (len(found.known), len(found.test), len(found.train)) == (200, 400, 400)
    assert found.fair
    assert not set(found.known) & (set(found.train) | set(found.test))


def test_n_gold_above_what_is_there_leaves_half_to_test():
    found = divide(some(300), EVERY, NAMES, supervised=True, n_gold=400)
    assert (len(found.known), len(found.test)) == (150, 150)


@pytest.mark.parametrize(("gold", "words"), [(some(0), "no row has a gold label"), (EVERY, "Give --n-gold")])
def test_a_supervisor_needs_gold_and_rows_to_label(gold, words):
    with pytest.raises(DataError, match=words):
        divide(gold, EVERY, NAMES, supervised=True)


@given(st.lists(st.integers(0, 30), min_size=20, max_size=200), st.data())
def test_equal_texts_stay_on_one_side(texts, data):
    n = len(texts)
    gold = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    weak = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    names = [str(i) for i in texts]
    found = divide(gold, weak, names)
    for aside in (found.test, found.held):
        assert not {names[i] for i in aside} & {names[i] for i in found.train}
    assert gold[found.known].all()
    assert (gold & weak)[found.test].all()


def test_the_order_of_the_rows_decides_nothing():
    order = np.random.default_rng(0).permutation(1000)
    first, second = divide(some(300), EVERY, NAMES), divide(some(300)[order], EVERY, [NAMES[i] for i in order])
    assert {NAMES[i] for i in first.test} == {NAMES[order[i]] for i in second.test}


def predictions(n: int, accuracy: float, labels: np.ndarray, seed: int) -> np.ndarray:
    right = np.random.default_rng(seed).random(n) < accuracy
    said = np.where(right, labels, 1 - labels)
    return np.where(said[:, None] == np.arange(2), 0.9, 0.1)


@pytest.fixture(scope="module")
def roles() -> dict[str, np.ndarray]:
    labels = np.arange(800) % 2
    levels = {"floor": 0.6, "student": 0.8, "ceiling": 0.95, "gold_only": 0.7}
    return {
        "labels": labels,
        **{name: predictions(800, level, labels, i) for i, (name, level) in enumerate(levels.items())},
    }


def test_a_ceiling_gives_a_pgr(roles):
    names = tuple(map(str, range(800)))
    found = Predicted(roles["labels"], names, roles["floor"], (roles["student"],), ceiling=(roles["ceiling"],))
    scores = with_gold(found)["accuracy"]
    means = {name: float((roles[name].argmax(1) == roles["labels"]).mean()) for name in ("floor", "student", "ceiling")}
    assert {name: scores[name].value for name in means} == pytest.approx(means)
    expected = (means["student"] - means["floor"]) / (means["ceiling"] - means["floor"])
    assert scores["pgr"].value == pytest.approx(expected)
    assert scores["pgr"].low < expected < scores["pgr"].high


def test_without_a_ceiling_there_is_no_pgr_but_a_bound(roles):
    names = tuple(map(str, range(800)))
    found = Predicted(roles["labels"], names, roles["floor"], (roles["student"],), gold_only=(roles["gold_only"],))
    scores = with_gold(found)["accuracy"]
    assert not {"pgr", "ceiling", "gap"} & scores.keys()
    assert scores["over_gold_only"].value == pytest.approx(scores["student"].value - scores["gold_only"].value)


def test_what_weak_labels_say_without_gold():
    weak = np.array([[1.0, 0.0], [0.95, 0.05], [0.6, 0.4], [0.4, 0.6]])
    student = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.4, 0.6]])
    found = without_gold(weak, [student], ["a", "b", "c", "d"])
    assert found["agreement"].value == 0.5
    assert found["confident_disagreement"].value == 0.5  # one of the two that are sure
    assert found["misfit_brier"].value == pytest.approx(((student - weak)[:, 1] ** 2).mean())  # as the metric brier
    kl = [-math.log(0.9), 0.95 * math.log(0.95 / 0.2) + 0.05 * math.log(0.05 / 0.8)]
    kl += [0.6 * math.log(0.6 / 0.2) + 0.4 * math.log(0.4 / 0.8), 0.0]
    assert found["misfit_forward_kl"].value == pytest.approx(sum(kl) / 4)
    reverse = found["misfit_reverse_kl"]  # the first label says 0 where the student does not
    assert not reverse.defined
    assert "no end on 1 of 4 rows" in reverse.note
    soft = without_gold(weak[1:], [student[1:]], ["b", "c", "d"])["misfit_reverse_kl"]
    kl = [
        0.2 * math.log(0.2 / 0.95) + 0.8 * math.log(0.8 / 0.05),
        0.2 * math.log(0.2 / 0.6) + 0.8 * math.log(0.8 / 0.4),
        0,
    ]
    assert soft.value == pytest.approx(sum(kl) / 3)


@pytest.mark.parametrize("loss", ["reverse_kl", "forward_kl", "brier"])
def test_misfit_is_that_of_the_diagnostics(loss):
    rng = np.random.default_rng(0)
    weak, student = rng.dirichlet([1, 1, 1], 50), rng.dirichlet([1, 1, 1], 50)
    found = without_gold(weak, [student], [str(i) for i in range(50)])
    assert found[f"misfit_{loss}"].value == pytest.approx(misfit_rows(student, weak, loss=loss).mean())


def test_estimates_survive_json_also_undefined_ones(roles):
    found = without_gold(np.array([[0.6, 0.4]] * 3), [np.array([[0.6, 0.4]] * 3)], ["a", "b", "c"])
    assert not found["confident_disagreement"].defined  # no label is sure
    again = from_json(as_json(found)["confident_disagreement"])
    assert str(again) == str(found["confident_disagreement"])
    assert from_json(as_json(found)["agreement"]) == found["agreement"]


def test_misfits_of_older_folders_are_still_read():
    """Their KL was that of the labels from the student, and is called so."""
    assert ROLES["misfit_kl"] == ROLES["misfit_forward_kl"]
    assert {"misfit_squared", "misfit_reverse_kl", "misfit_brier"} <= ROLES.keys()
