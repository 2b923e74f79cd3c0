"""The answer: what it promises of more rows with ground truth holds by its own rule."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from surpass.advice.buying import GoldCurve, GoldPoint
from surpass.advice.deciding import WORTH, clear_winner, clearly_better, differences, settling, verdict
from surpass.advice.evidence import MOST_JUDGES
from surpass.advice.forecasting import Forecast
from surpass.stats import Estimate


def _forecast(gain, half, surprise=0.0, rows=100):
    one = Estimate(gain, gain - half, gain + half, 0.9, 1, rows, "")
    return Forecast(one, one, 0.5, surprise, True)


def _told(found):
    return verdict(found, None)


def _curve(over, low):
    one = Estimate(over, low, 2 * over - low, 0.9, 1, 100, "")
    return GoldCurve((GoldPoint(50, one), GoldPoint(100, one)), 120, one, one)


def _with(found, more):
    """The same forecast, were its part that is sampling noise that of more rows."""
    half, rows = (found.gain.high - found.gain.low) / 2, found.gain.examples
    noise = (half**2 - found.surprise**2) * rows / more
    return _forecast(found.gain.value, math.sqrt(found.surprise**2 + noise), found.surprise)


@pytest.mark.parametrize("gain", [-0.03, -0.005, 0.0, 0.004, 0.006, 0.012, 0.04])
@pytest.mark.parametrize("half", [0.015, 0.05])
@pytest.mark.parametrize("surprise", [0.0, 0.004])
def test_the_rows_that_it_asks_for_would_settle_it(gain, half, surprise):
    found = _forecast(gain, half, surprise)
    told, needed = _told(found), settling(found)
    if told.answer != "unknown":
        assert gain - half > 0 or gain + half < WORTH
        return
    if needed is None or needed > MOST_JUDGES:  # then no number that advice would read does
        assert told.label is None
        assert _told(_with(found, MOST_JUDGES)).answer == "unknown"
        return
    assert told.label - 10 < needed - 100 <= told.label
    assert _told(_with(found, needed)).answer != "unknown"
    assert _told(_with(found, needed - 2)).answer == "unknown"


def test_twice_as_many_are_labelled_where_half_of_them_test():
    found = _forecast(0.05, 0.06)
    once, twice = (verdict(found, None, per_judge=each) for each in (1, 2))
    assert (once.label, twice.label) == (50, 90)  # 45 more judge
    assert "90 more rows" in twice.text


def test_more_rows_are_asked_for_where_the_gain_is_smaller():
    asked = [_told(_forecast(gain, 0.06)).label for gain in (0.05, 0.04, 0.03, 0.02)]
    assert asked == sorted(asked)
    assert asked[0] > 0


def test_no_more_rows_are_asked_for_than_advice_reads():
    told = _told(_forecast(0.012, 0.06, rows=300))
    assert told.label is None
    assert "more than the 1,000 that advice reads" in told.text
    never = _told(_forecast(0.012, 0.06, 0.05, rows=300))
    assert never.label is None
    assert "would not tell" in never.text


def test_all_answers_can_be_had():
    told = [_told(_forecast(gain, 0.02)) for gain in (0.05, -0.05, -0.015, 0.0)]
    assert [one.answer for one in told] == ["yes", "no", "no", "unknown"]
    assert told[1].text == "No: predicted gain -.050 [-.070, -.030]: the student is worse than its labels."
    lost = dataclasses.replace(_forecast(0.0, 0.0).gain, value=math.nan, note="8 rows")
    assert _told(dataclasses.replace(_forecast(0.0, 0.0), gain=lost)).text == "Cannot be known: 8 rows."


@pytest.mark.parametrize("gain", [0.05, 0.0, -0.05])
def test_gold_labels_that_serve_clearly_better_are_a_no(gain):
    found = _forecast(gain, 0.02)
    told = verdict(found, _curve(0.05, 0.01))
    assert (told.answer, told.label) == ("no", 0)
    assert "100 gold labels alone serve better" in told.text
    assert verdict(found, _curve(0.05, -0.01)) == _told(found)


def test_clearly_better_is_paired_and_counts_those_compared():
    """Right on the same rows but for four in a hundred: their own intervals overlap, their difference is clear."""
    rng = np.random.default_rng(0)
    base = (rng.random(500) < 0.7).astype(float)
    wrong = np.flatnonzero(base == 0)
    one, two = base.copy(), base.copy()
    one[wrong[:20]], two[wrong[:4]] = 1.0, 1.0
    groups = tuple(map(str, range(500)))
    alone = differences({"base": base, "one": one}, "base", groups, level=0.9)
    assert alone["one"].value == pytest.approx(0.04)
    assert clearly_better(alone["one"])
    assert clear_winner(alone) == "one"
    several = differences({"base": base, "one": one, "two": two, "same": base}, "base", groups, level=0.9)
    assert several["one"].level == pytest.approx(1 - 0.1 / 3)
    assert several["one"].low < alone["one"].low
    assert clear_winner(several) == "one"
    assert not clearly_better(several["same"])
    assert clear_winner({"same": several["same"]}) == ""
