"""Learning speed on curves whose area and half way are known."""

import numpy as np
import pytest

from surpass.diagnostics import Training, learning_speed
from surpass.errors import AlignmentError, DataError


def training(curves, steps, *, classes=2, among=None, rows=5):
    """Rows of each curve give their weak label, class 1, the curve's probability at each step."""
    p = np.repeat(np.asarray(curves, dtype=float), rows, axis=0)  # (m, p)
    m = len(p)
    watched = np.zeros((len(steps), m, classes))
    watched[:, :, 1] = p.T
    watched[:, :, 0] = 1 - p.T
    weak = np.zeros((m, classes))
    weak[:, 1] = 1
    marks = np.repeat(np.eye(len(curves), dtype=bool), rows, axis=0) if among is None else among
    return Training(steps, watched, weak, marks, [f"r{i}" for i in range(m)])


def test_area_and_half_way_are_those_of_the_curves():
    steps = (10, 20, 40)
    fast, slow = (0.5, 0.9, 0.9), (0.5, 0.5, 0.9)
    one, other = learning_speed([training([fast, slow], steps)], ["right", "wrong"])
    assert (one.name, one.rows) == ("right", 5)
    assert (one.first.value, one.last.value) == pytest.approx((0.5, 0.9))
    # trapezoids over 10..40: (0.7 x 10 + 0.9 x 20) / 30 and (0.5 x 10 + 0.7 x 20) / 30
    assert one.area.value == pytest.approx((7 + 18) / 30)
    assert other.area.value == pytest.approx((5 + 14) / 30)
    # 0.7 is reached half way between 10 and 20, and between 20 and 40
    assert one.half.value == pytest.approx(15 / 40)
    assert other.half.value == pytest.approx(30 / 40)


def test_rows_of_different_speed_have_intervals_and_groups_may_overlap():
    rng = np.random.default_rng(0)
    curves = np.sort(rng.uniform(size=(40, 4)), axis=1)
    among = np.stack([np.arange(40) < 20, np.ones(40, dtype=bool)], axis=1)
    seeds = [
        training(curves, (1, 2, 3, 4), among=among, rows=1),
        training(curves[::-1], (1, 2, 3, 4), among=among, rows=1),
    ]
    early, every = learning_speed(seeds, ["early", "all"])
    assert (early.rows, every.rows) == (40, 80)
    for speed in (early, every):
        for estimate in (speed.first, speed.last, speed.area, speed.half):
            assert estimate.low < estimate.value < estimate.high
            assert estimate.seeds == 2
    assert every.last.value == pytest.approx(curves[:, -1].mean())


def test_one_reading_no_rise_or_no_rows_are_undefined_with_the_reason():
    (one,) = learning_speed([training([[0.5]], (10,))], ["all"])
    assert not one.area.defined
    assert "one reading" in one.half.note
    (flat,) = learning_speed([training([[0.5, 0.5, 0.5]], (1, 2, 3))], ["all"])
    assert flat.area.value == pytest.approx(0.5)
    assert "does not rise" in flat.half.note
    (falls,) = learning_speed([training([[0.9, 0.5]], (1, 2))], ["all"])
    assert not falls.half.defined
    none = training([[0.5, 0.6]], (1, 2), among=np.zeros((5, 1), dtype=bool))
    assert learning_speed([none], ["wrong"])[0].area.note == "no row is 'wrong' in 1 of 1 seeds"
    two = [training([[0.5, 0.6]], (1, 2)), training([[0.5, 0.6, 0.7]], (1, 2, 3))]
    assert "different numbers of readings" in learning_speed(two, ["all"])[0].area.note


def test_bad_input_is_refused():
    good = training([[0.5, 0.6]], (1, 2))
    with pytest.raises(AlignmentError, match="readings have shape"):
        learning_speed([Training((1, 2, 3), good.watched, good.weak, good.among, good.groups)], ["all"])
    with pytest.raises(AlignmentError, match="among has shape"):
        learning_speed([good], ["right", "wrong"])
    with pytest.raises(DataError, match="do not ascend"):
        learning_speed([Training((2, 1), good.watched, good.weak, good.among, good.groups)], ["all"])
    with pytest.raises(DataError, match="not finite"):
        learning_speed(
            [Training((1, 2), np.asarray(good.watched) * np.nan, good.weak, good.among, good.groups)], ["all"]
        )
    for wrong in (7.0, -0.5):
        with pytest.raises(DataError, match=r"readings hold numbers outside \[0, 1\]"):
            learning_speed(
                [Training((1, 2), np.full_like(good.watched, wrong), good.weak, good.among, good.groups)], ["all"]
            )
    with pytest.raises(DataError, match="at least 2 classes"):
        learning_speed([Training((1, 2), np.zeros((2, 5, 1)), np.zeros((5, 1)), good.among, good.groups)], ["all"])
    with pytest.raises(DataError, match="no seeds"):
        learning_speed([], ["all"])
