"""What to buy: rows to see a gain, and gold labels that equal a student."""

from __future__ import annotations

import numpy as np
import pytest

from surpass.advice.buying import gold_curve, rows_to_see
from surpass.stats import Estimate


def test_rows_to_see_grow_with_the_square_of_the_gain():
    share = Estimate(0.2, 0.1, 0.3, 0.95, 1, 400, "")
    small, large = (rows_to_see(gain, share, level=0.95) for gain in (0.02, 0.04))
    assert small.value / large.value == pytest.approx(4, rel=0.02)
    assert small.low < small.value < small.high
    none = rows_to_see(0.3, share, level=0.95)
    assert not none.defined
    assert "no such gain" in none.note


def test_rows_to_see_have_their_power():
    """Of studies with so many rows and this gain, about 80 % see it."""
    rng = np.random.default_rng(0)
    gain, differ = 0.08, 0.2
    n = int(rows_to_see(gain, Estimate(differ, differ, differ, 0.95, 1, 400, ""), level=0.95).value)
    steps = rng.choice([1, -1, 0], p=[(differ + gain) / 2, (differ - gain) / 2, 1 - differ], size=(2000, n))
    z = steps.mean(axis=1) / (steps.std(axis=1) / np.sqrt(n))
    assert (z > 1.96).mean() == pytest.approx(0.8, abs=0.04)


def curve(errors, student, n=4000):
    rng = np.random.default_rng(0)
    points = [(k, (rng.random(n) > e).astype(float)) for k, e in errors.items()]
    right = (rng.random(n) > student).astype(float)
    return gold_curve(right, points, [str(i) for i in range(n)], held=400, level=0.9)


def test_a_gold_curve_finds_its_crossing():
    """Error 2 k^-.5: .2 at 100 labels, .1 at 400; the student's .08 is met at 625."""
    found = curve({100: 0.2, 200: 0.1414, 400: 0.1}, 0.08)
    assert found.equals.low < 625 < found.equals.high
    assert 450 < found.equals.value < 850
    assert found.over_student.high < 0


def test_a_flat_gold_curve_meets_no_better_student():
    found = curve({100: 0.3, 200: 0.3, 400: 0.3}, 0.05)
    assert not found.equals.defined
    assert "not within 10 x" in found.equals.note


def test_a_better_student_is_equalled_by_more_gold_labels():
    counts = [curve({100: 0.2, 200: 0.1414, 400: 0.1}, error).equals.value for error in (0.18, 0.12, 0.09, 0.06)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_smaller_gain_takes_more_rows_and_so_do_more_that_differ():
    gains = [rows_to_see(gain, Estimate(0.2, 0.2, 0.2, 0.9, 1, 400, ""), level=0.9).value for gain in (0.1, 0.05, 0.02)]
    assert gains == sorted(gains)
    shares = [rows_to_see(0.05, Estimate(d, d, d, 0.9, 1, 400, ""), level=0.9).value for d in (0.1, 0.2, 0.4)]
    assert shares == sorted(shares)  # more rows differ, more noise


def test_no_student_is_equalled_by_less_than_one_gold_label():
    """A curve that is far above the student's score at its first point would meet it at a part of a label."""
    found = curve({100: 0.05, 200: 0.045, 400: 0.04}, 0.6)
    assert found.equals.low == found.equals.value == 1
    assert found.points[-1].gold == 400
    assert found.held == 400
