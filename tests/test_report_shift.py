"""Shifted tests: what a shift costs, and in domain and under shift side by side in every form of the report."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import chromium
import numpy as np
import pytest
from rich.console import Console
from sample_results import METHODS, PAIRS, TASKS, all_failed, change, empty, estimate, sample
from test_diagnostics import runs_of

from surpass.diagnostics import can_drop, drops
from surpass.errors import AlignmentError, SpecError
from surpass.models.sklearn import Sklearn
from surpass.report import shift, story, text, write
from surpass.report.blocks import Fold, Section, Table, Text
from surpass.report.document import build
from surpass.report.terminal import summary
from surpass.results import Results, ShiftRow
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.stats import Run, compare
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.studyfile import read
from surpass.tasks.base import Example, Generated, Row, Task


def sampled() -> Results:
    """The invented study with the cost of its shift: .09 for everybody, .03 more for the students of the second method."""
    rows = tuple(
        ShiftRow(
            *(TASKS[0], "shift:forum", *PAIRS[pair], METHODS[method], "accuracy", estimate(0.09, 0.02)),
            *(estimate(0.09 + 0.03 * method, 0.02), estimate(0.09, 0.02), estimate(0.03 * method, 0.01)),
        )
        for pair in range(2)
        for method in range(2)
    )
    return dataclasses.replace(sample(), shifts=rows)


def section(found: Results) -> Section:
    return next(part for part in build(found).sections if part.anchor == "shifted")


def table(found: Results) -> Table:
    return next(block for block in section(found).blocks if isinstance(block, Table))


def line(found: Results, place: int = 0) -> dict[str, Any]:
    return dict(zip(table(found).columns, table(found).rows[place], strict=True))


# what a shift costs


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "brier"])
def test_drops_are_differences_of_the_scores_that_stand_beside_them(metric: str):
    home, away = runs_of(2, seeds=3), runs_of(2, seeds=3, n=80, rng=1)
    found = drops(home, away, metric=metric)
    at_home, shifted = compare(metric, home), compare(metric, away)
    sign = -1 if metric != "accuracy" else 1
    for role in ("floor", "student", "ceiling"):
        expected = sign * (getattr(at_home, role).value - getattr(shifted, role).value)
        assert getattr(found, role).value == pytest.approx(expected)
        assert getattr(found, role).low <= expected <= getattr(found, role).high
    assert found.beyond.value == pytest.approx(sign * (at_home.gain.value - shifted.gain.value))


def test_a_drop_is_as_wide_as_two_independent_tests_say_when_seeds_are_alike():
    home, away = runs_of(2, seeds=1, n=400), runs_of(2, seeds=1, n=300, rng=1)
    away = [dataclasses.replace(run, groups=[f"away {name}" for name in run.groups]) for run in away]
    found = drops(home, away).student
    halves = [(e.high - e.low) / 2 for e in (compare("accuracy", home).student, compare("accuracy", away).student)]
    assert (found.high - found.low) / 2 == pytest.approx(math.hypot(*halves), rel=0.06)


def test_seeds_are_paired_so_what_a_seed_is_better_at_everywhere_cancels():
    n, labels = 200, np.arange(200) % 2
    groups = [f"{i}" for i in range(n)]

    def scored(right: int, name: str) -> Run:
        guess = np.where(np.arange(n) < right, labels, 1 - labels).astype(float)
        return Run(labels, [name + one for one in groups], guess, guess, guess)

    skills = (110, 140, 170)
    found = drops([scored(s, "home") for s in skills], [scored(s - 20, "away") for s in skills]).student
    apart = drops([scored(s, "home") for s in skills], [scored(s - 20, "away") for s in skills[::-1]]).student
    assert found.value == pytest.approx(apart.value) == pytest.approx(0.1)
    assert found.high - found.low < 0.6 * (apart.high - apart.low)


def test_a_model_that_meets_the_same_rows_loses_nothing():
    runs = runs_of(3)
    found = drops(runs, runs)
    assert [item.value for item in found] == [0, 0, 0, 0]


def test_drops_ask_for_as_many_seeds_and_a_mean_over_rows():
    runs = runs_of(2)
    with pytest.raises(AlignmentError, match="2 runs in domain and 1 under shift"):
        drops(runs, runs[:1])
    with pytest.raises(SpecError, match="'auroc' is no mean over rows"):
        drops(runs, runs, metric="auroc")
    assert [name for name in ("accuracy", "mse", "auroc", "r2") if can_drop(name)] == ["accuracy", "mse"]


# the report


def test_a_study_without_shifts_has_no_such_section():
    plain = dataclasses.replace(sample(), rows=tuple(row for row in sample().rows if row.split == "test"))
    for found in (plain, empty(), all_failed()):
        assert "shifted" not in {part.anchor for part in build(found).sections}


def test_both_sides_stand_in_one_line_for_each_comparison_and_shift():
    found = table(sampled())
    assert len(found.rows) == 4
    assert found.groups == tuple((TASKS[0], text.pair(*PAIRS[pair])) for pair in (0, 0, 1, 1))
    first, second = line(sampled()), line(sampled(), 1)
    home, away = (
        next(r for r in sample().rows if (r.split, r.stopping, r.metric) == (split, "last", "accuracy"))
        for split in ("test", "shift:forum")
    )
    assert (first["Method"].text, first["Shifted test"].text) == (METHODS[0], "forum")
    for name, item in (
        ("PGR in domain", home.pgr),
        ("PGR under shift", away.pgr),
        ("Student in domain", home.student),
        ("Student under shift", away.student),
    ):
        assert (first[name].text, first[name].sub) == (text.value(item), text.interval(item))
    assert second["Student's drop"].text == ".120"
    assert second["… beyond the supervisor's"].sub == "[.020, .040]"


def test_an_undefined_pgr_is_shown_with_its_gap():
    flat = change(sampled(), pgr=estimate(math.nan, 0), gap=estimate(0.01, 0.02))
    cell = line(flat)["PGR under shift"]
    assert (cell.text, cell.sub.replace("\N{NO-BREAK SPACE}", " ")) == ("undefined", "gap .010 [−.010, .030]")
    words = section(flat).blocks[1]
    assert isinstance(words, Text)
    assert words.text.startswith("PGR is defined in 0 of 4 comparisons in domain and in 0 of 4 under shift")


def test_what_is_said_counts_intervals_that_leave_out_zero():
    assert shift.summed_up(shift.sides(sampled())) == (
        "PGR is defined in 4 of 4 comparisons in domain and in 4 of 4 under shift, in 4 of these on both sides. Under "
        "shift the student loses measurably more than its supervisor in 2 of 4 lines, measurably less in 0."
    )


def test_a_metric_without_a_drop_says_nothing_of_it():
    assert line(sample())["Student's drop"].kind == "none"
    assert "loses" not in shift.summed_up(shift.sides(sample()))


def test_all_scores_of_both_sides_are_behind_a_line():
    fold = section(sampled()).blocks[-1]
    assert isinstance(fold, Fold)
    inner = fold.blocks[0]
    assert isinstance(inner, Table)
    assert inner.columns[:5] == ("Method", "Split", "Floor", "Student", "Ceiling")
    assert [row[1].text for row in inner.rows[:2]] == ["test", "shifted: forum"]


def test_every_form_of_the_report_has_both_sides(tmp_path: Path):
    paths = write(sampled(), tmp_path)
    page, markdown = (paths[name].read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    assert "PGR under shift" in page
    assert "| PGR in domain | PGR under shift |" in markdown
    told = json.loads(paths["results.json"].read_text(encoding="utf-8"))["shifts"]
    assert [row["student"]["value"] for row in told] == [0.09, 0.12, 0.09, 0.12]
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(summary(sampled()))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "PGR under shift" in shown
    assert all(len(one) <= 80 for one in shown.splitlines())


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1200])
def test_the_table_fits_the_page(tmp_path: Path, width: int):
    executable = chromium.find()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(chromium.NAMES)} is on the PATH (apt-get install chromium)")
    path = write(sampled(), tmp_path / "out")["report.html"]
    with chromium.Browser(executable, tmp_path / "profile") as browser:
        browser.open(path, width=width)
        box = "document.querySelector('#shifted .scroll')"
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate(f"{box}.scrollWidth <= {box}.clientWidth + 1")


def test_a_ceiling_below_the_floor_is_named_as_the_reason_whichever_way_the_metric_goes():
    for metric, gap in (("accuracy", -0.06), ("log_loss", 0.06)):
        worse = change(sample(), pgr=estimate(math.nan, 0), gap=estimate(gap, 0.02), metric=metric)
        worse = dataclasses.replace(worse, primary_metric=metric)
        assert "in 8 the ceiling is worse than the floor, so there is none to recover." in story.found(worse)
        assert "another reason" not in story.found(worse)


def test_a_metric_of_errors_says_that_less_is_better():
    losses = dataclasses.replace(change(sampled(), metric="mse"), primary_metric="mse")
    first = next(part for part in build(losses).sections if part.anchor == "headline").blocks[0]
    assert isinstance(first, Text)
    assert "Of MSE less is better, which the PGR takes into account." in first.text
    assert "less is better" not in str(next(part for part in build(sampled()).sections if part.anchor == "headline"))


# whole studies


class _Moved(Task):
    """A line to be told from noise; the first features of shifted rows say nothing."""

    input: ClassVar[str] = "vector"

    def source(self) -> Generated:
        return Generated(lambda: ({"id": i} for i in range(700)))

    def _vector(self, row: Row, rng: Random) -> tuple[np.ndarray, float, str]:
        vector = np.array([rng.gauss(0, 1) for _ in range(6)])
        target = float(vector.sum() + rng.gauss(0, 0.5))
        part = "shift:blind" if row["id"] % 4 == 0 else ""
        if part:
            vector[:3] = [rng.gauss(0, 1) for _ in range(3)]
        return vector, target, part


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signs(_Moved):
    """Whether the sum is above 0."""

    classes: ClassVar[tuple[str, ...]] = ("no", "yes")

    def example(self, row: Row, rng: Random) -> Example:
        vector, target, part = self._vector(row, rng)
        return Example(vector, int(target > 0), id=str(row["id"]), part=part)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sums(_Moved):
    """The sum itself."""

    target: ClassVar[str] = "regression"

    def example(self, row: Row, rng: Random) -> Example:
        vector, target, part = self._vector(row, rng)
        return Example(vector, target, id=str(row["id"]), part=part)


@pytest.mark.parametrize(
    ("task", "metric", "estimator"),
    [
        (Signs(), "accuracy", "sklearn.linear_model.LogisticRegression"),
        (Sums(), "mse", "sklearn.linear_model.Ridge"),
    ],
)
def test_a_real_study_shows_its_shift(task: Task, metric: str, estimator: str, tmp_path: Path):
    model = Sklearn(estimator=estimator, features="none")
    study = Study(
        name="moved",
        tasks=(task,),
        pairs=(Pair(weak=model, strong=model),),
        data=(("n_weak", 40), ("n_transfer", 150), ("n_val", 20), ("n_test", 120)),
        seeds=3,
    )
    store = Store(tmp_path / "store")
    found = results(*run(study, store=store, runtime=Runtime()), store)
    row = next(r for r in found.rows if r.split == "shift:blind" and r.metric == metric)
    home = next(r for r in found.rows if r.split == "test" and r.metric == metric)
    (cost,) = found.shifts
    worse = home.student.value - row.student.value if metric == "accuracy" else row.student.value - home.student.value
    assert cost.student.value == pytest.approx(worse)
    assert cost.student.low > 0  # half of what the label hangs on is gone
    assert line(found)["Student's drop"].text == text.value(cost.student)
    assert text.metric(metric) in table(found).caption


def test_the_recipe_has_six_tasks_two_pairs_and_five_seeds():
    study = read("language-offline")
    assert len({type(task) for task in study.tasks}) >= 6
    assert (len(study.pairs), study.seeds) == (2, 5)
