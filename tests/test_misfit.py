"""Misfit, gain and slack: the identities behind them, the theorem where it holds, and the rule that picks a supervisor."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from surpass.analyses_misfit import _by_domain
from surpass.analyses_misfit import misfit_rows as of_comparison
from surpass.artifacts import Predictions, Rows
from surpass.diagnostics import LOSSES, Outputs, losses_for, misfits, paired, predicted_gain, scatter, select
from surpass.diagnostics.misfit import NEGATIVE_ENTROPY, SQUARES, Generator, bregman, misfit_rows
from surpass.errors import AlignmentError, DataError, SpecError, UnknownNameError
from surpass.metrics import METRICS
from surpass.stats import Run

NUMBERS = st.floats(-100, 100)
EXPONENTIALS = Generator(lambda x: np.exp(x).sum(axis=1), np.exp)


@st.composite
def probabilities(draw: st.DrawFn, tables: int, least: float = 1e-6) -> list[np.ndarray]:
    n, k = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    drawn = [draw(arrays(np.float64, (n, k), elements=st.floats(least, 1))) for _ in range(tables)]
    return [table / table.sum(axis=1, keepdims=True) for table in drawn]


def names(n: int) -> list[str]:
    return [f"row-{i}" for i in range(n)]


def numbers(seed: int = 0, n: int = 40) -> Run:
    rng = np.random.default_rng(seed)
    labels, noise = rng.normal(size=n), rng.normal(size=(3, n))
    return Run(labels, names(n), labels + 0.5 * noise[0], labels + noise[1], labels + 0.1 * noise[2])


@given(probabilities(2, least=0.0 + 1e-300))
def test_misfit_is_never_negative_and_zero_for_a_copy(tables):
    student, supervisor = tables
    for loss in ("reverse_kl", "forward_kl", "brier"):
        assert (misfit_rows(student, supervisor, loss=loss) >= 0).all()
        assert not misfit_rows(supervisor, supervisor, loss=loss).any()


@given(arrays(np.float64, (2, 7), elements=NUMBERS))
def test_squared_misfit_is_the_mean_squared_error_against_the_supervisor(pair):
    student, supervisor = pair
    rows = misfit_rows(student, supervisor, loss="squared")
    assert (rows >= 0).all()
    assert rows.mean() == pytest.approx(METRICS["mse"].value(supervisor, student))
    assert not misfit_rows(student, student, loss="squared").any()


@given(arrays(np.float64, (3, 4, 3), elements=st.floats(-3, 3)), st.sampled_from([SQUARES, EXPONENTIALS]))
def test_three_points(points, generator):
    a, b, c = points
    turn = ((a - b) * (generator.gradient(b) - generator.gradient(c))).sum(axis=1)
    ways = bregman(a, b, generator) + bregman(b, c, generator) + turn
    np.testing.assert_allclose(bregman(a, c, generator), ways, rtol=1e-10, atol=1e-10)
    assert (bregman(a, c, generator) >= -1e-10).all()


@given(probabilities(3))
def test_three_points_of_kl(tables):
    a, b, c = tables
    turn = ((a - b) * (np.log(b) - np.log(c))).sum(axis=1)
    left, first, second = (misfit_rows(*pair, loss="reverse_kl") for pair in ((a, c), (a, b), (b, c)))
    np.testing.assert_allclose(left, first + second + turn, rtol=1e-10, atol=1e-10)


@given(probabilities(2))
def test_kl_is_the_divergence_of_negative_entropy_and_turns_around(tables):
    student, supervisor = tables
    reverse = misfit_rows(student, supervisor, loss="reverse_kl")
    np.testing.assert_allclose(reverse, bregman(student, supervisor, NEGATIVE_ENTROPY), rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(reverse, misfit_rows(supervisor, student, loss="forward_kl"))


def test_kl_by_hand():
    rows = misfit_rows([[0.5, 0.5]], [[0.9, 0.1]], loss="reverse_kl")
    assert rows[0] == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1))
    assert misfit_rows([0.5], [0.9], loss="brier")[0] == pytest.approx(0.16)
    assert misfit_rows([[0.2, 0.3, 0.5]], [[0.5, 0.3, 0.2]], loss="brier")[0] == pytest.approx(0.18)


@pytest.mark.parametrize(
    ("loss", "metric"), [("reverse_kl", "log_loss"), ("forward_kl", "log_loss"), ("brier", "brier")]
)
def test_gain_is_the_difference_of_the_metric(loss, metric):
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=30)
    student, floor = rng.dirichlet(np.ones(3), size=(2, 30))
    found = misfits([Run(labels, names(30), student, floor, student)], [loss])[0]
    scores = [METRICS[metric].value(labels, part) for part in (floor, student)]
    assert (found.supervisor.value, found.student.value) == pytest.approx(tuple(scores))
    assert found.gain.value == pytest.approx(scores[0] - scores[1])
    assert found.slack.value == pytest.approx(found.gain.value - found.misfit.value)
    assert found.bound.value == pytest.approx(found.supervisor.value - found.misfit.value)
    assert found.misfit.value == pytest.approx(misfit_rows(student, floor, loss=loss).mean())


def test_means_over_seeds_are_paired_and_several_losses_change_nothing():
    runs = [numbers(seed) for seed in range(3)]
    found = misfits(runs, ["squared"])[0]
    assert found.misfit.seeds == 3
    assert found.misfit.value == pytest.approx(np.mean([one.misfit for one in found.seeds]))
    assert found.gain.value == pytest.approx(np.mean([one.supervisor - one.student for one in found.seeds]))
    assert found.misfit.low >= 0
    rng = np.random.default_rng(0)
    student, floor = rng.dirichlet(np.ones(2), size=(2, 25))
    run = Run(rng.integers(2, size=25), names(25), student, floor, student)
    together = misfits([run], losses_for("classification"))
    for loss, held in zip(losses_for("classification"), together, strict=True):
        alone = misfits([run], [loss])[0]
        for part in ("misfit", "supervisor", "student", "gain", "slack", "bound"):
            one, other = getattr(alone, part), getattr(held, part)
            assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(8, 40))
def test_linear_heads_on_a_realizable_target_gain_at_least_their_misfit(seed, width, rows):
    """Charikar et al. 2024, theorem 1, on the rows that the student was fitted on: there the projection is exact."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width))
    target, weak = features @ rng.normal(size=width), rng.normal(size=rows)
    student = features @ np.linalg.lstsq(features, weak, rcond=None)[0]
    found = misfits([Run(target, names(rows), student, weak, target)], ["squared"], resamples=100)[0]
    assert found.slack.value == pytest.approx(0, abs=1e-9)  # a subspace: Pythagoras with equality


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_target_outside_the_class_costs_at_most_twice_the_root_of_its_error_times_misfit(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(30, 4))
    target, weak = features @ rng.normal(size=4) + rng.normal(size=30), rng.normal(size=30)
    student, best = (features @ np.linalg.lstsq(features, goal, rcond=None)[0] for goal in (weak, target))
    found = misfits([Run(target, names(30), student, weak, best)], ["squared"], resamples=100)[0]
    error = float(np.mean((best - target) ** 2))
    assert found.slack.value >= -2 * math.sqrt(error * found.misfit.value) - 1e-9


