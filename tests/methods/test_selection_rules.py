"""`confident` and `balance` against loops written from their rules, and what selection does with ground truth and ties."""

import math

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.computing import compute
from surpass.errors import SpecError, StageError
from surpass.labels.gold import Gold
from surpass.methods._selection import best
from surpass.methods.balance import Balance
from surpass.methods.base import Given
from surpass.methods.confident import Confident
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime
from surpass.splits import Data
from surpass.stages import Fit, inputs_of
from surpass.tasks.toy import Toy
from surpass.testing import check_method
from surpass.testing._methods import sample_weak


def _prepare(method, weak):
    return method.prepare(weak, Given(), np.random.default_rng(0))


def _weak(values, gold=False, ids=None) -> Targets:
    values = np.array(values, dtype=float)
    return Targets.of(ids or [f"r{i:02}" for i in range(len(values))], values, gold=np.array(gold))


@pytest.mark.parametrize("options", [{}, {"threshold": 0.9}, {"share": 0.3}, {"threshold": 0.0}, {"share": 1.0}])
def test_confident_keeps_its_contract(options):
    check_method(Confident(**options))


@pytest.mark.parametrize(
    "options", [{}, {"strength": 0.5}, {"variant": "shift"}, {"variant": "shift", "strength": 0.3}]
)
def test_balance_keeps_its_contract(options):
    check_method(Balance(**options))


@pytest.mark.parametrize("classes", [2, 5])
def test_threshold_keeps_what_is_as_sure_and_all_ground_truth(classes):
    weak, _ = sample_weak(classes)
    values = weak.values.copy()
    values[1] = [0.6, 0.4, *[0.0] * (classes - 2)]  # at the threshold: kept
    weak = Targets.of(weak.ids, values, gold=weak.gold)
    kept = _prepare(Confident(threshold=0.6), weak)
    assert kept.ids == tuple(
        row for row, y, gold in zip(weak.ids, values.tolist(), weak.gold, strict=True) if gold or max(y) >= 0.6
    )
    assert "row1" in kept.ids
    assert len(kept.ids) < len(weak.ids)


def test_the_default_is_the_published_three_quarters():
    kept = _prepare(Confident(), _weak([[0.76, 0.24], [0.74, 0.26], [0.24, 0.76], [0.5, 0.5]]))
    assert kept.ids == ("r00", "r02")


@pytest.mark.parametrize("share", [0.05, 0.1, 0.35, 1.0])
def test_share_keeps_the_surest_of_each_weak_class(share):
    weak, _ = sample_weak(5)
    wanted = {row for row, gold in zip(weak.ids, weak.gold, strict=True) if gold}
    for c in range(5):
        rows = [
            (-max(y), row)
            for row, y, gold in zip(weak.ids, weak.values.tolist(), weak.gold, strict=True)
            if not gold and y.index(max(y)) == c
        ]
        wanted |= {row for _, row in sorted(rows)[: math.ceil(share * len(rows))]}
    assert set(_prepare(Confident(share=share), weak).ids) == wanted


def test_equal_scores_are_settled_by_id_and_a_share_is_not_rounded_up_by_float_noise():
    weak = _weak([[0.9, 0.1]] * 30, ids=[f"r{(i * 7) % 30:02}" for i in range(30)])
    assert sorted(best(weak, np.ones(30), 0.1).ids) == ["r00", "r01", "r02"]  # 0.1 * 30 is 3.0000000000000004


def test_two_rules_at_once_are_refused():
    with pytest.raises(SpecError, match=r"threshold=0.8 and share=0.2 are both given.*leave one out"):
        Confident(threshold=0.8, share=0.2)
    with pytest.raises(SpecError, match="at most 1 is allowed"):
        Confident(threshold=1.5)
    with pytest.raises(SpecError, match="it must be above 0"):
        Confident(share=0.0)


def _computed(stage):
    return compute(stage, [_computed(item) for item in inputs_of(stage)], Runtime())


