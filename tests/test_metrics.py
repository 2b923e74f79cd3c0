"""Metrics: hand-derived numbers, scikit-learn's answers with ties, constants and one class, and weights as repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn import metrics as sk

from surpass.errors import DataError, UnknownNameError
from surpass.metrics import JUDGED, METRICS, agreement, checked_predictions, for_kind, hard, metric

LABELS = np.array([1, 0, 1, 0])
PROBS = np.array([0.9, 0.4, 0.3, 0.4])  # probability of class 1


def value(name, labels, predictions, weights=None):
    return METRICS[name].value(labels, predictions, weights)


@st.composite
def binary_rows(draw):
    """Labels, tied probabilities of class 1 and whole weights; constants and one class occur."""
    n = draw(st.integers(2, 25))
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    steps = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    return np.array(labels), np.array(steps) / 5, np.array(weights)


@st.composite
def number_rows(draw):
    n = draw(st.integers(3, 20))
    numbers = st.lists(st.integers(-4, 4), min_size=n, max_size=n)
    weights = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    return np.array(draw(numbers), float), np.array(draw(numbers), float), np.array(weights)


def test_hand_derived_values_two_classes():
    # classes 1 0 0 0 against 1 0 1 0: three of four right
    assert value("accuracy", LABELS, PROBS) == 0.75
    # pairs (positive, negative): .9>.4, .9>.4 right; .3<.4, .3<.4 wrong: 2 of 4
    assert value("auroc", LABELS, PROBS) == 0.5
    assert value("log_loss", LABELS, PROBS) == pytest.approx(-(math.log(0.9 * 0.6 * 0.3 * 0.6)) / 4)
    # (.1^2 + .4^2 + .7^2 + .4^2) / 4 = (.01 + .16 + .49 + .16) / 4
    assert value("brier", LABELS, PROBS) == pytest.approx(0.205)
    # confidences .9 (right), .6 (right), .7 (wrong), .6 (right), in bins 14, 9, 11, 9: (.1 + .8 + .7) / 4
    assert value("ece", LABELS, PROBS) == pytest.approx(0.4)


def test_hand_derived_values_three_classes():
    probs = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.1, 0.4]])
    labels = [0, 1, 2]
    assert value("accuracy", labels, probs) == pytest.approx(2 / 3)
    # class 0: .6 above .2 and .5 (1); class 1: .5 above both (1); class 2: .4 above .1 and .3 (1)
    assert value("auroc", labels, probs) == 1.0
    # row sums: .16+.09+.01, .04+.25+.09, .25+.01+.36
    assert value("brier", labels, probs) == pytest.approx((0.26 + 0.38 + 0.62) / 3)
    assert value("log_loss", labels, probs) == pytest.approx(-math.log(0.6 * 0.5 * 0.4) / 3)


def test_hand_derived_values_regression():
    labels, values = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
    assert value("mse", labels, values) == pytest.approx(2 / 3)
    assert value("r2", labels, values) == 0.0  # error 2, spread 2
    assert value("rank_correlation", labels, values) == pytest.approx(0.5)  # 1 - 6 x 2 / (3 x 8)


@given(binary_rows())
def test_two_classes_equal_scikit_learn(rows):
    labels, probs, _ = rows
    two = np.column_stack([1 - probs, probs])
    assert value("accuracy", labels, two) == pytest.approx(sk.accuracy_score(labels, probs > 0.5))
    assert value("brier", labels, two) == pytest.approx(sk.brier_score_loss(labels, probs, pos_label=1))
    assert value("log_loss", labels, two) == pytest.approx(sk.log_loss(labels, two, labels=[0, 1]))
    if len(set(labels)) == 2:
        assert value("auroc", labels, two) == pytest.approx(sk.roc_auc_score(labels, probs))
        assert value("auroc", labels, 1 - probs) == pytest.approx(1 - value("auroc", labels, probs))
    else:
        assert math.isnan(value("auroc", labels, two))


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_many_classes_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = np.r_[0:4, rng.integers(4, size=20)]
    counts = rng.integers(1, 4, size=(24, 4))  # few distinct values, so ties are common
    probs = counts / counts.sum(axis=1, keepdims=True)
    assert value("auroc", labels, probs) == pytest.approx(sk.roc_auc_score(labels, probs, multi_class="ovr"))
    assert value("log_loss", labels, probs) == pytest.approx(sk.log_loss(labels, probs))
    assert value("accuracy", labels, probs) == pytest.approx(sk.accuracy_score(labels, probs.argmax(axis=1)))


def test_constant_scores_have_auroc_one_half_in_any_order():
    for labels in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1]):
        assert value("auroc", labels, np.full(6, 0.7)) == 0.5
        assert metric("auroc").values(*metric("auroc").checked(labels, np.full(6, 0.7)), np.ones((1, 6)))[0] == 0.5


@given(number_rows())
def test_regression_equals_scipy_and_scikit_learn(rows):
    labels, values, _ = rows
    assert value("mse", labels, values) == pytest.approx(sk.mean_squared_error(labels, values))
    if np.ptp(labels) == 0:
        assert math.isnan(value("r2", labels, values))
    else:
        assert value("r2", labels, values) == pytest.approx(sk.r2_score(labels, values))
    if np.ptp(labels) == 0 or np.ptp(values) == 0:
        assert math.isnan(value("rank_correlation", labels, values))
    else:
        expected = spearmanr(labels, values).statistic
        assert value("rank_correlation", labels, values) == pytest.approx(expected, abs=1e-12)


def check_weights_are_repeats(name, labels, predictions, weights):
    one = METRICS[name]
    repeated = one.value(np.repeat(labels, weights), np.repeat(predictions, weights, axis=0))
    weighted = one.value(labels, predictions, weights)
    many = one.values(*one.checked(labels, predictions), np.stack([weights, 2 * weights]).astype(float))
    assert weighted == pytest.approx(repeated, abs=1e-12, nan_ok=True)
    assert many == pytest.approx(np.array([repeated, repeated]), abs=1e-12, nan_ok=True)


@given(binary_rows())
def test_a_weight_counts_a_row_that_often(rows):
    for name in for_kind("classification"):
        with np.errstate(invalid="ignore"):
            check_weights_are_repeats(name, *rows)


@given(number_rows())
def test_a_weight_counts_a_number_that_often(rows):
    for name in for_kind("regression"):
        check_weights_are_repeats(name, *rows)


def test_weights_are_repeats_with_many_classes():
    rng = np.random.default_rng(3)
    labels, weights = np.r_[0:3, rng.integers(3, size=30)], np.r_[1, 1, 1, rng.integers(0, 4, size=30)]
    probs = rng.dirichlet(np.ones(3), size=33).round(1)
    probs[:, 0] += 1 - probs.sum(axis=1)
    for name in for_kind("classification"):
        check_weights_are_repeats(name, labels, np.abs(probs), weights)


def test_metrics_of_means_have_row_scores_and_the_others_do_not():
    means = [name for name, one in METRICS.items() if one.decomposes]
    assert means == ["accuracy", "log_loss", "brier", "mse", *JUDGED]
    rows = metric("log_loss").per_row(*metric("log_loss").checked(LABELS, PROBS))
    assert rows.mean() == pytest.approx(value("log_loss", LABELS, PROBS))


def test_metrics_of_a_kind_come_in_order():
    assert for_kind("classification") == ("accuracy", "auroc", "log_loss", "brier", "ece")
    assert for_kind("regression") == ("mse", "r2", "rank_correlation")
    assert for_kind("preference") == ("accuracy", "log_loss")
    assert for_kind("generation") == JUDGED
    better = {name for name, one in METRICS.items() if one.higher_is_better}
    assert better == {"accuracy", "auroc", "r2", "rank_correlation", *JUDGED}


def test_log_loss_of_a_certain_error_is_finite():
    assert value("log_loss", [1], [0.0]) == pytest.approx(-math.log(np.finfo(float).eps))


def test_hard_takes_the_first_of_tied_classes():
    assert hard([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]).tolist() == [0, 1]
    assert hard([0.5, 0.51]).tolist() == [0, 1]


def test_agreement_by_hand():
    labels = [1, 1, 1, 0, 0]
    supervisor = [0.9, 0.9, 0.2, 0.1, 0.8]  # 1 1 0 0 1: right on rows 0, 1, 3
    student = [0.9, 0.1, 0.2, 0.1, 0.1]  # 1 0 0 0 0: agrees on rows 0, 2, 3
    found = agreement(student, supervisor, labels)
    assert found == (pytest.approx(3 / 5), pytest.approx(2 / 3), pytest.approx(1 / 2), 3, 2)


def test_agreement_without_an_error_of_the_supervisor_is_not_a_number_there():
    found = agreement([0.9, 0.4], [0.8, 0.7], [1, 1])
    assert (found.overall, found.where_right, found.wrong) == (0.5, 0.5, 0)
    assert math.isnan(found.where_wrong)


@pytest.mark.parametrize(
    ("kind", "labels", "predictions", "match"),
    [
        ("classification", [], [], r"shape \(0,\).*n >= 1"),
        ("classification", [0, 1], [0.5], r"\(1,\) for labels of shape \(2,\).*Join both by row id"),
        ("classification", [0, 1], [0.5, float("nan")], r"predictions hold nan at row 1.*finite"),
        ("classification", [0, float("nan")], [0.5, 0.5], r"labels hold nan at row 1"),
        ("classification", [0, 1], [-3.0, 2.0], r"range over \[-2, 4\].*logits|range over \[-3, 4\].*logits"),
        ("classification", [0, 1], [[0.5, 0.5], [0.5, 0.2]], r"row 1 sum to 0\.7.*Normalise"),
        ("classification", [0, 2], [[0.5, 0.5], [0.5, 0.5]], r"label 2 at row 1.*whole numbers 0 to 1"),
        ("classification", [0, 0.5], [0.5, 0.5], r"label 0\.5 at row 1"),
        ("classification", [0, 1], [[1.0], [1.0]], r"1 column; at least 2 classes"),
        ("classification", ["a", "b"], [0.5, 0.5], r"labels are not numbers.*0\.\.C-1"),
        ("regression", [0, 1], [[1.0, 2.0], [1.0, 2.0]], r"shape \(2, 2\); regression allows \(2,\)"),
    ],
)
def test_bad_predictions_say_what_is_allowed(kind, labels, predictions, match):
    with pytest.raises(DataError, match=match):
        checked_predictions(kind, labels, predictions)


@pytest.mark.parametrize(
    ("weights", "match"),
    [([1.0], r"shape \(1,\) for 4 rows"), ([0, 0, 0, 0], "positive sum"), ([1, 1, 1, -1], "down to -1")],
)
def test_bad_weights_say_what_is_allowed(weights, match):
    with pytest.raises(DataError, match=match):
        value("accuracy", LABELS, PROBS, weights)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        metric("acuracy")
    with pytest.raises(UnknownNameError, match="Did you mean 'regression'"):
        for_kind("regresion")
