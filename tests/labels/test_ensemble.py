"""Ensembles: what each way of combining is, by hand and by loops; `test_labels.py` has their joins."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from surpass.artifacts import Predictions
from surpass.errors import IncompatibleError, SpecError
from surpass.feasibility import problems_of
from surpass.labels.ensemble import Ensemble
from surpass.labels.gold import Gold
from surpass.models.sklearn import Sklearn
from surpass.study import Pair, cells
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source, sample_splits

spec = dataclasses.dataclass(frozen=True, kw_only=True)
TWO = (Gold(split="weak"), Gold())


def members(classes: int, count: int, seed: int = 0) -> list[Predictions]:
    splits = sample_splits(classes)
    rng = np.random.default_rng(seed)
    n = len(splits.rows)
    return [Predictions(splits.rows.ids, splits.split, rng.dirichlet([0.4] * classes, n)) for _ in range(count)]


def combined(given: list[Predictions], **options) -> np.ndarray:
    classes = given[0].values.shape[1]
    spec = Ensemble(members=(Gold(),) * len(given), **options)
    return spec.compute(sample_splits(classes), given).values


@pytest.mark.parametrize("combine", ["mean", "vote", "log_mean"])
@pytest.mark.parametrize("weights", [(), (2.0, 1.0)])
def test_contract(combine, weights):
    check_label_source(Ensemble(members=TWO, combine=combine, weights=weights))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weights", [(), (0.5, 2, 0), (1, 1, 3)])
def test_combining_by_loops(classes, weights):
    given = members(classes, 3)
    share = [w / sum(weights or (1, 1, 1)) for w in weights or (1, 1, 1)]
    found = {name: combined(given, combine=name, weights=weights) for name in ("mean", "vote", "log_mean")}
    for i in range(len(sample_splits(classes).rows)):
        rows = [member.values[i].tolist() for member in given]
        mean = [sum(s * row[c] for s, row in zip(share, rows, strict=True)) for c in range(classes)]
        vote = [sum(s for s, row in zip(share, rows, strict=True) if row.index(max(row)) == c) for c in range(classes)]
        product = [
            math.prod(max(row[c], 1e-7) ** s for s, row in zip(share, rows, strict=True)) for c in range(classes)
        ]
        assert found["mean"][i] == pytest.approx(mean)
        assert found["vote"][i] == pytest.approx(vote)
        assert found["log_mean"][i] == pytest.approx([p / sum(product) for p in product], abs=1e-6)


def test_a_member_that_is_certain_has_no_veto_in_a_geometric_mean():
    splits = sample_splits(2)
    sure, doubtful = (Predictions(splits.rows.ids, splits.split, np.tile(row, (60, 1))) for row in ([1, 0], [0.2, 0.8]))
    other = Predictions(splits.rows.ids, splits.split, np.tile([0, 1], (60, 1)))
    half = combined([sure, other], combine="log_mean")
    assert half[0] == pytest.approx([0.5, 0.5])
    odds = math.sqrt(0.2 * 1) / math.sqrt(0.8 * 1e-7)
    assert combined([sure, doubtful], combine="log_mean")[0] == pytest.approx([odds / (1 + odds), 1 / (1 + odds)])


def test_equal_members_are_what_each_of_them_is():
    one = members(3, 1)
    assert combined(one * 2) == pytest.approx(one[0].values)
    assert combined(one * 2, combine="log_mean") == pytest.approx(one[0].values, abs=1e-6)


def test_numbers_have_a_mean_only():
    splits = sample_splits(0)
    given = [Predictions(splits.rows.ids, splits.split, np.full((60, 1), value)) for value in (1.0, 4.0)]
    weighted = Ensemble(members=TWO, weights=(1, 2)).compute(splits, given)
    assert weighted.values == pytest.approx(np.full((60, 1), 3.0))
    with pytest.raises(IncompatibleError, match=r"combine='log_mean' is for classes, but the labels are regression"):
        Ensemble(members=TWO, combine="log_mean").compute(splits, given)


@spec
class _Numbers(Toy):
    target = "regression"


def test_planning_knows_that_numbers_have_no_vote(small_study):
    for combine, wrong in (("mean", False), ("vote", True)):
        weak = Ensemble(members=(Sklearn(ngrams=1), Sklearn()), combine=combine)
        study = small_study(tasks=(_Numbers(rows=400),), pairs=(Pair(weak=weak, strong=Sklearn()),))
        found = [text for text in problems_of(study, read_rows=False) if "label 'ensemble'" in text]
        assert bool(found) == wrong, found


def test_what_is_ground_truth_for_all_members_is_ground_truth():
    given = members(2, 2)
    marks = [np.arange(60) % 2 == 0, np.arange(60) % 3 == 0]
    marked = [Predictions(m.ids, m.split, m.values, gold=g) for m, g in zip(given, marks, strict=True)]
    found = Ensemble(members=TWO).compute(sample_splits(2), marked)
    assert np.flatnonzero(found.gold).tolist() == list(range(0, 60, 6))


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -0.1), (0.0, 0.0)])
def test_weights_that_are_none(weights):
    with pytest.raises(SpecError, match=r"for 2 members. Give one per member, none below 0 and one above"):
        Ensemble(members=TWO, weights=weights)
    with pytest.raises(SpecError, match="members has 1 entries; two or more are needed"):
        Ensemble(members=TWO[:1])


def test_a_table_names_the_members_alike_before_and_after_binding(small_study):
    weak = Ensemble(members=(Sklearn(ngrams=1), Sklearn()), combine="vote")
    (cell,) = cells(small_study(pairs=(Pair(weak=weak, strong=Sklearn()),)))
    name = "ensemble(combine=vote, members=tfidf LogisticRegression(ngrams=1)+tfidf LogisticRegression)"
    assert weak.label() == cell.supervisor.source.label() == name