def test_a_rule_that_nothing_meets_fails_its_fit_in_words():
    assert _prepare(Confident(threshold=0.9), _weak([[0.6, 0.4], [0.3, 0.7]])).ids == ()
    data = Data(task=Toy(rows=200), n_weak=30, n_transfer=40, n_val=10, n_test=10)
    weak = Fit(data=data, model=Sklearn(), labels=Gold(split="weak"))
    with pytest.raises(
        StageError, match=r"method 'confident' kept none of 40 rows \(weak labels: .*\). Loosen its selection"
    ):
        _computed(Fit(data=data, model=Sklearn(), labels=weak, method=Confident(threshold=1.0)))


def test_weak_classes_get_the_same_total_weight():
    weak, _ = sample_weak(5)
    plain = weak.take(np.flatnonzero(~weak.gold))
    weight = _prepare(Balance(), plain).weight
    totals = [weight[plain.values.argmax(axis=1) == c].sum() for c in range(5)]
    assert totals == pytest.approx([len(plain.ids) / 5] * 5)
    counts = [int((plain.values.argmax(axis=1) == c).sum()) for c in range(5)]
    assert len(set(counts)) > 1  # else weights of 1 would do


def test_half_the_strength_takes_the_root_of_the_counts():
    weight = _prepare(Balance(strength=0.5), _weak([[0.9, 0.1]] * 9 + [[0.1, 0.9]])).weight
    assert weight[9] / weight[0] == pytest.approx(3.0)


def test_balance_leaves_ground_truth_alone():
    gold = [True] + [False] * 9
    weak = _weak([[1.0, 0.0]] + [[0.9, 0.1]] * 6 + [[0.2, 0.8]] * 3, gold)
    found = _prepare(Balance(), weak)
    assert found.weight == pytest.approx([1.0] + [0.75] * 6 + [1.5] * 3)
    shifted = _prepare(Balance(variant="shift"), weak).values
    assert shifted[0].tolist() == [1.0, 0.0]
    assert (shifted[1:] != weak.values[1:]).all()


def test_shift_takes_the_mean_log_odds_out():
    y = [0.9, 0.8, 0.6, 0.3, 1.0]  # a sure label is held 1e-7 away from 1, as in balance_batch
    odds = [math.log(p / (1 - p)) for p in (*y[:4], 1 - 1e-7)]
    mean = sum(odds) / 5
    wanted = [1 / (1 + math.exp(-(o - mean))) for o in odds]
    found = _prepare(Balance(variant="shift"), _weak([[1 - p, p] for p in y])).values
    assert found[:, 1] == pytest.approx(wanted, abs=1e-9)


def test_shift_does_not_count_ground_truth():
    weak = _weak([[1.0, 0.0], [0.2, 0.8], [0.4, 0.6]], [True, False, False])
    alone = _prepare(Balance(variant="shift"), weak.take(np.array([1, 2]))).values
    assert _prepare(Balance(variant="shift"), weak).values == pytest.approx(np.vstack([[1.0, 0.0], alone]))


def test_shift_evens_the_log_odds_of_every_pair_of_classes():
    values = np.random.default_rng(0).dirichlet((5.0, 1.0, 2.0), size=40)
    found = np.log(_prepare(Balance(variant="shift"), _weak(values)).values)
    before = np.log(values)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (found[:, a] - found[:, b]).mean() == pytest.approx(0.0, abs=1e-9)
        odds = before[:, a] - before[:, b]
        assert found[:, a] - found[:, b] == pytest.approx(odds - odds.mean(), abs=1e-9)


@pytest.mark.parametrize("method", [Balance(), Balance(variant="shift"), Confident(share=0.01)])
def test_a_transfer_set_of_ground_truth_stays_as_it_is(method):
    weak = _weak([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [True] * 3)
    found, plain = _prepare(method, weak), _prepare(Soft(), weak)
    assert found.ids == plain.ids
    assert found.weight.tolist() == [1.0] * 3
    assert found.values.tolist() == plain.values.tolist()
