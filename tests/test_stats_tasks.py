"""Tests over tasks: textbook examples, every choice of signs by hand, and Holm's correction by its definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from surpass.errors import SpecError
from surpass.stats import ALTERNATIVES, holm, over_tasks

# Darwin's heights of 15 pairs of Zea mays, crossed minus self-fertilized, in eighths of an inch (Fisher 1935, section 17)
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def one(values, **options):
    return over_tasks({"method": values}, **options)["method"]


def slow_wilcoxon(values):
    """The signed-rank test by its definition: the rank sum of the positive ones among all choices of signs."""
    sizes = [abs(value) for value in values]
    ranks = [sum(s < size for s in sizes) + (sum(s == size for s in sizes) + 1) / 2 for size in sizes]
    share = {1: 1.0, 0: 0.5, -1: 0.0}
    reached = sum(rank * share[int(np.sign(value))] for rank, value in zip(ranks, values, strict=True))
    moving = [rank for rank, value in zip(ranks, values, strict=True) if value]
    still = sum(rank / 2 for rank, value in zip(ranks, values, strict=True) if not value)
    sums = [still + sum(itertools.compress(moving, signs)) for signs in itertools.product((0, 1), repeat=len(moving))]
    greater = sum(total >= reached for total in sums) / len(sums)
    less = sum(total <= reached for total in sums) / len(sums)
    return reached, {"two-sided": min(1.0, 2 * min(greater, less)), "greater": greater, "less": less}


def test_darwins_maize():
    found = one(DARWIN)
    assert found.t["two-sided"].statistic == pytest.approx(2.148, abs=5e-4)
    assert found.t["two-sided"].p == pytest.approx(0.0497, abs=5e-5)
    assert found.wilcoxon["two-sided"].statistic == 96
    assert found.wilcoxon["two-sided"].p == 0.041259765625
    assert (found.mean.value, found.mean.examples) == (pytest.approx(20.933, abs=1e-3), 15)
    assert (found.mean.low, found.mean.high) == pytest.approx((0.03, 41.84), abs=5e-3)
    assert (found.better, found.same, found.worse) == (13, 0, 2)


@pytest.mark.parametrize("values", [[1, 2, 3], [0, 1, -1, 2, 2], [0, 0, 3, 1], [5, -5, 5, -5, 0], [1, 1, 1, 1, -1, 2]])
def test_wilcoxon_counts_every_choice_of_signs(values):
    statistic, chances = slow_wilcoxon(values)
    found = one(values).wilcoxon
    assert {side: found[side].p for side in ALTERNATIVES} == pytest.approx(chances)
    assert found["two-sided"].statistic == statistic


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=9))
def test_wilcoxon_with_ties_and_zeros(values):
    found = one(values).wilcoxon
    if not any(values):
        assert math.isnan(found["greater"].p)
        return
    statistic, chances = slow_wilcoxon(values)
    assert {side: found[side].p for side in ALTERNATIVES} == pytest.approx(chances)
    assert found["greater"].statistic == statistic


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_both_tests_agree_with_scipy_where_it_is_exact(alternative):
    values = np.random.default_rng(3).normal(0.4, 1.0, size=30)
    found = one(values)
    exact = scipy.stats.wilcoxon(values, alternative=alternative, method="exact")
    assert found.wilcoxon[alternative].p == pytest.approx(exact.pvalue, rel=1e-10)
    student = scipy.stats.ttest_rel(values + 7.0, np.full(30, 7.0), alternative=alternative)
    assert found.t[alternative].p == pytest.approx(student.pvalue, rel=1e-9)


def test_many_tasks_come_near_the_normal_limit():
    values = np.random.default_rng(0).normal(0.1, 1.0, size=400)
    near = scipy.stats.wilcoxon(values, method="asymptotic")
    assert one(values).wilcoxon["two-sided"].p == pytest.approx(near.pvalue, rel=0.01)


def test_differences_that_are_equal_but_for_rounding_tie():
    assert 0.1 + 0.2 != 0.3
    rounded, exact = one([0.1 + 0.2, -0.3, 0.5]), one([0.3, -0.3, 0.5])
    assert rounded.wilcoxon["greater"].statistic == exact.wilcoxon["greater"].statistic == 4.5
    noise = one([0.1 + 0.2 - 0.3, 1.0])
    assert (noise.better, noise.same, noise.worse) == (1, 1, 0)


def test_holm_on_the_textbook_example():
    # p of .01, .04, .03 and .005 at 5 %: the fourth and the first are rejected, the others are not
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_leaves_undefined_tests_out():
    assert holm([0.9, 0.6]).tolist() == [1.0, 1.0]
    corrected = holm([0.02, math.nan, 0.04])
    assert math.isnan(corrected[1])
    assert corrected[[0, 2]] == pytest.approx([0.04, 0.04])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values):
    corrected = holm(p_values)
    for level in (0.01, 0.05, 0.3):
        kept = sorted(range(len(p_values)), key=lambda i: p_values[i])
        rejected = set()
        for place, i in enumerate(kept):
            if p_values[i] * (len(p_values) - place) > level:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(corrected) if p <= level} == rejected


def test_methods_are_one_family_for_each_test_and_alternative():
    values = {"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, -0.2, 0.4, 0.1], "few": [1.0]}
    found = over_tasks(values)
    for kind in ("t", "wilcoxon"):
        for side in ALTERNATIVES:
            raw = [getattr(found[name], kind)[side].p for name in ("a", "b")]
            corrected = [getattr(found[name], kind)[side].p_holm for name in ("a", "b")]
            assert corrected == pytest.approx(holm(raw))
    assert "at least two tasks, got 1" in found["few"].t["greater"].note


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([], "t", "at least two tasks, got 0"),
        ([0.3], "wilcoxon", "at least two tasks, got 1"),
        ([0.0, 0.0, 0.0], "t", "the same on all 3 tasks"),
        ([0.0, 0.0, 0.0], "wilcoxon", "0 on all 3 tasks"),
        ([0.1, 0.1], "t", "the same on all 2 tasks"),
    ],
)
def test_what_has_no_test_says_why(values, kind, said):
    for side in ALTERNATIVES:
        found = getattr(one(values), kind)[side]
        assert not found.defined
        assert math.isnan(found.p_holm)
        assert said in found.note
    mean = one(values).mean
    assert mean.note
    assert not mean.defined


def test_few_tasks_say_how_small_p_can_be():
    found = one([1.0, 2.0, 3.0])
    assert found.wilcoxon["two-sided"].p == 0.25
    assert "p cannot be below 0.25 two-sided, 0.125 one-sided" in found.wilcoxon["two-sided"].note
    assert not one(list(range(1, 11))).wilcoxon["two-sided"].note


def test_signs_change_sides():
    values = [0.3, -0.1, 0.2, 0.05, 0.0]
    there, back = one(values), one([-value for value in values])
    assert back.mean.value == -there.mean.value
    assert (back.mean.low, back.mean.high) == (-there.mean.high, -there.mean.low)
    for kind in ("t", "wilcoxon"):
        first, second = getattr(there, kind), getattr(back, kind)
        assert first["greater"].p == pytest.approx(second["less"].p, rel=1e-12)
        assert first["two-sided"].p == pytest.approx(second["two-sided"].p, rel=1e-12)


def test_bad_values_are_refused():
    with pytest.raises(SpecError, match="leave out what is undefined"):
        one([0.1, math.nan])
    with pytest.raises(SpecError, match="level=2"):
        one([0.1, 0.2], level=2)


@pytest.mark.slow
def test_false_alarms_of_a_family_stay_below_the_level():
    """Five methods without any effect on 12 tasks: at least one corrected p below 5 % in at most 5 % of studies."""
    rng = np.random.default_rng(0)
    alarms = {"t": 0, "wilcoxon": 0}
    for _ in range(2000):
        common = rng.normal(size=12)  # methods share a baseline, so their differences are correlated
        found = over_tasks({str(m): (rng.normal(size=12) - common).tolist() for m in range(5)})
        for kind in alarms:
            alarms[kind] += any(getattr(one, kind)["two-sided"].p_holm < 0.05 for one in found.values())
    assert all(0.01 < count / 2000 < 0.06 for count in alarms.values()), alarms
