"""More than two classes: the guard, and whose errors a student makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from surpass.artifacts import Rows, Splits
from surpass.checks import check_predictions, check_splits
from surpass.stats import Run

WHERE = {"task": "topics", "split": "test", "weak": "w", "strong": "s", "method": "soft"}


def chances(classes: np.ndarray, sure: float = 0.7, many: int = 10) -> np.ndarray:
    """Return probabilities (n, C) that are highest at the given classes."""
    return np.eye(many)[classes] * sure + (1 - sure) / many


def a_run(seed: int, *, supervisor: float = 0.6, student: float = 0.7, ceiling: float = 0.8) -> Run:
    """Return a seed's predictions on 300 rows of ten classes, right in the given shares."""
    rng = np.random.default_rng(seed)
    labels = np.arange(300) % 10

    def role(share: float) -> np.ndarray:
        wrong = rng.random(300) > share
        return chances(np.where(wrong, (labels + rng.integers(1, 10, size=300)) % 10, labels))

    return Run(labels, [str(i) for i in range(300)], role(student), role(supervisor), role(ceiling))


def codes(runs: Sequence[Run]) -> list[str]:
    return [found.code for found in check_predictions(runs, where=WHERE)]


def test_guard_is_silent_about_good_predictions():
    assert codes([a_run(seed) for seed in range(5)]) == []


def test_guard_finds_a_supervisor_of_one_class():
    always = chances(np.full(300, 4))
    assert "one-class-supervisor" in codes([dataclasses.replace(a_run(s), floor=always) for s in range(3)])


def test_guard_knows_the_chance_of_ten_classes():
    """A seed at .15 has collapsed, though not to one class; for two classes this would be worse than chance."""
    good = [a_run(seed) for seed in range(4)]
    assert "collapsed-seed" in codes([*good, a_run(9, student=0.15)])


def test_guard_counts_the_rows_of_each_class():
    def splits(labels: np.ndarray) -> Splits:
        n = len(labels)
        ids = tuple(f"r{i}" for i in range(n))
        vectors = np.random.default_rng(0).normal(size=(n, 2))
        split = tuple(("weak", "transfer", "test")[i * 3 // n] for i in range(n))
        return Splits(Rows(ids, vectors, labels, ids), split, "classification", tuple("abcdefghij"), {})

    even = np.arange(3000) % 10
    found = [finding.code for finding in check_splits(splits(even), where={"task": "topics"})]
    assert "imbalance" not in found
    tilted = np.where((np.arange(3000) % 10 < 3), 0, even)
    (first, *_) = [f for f in check_splits(splits(tilted), where={"task": "topics"}) if f.code == "imbalance"]
    assert "30 %" in first.message
    assert "10 %" in first.message


def test_what_copies_and_corrects_leaves_room_for_other_wrong_answers():
    from surpass.diagnostics import error_shares

    whole = error_shares([a_run(seed) for seed in range(3)], resamples=200)[0]
    assert whole.other.value > 0.1  # with ten classes most errors of two models differ
    total = whole.inheritance.value + whole.correction.value + whole.other.value
    assert total == pytest.approx(1, abs=1e-9)
