"""A method against a baseline: numbers by hand, a slow loop over resampled rows as oracle, symmetry, coverage."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from surpass.errors import DataError, SpecError
from surpass.metrics import METRICS
from surpass.stats import Run, compare, paired_difference
from surpass.stats.intervals import LEAST

CLASSIFIED = ("accuracy", "auroc", "log_loss", "brier", "ece")


def chances(skill, easy, labels, rng):
    return 1 / (1 + np.exp(-(skill + easy + rng.normal(size=len(labels))) * (2 * labels - 1)))


def pairs(seeds=3, n=160, *, rng=0, per_group=1, shift=0.3):
    """Two methods on the same rows: floor and ceiling are the same predictions for both."""
    rng = np.random.default_rng(rng)
    labels, easy = rng.integers(2, size=n), rng.normal(size=n)
    groups = np.array([f"question-{i // per_group}" for i in range(n)])
    found = []
    for _ in range(seeds):
        seed = 0.1 * rng.normal()
        floor, ceiling = chances(0.2, easy, labels, rng), chances(1.8, easy, labels, rng)
        method, baseline = (chances(0.8 + seed + more, easy, labels, rng) for more in (shift, 0.0))
        found.append((Run(labels, groups, method, floor, ceiling), Run(labels, groups, baseline, floor, ceiling)))
    return found


def number_pairs(seeds=3, n=120):
    rng = np.random.default_rng(5)
    labels, groups = rng.normal(size=n), [str(i) for i in range(n)]
    found = []
    for _ in range(seeds):
        floor, method, baseline, ceiling = (labels + scale * rng.normal(size=n) for scale in (1.5, 0.7, 1.0, 0.3))
        found.append((Run(labels, groups, method, floor, ceiling), Run(labels, groups, baseline, floor, ceiling)))
    return found


def swapped(given):
    return [(baseline, method) for method, baseline in given]


def ends(estimate):
    return estimate.value, estimate.low, estimate.high


def answers(right, n):
    return np.where(np.arange(n) < right, 0.9, 0.1)


def test_the_difference_is_that_of_the_mean_scores():
    n, rows = 200, [str(i) for i in range(200)]

    def run(student):
        return Run(np.ones(n), rows, answers(student, n), answers(100, n), answers(180, n))

    found = paired_difference("accuracy", [(run(150), run(130)), (run(160), run(120))])
    assert found.student.value == 0.775
    assert found.baseline.value == 0.625
    assert found.difference.value == pytest.approx(0.15)
    assert found.pgr.value == pytest.approx(0.15 / 0.4)
    assert (found.difference.seeds, found.difference.examples) == (2, 200)


def test_the_difference_of_pgrs_is_that_of_two_comparisons():
    given = pairs()
    found = paired_difference("accuracy", given)
    method, baseline = (compare("accuracy", [pair[i] for pair in given]) for i in (0, 1))
    assert found.pgr.value == pytest.approx(method.pgr.value - baseline.pgr.value)
    assert ends(found.student) == pytest.approx(ends(method.student))
    assert ends(found.baseline) == pytest.approx(ends(baseline.student))


def slow_parts(name, given, *, resamples, seed):
    """Scores (k, 4) and their variances by a loop that builds every resample row by row: means and V of any contrast."""
    rng = np.random.default_rng(seed)
    groups = np.unique(np.concatenate([pair[0].groups for pair in given]))
    metric = METRICS[name]

    def scores(rows_of):
        return [
            [
                metric.value(np.asarray(b.labels)[rows], np.asarray(guess)[rows])
                for guess in (b.floor, b.ceiling, a.student, b.student)
            ]
            for (a, b), rows in zip(given, rows_of, strict=True)
        ]

    points = np.array(scores([np.arange(len(a.labels)) for a, _ in given]))
    draws = []
    for _ in range(resamples):
        drawn = rng.choice(groups, size=len(groups))
        rows_of = [np.concatenate([np.flatnonzero(np.asarray(a.groups) == group) for group in drawn]) for a, _ in given]
        draws.append(scores(rows_of))
    return points, np.array(draws), len(groups)


def slow_half(contrast, points, draws, groups, level=0.95):
    """Half the interval of a contrast of the four scores, from the formulas in words of `surpass.stats.intervals`."""
    k = len(points)
    values, moved = points @ contrast, draws @ contrast  # (k,), (R, k)
    undo = groups / (groups - 1)
    between = values.var(ddof=1) / k if k > 1 else 0.0
    if k > 1:
        covariance = np.cov(moved.T, ddof=0)
        shared = covariance[~np.eye(k, dtype=bool)].mean() * undo
    else:
        shared = moved[:, 0].var() * undo
    total = max(between, 0) + max(shared, 0)
    share = between / total if total else 0.0
    freedom = 1 / (share / max(k - 1, 1) + (1 - share) / (groups - 1))
    alone = moved.mean(axis=1).var() * undo
    least = LEAST * student_t.ppf((1 + level) / 2, groups - 1) * math.sqrt(alone)
    return max(student_t.ppf((1 + level) / 2, freedom) * math.sqrt(total), least)


@pytest.mark.parametrize(("name", "seeds", "per_group"), [("accuracy", 3, 1), ("accuracy", 1, 4), ("brier", 4, 2)])
def test_intervals_equal_a_slow_loop_over_repeated_rows(name, seeds, per_group):
    given = pairs(seeds, 48, per_group=per_group, rng=4, shift=0.8)
    points, draws, groups = slow_parts(name, given, resamples=3000, seed=1)
    found = paired_difference(name, given, resamples=40_000)
    sign = 1 if METRICS[name].higher_is_better else -1
    contrast = sign * np.array([0.0, 0.0, 1.0, -1.0])
    half = slow_half(contrast, points, draws, groups)
    assert found.difference.value == pytest.approx((points @ contrast).mean())
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(half, rel=0.05)
    gap = sign * np.array([-1.0, 1.0, 0.0, 0.0])
    assert found.pgr.defined
    for ratio, inside in ((found.pgr.low, False), (found.pgr.high, False), (found.pgr.value, True)):
        mixed = contrast - ratio * gap
        reach = abs((points @ mixed).mean()) / slow_half(mixed, points, draws, groups)
        assert reach < 0.01 if inside else reach == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", CLASSIFIED)
def test_exchanging_the_two_changes_signs_and_nothing_else(name):
    given = pairs(rng=2)
    there, back = (paired_difference(name, both, resamples=500) for both in (given, swapped(given)))
    for one, other in ((there.difference, back.difference), (there.pgr, back.pgr)):
        assert ends(one) == (-other.value, -other.high, -other.low)
    assert ends(there.student) == ends(back.baseline)


@pytest.mark.parametrize("name", ["mse", "r2", "rank_correlation"])
def test_exchanging_the_two_changes_signs_of_regression(name):
    there, back = (paired_difference(name, both, resamples=300) for both in (number_pairs(), swapped(number_pairs())))
    assert ends(there.difference) == (-back.difference.value, -back.difference.high, -back.difference.low)
    assert ends(there.pgr) == (-back.pgr.value, -back.pgr.high, -back.pgr.low)
    assert there.outcome == "win"  # nearer to the labels, whether the metric counts up or down
    assert back.outcome == "loss"
    assert there.pgr.value > 0


@pytest.mark.parametrize("name", CLASSIFIED)
def test_a_method_against_itself_is_exactly_0_and_a_tie(name):
    given = [(baseline, baseline) for _, baseline in pairs()]
    found = paired_difference(name, given, resamples=300)
    assert ends(found.difference) == (0, 0, 0)
    assert ends(found.pgr) == (0, 0, 0)
    assert found.outcome == "tie"


def test_less_is_better_counts_the_other_way():
    found = paired_difference("log_loss", pairs(n=600, shift=1.0))
    assert found.student.value < found.baseline.value
    assert found.difference.value == pytest.approx(found.baseline.value - found.student.value)
    assert found.outcome == "win"


def test_pairing_by_row_narrows_the_interval():
    """Students that err on the same hard rows: their difference is known far better than their scores tell apart."""
    rng = np.random.default_rng(1)
    n = 400
    labels, groups = np.ones(n, dtype=int), np.arange(n).astype(str)
    easy = rng.random(n)
    given = []
    for _ in range(3):
        noise = 0.02 * rng.normal(size=n)
        floor, ceiling = (easy > 0.6) * 0.9 + 0.05, (easy > 0.1) * 0.9 + 0.05
        method, baseline = ((easy + noise > cut) * 0.9 + 0.05 for cut in (0.3, 0.33))
        given.append((Run(labels, groups, method, floor, ceiling), Run(labels, groups, baseline, floor, ceiling)))
    found = paired_difference("accuracy", given)
    apart = math.hypot(found.student.high - found.student.low, found.baseline.high - found.baseline.low)
    assert found.difference.high - found.difference.low < apart / 2
    assert found.outcome == "win"


def test_no_gap_leaves_the_difference_and_undefines_that_of_pgrs():
    given = [tuple(dataclasses.replace(run, ceiling=run.floor) for run in pair) for pair in pairs()]
    found = paired_difference("accuracy", given)
    assert found.difference.defined
    assert math.isnan(found.pgr.value)
    assert "no gap" in found.pgr.note


def test_one_seed_says_so():
    assert "covers examples only" in paired_difference("accuracy", pairs(1)).difference.note


def test_a_score_that_does_not_exist_is_undefined():
    given = [
        tuple(dataclasses.replace(run, labels=np.ones(len(run.labels), dtype=int)) for run in pair) for pair in pairs()
    ]
    found = paired_difference("auroc", given, resamples=100)
    assert found.outcome == "undefined"
    assert "does not exist" in found.difference.note


def test_other_ceilings_are_told():
    given = pairs(2)
    method, baseline = given[0]
    other = dataclasses.replace(method, ceiling=method.student)
    found = paired_difference("accuracy", [(other, baseline), given[1]])
    assert "the gap is the baseline's" in found.pgr.note
    assert "the gap is" not in paired_difference("accuracy", given).pgr.note


def test_runs_on_other_rows_are_refused():
    (method, _), (_, baseline) = pairs(2, 60)[0], pairs(2, 60, rng=9)[0]
    with pytest.raises(DataError, match="pair 0 has other test rows"):
        paired_difference("accuracy", [(method, baseline)])
    with pytest.raises(DataError, match="there are no runs"):
        paired_difference("accuracy", [])
    with pytest.raises(SpecError, match="at least 100"):
        paired_difference("accuracy", pairs(), resamples=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "rows", "seed_scale", "own"),
    [
        pytest.param(1, 300, 0.0, 0.0, id="one seed, examples only"),
        pytest.param(3, 300, 0.1, 0.0, id="3 seeds, effects shared by both methods"),
        pytest.param(3, 300, 0.1, 0.1, id="3 seeds, effects of the methods' own"),
        pytest.param(5, 300, 0.15, 0.15, id="5 seeds that differ by 5 points"),
    ],
)
def test_intervals_of_the_difference_cover(seeds, rows, seed_scale, own):
    """The true difference lies in 93 to 98 % of intervals at nominal 95 %, that of PGRs too; 1,000 studies each.

    A model is right on a row when skill + seed effects + ease + noise is above 0; both methods share seed and ease.
    """
    skills = np.array([0.3, 1.6, 0.9, 0.7])  # floor, ceiling, method, baseline
    scale = np.sqrt(2 + np.array([0, 0, 1, 1]) * (seed_scale**2 + own**2))
    truth = norm.cdf(skills / scale)
    difference = truth[2] - truth[3]
    true = np.array([difference, difference / (truth[1] - truth[0])])
    held = np.zeros(2)
    rng = np.random.default_rng(seeds)
    studies = 1000
    for study in range(studies):
        ease, found = rng.normal(size=(rows, 1)), []
        for _ in range(seeds):
            shift = np.r_[0, 0, seed_scale * rng.normal() + own * rng.normal(size=2)]
            right = np.where(skills + shift + ease + rng.normal(size=(rows, 4)) > 0, 0.9, 0.1).T
            runs = (Run(np.ones(rows), np.arange(rows), right[i], right[0], right[1]) for i in (2, 3))
            found.append(tuple(runs))
        made = paired_difference("accuracy", found, resamples=100, seed=study)
        estimates = (made.difference, made.pgr)
        held += [one.low <= value <= one.high for one, value in zip(estimates, true, strict=True)]
    assert (held / studies >= 0.93).all(), held / studies
    assert (held / studies <= 0.985).all(), held / studies