def test_predicted_gain_reads_no_labels_and_equals_the_misfit():
    runs = [numbers(seed) for seed in range(2)]
    known = misfits(runs, ["squared"])[0].misfit
    found = predicted_gain([Outputs(run.student, run.floor, run.groups) for run in runs], loss="squared")
    assert (found.value, found.low, found.high) == pytest.approx((known.value, known.low, known.high))


def test_rows_of_a_group_are_resampled_together():
    """Every row twice, in the group of the first, says no more than once."""
    runs = [numbers(seed, n=30) for seed in (0, 1)]

    def twice(run: Run) -> Run:
        held = [np.tile(part, 2) for part in (run.labels, run.student, run.floor, run.ceiling)]
        return Run(held[0], [*run.groups, *run.groups], *held[1:])

    once, both = (misfits(found, ["squared"])[0] for found in (runs, [twice(run) for run in runs]))
    for part in ("misfit", "supervisor", "student", "gain", "slack", "bound"):
        one, other = getattr(once, part), getattr(both, part)
        assert (one.value, one.low, one.high, one.examples) == pytest.approx(
            (other.value, other.low, other.high, other.examples)
        )
    one, two = runs[0], twice(runs[0])
    alone, double = (
        predicted_gain([Outputs(run.student, run.floor, run.groups)], loss="squared") for run in (one, two)
    )
    assert (double.low, double.high, double.examples) == pytest.approx((alone.low, alone.high, alone.examples))
    other = numbers(2, n=30)
    alone, double = (select([[a], [b]], loss="squared") for a, b in ((one, other), (two, twice(other))))
    for part in ("regret_random", "regret_error"):
        first, second = getattr(alone, part), getattr(double, part)
        assert (first.low, first.high) == pytest.approx((second.low, second.high))
    assert alone.regret_random.examples == double.regret_random.examples == 30


def test_an_interval_of_misfit_does_not_go_below_0():
    labels = np.zeros(4)
    run = Run(labels, names(4), np.array([0.0, 0, 0, 9]), labels, labels)
    found = misfits([run], ["squared"])[0]
    assert found.misfit.low == found.student.low == 0
    assert found.gain.low < 0
    assert predicted_gain([Outputs(run.student, run.floor, run.groups)], loss="squared").low == 0


