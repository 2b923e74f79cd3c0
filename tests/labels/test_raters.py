"""People as supervisors: what k of a row's votes say, and how well named raters are known by their votes alone."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from surpass.artifacts import Rows, Splits, Values
from surpass.errors import DataError, IncompatibleError, SpecError
from surpass.feasibility import problems_of
from surpass.labels._dawid_skene import dawid_skene, estimate
from surpass.labels.raters import Raters
from surpass.models.sklearn import Sklearn
from surpass.splits import Data, make_splits
from surpass.study import Pair
from surpass.tasks.base import Example
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source

NAN = float("nan")
SPLITS = ("weak", "transfer", "val", "test", "shift:far")
SKILLS = (0.95, 0.85, 0.6, 0.6, 0.6)
spec = dataclasses.dataclass(frozen=True, kw_only=True)


def splits_of(votes: list[tuple[float, ...]], target: str = "classification", **facts: int) -> Splits:
    """Return rows with the given votes, split after split in turn."""
    ids = tuple(f"row{i}" for i in range(len(votes)))
    classes = {"classification": ("no", "yes", "maybe"), "preference": ("second", "first"), "regression": ()}[target]
    rows = Rows(ids, ids, np.zeros(len(ids), dtype=int), ids, votes=tuple(votes))
    return Splits(rows, tuple(SPLITS[i % 5] for i in range(len(ids))), target, classes, facts)


def crowd(accuracies: tuple[float, ...], n: int, *, seed: int = 0, given: float = 1.0) -> tuple[Values, Values, Values]:
    """Return labels (n,), votes (n, k) and confusions (k, 3, 3) of raters who err towards the next class mostly."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=(0.5, 0.3, 0.2))
    confusion = np.array(
        [
            [
                [right if v == c else (1 - right) * (0.75 if v == (c + 1) % 3 else 0.25) for v in range(3)]
                for c in range(3)
            ]
            for right in accuracies
        ]
    )
    votes = np.array([[rng.choice(3, p=theirs[label]) for theirs in confusion] for label in labels], dtype=float)
    votes[rng.random(votes.shape) > given] = NAN
    return labels, votes, confusion


def test_all_votes_are_shares_and_abstentions_say_nothing() -> None:
    splits = splits_of([(0, 1, 1, 2), (1, NAN, 1), (NAN, NAN), (2,), (0, 2, NAN)])
    found = Raters(k=None).compute(splits, [])
    third = 1 / 3
    expected = [[0.25, 0.5, 0.25], [0, 1, 0], [third, third, third], [0, 0, 1], [0.5, 0, 0.5]]
    np.testing.assert_allclose(found.values, expected)
    assert (found.ids, found.split) == (splits.rows.ids, splits.split)


def test_all_ratings_are_their_mean_and_those_not_given_are_no_zeros() -> None:
    splits = splits_of([(1.0, 2.0, 4.5), (-3.0,), (NAN, 2.0), (0.0, 0.0), (1.0, NAN, 0.0)], "regression")
    values = Raters(k=None).compute(splits, []).values
    np.testing.assert_allclose(values, [[2.5], [-3.0], [2.0], [0.0], [0.5]])
    assert set(np.unique(Raters(k=1).compute(splits, []).values[:3])) <= {1.0, 2.0, 4.5, -3.0}


def test_a_preference_is_a_share_of_comparisons() -> None:
    found = Raters(k=None).compute(splits_of([(1, 1, 0, NAN)] * 5, "preference"), [])
    np.testing.assert_allclose(found.values, [[1 / 3, 2 / 3]] * 5)


def test_one_vote_is_drawn_from_all_alike() -> None:
    splits = splits_of([(0, 1, 2, 2)] * 4000)
    values = Raters().compute(splits, []).values
    assert set(map(tuple, values)) == set(map(tuple, np.eye(3)))
    np.testing.assert_allclose(values.mean(axis=0), [0.25, 0.25, 0.5], atol=0.03)


def test_votes_are_drawn_without_replacement_and_more_keep_those_of_fewer() -> None:
    splits = splits_of([(1.0, 2.0, 4.0, 8.0)] * 300, "regression")
    sums = {k: Raters(k=k).compute(splits, []).values[:, 0] * k for k in (1, 2, 3, 4)}
    assert all(int(total).bit_count() == k for k, totals in sums.items() for total in totals)
    for k in (1, 2, 3):
        kept = sums[k].astype(int) & sums[k + 1].astype(int)
        assert (kept == sums[k]).all()
    assert len(set(sums[2])) == 6
    more = Raters(k=9).compute(splits, []).values
    np.testing.assert_allclose(more, Raters(k=None).compute(splits, []).values)


