"""The track record: what is foretold from what, what is drawn anew, and what is said where there is too little of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from surpass.advice.record import Entry, Record, Sight, sources
from surpass.advice.tracking import foretold, over_tasks, share_over_tasks, track_record


def entry(
    task, weak="weak", *, student=0.8, seen=0.8, method="soft", n_gold=300, target="classification", finetuned=False
):
    sight = Sight(target, n_gold, 0.7, seen, seen - 0.7, 0.03, 0.0, 0.03, 0.7, 0.0, 0.2, seen - 0.7, 0.0)
    return Entry(task, weak, "strong", method, 0, finetuned, sight, 0.7, student, 0.9, student - 0.7, 0.02)


def test_tasks_of_the_same_rows_are_left_out_together():
    for one, other in (
        ("nyt-editorials", "snippet-preferences"),
        ("nyt-editorials(threshold=1)", "snippet-ratings"),
        ("movie-reviews", "snippet-ratings(domain=movie)"),
        ("tweets(rated=True)", "sentiment-domains(domain=nyt)"),
        ("quartz", "quartz-hub"),
        ("toy", "toy(noise=0.2)"),
        ("file(path=a.csv, part=part)", "file(path=a.csv)"),
    ):
        record = Record(0.9, (entry(one), entry(other), entry("spam")))
        assert record.without(one).tasks == record.without(other).tasks == ("spam",)
    for one, other in (("movie-reviews", "snippet-ratings"), ("file(path=a.csv)", "file(path=b.csv)")):
        assert not sources(one) & sources(other)


def test_no_forecast_rests_on_a_task_of_the_same_rows():
    """What came out in one of them moves the forecasts of all other tasks, and of these not."""
    names = [*(f"task-{i}" for i in range(8)), "nyt-editorials", "snippet-preferences"]
    rng = np.random.default_rng(0)
    cells = [entry(name, student=0.7 + rng.normal(0, 0.05), seen=0.7 + rng.normal(0, 0.05)) for name in names]
    cells += [entry(name, "extreme", seen=seen) for name in names for seen in (0.4, 1.0)]  # none is beyond the others
    moved = [dataclasses.replace(one, gain=0.5) if one.task == "nyt-editorials" else one for one in cells]
    told = [
        {one.entry.task: one.gain.value for one in foretold(Record(0.9, tuple(held))) if one.entry.weak == "weak"}
        for held in (cells, moved)
    ]
    same = {name for name in names if told[0][name] == told[1][name]}
    assert same == {"nyt-editorials", "snippet-preferences"}


def test_families_are_drawn_as_one():
    record = Record(0.9, tuple(entry(name) for name in ("tweets", "nyt-editorials", "spam", "snippet-preferences")))
    assert record.families == {
        "nyt-editorials": "nyt-editorials", "snippet-preferences": "nyt-editorials", "spam": "spam", "tweets": "tweets",
    }  # fmt: skip
    joined = Record(0.9, (*record.entries, entry("sentiment-domains")))
    assert len(set(joined.families.values())) == 2  # two domains meet in it
    assert track_record(record).tasks == 4


@pytest.mark.parametrize("tasks", [3, 5])
def test_too_few_tasks_are_said_in_words(tasks):
    record = Record(0.9, tuple(entry(f"task-{i}", weak) for i in range(tasks) for weak in "ab"))
    said = track_record(record).sentence
    assert "nan" not in said
    assert f"{2 * tasks} trial cells over {tasks} tasks, fewer than 6" in said
    assert "too few tasks to calibrate" in said


def test_tasks_of_the_same_rows_are_too_few_however_many():
    same_rows = ("nyt-editorials", "snippet-preferences", "snippet-ratings", "nyt-editorials(threshold=1)")
    record = Record(0.9, tuple(entry(name) for name in (*same_rows, "toy", "spam")))
    assert "6 tasks (3 of different rows), fewer than 6" in track_record(record).sentence


def test_finetuned_cells_and_cells_of_classes_are_told_apart():
    rng = np.random.default_rng(0)
    cells = [
        entry(f"task-{i}", f"weak-{j}", student=0.7 + rng.normal(0, 0.05), seen=0.7 + rng.normal(0, 0.05),
              finetuned=i < 3, target="regression" if i > 11 else "classification")
        for i in range(14) for j in range(3)
    ]  # fmt: skip
    found = track_record(Record(0.9, tuple(cells)))
    assert found.finetuned == 9
    told = [one for one in foretold(Record(0.9, tuple(cells))) if one.entry.finetuned]
    assert found.finetuned_held == sum(one.held for one in told)
    assert found.finetuned_error == pytest.approx(np.mean([abs(one.gain.value - one.entry.gain) for one in told]))
    assert f"with a finetuned student: mean error {found.finetuned_error:.3f}, intervals held in" in found.sentence
    assert (found.correlation.examples, found.of_classes.examples) == (14, 12)
    assert f"(without numbers {found.of_classes})" in found.sentence
    none = track_record(Record(0.9, tuple(one for one in cells if not one.finetuned)))
    assert none.finetuned == 0
    assert "finetuned" not in none.sentence


def test_a_share_of_all_has_the_exact_interval_of_so_many_tasks():
    rows = [(f"task-{i}", True) for i in range(9)]
    all_right, none = share_over_tasks(rows * 5), share_over_tasks([(task, False) for task, _ in rows])
    assert (all_right.low, all_right.high) == (pytest.approx(0.025 ** (1 / 9)), 1.0)
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 9)))
    some = share_over_tasks([*rows, ("task-0", False)])
    assert some.method.startswith("bootstrap")
    assert some.low < some.value < some.high


def test_choices_are_among_supervisors_alone():
    """Other methods, and other rows with ground truth, are no other supervisors."""
    cells = []
    for i in range(6):
        cells += [entry(f"task-{i}", "a", student=0.9), entry(f"task-{i}", "b", student=0.8)]
        cells += [
            entry(f"task-{i}", "a", student=0.99, method="hard"),
            entry(f"task-{i}", "c", student=0.99, n_gold=900),
        ]
    found = track_record(Record(0.9, tuple(cells)))
    assert found.choices == 6
    assert found.random.value == pytest.approx(0.05)


def test_an_interval_over_tasks_does_not_narrow_with_more_cells_of_the_same_tasks():
    rows = [(f"task-{i}", float(i)) for i in range(8)]
    one, many = (over_tasks(rows * times, lambda held: float(np.mean(held))) for times in (1, 20))
    assert (one.low, one.high) == pytest.approx((many.low, many.high))
