"""Errors by confidence, calibration, sizes and saliency: each formula against a slow loop over rows."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surpass.diagnostics import calibration, climb, closed, confidence_bounds, error_shares, reliability
from surpass.errors import AlignmentError, DataError, SpecError
from surpass.metrics import METRICS
from surpass.stats import Ratios, Run, agreement_estimate, compare, ratio_estimates

SHARES = ("inheritance", "correction", "other", "new")


def runs_of(classes: int = 3, *, seeds: int = 2, n: int = 120, rng: int = 0) -> list[Run]:
    """Runs on the same rows, two to a group; the supervisor's probabilities have one decimal, so many are tied."""
    draw = np.random.default_rng(rng)
    labels = draw.integers(classes, size=n)
    groups = [f"question {i // 2}" for i in range(n)]
    found = []
    for _ in range(seeds):
        roles = [
            draw.dirichlet(np.ones(classes), size=n) + skill * np.eye(classes)[labels] for skill in (0.3, 0.6, 1.5)
        ]
        floor, student, ceiling = (values / values.sum(axis=1, keepdims=True) for values in roles)
        # of tied classes the first is chosen, whichever way rounding went
        coarse = np.round(floor[:, :-1] * 10) / 10
        floor = np.column_stack([coarse, 1 - coarse.sum(axis=1)]).clip(0, 1)
        floor = floor / floor.sum(axis=1, keepdims=True)
        found.append(Run(labels, groups, student, floor, ceiling))
    return found


def slow_shares(run: Run, low: float, high: float) -> dict[str, float]:
    """Count row by row what the student makes of the rows whose supervisor's confidence lies in [low, high]."""
    counts = dict.fromkeys(("wrong", "right", *SHARES), 0)
    for label, given_by, taught_by in zip(run.labels, run.student, run.floor, strict=True):
        answer, taught, sure = int(np.argmax(given_by)), int(np.argmax(taught_by)), max(taught_by)
        if not low - 1e-9 <= sure <= high + 1e-9:
            continue
        if taught == label:
            counts["right"] += 1
            counts["new"] += answer != label
        else:
            counts["wrong"] += 1
            counts["inheritance" if answer == taught else "correction" if answer == label else "other"] += 1
    over = {share: counts["right" if share == "new" else "wrong"] for share in SHARES}
    return {share: counts[share] / over[share] if over[share] else math.nan for share in SHARES} | {
        "rows": counts["right"] + counts["wrong"],
        "wrong": counts["wrong"],
    }


# errors by the supervisor's confidence


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_error_shares_are_those_of_a_loop_over_rows(classes):
    runs = runs_of(classes)
    found = error_shares(runs, resamples=200)
    assert len(found) > 2
    for line in found:
        slow = [slow_shares(run, line.low, line.high) for run in runs]
        assert (line.rows, line.wrong) == tuple(sum(one[name] for one in slow) for name in ("rows", "wrong"))
        for share in SHARES:
            wanted = np.mean([one[share] for one in slow])
            assert getattr(line, share).value == pytest.approx(wanted, nan_ok=True)
        assert line.inheritance.value + line.correction.value + line.other.value == pytest.approx(1)
    assert found[0].rows == sum(line.rows for line in found[1:]) == 240
    assert found[0].wrong == sum(line.wrong for line in found[1:])
    assert all(one.high < other.low for one, other in itertools.pairwise(found[1:]))
    assert (found[0].other.value > 0) == (classes > 2)


def test_errors_over_all_rows_are_the_agreement_with_the_supervisor():
    runs = runs_of(2, seeds=3)
    overall, agreement = error_shares(runs)[0], agreement_estimate(runs)
    assert overall.inheritance == agreement.where_wrong
    assert overall.new.value == pytest.approx(1 - agreement.where_right.value)
    assert (overall.new.low, overall.new.high) == pytest.approx(
        (1 - agreement.where_right.high, 1 - agreement.where_right.low)
    )


def test_labels_without_confidence_have_one_line():
    runs = [dataclasses.replace(run, floor=np.eye(3)[np.argmax(run.floor, axis=1)]) for run in runs_of()]
    (line,) = error_shares(runs, resamples=200)
    assert (line.low, line.high, line.rows) == (1.0, 1.0, 240)


def test_a_bin_whose_supervisor_is_never_wrong_has_no_inheritance_and_the_others_keep_theirs():
    n = 40
    labels = np.arange(n) % 2
    sure = np.where(np.arange(n) < 20, 0.9, 0.6)
    right = (np.arange(n) < 20) | (np.arange(n) % 3 > 0)
    p = np.where((labels == 1) == right, sure, 1 - sure)
    run = Run(labels, [str(i) for i in range(n)], student=p, floor=p, ceiling=labels.astype(float))
    overall, doubtful, certain = error_shares([run], bins=2)
    assert certain.wrong == 0
    assert math.isnan(certain.inheritance.value)
    assert "inheritance at confidence up to 0.9 and above 0.6 does not exist" in certain.inheritance.note
    assert certain.new.value == 0
    assert doubtful.inheritance.value == overall.inheritance.value == 1


