"""CAPA against its definition worked out by hand, and what it must be for copies and for independent models."""

import numpy as np
import pytest

from surpass.diagnostics import error_similarity
from surpass.errors import DataError
from surpass.stats import Ratios, Run, combined_estimates, ratio_estimates


def run_of(labels, student, floor):
    return Run(labels, [f"r{i}" for i in range(len(labels))], student, floor, ceiling=floor)


def test_kappa_is_the_one_worked_out_by_hand():
    # three classes; observed (0.41 + 0.18) / 2 = 0.295; a1 = (0.6 + 0.1) / 2, a2 = (0.5 + 0.2) / 2
    student = [[0.6, 0.3, 0.1], [0.8, 0.1, 0.1]]
    floor = [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]
    observed = ((0.30 + 0.09 + 0.02) + (0.08 + 0.02 + 0.07)) / 2
    expected = 0.35 * 0.35 + 0.65 * 0.65 / 2
    found = error_similarity([run_of([0, 1], student, floor)])
    assert found.observed.value == pytest.approx(observed)
    assert found.expected.value == pytest.approx(expected)
    assert found.kappa.value == pytest.approx((observed - expected) / (1 - expected))


def test_copies_reach_one_only_when_sure():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    probs = rng.dirichlet(np.ones(3), size=60)
    soft = run_of(labels, probs, probs)
    assert error_similarity([soft], only_top=True).kappa.value == pytest.approx(1)
    assert 0 < error_similarity([soft]).kappa.value < 0.9


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("only_top", [False, True])
def test_independent_models_have_none_whatever_their_accuracy(classes, only_top):
    rng = np.random.default_rng(classes)
    n = 20_000
    labels = rng.integers(classes, size=n)

    def model(skill):
        right = rng.uniform(size=n) < skill
        other = (labels + rng.integers(1, classes, size=n)) % classes
        return 0.7 * np.eye(classes)[np.where(right, labels, other)] + 0.3 / classes

    found = error_similarity([run_of(labels, model(0.9), model(0.7))], only_top=only_top)
    assert found.kappa.low < 0 < found.kappa.high
    assert found.kappa.high - found.kappa.low < 0.05


def test_models_that_err_on_other_rows_are_below_zero_and_never_below_minus_one():
    labels = [0, 0, 0, 0]
    found = error_similarity([run_of(labels, [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0])])
    assert found.kappa.value == pytest.approx(-1)
    rng = np.random.default_rng(0)
    for _ in range(200):
        one, other = rng.uniform(size=(2, 7)).round()
        kappa = error_similarity([run_of(rng.integers(2, size=7), one, other)], resamples=100).kappa.value
        assert np.isnan(kappa) or -1 - 1e-12 <= kappa <= 1 + 1e-12


def test_two_models_without_errors_have_no_similarity_and_say_so():
    found = error_similarity([run_of([0, 1, 1], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0])])
    assert not found.kappa.defined
    assert "no errors to compare" in found.kappa.note


def test_seeds_are_averaged():
    rng = np.random.default_rng(3)
    runs = [run_of(rng.integers(2, size=50), rng.uniform(size=50), rng.uniform(size=50)) for _ in range(3)]
    each = [error_similarity([run]).kappa.value for run in runs]
    found = error_similarity(runs).kappa
    assert found.value == pytest.approx(np.mean(each))
    assert found.seeds == 3
    assert found.low < found.value < found.high


def test_other_classes_or_no_probabilities_are_refused():
    with pytest.raises(DataError, match="student has 2 classes and floor 3"):
        error_similarity([run_of([0, 1], np.eye(2), np.eye(3)[:2])])
    with pytest.raises(DataError, match="nan"):
        error_similarity([run_of([0, 1], [0.1, np.nan], [0.1, 0.2])])
    with pytest.raises(DataError, match="no runs"):
        error_similarity([])


def test_combined_shares_have_the_intervals_of_shares():
    rng = np.random.default_rng(0)
    parts = [Ratios(rng.uniform(size=(40, 2)), np.ones((40, 2)), list(range(40))) for _ in range(2)]
    same = combined_estimates(parts, ["a", "b"], lambda shares: shares, resamples=2000)
    for one, other in zip(same, ratio_estimates(parts, ["a", "b"], resamples=2000), strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-12)
        assert (one.level, one.seeds, one.examples, one.method) == (
            other.level,
            other.seeds,
            other.examples,
            other.method,
        )
    # the delta method: the logarithm of a mean has its interval divided by the mean
    (log,) = combined_estimates(parts, ["log"], lambda shares: np.log(shares[..., :1]), resamples=2000)
    assert (log.high - log.low) * same[0].value == pytest.approx(same[0].high - same[0].low, rel=0.1)