def test_the_seed_draws_anew() -> None:
    splits = splits_of([(0, 1, 2)] * 200)
    first, again, other = (Raters(seed=seed).compute(splits, []).values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0.2 < (first != other).any(axis=1).mean() < 0.9


def test_rows_of_weak_need_no_votes_and_others_do() -> None:
    votes = [(0,), (1,), (2,), (0,), (1,), (), (1,), (2,), (0,), (1,)]
    found = Raters().compute(splits_of(votes), [])
    assert "row5" not in found.ids
    assert len(found.ids) == 9
    votes[8] = ()
    with pytest.raises(DataError, match=r"1 of 8 rows have no votes, for instance row 'row8'\. .*tweets: rated: true"):
        Raters().compute(splits_of(votes), [])
    numbers = splits_of([(1.0,), (NAN,), (1.0,), (1.0,), (1.0,)], "regression")
    with pytest.raises(DataError, match="1 of 4 rows have no votes, for instance row 'row1'"):
        Raters().compute(numbers, [])


def test_a_cell_that_a_known_rater_left_empty_is_not_drawn() -> None:
    """A column of a file is a rater: an empty cell is no vote, and the votes that are there decide."""
    splits = splits_of([(NAN, 1.0, NAN, 1.0), (NAN, NAN, 2.0, NAN)] * 50, named_raters=1)
    values = Raters(k=1).compute(splits, []).values
    np.testing.assert_array_equal(values.argmax(axis=1), [1, 2] * 50)
    np.testing.assert_array_equal(values.max(axis=1), 1)
    with pytest.raises(DataError, match="1 of 4 rows have no votes"):
        Raters(k=1).compute(splits_of([(0.0,), (NAN,), (1.0,), (1.0,), (1.0,)], named_raters=1), [])
    tied = Raters(k=1).compute(splits_of([(NAN, 1.0), (NAN, NAN)] * 5, "preference", named_raters=1), []).values
    np.testing.assert_array_equal(tied, [[0, 1], [0.5, 0.5]] * 5)


def test_planning_names_the_task_without_votes(small_study) -> None:
    pair = Pair(weak=Raters(), strong=Sklearn())
    problems = problems_of(small_study(pairs=(pair,)))
    assert any(
        text.startswith("task 'toy(rows=400)': label 'raters': 140 of 140 rows have no votes") for text in problems
    )


@spec
class Voted(Toy):
    """Toy sentences with votes of five raters, who are known by name. Licence: none."""

    named_raters: ClassVar[bool] = True

    def example(self, row, rng):
        found = super().example(row, rng)
        votes = tuple(float(found.label) if rng.random() < right else 1.0 - found.label for right in SKILLS)
        return found._replace(votes=votes)


@spec
class Anonymous(Voted):
    """The same votes, of nobody in particular. Licence: none."""

    named_raters: ClassVar[bool] = False


def test_raters_who_are_known_are_believed_as_far_as_they_are_right(small_study) -> None:
    data = Data(task=Voted(rows=2000), n_weak=0, n_transfer=800, n_val=0, n_test=300)
    splits = make_splits(data)
    right = {}
    for how in ("mean", "dawid-skene"):
        found = Raters(k=None, combine=how).compute(splits, [])
        for split in ("transfer", "test"):
            rows = splits.part(split)
            right[how, split] = (found.on(rows.ids).argmax(axis=1) == rows.labels).mean()
    for split in ("transfer", "test"):
        assert right["dawid-skene", split] > right["mean", split] + 0.05
        assert right["dawid-skene", split] > 0.9
    pair = Pair(weak=Raters(k=None, combine="dawid-skene"), strong=Sklearn())
    assert problems_of(small_study(tasks=(Voted(rows=400),), pairs=(pair,))) == []
    (problem,) = problems_of(small_study(tasks=(Anonymous(rows=400),), pairs=(pair,)))
    assert "needs votes whose columns are raters" in problem


def test_raters_are_judged_by_training_rows_alone() -> None:
    """Votes on test rows change no label of another row: nothing is learned from a test."""
    _, votes, _ = crowd((0.9, 0.7, 0.6), 400)
    rows = list(map(tuple, votes))
    source = Raters(k=None, combine="dawid-skene")
    before = source.compute(splits_of(rows, named_raters=1), [])
    rows[3::5] = [(0.0, 0.0, 1.0)] * len(rows[3::5])  # of test
    after = source.compute(splits_of(rows, named_raters=1), [])
    others = [name for name, split in zip(before.ids, before.split, strict=True) if split != "test"]
    np.testing.assert_array_equal(before.on(others), after.on(others))


def test_wrong_ways_to_combine_are_refused() -> None:
    with pytest.raises(SpecError, match=r"combine='dawid-skene' weighs all raters of a row, but k=3\. Set k: null"):
        Raters(k=3, combine="dawid-skene")
    with pytest.raises(SpecError, match="k=0"):
        Raters(k=0)
    source = Raters(k=None, combine="dawid-skene")
    assert source.targets == {"classification", "preference"}
    with pytest.raises(IncompatibleError, match="is for classes, but the labels are numbers"):
        source.compute(splits_of([(1.0,)] * 5, "regression", named_raters=1), [])
    with pytest.raises(DataError, match=r"of changing people\. Use combine: mean"):
        source.compute(splits_of([(1.0,)] * 5), [])


@pytest.mark.parametrize("given", [1.0, 0.6])
def test_the_errors_of_a_simulated_crowd_are_recovered(given: float) -> None:
    labels, votes, confusion = crowd((0.9, 0.75, 0.6, 0.5, 0.4), 4000, given=given)
    found = estimate(votes, 3)
    np.testing.assert_allclose(found.prior, [0.5, 0.3, 0.2], atol=0.04)
    np.testing.assert_allclose(found.confusion, confusion, atol=0.08)
    values = found.read(votes)
    counts = np.stack([(votes == c).sum(axis=1) for c in range(3)], axis=1)
    asked = counts.sum(axis=1) > 0
    majority = (counts.argmax(axis=1) == labels)[asked].mean()
    assert (values.argmax(axis=1) == labels)[asked].mean() > majority + 0.03
    sure = values.max(axis=1)
    assert abs(sure.mean() - (values.argmax(axis=1) == labels).mean()) < 0.03  # it knows how sure it may be


def test_a_row_nobody_voted_on_is_the_prior_and_a_lone_vote_rules_nothing_out() -> None:
    _, votes, _ = crowd((0.9, 0.9, 0.9), 500)
    votes[0] = NAN
    found = estimate(votes, 3)
    np.testing.assert_allclose(found.read(votes[:1])[0], found.prior)
    values = dawid_skene(np.array([[0.0, NAN], [1.0, 1.0], [0.0, 0.0], [NAN, 1.0]]), 3)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.sum(axis=1), 1)
    assert values[:, :2].argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_em_climbs_the_likelihood_as_a_plain_loop_does() -> None:
    """The same estimates by loops over rows, raters and classes, as the paper writes them."""
    _, votes, _ = crowd((0.85, 0.7, 0.55), 60, given=0.8)
    n, k = votes.shape
    values = np.array([[(row == c).sum() + 0.01 for c in range(3)] for row in votes])
    values /= values.sum(axis=1, keepdims=True)
    for _ in range(500):
        before = values.copy()
        prior = (values.sum(axis=0) + 0.01) / (values.sum() + 0.03)
        for i in range(n):
            for c in range(3):
                values[i, c] = prior[c]
                for j in range(k):
                    if np.isnan(votes[i, j]):
                        continue
                    gave = [before[votes[:, j] == v, c].sum() + 0.01 for v in range(3)]
                    values[i, c] *= gave[int(votes[i, j])] / sum(gave)
        values /= values.sum(axis=1, keepdims=True)
        if np.abs(values - before).max() < 1e-6:
            break
    np.testing.assert_allclose(dawid_skene(votes, 3), values, atol=1e-9)


def test_the_contract_holds_on_rows_with_votes() -> None:
    check_label_source(Raters(k=2))


def test_an_example_with_votes_keeps_them_in_its_splits() -> None:
    task = Voted(rows=200)
    splits = make_splits(Data(task=task, n_weak=20, n_transfer=20, n_val=10, n_test=20))
    assert splits.facts["named_raters"] == 1
    votes = {example.id: example.votes for example in task.examples() if isinstance(example, Example)}
    assert all(votes[name] == held for name, held in zip(splits.rows.ids, splits.rows.votes, strict=True))