def test_a_domain_of_one_group_is_resampled_by_rows_and_others_by_their_groups():
    ids, domains = names(9), tuple("aaabbbccc")
    rows = Rows(tuple(ids), np.zeros((9, 1)), np.zeros(9), ("g", "g", "h", "one", "one", "one", *ids[6:]), domains)
    seed = SimpleNamespace(splits=SimpleNamespace(part=lambda split: rows))
    run = Run(rows.labels, rows.groups, np.arange(9.0), np.ones(9), np.ones(9))
    found = dict(_by_domain([seed, seed], [run, run], "test"))
    assert {name: list(members[1].groups) for name, members in found.items()} == {
        "a": ["g", "g", "h"],
        "b": ids[3:6],
        "c": ids[6:],
    }
    assert np.asarray(found["b"][0].student).tolist() == [3, 4, 5]
    two = dataclasses.replace(rows, domains=tuple("aaabbbbbb"))
    assert not list(_by_domain([SimpleNamespace(splits=SimpleNamespace(part=lambda split: two))], [run], "test"))


def test_a_student_that_was_fitted_on_ground_truth_once_more_has_no_misfit():
    again = SimpleNamespace(cell=SimpleNamespace(route=SimpleNamespace(reprobe=True)))
    assert not list(of_comparison(SimpleNamespace(), [again]))


def test_paired_joins_by_id():
    student = Predictions(("c", "a", "b"), ("test",) * 3, np.array([[3.0], [1.0], [2.0]]))
    supervisor = Predictions(("a", "c", "d"), ("test",) * 3, np.array([[10.0], [30.0], [40.0]]))
    found = paired(student, supervisor, {"a": "g", "c": "h", "d": "i"})
    assert np.asarray(found.student).tolist() == [[1.0], [3.0]]
    assert np.asarray(found.supervisor).tolist() == [[10.0], [30.0]]
    assert list(found.groups) == ["g", "h"]
    with pytest.raises(AlignmentError, match="none of the 1 asked rows in common"):
        paired(student, supervisor, {"z": "g"})


def test_zeros_of_the_supervisor_are_clipped_as_in_the_log_loss_and_counted():
    student, floor = [[0.5, 0.5], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]
    found = misfits([Run([1, 0], names(2), student, floor, floor)], ["reverse_kl", "forward_kl"])
    assert found[0].misfit.value == pytest.approx((0.5 * math.log(0.5) + 0.5 * (math.log(0.5) + 36.0437)) / 2, abs=1e-3)
    assert found[0].supervisor.value == pytest.approx(36.0437 / 2, abs=1e-3)
    assert (found[0].clipped, found[1].clipped) == (0.5, 0.0)
    assert found[1].misfit.value == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize(
    ("student", "supervisor", "loss", "error", "said"),
    [
        ([1.0, np.nan], [1.0, 2.0], "squared", DataError, "hold nan at row 1"),
        ([1.0, 2.0], [1.0], "squared", AlignmentError, "student has shape"),
        ([], [], "squared", DataError, "n >= 1"),
        ([[0.5, 0.2]], [[0.5, 0.5]], "reverse_kl", DataError, "must sum to 1"),
        ([1.0], [1.0], "cosine", UnknownNameError, "unknown misfit 'cosine'"),
    ],
)
def test_bad_input(student, supervisor, loss, error, said):
    with pytest.raises(error, match=said):
        misfit_rows(student, supervisor, loss=loss)


def test_bad_points_of_a_divergence():
    with pytest.raises(AlignmentError, match="must be"):
        bregman([[1.0, 2.0]], [[1.0]], SQUARES)
    with pytest.raises(DataError, match="not finite"):
        bregman([[np.inf]], [[1.0]], SQUARES)
    with pytest.raises(DataError, match="no runs"):
        misfits([], ["squared"])


def test_scatter_agrees_with_scipy():
    from scipy.stats import linregress

    rng = np.random.default_rng(3)
    x = rng.exponential(size=60)
    y = 0.8 * x + rng.normal(scale=0.2, size=60)
    found, known = scatter(x, y), linregress(x, y)
    assert found.correlation.value == pytest.approx(known.rvalue)
    assert found.slope.value == pytest.approx(known.slope)
    assert found.slack.value == pytest.approx((y - x).mean())
    for item in found:
        assert item.low < item.value < item.high
        assert "60" not in item.note
    assert found.slope.high - found.slope.low == pytest.approx(2 * 1.96 * known.stderr, rel=0.4)


