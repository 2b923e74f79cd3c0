"""Estimates: numbers derived by hand, a textbook bootstrap as oracle, and what may not change an interval."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from surpass.errors import DataError, SpecError, UnknownNameError
from surpass.metrics import METRICS
from surpass.stats import Run, agreement_estimate, compare, compare_all
from surpass.stats.resampling import (
    RatioRows,
    group_weights,
    linear_noise,
    noise_of,
    numbered_groups,
    ratio_draws,
    score_draws,
)

QUANTITIES = ("floor", "student", "ceiling", "gap", "gain", "pgr")


def answers(correct):
    """Probabilities of class 1 on rows whose label is 1, so that 1 in `correct` is a right answer."""
    return np.where(np.asarray(correct) > 0, 0.9, 0.1)


def noisy_runs(seeds=3, n=200, *, rng=0, per_group=1, common=1.0):
    """Runs on the same rows: floor, student and ceiling share the rows' difficulty as far as `common` says."""
    rng = np.random.default_rng(rng)
    labels, easy = rng.integers(2, size=n), common * rng.normal(size=n)
    groups = np.array([f"question-{i // per_group}" for i in range(n)])
    runs = []
    for _ in range(seeds):
        floor, student, ceiling = (
            1 / (1 + np.exp(-(skill + 0.1 * rng.normal() + easy + rng.normal(size=n)) * (2 * labels - 1)))
            for skill in (0.3, 0.9, 1.6)
        )
        runs.append(Run(labels, groups, student, floor, ceiling))
    return runs


def number_runs(seeds=3, n=150, *, rng=0):
    rng = np.random.default_rng(rng)
    labels = rng.normal(size=n)
    groups = [str(i) for i in range(n)]
    noisy = [[labels + scale * rng.normal(size=n) for scale in (0.8, 1.5, 0.4)] for _ in range(seeds)]
    return [Run(labels, groups, *three) for three in noisy]


def same(one, other, rel=1e-9):
    for name in QUANTITIES:
        a, b = getattr(one, name), getattr(other, name)
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), rel=rel, abs=1e-12, nan_ok=True)
    return True


def test_values_are_means_over_seeds_and_pgr_their_ratio():
    rows = [str(i) for i in range(400)]

    def right(share):
        return answers(np.arange(400) < 400 * share)

    runs = [
        Run(np.ones(400), rows, right(0.75), right(0.5), right(0.9)),
        Run(np.ones(400), rows, right(0.85), right(0.6), right(1.0)),
    ]
    found = compare("accuracy", runs)
    assert [getattr(found, name).value for name in QUANTITIES] == pytest.approx([0.55, 0.8, 0.95, 0.4, 0.25, 0.625])
    assert (found.student.seeds, found.student.examples, found.student.level) == (2, 400, 0.95)


def test_one_seed_has_the_standard_error_of_a_mean():
    # 80 of 100 right: variance .8 x .2 / 99; t with 99 degrees of freedom
    run = Run(np.ones(100), range(100), answers(np.arange(100) < 80), answers(np.zeros(100)), answers(np.ones(100)))
    found = compare("accuracy", [run], resamples=40_000).student
    half = 1.98422 * math.sqrt(0.8 * 0.2 / 99)
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half), abs=2e-3)
    assert "covers examples only" in found.note


def test_draws_equal_the_textbook_loop_over_repeated_rows():
    runs = noisy_runs(seeds=2, n=30, per_group=3)
    # the second run lacks the first two questions: rows of different seeds overlap only in part
    runs[1] = Run(*(np.asarray(getattr(runs[1], field.name))[6:] for field in dataclasses.fields(Run)))
    index, groups = numbered_groups([run.groups for run in runs])
    weights = np.concatenate(list(group_weights(groups, 20, 7, rows=30)))
    for name in ("accuracy", "log_loss", "auroc", "ece"):
        metric = METRICS[name]
        sets = [[metric.checked(run.labels, p) for p in (run.floor, run.student, run.ceiling)] for run in runs]
        if metric.decomposes:
            tops = [np.column_stack([metric.per_row(*pair) for pair in pairs]) for pairs in sets]
            ones = [np.ones((len(top), 1)) for top in tops]
            draws = ratio_draws(RatioRows(tops, ones, index, groups), resamples=20, seed=7)
        else:
            _, draws = score_draws(metric, sets, index, groups=groups, resamples=20, seed=7)
        for r, s, q in itertools.product(range(20), range(2), range(3)):
            rows = np.repeat(np.arange(len(index[s])), weights[r][index[s]].astype(int))
            labels, predictions = sets[s][q]
            assert draws[r, s, q] == pytest.approx(metric.value(labels[rows], predictions[rows]), nan_ok=True)


