"""AdaBoost's weights against its definition in loops; `tests/labels/test_boost.py` has the rounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.labels.gold import Gold
from surpass.methods.base import Given
from surpass.methods.boosted import Boosted
from surpass.testing import check_method

BOOSTED = Boosted(before=Gold(split="weak"))


def test_contract():
    check_method(BOOSTED)


def problem(classes: int, n: int = 90, rounds: int = 4, right: float = 0.6, seed: int = 0):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=n)
    said = np.where(rng.random((rounds, n)) < right, gold, rng.integers(classes, size=(rounds, n)))
    weak = Targets.of([f"r{i}" for i in range(n)], np.eye(classes)[gold], gold=True)
    return weak, np.eye(classes)[said] * 0.5 + 0.5 / classes, gold, said


def slow(gold, said, classes):
    """Return SAMME's votes and weights in plain Python, weights of mean 1."""
    n = len(gold)
    weight, votes = [1 / n] * n, []
    for row in said:
        error = sum(w for w, y, s in zip(weight, gold, row, strict=True) if y != s) / sum(weight)
        error = min(max(error, 1 / (2 * n)), 1 - 1 / (2 * n))
        votes.append(max(0.0, math.log((1 - error) / error) + math.log(classes - 1)))
        weight = [w * math.exp(votes[-1]) if y != s else w for w, y, s in zip(weight, gold, row, strict=True)]
    return votes, [w * n / sum(weight) for w in weight]


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("right", [0.1, 0.4, 0.9, 1.0])
def test_weights_and_votes_by_loops(classes, right):
    weak, members, gold, said = problem(classes, right=right)
    votes, weight = Boosted.votes(members, weak.values, weak.weight)
    wanted = slow(gold.tolist(), said.tolist(), classes)
    assert votes == pytest.approx(wanted[0])
    assert weight == pytest.approx(wanted[1])
    found = BOOSTED.prepare(weak, Given(members=members), np.random.default_rng(0))
    assert found.weight == pytest.approx(wanted[1])
    assert found.values is weak.values
    assert found.ids == weak.ids


def test_after_a_round_its_right_and_wrong_rows_weigh_alike():
    """AdaBoost's own mark for two classes: the last round is at chance under the weights that it leaves."""
    weak, members, gold, said = problem(2, rounds=1)
    _, weight = Boosted.votes(members, weak.values, weak.weight)
    wrong = said[0] != gold
    assert weight[wrong].sum() == pytest.approx(weight[~wrong].sum())


def test_a_round_without_errors_has_the_say_of_half_an_error_and_changes_nothing():
    weak, _, gold, _ = problem(2, n=50)
    votes, weight = Boosted.votes(np.eye(2)[gold][None], weak.values, weak.weight)
    assert votes == pytest.approx([math.log(99)])
    assert weight.tolist() == [1.0] * 50


def test_more_than_chance_is_enough_for_several_classes():
    """With five classes a round that is right on two of five rows has a say; with two classes it has none."""
    for classes, vote in ((5, math.log(0.4 / 0.6 * 4)), (2, 0.0)):
        gold = np.zeros(50, dtype=int)
        said = np.eye(classes)[np.where(np.arange(50) < 20, 0, 1)]
        assert Boosted.votes(said[None], np.eye(classes)[gold], np.ones(50))[0] == pytest.approx([vote])