@pytest.mark.parametrize("points", [10, 30])
@pytest.mark.parametrize("slope", [0.0, 0.8])
def test_scatter_intervals_cover(points, slope):
    """Skewed misfits, as they are; percentiles of a bootstrap had 86 to 92 % of these."""
    rng = np.random.default_rng(0)
    noise, runs = 1.0 if slope == 0 else 0.3, 500
    many = rng.exponential(size=200_000)
    true = (np.corrcoef(many, slope * many + noise * rng.normal(size=len(many)))[0, 1], slope, slope - 1)
    hits = np.zeros(3)
    for _ in range(runs):
        x = rng.exponential(size=points)
        found = scatter(x, slope * x + noise * rng.normal(size=points))
        hits += [item.low <= value <= item.high for item, value in zip(found, true, strict=True)]
    assert (hits / runs > 0.915).all(), hits / runs


def test_scatter_of_few_points_promises_nothing():
    three = scatter([1.0, 2.0, 3.0], [1.0, 2.1, 2.9])
    assert (three.correlation.low, three.correlation.high) == (-1, 1)  # any two of three points lie on a line
    assert three.slope.high - three.slope.low > 0.5
    assert "rough" in three.slope.note
    exact = scatter([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 5.0])
    assert exact.slope.low == pytest.approx(exact.slope.high) == 1
    alone = scatter([1.0, 1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    assert not alone.slope.defined
    assert "hangs on one point alone" in alone.slope.note
    assert alone.slack.defined


def test_scatter_refuses_a_level_that_makes_no_interval():
    for level in (0.0, 1.0, 1.5):
        with pytest.raises(SpecError, match="level="):
            scatter([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0], level=level)


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        ([], [], "needs at least 3 points, got 0"),
        ([1.0, 2.0], [1.0, 2.0], "needs at least 3 points, got 2"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "misfit is the same at all 3 points"),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], "gain is the same at all 3 points"),
    ],
)
def test_scatter_without_enough_to_say(x, y, why):
    found = scatter(x, y)
    assert math.isnan(found.correlation.value)
    assert found.correlation.note == why


def test_scatter_refuses_what_is_no_number():
    with pytest.raises(DataError, match="finite numbers"):
        scatter([1.0, np.nan, 2.0], [1.0, 2.0, 3.0])


def candidate(labels: np.ndarray, floor: float, student: float) -> Run:
    """Predictions whose squared errors are these everywhere; the misfit is the square of the roots' difference."""
    ends = labels + math.sqrt(student), labels + math.sqrt(floor)
    return Run(labels, names(len(labels)), *ends, labels)


def test_the_rule_picks_the_smallest_bound():
    labels = np.linspace(0, 1, 20)
    # errors 1 and 4, students .81 and .25: misfits .01 and 2.25, bounds .99 and 1.75
    first, second = candidate(labels, 1.0, 0.81), candidate(labels, 4.0, 0.25)
    found = select([[first, first], [second, second]], loss="squared")
    assert [one.bound.value for one in found.candidates] == pytest.approx([0.99, 1.75])
    assert [one.student.value for one in found.candidates] == pytest.approx([0.81, 0.25])
    assert [(one.picked, one.best) for one in found.candidates] == [(2, 0), (0, 2)]
    assert found.hits == 0
    assert found.regret.value == pytest.approx(0.56)
    assert found.regret_error.value == pytest.approx(0.56)
    assert found.regret_random.value == pytest.approx(0.28)


def test_the_rule_sees_what_error_alone_does_not():
    labels = np.linspace(0, 1, 20)
    # errors 1 and 1.21, students 1 and .01: misfits 0 and 1, bounds 1 and .21
    found = select([[candidate(labels, 1.0, 1.0)], [candidate(labels, 1.21, 0.01)]], loss="squared")
    assert (found.hits, found.hits_error) == (1, 0)
    assert found.regret.value == pytest.approx(0)
    assert found.regret_error.value == pytest.approx(0.99)
    assert found.regret_random.value == pytest.approx(0.495)


def test_equal_students_are_all_best_and_one_supervisor_is_no_choice():
    labels = np.linspace(0, 1, 20)
    found = select([[candidate(labels, 1.0, 0.5)], [candidate(labels, 0.9, 0.5)]], loss="squared")
    assert found.hits == 1
    assert [one.best for one in found.candidates] == [1, 1]  # a random pick has one of them too
    with pytest.raises(DataError, match="at least two"):
        select([[candidate(labels, 1.0, 0.5)]], loss="squared")
    with pytest.raises(DataError, match="a run of each seed"):
        select([[candidate(labels, 1.0, 0.5)], []], loss="squared")
    with pytest.raises(DataError, match="the same rows"):
        select([[candidate(labels, 1.0, 0.5)], [candidate(labels[1:], 1.0, 0.5)]], loss="squared")


def test_every_loss_is_a_mean_over_rows_of_its_metric():
    for loss in LOSSES.values():
        assert METRICS[loss.metric].decomposes