@pytest.mark.parametrize("per_group", [1, 2])
def test_the_noise_of_means_is_that_of_their_draws(per_group):
    runs = noisy_runs(seeds=3, n=40, per_group=per_group)
    index, groups = numbered_groups([run.groups for run in runs])
    tops = [np.column_stack([run.floor, run.student, np.ones(40)]) for run in runs]
    rows = RatioRows(tops, [np.ones((40, 1))] * 3, index, groups)
    found = linear_noise(rows, resamples=300, seed=2)
    slow = noise_of(ratio_draws(rows, resamples=300, seed=2), groups=groups)
    assert (found.kept, found.drawn) == (slow.kept, slow.drawn) == (300, 300)
    assert found.shared == pytest.approx(slow.shared, rel=1e-9, abs=1e-15)
    assert found.rows == pytest.approx(slow.rows, rel=1e-9, abs=1e-15)
    assert not found.rows[2].any()  # a constant has none, not even of rounding


def test_means_of_groups_of_several_sizes_are_no_linear_noise():
    runs = noisy_runs(seeds=1, n=40, per_group=3)  # the last group has one row
    index, groups = numbered_groups([run.groups for run in runs])
    ones = [np.ones((40, 1))]
    assert linear_noise(RatioRows(ones, ones, index, groups), resamples=300, seed=2) is None
    holed = [np.zeros((40, 1))]  # a share that exists nowhere
    assert linear_noise(RatioRows(ones, holed, [np.arange(40)], 40), resamples=300, seed=2) is None


def test_predictions_are_checked_once():
    run = noisy_runs(seeds=1, n=20)[0]
    assert run.read("classification", "floor") is run.read("classification", "floor")
    assert run.answers("student").tolist() == (run.student > 0.5).astype(int).tolist()


def test_rows_of_a_group_are_resampled_together():
    runs = noisy_runs(seeds=1, n=200)
    twice = [
        Run(*(np.repeat(np.asarray(getattr(run, field.name)), 2) for field in dataclasses.fields(Run))) for run in runs
    ]
    assert same(compare("accuracy", runs), compare("accuracy", twice))
    alone = dataclasses.replace(twice[0], groups=range(400))
    assert compare("accuracy", [alone]).student.high < compare("accuracy", twice).student.high


@pytest.mark.parametrize("name", ["accuracy", "auroc"])
def test_same_seed_same_interval(name):
    runs = noisy_runs()
    assert compare(name, runs, seed=3) == compare(name, runs, seed=3)
    assert compare(name, runs, seed=3).student != compare(name, runs, seed=4).student


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "auroc"])
def test_order_of_rows_and_seeds_does_not_matter(name):
    runs = noisy_runs(per_group=2)
    rng = np.random.default_rng(1)
    shuffled = []
    for run in runs[::-1]:
        order = rng.permutation(len(run.labels))
        shuffled.append(Run(*(np.asarray(getattr(run, field.name))[order] for field in dataclasses.fields(Run))))
    assert same(compare(name, runs, resamples=500), compare(name, shuffled, resamples=500))


@pytest.mark.parametrize("name", ["accuracy", "brier", "log_loss", "auroc"])
def test_pgr_is_zero_at_the_floor_and_one_at_the_ceiling(name):
    runs = noisy_runs()
    low = compare(name, [dataclasses.replace(run, student=run.floor) for run in runs]).pgr
    high = compare(name, [dataclasses.replace(run, student=run.ceiling) for run in runs]).pgr
    assert (low.value, low.low, low.high) == pytest.approx((0, 0, 0), abs=1e-9)
    assert (high.value, high.low, high.high) == pytest.approx((1, 1, 1), abs=1e-9)


