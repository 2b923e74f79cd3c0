"""What the predictions of a cell say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted import (
    CELL,
    ROWS,
    N,
    codes,
    guesses,
    run,
)

from surpass.checks import check_predictions, check_truncation
from surpass.stats import Run


def test_clean_predictions_raise_nothing() -> None:
    assert check_predictions([run(seed) for seed in range(5)], where=CELL) == []
    assert check_predictions([], where=CELL) == []


def test_supervisor_that_always_says_yes() -> None:
    """Unbalanced BoolQ: the supervisor answers "yes", .622 of the time rightly, and every student copies it."""
    gold = np.array([1] * 249 + [0] * 151)
    yes = np.tile([0.4, 0.6], (N, 1))
    found = check_predictions([run(s, gold=gold, floor=yes, student=yes) for s in range(3)], where=CELL)
    assert codes(found) == ["one-class-supervisor", "one-class-student", "copy"]
    supervisor = found[0]
    assert supervisor.severity == "error"
    assert supervisor.where == {"task": "toy", "split": "test", "weak": "tfidf"}
    assert (supervisor.evidence["collapsed"], supervisor.evidence["seeds"]) == (3, 3)
    assert "class 1 to 100 % of the rows, with the same probabilities for all (3 of 3 seeds)" in supervisor.message
    assert found[1].severity == "warning"
    assert found[1].where == CELL


def test_almost_one_class_is_a_collapse_and_a_skewed_answer_is_not() -> None:
    probs = guesses(0.7, 1)
    probs[:385] = [0.3, 0.7]  # 96 % and more
    (found,) = check_predictions([run(ceiling=probs)], where=CELL)
    assert (found.code, found.severity) == ("one-class-ceiling", "error")
    probs = guesses(0.7, 1)
    probs[:300] = [0.3, 0.7]
    assert "one-class-ceiling" not in codes(check_predictions([run(ceiling=probs)], where=CELL))


def test_most_rows_of_one_class_make_no_collapse() -> None:
    gold = np.array([0] * 388 + [1] * 12)  # 97 %
    assert check_predictions([run(gold=gold, floor=0.75, student=0.75, ceiling=0.92)], where=CELL) == []


def test_a_single_collapsed_seed_is_named() -> None:
    same = np.tile([0.5, 0.5], (N, 1))
    runs = [run(0), run(1, student=same), run(2)]
    (found,) = check_predictions(runs, where=CELL, seeds=[7, 8, 9])
    assert (found.code, found.where["seed"], found.evidence["which"]) == ("one-class-student", "8", "8")
    assert "(seed 8)" in found.message


@pytest.mark.parametrize("bad", [[0.5], [0.5, 0.53]])
def test_seeds_in_a_failed_optimum(bad: list[float]) -> None:
    """As gpt2-large on BoolQ: some seeds end near chance, and their mean is of two kinds of run."""
    good = [0.9, 0.895, 0.905, 0.9][: 5 - len(bad)]
    found = check_predictions([run(s, ceiling=value) for s, value in enumerate([*bad, *good])], where=CELL)
    assert codes(found) == ["collapsed-seed"] * len(bad)
    assert [f.where["seed"] for f in found] == [str(i) for i in range(len(bad))]
    assert found[0].where["strong"] == "bert"
    assert "method" not in found[0].where
    assert found[0].evidence["score"] == pytest.approx(0.5)
    assert found[0].evidence["median_of_others"] == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize("scores", [[0.78, 0.8, 0.82, 0.8, 0.75], [0.7, 0.8, 0.75], [0.5, 0.9]])
def test_seeds_that_merely_differ_are_not_collapsed(scores: list[float]) -> None:
    runs = [run(s, student=value) for s, value in enumerate(scores)]
    assert check_predictions(runs, where=CELL) == []


def test_a_seed_far_from_agreeing_others_has_collapsed_though_above_chance() -> None:
    runs = [run(s, student=value) for s, value in enumerate([0.95, 0.955, 0.95, 0.945, 0.8])]
    assert codes(check_predictions(runs, where=CELL)) == ["collapsed-seed"]


def test_saturated_task() -> None:
    found = check_predictions([run(s, floor=0.99, student=0.995, ceiling=0.995) for s in range(3)], where=CELL)
    assert codes(found) == ["saturated"]
    assert found[0].evidence == {"floor": pytest.approx(0.99), "ceiling": pytest.approx(0.995)}
    assert found[0].where == {"task": "toy", "split": "test", "weak": "tfidf"}
    assert check_predictions([run(s, floor=0.97, student=0.995, ceiling=0.995) for s in range(3)], where=CELL) == []


def test_saturated_regression() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=N)
    runs = [Run(gold, ROWS, *(gold + noise * rng.normal(size=N) for noise in (0.05, 0.1, 0.05))) for _ in range(3)]
    (found,) = check_predictions(runs, where=CELL, target="regression")
    assert found.code == "saturated"
    assert "already has R2 .99" in found.message.replace("0.99", ".99")


def test_student_that_copies() -> None:
    weak = guesses(0.7, 3)
    other = weak.copy()
    other[0] = other[0, ::-1]
    (found,) = check_predictions([run(floor=weak, student=other)], where=CELL)
    assert (found.code, found.where) == ("copy", CELL)
    assert found.evidence["agreement"] == pytest.approx(399 / 400)
    assert "99.8 % of the test rows" in found.message
    other[1:3] = other[1:3, ::-1]
    assert check_predictions([run(floor=weak, student=other)], where=CELL) == []


def test_regression_predictions() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=N)

    def fit(noise: float) -> Any:
        return gold + noise * rng.normal(size=N)

    good = [Run(gold, ROWS, fit(0.5), fit(0.8), fit(0.3)) for _ in range(5)]
    assert check_predictions(good, where=CELL, target="regression") == []
    flat = [Run(gold, ROWS, fit(0.5), np.full(N, gold.mean()), fit(0.3))]
    (found,) = check_predictions(flat, where=CELL, target="regression")
    assert (found.code, found.severity) == ("one-class-supervisor", "error")
    assert "where labels vary by" in found.message
    lost = [*good[:4], Run(gold, ROWS, rng.normal(size=N), fit(0.8), fit(0.3))]
    (found,) = check_predictions(lost, where=CELL, target="regression")
    assert (found.code, found.where["seed"]) == ("collapsed-seed", "4")
    assert "R2" in found.message


def test_truncation() -> None:
    facts = {
        "supervisor": [{"truncated": 0.01}, {"loss": 0.3}],
        "student": [{"truncated": 0.06}, {"truncated": 0.08}],
        "ceiling": [{"truncated": 0.08}],
    }
    (found,) = check_truncation(facts, where=CELL)
    assert (found.code, found.severity, found.where) == ("truncation", "warning", {"task": "toy", "strong": "bert"})
    assert found.evidence == {"truncated": 0.08}
    assert found.message.startswith("8 % of the texts are longer than the strong model reads")
    assert check_truncation({"student": [{"truncated": 0.05}], "ceiling": []}, where=CELL) == []
