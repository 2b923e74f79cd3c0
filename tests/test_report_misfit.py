"""Misfit on the page and in whole studies: domains, comparisons or seeds as points, and the choice of a supervisor."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import time
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
import pytest
from sample_results import PAIRS, estimate, nothing, sample

from surpass.diagnostics import Candidate, SeedMisfit
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.report import choosing, misfit, write
from surpass.results import MisfitRow, Results, SelectionRow
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import option
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Generated, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slopes(Task):
    """A number from a vector, by another rule in each domain."""

    target: ClassVar[str] = "regression"
    input: ClassVar[str] = "vector"
    domains: int = option(4, low=0)

    def source(self) -> Generated:
        return Generated(lambda: ({"id": str(i)} for i in range(700)))

    def example(self, row: Row, rng: Random) -> Example:
        vector = [rng.gauss(0, 1) for _ in range(6)]
        place = int(row["id"]) % self.domains if self.domains else 0
        label = vector[0] + place * vector[5] + rng.gauss(0, 0.1)
        return Example(np.array(vector), label, id=row["id"], domain=f"place-{place}" if self.domains else "")


def ridge(strength: float) -> Sklearn:
    return Sklearn(estimator="sklearn.linear_model.Ridge", features="none", params=(("alpha", strength),))


def scored(study: Study, store: Store) -> Results:
    plan, outcomes = run(study, store=store, runtime=Runtime())
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return results(plan, outcomes, store)


def study_of(task: Task, *weak: Sklearn, seeds: int = 2) -> Study:
    return Study(
        name="numbers",
        tasks=(task,),
        data=(("n_weak", 40), ("n_transfer", 200), ("n_val", 20), ("n_test", 160)),
        pairs=tuple(Pair(weak=model, strong=ridge(0.01)) for model in weak),
        methods=(Soft(),),
        seeds=seeds,
    )


def sections(found: Results, out: Path) -> dict[str, str]:
    parts = write(found, out)["report.md"].read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    store = Store(tmp_path_factory.mktemp("store"))
    found = scored(study_of(Slopes(), ridge(300.0), ridge(30.0)), store)
    return found, tmp_path_factory.mktemp("out")


def test_a_study_of_numbers_says_misfit_and_gain_by_domain(numbers):
    found, out = numbers
    whole = [row for row in found.misfits if not row.domain]
    assert [row.loss for row in whole] == ["squared"] * 2
    for row in whole:
        score = next(one for one in found.rows if (one.metric, one.weak) == ("mse", row.weak))
        assert row.supervisor.value == pytest.approx(score.floor.value)
        assert row.student.value == pytest.approx(score.student.value)
        assert row.gain.value == pytest.approx(-score.gain.value)
        parts = [part for part in found.misfits if part.domain and part.weak == row.weak]
        assert {part.domain for part in parts} == {f"place-{i}" for i in range(4)}
        assert all(part.misfit.low >= 0 and part.slack.defined for part in parts)
    told = sections(found, out)
    assert "in 2 panels, each of fewer than 10 points, which are too few" in told["Misfit and gain"]
    assert "By domain" in told["Misfit and gain"]
    assert "4 domains" in told["Misfit and gain"]
    records = list(csv.DictReader((out / "misfit.csv").read_text().splitlines()))
    assert len(records) == len(found.misfits) == 10
    assert float(records[0]["slack"]) == pytest.approx(found.misfits[0].slack.value)
    held = json.loads((out / "results.json").read_text())
    assert held["misfits"][0]["seeds"][0]["misfit"] == pytest.approx(found.misfits[0].seeds[0].misfit)


def test_the_choice_among_two_supervisors_is_of_the_rows_beside_it(numbers):
    found, out = numbers
    [row] = found.selections
    assert row.seeds == 2
    assert row.weak == tuple(dict.fromkeys(one.weak for one in found.misfits))
    for weak, one in zip(row.weak, row.candidates, strict=True):
        beside = next(other for other in found.misfits if other.weak == weak and not other.domain)
        assert (one.supervisor.value, one.misfit.value) == pytest.approx((beside.supervisor.value, beside.misfit.value))
        assert (one.bound.value, one.student.value) == pytest.approx((beside.bound.value, beside.student.value))
    assert sum(one.picked for one in row.candidates) == sum(one.best for one in row.candidates) == row.seeds
    assert 0 <= row.regret.value <= row.regret_random.value * 2
    told = sections(found, out)["Choosing the supervisor"]
    assert f"in {row.hits} of 2 choices" in told
    assert "ground truth" in told


def test_classes_have_three_misfits_and_no_choice_of_one(small_study, store, tmp_path):
    found = scored(small_study(seeds=2, methods=(Soft(), Hard())), store)
    assert [row.loss for row in found.misfits] == ["reverse_kl", "forward_kl", "brier"] * 2
    assert not found.selections
    for row in found.misfits:
        metric = "brier" if row.loss == "brier" else "log_loss"
        score = next(one for one in found.rows if (one.metric, one.method) == (metric, row.method))
        assert row.gain.value == pytest.approx(-score.gain.value)
    told = sections(found, tmp_path)
    assert "4 seeds" in told["Misfit and gain"]  # two comparisons of two seeds
    assert "Choosing the supervisor" not in told


def test_no_domains_no_lines_of_domains(store):
    found = scored(study_of(Slopes(domains=0), ridge(300.0), seeds=1), store)
    assert [row.domain for row in found.misfits] == [""]
    assert not found.selections
    [cloud] = misfit._clouds(found.misfits, 0.95)
    assert (cloud.unit, len(cloud.points)) == ("seed", 1)
    assert "three are needed" in misfit.section(found).blocks[0].text


def line(
    i: int = 0, *, domain: str = "", task: str = "solubility", noise: float = 0.1, clipped: float = 0.0
) -> MisfitRow:
    rng = np.random.default_rng(i)
    x = float(rng.uniform(0.1, 1.0))
    y = x + noise * float(rng.normal())
    parts = (estimate(x, 0.05), estimate(2.0, 0.1), estimate(2 - y, 0.1), estimate(y, 0.1), estimate(y - x, 0.1))
    loss = "reverse_kl" if clipped else "squared"
    names = (task, "test", f"weak-{'' if domain else i}", PAIRS[0][1], "soft")
    return MisfitRow(*names, domain, loss, *parts, estimate(2 - x, 0.1), clipped, (SeedMisfit(x, 2.0, 2 - y),) * 3)


def page(rows: tuple[MisfitRow, ...], out: Path) -> tuple[str, str]:
    paths = write(dataclasses.replace(sample(), misfits=rows), out)
    return paths["report.html"].read_text(encoding="utf-8"), paths["report.md"].read_text(encoding="utf-8")


def drawing(html: str) -> str:
    return re.search(r'<section id="misfit".*?</section>', html, re.S)[0]


@pytest.mark.parametrize("count", [1, 5, 100, 2000])
def test_any_number_of_points_is_drawn_and_stays_small(count, tmp_path):
    rows = (line(), *(line(i, domain=f"d{i}") for i in range(count)))
    html, text = page(rows if count >= 3 else rows[:1], tmp_path)
    drawn = drawing(html)
    dots = sum(len(re.findall("M", path)) for path in re.findall(r'<path class="dots student" d="([^"]*)"', drawn))
    marks = drawn.count('class="mark student"') - 1  # less that of the legend
    assert max(dots, marks) >= (
        0.8 * count if count > 1 else 3
    )  # dots at one place are one; one comparison has 3 seeds
    assert len(drawn) < 400_000
    assert "nan" not in drawn.lower()
    if count == 2000:
        assert "2,000 domains" in text
        assert "1,800 more lines of this table stand in `misfit.csv`" in text


def test_hundreds_of_comparisons_share_a_panel_and_cost_no_time(tmp_path):
    rows = tuple(line(i, task=f"task-{i % 20}") for i in range(600))
    start = time.process_time()
    found = misfit.section(dataclasses.replace(sample(), misfits=rows))
    assert time.process_time() - start < 3
    assert "in 20 panels; gain rises measurably with misfit in 20 of 20, falls in 0" in found.blocks[0].text


def test_labels_without_doubt_have_no_point():
    rows = (line(0, clipped=0.9), line(1, clipped=0.5))
    found = misfit.section(dataclasses.replace(sample(), misfits=rows))
    assert "2 comparisons are left out" in found.blocks[0].text
    assert not misfit._clouds([], 0.95)


def test_points_that_differ_by_rounding_alone_are_drawn(tmp_path):
    rows = tuple(
        dataclasses.replace(line(i), misfit=estimate(1e-31 * i, 0), gain=estimate(-1e-14 * i, 0)) for i in range(4)
    )
    html, _ = page(rows, tmp_path)
    assert "gain = misfit" in drawing(html)


def test_undefined_numbers_are_told_and_not_drawn(tmp_path):
    gone = nothing("needs at least two examples, got 1")
    bad = dataclasses.replace(line(), misfit=gone, gain=gone, slack=gone)
    html, text = page((bad,), tmp_path)
    assert "needs at least two examples, got 1" in text
    assert "<figure" not in drawing(html)


def chosen(count: int = 3, *, task: str = "solubility") -> SelectionRow:
    candidates = tuple(
        Candidate(
            estimate(1 + i, 0.1),
            estimate(0.3, 0.1),
            estimate(0.7 + i, 0.1),
            estimate(0.5 + i, 0.1),
            3 * (i == 0),
            (2, 1)[i] if i < 2 else 0,
        )
        for i in range(count)
    )
    regrets = (estimate(0.01, 0.02), estimate(0.02, 0.02), estimate(0.3, 0.1))
    weak = tuple(f"weak-{i}" for i in range(count))
    return SelectionRow(task, "forest", "soft", "squared", weak, candidates, 160, 3, 2, 1, *regrets)


def test_the_choice_says_what_it_needs_and_what_it_cost(tmp_path):
    found = choosing.section(dataclasses.replace(sample(), selections=(chosen(),)))
    said = found.blocks[0].text
    assert "in 2 of 3 choices (one for each seed), the smallest error alone in 1; a random pick would in 1.0" in said
    assert "at random .300 [.200, .400]" in said
    assert "It needs a student of each, and ground truth" in said
    row = chosen()
    alike = dataclasses.replace(row, candidates=tuple(one._replace(best=3) for one in row.candidates))
    said = choosing.section(dataclasses.replace(sample(), selections=(alike,))).blocks[0].text
    assert "a random pick would in 3.0" in said  # students that are equally good are all best


def test_many_choices_are_folded():
    rows = tuple(chosen(8, task=f"task-{i}") for i in range(40))
    found = choosing.section(dataclasses.replace(sample(), selections=rows))
    assert [block.name for block in found.blocks] == ["text", "fold", "fold"]
    assert "120 more lines" in found.blocks[1].blocks[1].text
    assert not math.isnan(len(found.blocks[2].blocks[0].rows))
    assert choosing.section(sample()) is None