@given(st.lists(st.sampled_from([0.5, 0.55, 0.6, 0.7, 0.7 + 1e-13, 0.9, 1.0]), min_size=1), st.integers(1, 6))
def test_bins_hold_equal_confidences_together_and_no_cut_could_be_nearer(values, bins):
    bounds = confidence_bounds(values, bins)
    rounded = np.sort(np.round(values, 9))
    assert bounds[-1] == rounded[-1]
    assert len(bounds) <= bins
    assert np.all(np.diff(bounds) > 0)
    assert set(bounds) <= set(rounded)
    possible = [int(np.sum(rounded <= value)) for value in np.unique(rounded)]
    chosen = [int(np.sum(rounded <= bound)) for bound in bounds]
    for i in range(1, bins):
        wanted = len(values) * i / bins
        assert min(abs(c - wanted) for c in chosen) == min(abs(c - wanted) for c in possible)


def test_bins_of_distinct_confidences_are_equally_full():
    values = np.round(np.random.default_rng(0).random(400), 9)
    counts = np.diff(np.searchsorted(np.sort(values), confidence_bounds(values, 4), side="right"), prepend=0)
    assert counts.tolist() == [100, 100, 100, 100]
    assert confidence_bounds([0.3, 0.3], 4).tolist() == [0.3]
    with pytest.raises(SpecError, match="bins=0"):
        confidence_bounds(values, 0)


def test_errors_need_runs():
    with pytest.raises(DataError, match="at least one seed"):
        error_shares([])


# shares that do not exist


def test_a_share_that_does_not_exist_in_a_seed_costs_the_others_nothing():
    draw = np.random.default_rng(1)
    top = draw.integers(2, size=(50, 2)).astype(float)
    whole = Ratios(top, np.ones((50, 2)), list(range(50)))
    holed = Ratios(top * [1, 0], np.ones((50, 2)) * [1, 0], list(range(50)))
    alone = Ratios(top[:, :1], np.ones((50, 1)), list(range(50)))
    one, two = ratio_estimates([whole, holed], ["first", "second"])
    assert two.note == "second does not exist in 1 of 2 seeds"
    (same,) = ratio_estimates([alone, alone], ["first"])
    assert (one.value, one.low, one.high) == pytest.approx((same.value, same.low, same.high), rel=1e-12)


def test_equal_shares_differ_by_nothing():
    draw = np.random.default_rng(3)
    top, among = draw.random((60, 1)), draw.integers(2, size=(60, 1)) * 1.0
    parts = [Ratios(np.tile(top * among, 2), np.tile(among, 2), list(range(60)))] * 2
    (found,) = ratio_estimates(parts, ["first", "second"], [[-1, 1]])
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert found.note == "no variation between seeds or rows, so the interval has no width"


def test_a_contrast_is_the_difference_with_a_paired_interval():
    draw = np.random.default_rng(2)
    easy = draw.random((2, 300, 1))
    parts = [Ratios((e + 0.1 * draw.random((300, 2)) > 0.5) * 1.0, np.ones((300, 2)), list(range(300))) for e in easy]
    names = ["first", "second"]
    first, second = ratio_estimates(parts, names)
    (difference,) = ratio_estimates(parts, names, [[-1, 1]])
    assert difference.value == pytest.approx(second.value - first.value)
    assert difference.high - difference.low < 0.7 * math.hypot(first.high - first.low, second.high - second.low)


# calibration


def test_reliability_is_that_of_a_loop_and_gives_the_metric_ece():
    run = runs_of(3, seeds=1)[0]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for label, values in zip(run.labels, run.student, strict=True):
        place = next(i for i in range(15) if max(values) <= (i + 1) / 15 + 1e-12)
        bins.setdefault(place, []).append((max(values), bool(np.argmax(values) == label)))
    curve = reliability(run.labels, run.student)
    assert [round(one.low * 15) for one in curve] == sorted(bins)
    for one in curve:
        rows = bins[round(one.low * 15)]
        assert (one.rows, one.high) == (len(rows), pytest.approx(one.low + 1 / 15))
        assert one.confidence == pytest.approx(np.mean([sure for sure, _ in rows]))
        assert one.accuracy == pytest.approx(np.mean([right for _, right in rows]))
    ece = sum(one.rows * abs(one.confidence - one.accuracy) for one in curve) / 120
    assert ece == pytest.approx(METRICS["ece"].value(run.labels, run.student))


