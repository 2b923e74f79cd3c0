"""Standard errors, Fieller's interval and resampled weights against formulas written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from surpass.stats import Estimate
from surpass.stats.intervals import CEILING, FLOOR, GAIN, GAP, STUDENT, Spread
from surpass.stats.resampling import RatioRows, covariances, group_weights, ratio_draws


def test_half_width_by_hand():
    # A/k = .0004, B = .0001: u = .8, 1/d = .8/2 + .2/100, d = 2.4876
    spread = Spread(
        means=np.array([0.5, 0.7, 0.9]),
        between=np.diag([0.0, 4e-4, 0.0]),
        shared=np.diag([1e-4, 1e-4, 0.0]),
        seeds=3,
        groups=101,
        level=0.95,
        method="",
        problems=("", "", ""),
    )
    expected = scipy_stats.t.ppf(0.975, 1 / (0.8 / 2 + 0.2 / 100)) * math.sqrt(5e-4)
    assert spread.half_width(STUDENT) == pytest.approx(expected)
    assert spread.half_width(FLOOR) == pytest.approx(scipy_stats.t.ppf(0.975, 100) * 0.01)  # rows alone: G - 1
    assert spread.half_width(CEILING) == 0
    assert spread.half_width(np.stack([FLOOR, STUDENT])).shape == (2,)


def test_fieller_interval_solves_its_quadratic():
    covariance = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 0.7], [0.5, 0.7, 2.5]]) * 1e-4
    means = np.array([0.6, 0.7, 0.8])
    spread = Spread(means, np.zeros((3, 3)), covariance, 1, 1001, 0.95, "", ("", "", ""))
    found = spread.pgr(higher_is_better=True)
    t2 = scipy_stats.t.ppf(0.975, 1000) ** 2
    gain, gap = GAIN @ means, GAP @ means
    roots = np.roots(
        [
            gap**2 - t2 * GAP @ covariance @ GAP,
            -2 * (gain * gap - t2 * GAIN @ covariance @ GAP),
            gain**2 - t2 * GAIN @ covariance @ GAIN,
        ]
    )
    assert (found.low, found.high) == pytest.approx(sorted(roots), rel=1e-6)
    assert found.value == pytest.approx(0.5)


@given(st.floats(0.02, 3.0))
@settings(max_examples=50, deadline=None)
def test_pgr_is_bounded_exactly_when_the_gap_leaves_out_zero(width):
    spread = Spread(
        np.array([0.6, 0.7, 0.8]), np.zeros((3, 3)), np.eye(3) * (0.1 * width) ** 2, 1, 500, 0.95, "", ("",) * 3
    )
    gap, pgr = spread.estimate(GAP), spread.pgr(higher_is_better=True)
    assert pgr.defined == (gap.low > 0)
    if pgr.defined:
        assert pgr.low < pgr.value < pgr.high


def test_weights_are_multinomial():
    weights = np.concatenate(list(group_weights(5, 20_000, 1, rows=0)))
    assert (weights.sum(axis=1) == 5).all()
    # mean 1, variance G (1/G) (1 - 1/G) = .8, covariance -1/G = -.2
    assert weights.mean(axis=0) == pytest.approx(np.ones(5), abs=0.03)
    assert np.cov(weights.T) == pytest.approx(np.eye(5) - 0.2, abs=0.04)


def test_shared_covariance_is_that_of_the_rows_only():
    # seed s scores b_i + e_si on row i: what two seeds share is var(b) / n = 4 / 2000
    rng = np.random.default_rng(5)
    rows = 2 * rng.normal(size=(2000, 1))
    tops = [rows + 3 * rng.normal(size=(2000, 1)) for _ in range(6)]
    index = [np.arange(2000)] * 6
    ones = [np.ones((2000, 1))] * 6
    draws = ratio_draws(RatioRows(tops, ones, index, 2000), resamples=4000, seed=0)
    assert covariances(draws, groups=2000)[0][0, 0] == pytest.approx(4 / 2000, rel=0.15)
    assert covariances(draws[:, :1], groups=2000)[0][0, 0] == pytest.approx(13 / 2000, rel=0.15)
    apart = [np.arange(2000) + 2000 * s for s in range(6)]
    draws = ratio_draws(RatioRows(tops, ones, apart, 12_000), resamples=1000, seed=0)
    assert abs(covariances(draws, groups=12_000)[0][0, 0]) < 0.2 * 13 / 2000


@given(st.floats(0.1, 50), st.floats(-5, 5), st.booleans())
@settings(max_examples=30, deadline=None)
def test_pgr_is_unchanged_by_affine_maps_of_the_metric(scale, shift, flipped):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(4, 3)) * 0.02 + [0.6, 0.7, 0.9]
    root = rng.normal(size=(3, 3)) * 0.01
    before = spread_of(points, root @ root.T)
    scale = -scale if flipped else scale
    after = spread_of(scale * points + shift, scale**2 * root @ root.T)
    one, two = before.pgr(higher_is_better=True), after.pgr(higher_is_better=not flipped)
    assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high), rel=1e-6)


def spread_of(points, shared):
    return Spread(points.mean(axis=0), np.cov(points.T) / len(points), shared, len(points), 800, 0.95, "", ("", "", ""))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.8034, 0.7812, 0.8241), ".803 [.781, .824]"),
        ((-0.0125, -1.5, 0.0001), "-.013 [-1.500, .000]"),
        ((-0.0001, -0.5, 10.75), ".000 [-.500, 10.750]"),
    ],
)
def test_text_of_an_estimate(numbers, text):
    assert str(Estimate(*numbers, 0.95, 5, 100, "t")) == text


def test_text_of_an_undefined_estimate_says_why():
    assert str(Estimate(math.nan, math.nan, math.nan, 0.95, 5, 100, "t", "no gap: x")) == "undefined (no gap: x)"
