"""`trust` and `cleanlab`: methods that learn which labels are wrong, on problems where it is known which are."""

import dataclasses
import hashlib
import importlib.util
import sys

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError, SpecError
from surpass.methods._logistic import folds_of, out_of_fold
from surpass.methods.base import Given, Labelled
from surpass.methods.cleanlab import Cleanlab
from surpass.methods.trust import Trust
from surpass.testing import check_method
from surpass.testing._methods import sample_weak

HAS_CLEANLAB = importlib.util.find_spec("cleanlab") is not None
needs_cleanlab = pytest.mark.skipif(not HAS_CLEANLAB, reason="the extra 'cleanlab' is not installed")


def _prepare(method, weak, given, seed=0):
    return method.prepare(weak, given, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "method", [Trust(), Trust(action="weight"), Trust(judge="logistic"), Trust(judge="logistic", share=0.1)]
)
def test_trust_keeps_its_contract(method):
    check_method(method)


@needs_cleanlab
@pytest.mark.parametrize("rule", ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning"])
def test_cleanlab_keeps_its_contract(rule):
    check_method(Cleanlab(rule=rule))


def _partly_blind(rows=400, seed=0):
    """A supervisor that sees the class in one half of its space and nothing but noise in the other half.

    Its confidence does not tell where: labels in the blind half are as sure as elsewhere. Its features do.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=2 * rows)
    blind = rng.random(2 * rows) < 0.5
    shown = np.where(blind, rng.integers(2, size=2 * rows), truth)
    features = np.stack([2.0 * shown - 1, blind * 2.0], axis=1) + rng.normal(size=(2 * rows, 2)) * 0.1
    ids = [f"r{i:04}" for i in range(2 * rows)]
    labelled = Labelled(tuple(ids[:rows]), np.eye(2)[truth[:rows]], features[:rows].astype(np.float32))
    weak = Targets.of(ids[rows:], np.where(np.eye(2)[shown[rows:]] > 0, 0.9, 0.1))
    given = Given(supervisor_features=features[rows:].astype(np.float32), labelled=labelled)
    return weak, given, blind[rows:], shown[rows:] == truth[rows:]


@pytest.mark.parametrize("judge", ["mlp", "logistic"])
def test_trust_finds_where_the_supervisor_is_blind(judge):
    weak, given, blind, right = _partly_blind()
    kept = np.isin(weak.ids, _prepare(Trust(judge=judge), weak, given).ids)
    assert kept.sum() == 200
    assert blind[kept].mean() < 0.05 < blind.mean()
    assert right[kept].mean() > right.mean() + 0.15
    weighted = _prepare(Trust(judge=judge, action="weight"), weak, given)
    assert weighted.ids == weak.ids
    assert weighted.weight[blind].mean() < 0.8 * weighted.weight[~blind].mean()


def test_the_supervisors_own_training_rows_are_judged_out_of_fold():
    ids, trust, right = [f"r{i:02}" for i in range(40)], [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(40, 200)), np.eye(2)[rng.integers(2, size=40)]  # nothing to learn, much to remember
        right.append(out_of_fold(x, y, ids, 5, 0.01).argmax(axis=1) == y.argmax(axis=1))
        labelled = Labelled(tuple(ids), y, x.astype(np.float32))
        trust.append(Trust(judge="logistic").trust(labelled, x, y.argmax(axis=1), 0))
    assert 0.3 < np.mean(right) < 0.7
    assert np.mean(trust) < 0.65  # in fold the head is right everywhere, and trust is its own odds: 0.87


def test_a_head_that_is_always_right_ranks_by_its_own_odds():
    rng = np.random.default_rng(1)
    truth = np.arange(60) % 2
    x = ((2.0 * truth - 1) * 5)[:, None] + rng.normal(size=(60, 1))
    labelled = Labelled(tuple(f"g{i:02}" for i in range(60)), np.eye(2)[truth], x.astype(np.float32))
    far = np.array([[-9.0], [-4.0], [4.0], [9.0]], dtype=np.float32)
    weak = Targets.of("abcd", np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]))
    kept = _prepare(Trust(), weak, Given(supervisor_features=far, labelled=labelled))
    assert kept.ids == ("a", "b")  # the others are labelled against what their features say


def test_ground_truth_is_trusted_most():
    weak, given = sample_weak(5)
    found = _prepare(Trust(action="weight", judge="logistic"), weak, given)
    assert found.weight[weak.gold].min() == found.weight[weak.gold].max() == found.weight.max()
    kept = _prepare(Trust(share=0.01, judge="logistic"), weak, given)
    assert set(np.array(weak.ids)[weak.gold]) < set(kept.ids)
    assert len(kept.ids) == weak.gold.sum() + 1


def test_the_network_starts_from_the_seed_alone():
    weak, given, _, _ = _partly_blind(rows=60)
    first, same, other = (_prepare(Trust(action="weight"), weak, given, seed).weight for seed in (0, 0, 1))
    assert (first == same).all()
    assert (first != other).any()


def test_trust_says_what_is_missing_or_out_of_range():
    weak, given = sample_weak(2)
    with pytest.raises(IncompatibleError, match="frozen features of the supervisor, but was given none"):
        _prepare(Trust(), weak, Given())
    with pytest.raises(IncompatibleError, match="learns from the supervisor's training rows, but there are none"):
        _prepare(Trust(), weak, dataclasses.replace(given, labelled=None))
    for options, message in (({"share": 0.0}, "above 0"), ({"folds": 1}, "at least 2"), ({"hidden": 0}, "at least 1")):
        with pytest.raises(SpecError, match=message):
            Trust(**options)


def test_folds_follow_a_hash_of_the_ids_and_are_of_equal_size():
    ids = [f"row{i}" for i in range(23)]
    fold = dict(zip(ids, folds_of(ids, 5).tolist(), strict=True))
    ranked = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert [fold[name] for name in ranked] == [place % 5 for place in range(23)]
    assert folds_of(ids[::-1], 5).tolist() == [fold[name] for name in ids[::-1]]


def test_a_row_without_others_gets_even_odds():
    assert out_of_fold(np.ones((1, 3)), np.array([[1.0, 0.0]]), ["a"], 5, 0.1).tolist() == [[0.5, 0.5]]


def _flipped(seed=0, rows=300):
    """Two clear clusters whose labels are wrong in one row of ten, with doubt in every label."""
    rng = np.random.default_rng(seed)
    truth, wrong = rng.integers(2, size=rows), rng.random(rows) < 0.1
    features = ((2.0 * truth - 1) * 2)[:, None] + rng.normal(size=(rows, 3))
    values = np.where(np.eye(2)[np.where(wrong, 1 - truth, truth)] > 0, 0.8, 0.2)
    return Targets.of([f"r{i:03}" for i in range(rows)], values), Given(features=features.astype(np.float32)), wrong


@needs_cleanlab
def test_cleanlab_leaves_labels_of_one_class_to_the_model_that_refuses_them():
    one = Targets.of([str(i) for i in range(30)], np.tile([0.2, 0.8], (30, 1)))
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    given = Given(features=features)
    assert Cleanlab(rule="predicted_neq_given").prepare(one, given, np.random.default_rng(0)) is one


@needs_cleanlab
def test_cleanlab_drops_flipped_labels_and_keeps_soft_ones():
    weak, given, wrong = _flipped()
    found = _prepare(Cleanlab(), weak, given)
    dropped = ~np.isin(weak.ids, found.ids)
    assert (dropped & wrong).sum() > 0.8 * wrong.sum()
    assert (dropped & ~wrong).sum() < 0.02 * len(wrong)
    assert (found.values == weak.values[~dropped]).all()


@needs_cleanlab
def test_cleanlab_drops_what_the_package_names_from_out_of_fold_predictions():
    from cleanlab.filter import find_label_issues

    weak, given, _ = _flipped(seed=1)
    hard = weak.values.round()
    found = out_of_fold(given.features.astype(np.float64), hard, weak.ids, 4, 0.5)
    issues = find_label_issues(hard.argmax(axis=1), found, filter_by="confident_learning")
    kept = _prepare(Cleanlab(rule="confident_learning", folds=4, l2=0.5), weak, given)
    assert kept.ids == tuple(row for row, issue in zip(weak.ids, issues, strict=True) if not issue)
    assert 0 < issues.sum() < 60


@needs_cleanlab
@pytest.mark.filterwarnings("ignore:May not flag all label issues")
def test_cleanlab_never_drops_ground_truth_and_bears_a_missing_class():
    weak, given, wrong = _flipped(seed=2)
    gold = dataclasses.replace(weak, gold=wrong)
    assert set(np.array(weak.ids)[wrong]) <= set(_prepare(Cleanlab(), gold, given).ids)
    wider = Targets.of(weak.ids, np.hstack([weak.values, np.zeros((len(wrong), 1))]))
    assert _prepare(Cleanlab(), wider, given).ids == _prepare(Cleanlab(), weak, given).ids


def test_cleanlab_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)  # Python's own mark of a module that is not there
    assert "pip install 'surpass[cleanlab]'" in (Cleanlab().problem() or "")
    monkeypatch.undo()
    assert (Cleanlab().problem() is None) == HAS_CLEANLAB
    with pytest.raises(SpecError, match="at least 2"):
        Cleanlab(folds=1)