def test_calibration_of_each_role_over_seeds():
    runs = runs_of(2)
    found = {one.role: one for one in calibration(runs)}
    assert list(found) == ["floor", "student", "ceiling"]
    for role, one in found.items():
        probs = [getattr(run, role) for run in runs]
        confidence = np.mean([p.max(axis=1).mean() for p in probs])
        accuracy = np.mean([(p.argmax(axis=1) == run.labels).mean() for p, run in zip(probs, runs, strict=True)])
        assert one.confidence.value == pytest.approx(confidence)
        assert one.overconfidence.value == pytest.approx(confidence - accuracy)
        assert one.overconfidence.low < one.overconfidence.value < one.overconfidence.high
        assert one.ece == getattr(compare("ece", runs), role)
        assert one.brier == getattr(compare("brier", runs), role)
        assert sum(part.rows for part in one.curve) == 240


def test_confidence_that_is_too_high_is_found_and_its_sign_is_right():
    labels = np.arange(400) % 4 > 0  # 3 of 4 are of class 1
    groups = [str(i) for i in range(400)]
    run = Run(labels * 1, groups, student=np.full(400, 0.95), floor=np.full(400, 0.75), ceiling=np.full(400, 0.55))
    floor, student, ceiling = (one.overconfidence for one in calibration([run]))
    assert student.value == pytest.approx(0.2)
    assert student.low > 0
    assert floor.low < 0 < floor.high
    assert ceiling.high < 0


# sizes


def test_climb_is_the_difference_of_means_of_loops():
    small = runs_of(3, rng=3)
    large = [dataclasses.replace(run, student=run.ceiling) for run in small]
    found = climb(small, large, metric="accuracy")

    def agreement(run: Run, which: str) -> float:
        same = [
            np.argmax(s) == np.argmax(f)
            for s, f, label in zip(run.student, run.floor, run.labels, strict=True)
            if which == "all" or (np.argmax(f) == label) == (which == "right")
        ]
        return float(np.mean(same))

    for name, which in (("overall", "all"), ("when_right", "right"), ("when_wrong", "wrong")):
        wanted = np.mean([agreement(b, which) - agreement(a, which) for a, b in zip(small, large, strict=True)])
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(wanted)
        assert estimate.low <= estimate.value <= estimate.high
    scores = [[METRICS["accuracy"].value(run.labels, run.student) for run in runs] for runs in (small, large)]
    assert found.score.value == pytest.approx(np.mean(scores[1]) - np.mean(scores[0]))
    back = climb(large, small, metric="accuracy")
    assert (back.when_wrong.low, back.when_wrong.high) == pytest.approx((-found.when_wrong.high, -found.when_wrong.low))


def test_a_student_against_itself_does_not_climb():
    runs = runs_of(2)
    found = climb(runs, runs, metric="accuracy")
    assert {(e.value, e.low, e.high) for e in found} == {(0.0, 0.0, 0.0)}


def test_numbers_climb_without_agreement():
    draw = np.random.default_rng(0)
    labels = draw.normal(size=80)
    small = [Run(labels, range(80), labels + draw.normal(size=80), labels, labels)]
    large = [dataclasses.replace(small[0], student=labels + 0.1 * draw.normal(size=80))]
    found = climb(small, large, metric="mse", classes=False)
    assert found.score.high < 0
    assert found.overall is found.when_right is found.when_wrong is None


def test_climb_takes_only_the_same_rows_and_seeds():
    runs = runs_of(2)
    other = [dataclasses.replace(run, groups=[f"other {name}" for name in run.groups]) for run in runs]
    for wrong in (runs[:1], other):
        with pytest.raises(AlignmentError, match="Join them by seed and row id"):
            climb(runs, wrong, metric="accuracy")


# saliency


def test_the_share_closed_is_that_of_the_gap_between_probe_and_finetuning():
    n = 1000
    groups = [str(i) for i in range(n)]

    def answers(share: float) -> np.ndarray:
        return np.where(np.arange(n) < share * n, 0.9, 0.1)

    # the numbers of Burns et al. 2023, section 5.2.3: .72, .82, and .78 between them
    run = Run(np.ones(n), groups, student=answers(0.78), floor=answers(0.1), ceiling=answers(0.2))
    found = closed("accuracy", [run], lower=[answers(0.72)], upper=[answers(0.82)])
    assert found.score.value == pytest.approx(0.78)
    assert found.share is not None
    assert found.share.value == pytest.approx(0.6)
    assert found.share.low < 0.6 < found.share.high
    ends = [
        closed("accuracy", [dataclasses.replace(run, student=answers(x))], lower=[answers(0.72)], upper=[answers(0.82)])
        for x in (0.72, 0.82)
    ]
    assert [end.share.value for end in ends] == pytest.approx([0, 1])
    flat = closed("accuracy", [run], lower=[answers(0.72)], upper=[answers(0.721)])
    assert flat.share.note.startswith("no gap: the interval of upper end - lower end is .001 [")
    assert closed("accuracy", [run], lower=[answers(0.72)], upper=None) == (found.score, None)
