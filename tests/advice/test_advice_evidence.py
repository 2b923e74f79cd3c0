"""Evidence: scores of out-of-fold predictions, their differences by the same rows, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from surpass.advice import Rehearsal, evidence
from surpass.errors import AlignmentError, DataError


def _hard(classes, count=2):
    return np.eye(count)[classes]


def _rehearsal(n=40, **more):
    """Ground truth 0 1 0 1 ...; the supervisor has every fourth row wrong, the student every tenth."""
    labels = np.arange(n) % 2
    floor = np.where(np.arange(n) % 4 == 0, 1 - labels, labels)
    student = np.where(np.arange(n) % 10 == 0, 1 - labels, labels)
    groups = tuple(f"row-{i}" for i in range(n))
    return Rehearsal("classification", labels, groups, _hard(floor), _hard(student), **more)


def test_scores_are_shares_of_right_rows():
    found = evidence(_rehearsal())
    assert (found.floor.value, found.student.value) == (pytest.approx(0.75), pytest.approx(0.9))
    assert found.gain.value == pytest.approx(0.15)
    assert found.gain.low < 0.15 < found.gain.high


def test_what_was_not_tried_is_undefined_and_says_so():
    found = evidence(_rehearsal())
    for name, word in (
        ("gold", "gold"),
        ("lead", "gold"),
        ("slope", "half"),
        ("disagreement", "weakly"),
        ("judged", "weakly"),
    ):
        one = getattr(found, name)
        assert not one.defined, name
        assert word in one.note, name


def test_gold_halves_and_disagreement_are_read():
    labels = np.arange(40) % 2
    found = evidence(
        _rehearsal(
            gold=_hard(labels),
            halves=(_hard(1 - labels), _hard(labels)),
            weak_labels=_hard(np.zeros(50, dtype=int)),
            away=_hard((np.arange(50) % 5 == 0).astype(int)),
        )
    )
    assert found.gold.value == pytest.approx(1.0)
    assert found.lead.value == pytest.approx(0.25)
    assert found.slope.value == pytest.approx(0.9 - 0.5)
    assert found.disagreement.value == pytest.approx(0.2)
    assert found.n_weak == 50


def test_regression_scores_are_shares_of_explained_variance():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=60)
    noise = rng.normal(size=60)
    floor, student = (labels + noise)[:, None], (labels + noise / 2)[:, None]
    found = evidence(Rehearsal("regression", labels, tuple(map(str, range(60))), floor, student))
    expected = np.mean(noise**2) / np.var(labels)
    assert found.floor.value == pytest.approx(1 - expected)
    assert found.gain.value == pytest.approx(0.75 * expected)
    assert found.proper.value == pytest.approx(found.gain.value)


def test_rows_of_one_group_are_one_example():
    one = evidence(_rehearsal()).gain
    r = _rehearsal()
    twice = Rehearsal(
        r.target,
        np.repeat(r.labels, 4),
        tuple(np.repeat(r.groups, 4)),
        np.repeat(r.floor, 4, 0),
        np.repeat(r.student, 4, 0),
    )
    assert evidence(twice).gain.high - evidence(twice).gain.low == pytest.approx(one.high - one.low, rel=0.02)


def test_too_few_rows_are_no_evidence():
    found = evidence(_rehearsal(8))
    assert not found.gain.defined
    assert "8 independent rows" in found.gain.note


def test_bad_predictions_are_refused():
    labels, groups = np.zeros(3, dtype=int), ("a", "b", "c")
    with pytest.raises(AlignmentError, match=r"\(2, 2\)"):
        Rehearsal("classification", labels, groups, np.zeros((2, 2)), np.zeros((3, 2)))
    with pytest.raises(DataError, match="not all finite"):
        Rehearsal("classification", labels, groups, np.full((3, 2), np.nan), np.zeros((3, 2)))
    with pytest.raises(DataError, match="same number"):
        evidence(Rehearsal("regression", np.ones(20), tuple(map(str, range(20))), np.ones((20, 1)), np.ones((20, 1))))