def test_error_rate_and_accuracy_have_the_same_pgr():
    # on 0/1 values the squared error is 1 - accuracy: a metric where lower is better gives the same PGR
    runs = noisy_runs()
    numbers = [
        dataclasses.replace(run, **{f: np.round(getattr(run, f)) for f in ("student", "floor", "ceiling")})
        for run in runs
    ]
    one, two = compare("accuracy", runs).pgr, compare("mse", numbers).pgr
    assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high), rel=1e-6)


def test_paired_interval_is_narrower_than_unpaired():
    found = compare("accuracy", noisy_runs(seeds=1, n=1000, common=3.0))
    halves = [(e.high - e.low) / 2 for e in (found.floor, found.student, found.gain)]
    assert halves[2] < 0.8 * math.hypot(halves[0], halves[1])


def test_more_rows_and_a_lower_level_narrow_the_interval():
    wide, narrow = (compare("accuracy", noisy_runs(n=n)).gap for n in (100, 4000))
    assert narrow.high - narrow.low < wide.high - wide.low
    low_level = compare("accuracy", noisy_runs(n=100), level=0.5).gap
    assert low_level.high - low_level.low < wide.high - wide.low
    assert low_level.level == 0.5


def test_few_seeds_that_differ_widen_the_interval_more_than_many():
    rows = [str(i) for i in range(1000)]

    def half(shares):
        runs = [
            Run(
                np.ones(1000),
                rows,
                answers(np.arange(1000) < 1000 * s),
                answers(np.zeros(1000)),
                answers(np.ones(1000)),
            )
            for s in shares
        ]
        found = compare("accuracy", runs).student
        return (found.high - found.low) / 2

    # 3 seeds at .6 .7 .8: sd .1; t(2) = 4.303, so at least 4.303 x .1 / sqrt(3) = .248 if rows put in little
    assert 0.23 < half([0.6, 0.7, 0.8]) < 0.26
    assert half([0.6, 0.7, 0.8] * 4) < 0.08


def test_no_gap_is_undefined_and_says_so():
    runs = noisy_runs()
    swapped = [dataclasses.replace(run, ceiling=run.floor, floor=run.ceiling) for run in runs]
    below = compare("accuracy", swapped)
    assert not below.pgr.defined
    assert math.isnan(below.pgr.value)
    assert math.isnan(below.pgr.low)
    assert below.pgr.note.startswith("no gap: the ceiling is below the floor, ceiling - floor is -.")
    assert below.gap.defined
    assert compare("log_loss", swapped).pgr.note.startswith("no gap: the ceiling is above (worse than) the floor")
    flat = compare("accuracy", [dataclasses.replace(run, ceiling=run.floor) for run in runs])
    assert "contains 0" in flat.pgr.note
    assert flat.gap.value == 0


def test_one_example_is_not_a_number():
    found = compare("accuracy", [Run([1], ["a"], [0.9], [0.1], [0.9])] * 2)
    for name in QUANTITIES:
        estimate = getattr(found, name)
        assert math.isnan(estimate.value)
        assert math.isnan(estimate.high)
        assert "at least two examples, got 1" in estimate.note


def test_one_class_leaves_accuracy_and_takes_auroc():
    runs = noisy_runs(n=50)
    runs[1] = dataclasses.replace(runs[1], labels=np.ones(50))
    assert compare("accuracy", runs).student.defined
    found = compare("auroc", runs, resamples=100)
    assert not found.pgr.defined
    assert "auroc of the student does not exist in 1 of 3 seeds" in found.student.note


def test_a_constant_floor_takes_only_what_needs_it():
    runs = [dataclasses.replace(run, floor=np.zeros(150)) for run in number_runs()]
    found = compare("rank_correlation", runs, resamples=200)
    assert found.student.defined
    assert "rank_correlation of the floor does not exist in 3 of 3 seeds" in found.gap.note
    assert not found.pgr.defined


def test_a_class_that_most_resamples_miss_gives_no_interval():
    labels = np.r_[1, np.zeros(29)]  # a resample of 30 rows has the positive one with probability .64 ...
    rng = np.random.default_rng(0)
    run = Run(labels, range(30), *rng.random((3, 30)))
    assert compare("auroc", [run]).student.defined
    # ... and three rare classes of three with probability .25
    rows = Run(np.r_[1, 2, 3, np.zeros(27)], range(30), *rng.dirichlet(np.ones(4), size=(3, 30)))
    assert "no interval: a score does not exist in" in compare("auroc", [rows]).student.note


def test_no_variation_is_noted():
    run = Run(np.ones(20), range(20), answers(np.ones(20)), answers(np.zeros(20)), answers(np.ones(20)))
    found = compare("accuracy", [run, run])
    assert (found.student.low, found.student.high) == (1, 1)
    assert "no variation" in found.student.note


def test_intervals_stay_within_what_is_possible():
    run = Run(np.ones(20), range(20), answers(np.arange(20) > 0), answers(np.zeros(20)), answers(np.ones(20)))
    assert compare("accuracy", [run]).student.high == 1.0


@pytest.mark.parametrize("per_group", [1, 4])
def test_metrics_resampled_together_have_the_numbers_of_each_alone(per_group):
    runs, names = noisy_runs(per_group=per_group), ("accuracy", "auroc", "log_loss", "brier", "ece")
    together = compare_all(names, runs)
    assert list(together) == list(names)
    for name in names:
        assert same(compare(name, runs), together[name])


def test_agreement_over_seeds_by_hand():
    labels, rows = np.ones(6), list("abcdef")
    supervisor = answers([1, 1, 1, 1, 0, 0])
    first = Run(labels, rows, answers([1, 1, 1, 0, 0, 1]), supervisor, answers(labels))
    second = Run(labels, rows, answers([1, 1, 1, 1, 1, 1]), supervisor, answers(labels))
    found = agreement_estimate([first, second])
    # first: 4/6, right 3/4, wrong 1/2; second: 4/6, right 4/4, wrong 0/2
    assert [e.value for e in found] == pytest.approx([4 / 6, 7 / 8, 1 / 4])
    assert all(e.low <= e.value <= e.high for e in found)


def test_agreement_where_the_supervisor_is_never_wrong_is_undefined():
    run = Run(np.ones(9), range(9), answers(np.arange(9) > 3), answers(np.ones(9)), answers(np.ones(9)))
    found = agreement_estimate([run, run])
    assert found.overall.defined
    assert "supervisor is wrong does not exist in 2 of 2 seeds" in found.where_wrong.note


@pytest.mark.parametrize("name", ["mse", "r2", "rank_correlation"])
def test_regression_metrics_are_compared(name):
    found = compare(name, number_runs(), resamples=300)
    assert found.pgr.defined
    assert 0 < found.pgr.low < found.pgr.high < 1


def test_bad_input_says_what_is_allowed():
    run = noisy_runs(n=20)[0]
    with pytest.raises(DataError, match="no runs; an estimate needs at least one seed"):
        compare("accuracy", [])
    with pytest.raises(DataError, match=r"run 0 has groups of shape \(1,\) for labels of shape \(20,\)"):
        compare("accuracy", [dataclasses.replace(run, groups=["a"])])
    with pytest.raises(DataError, match=r"shape \(3,\) for labels of shape \(20,\)"):
        compare("accuracy", [dataclasses.replace(run, student=[0.5] * 3)])
    with pytest.raises(DataError, match="hold nan at row 0"):
        compare("accuracy", [dataclasses.replace(run, floor=np.full(20, math.nan))])
    with pytest.raises(DataError, match=r"groups of shape \(0,\).*n >= 1"):
        compare("accuracy", [Run([], [], [], [], [])])
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        compare("acuracy", [run])
    with pytest.raises(SpecError, match=r"level=95.*Use 0\.95"):
        compare("accuracy", [run], level=95)
    with pytest.raises(SpecError, match="resamples=0; an interval needs at least 100"):
        compare("accuracy", [run], resamples=0)
