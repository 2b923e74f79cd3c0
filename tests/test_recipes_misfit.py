"""Recipes misfit-molecules and misfit-text: what they plan, the scaffold splits under them, and a small run of each."""

from __future__ import annotations

import csv
import dataclasses
import runpy
from pathlib import Path

import pytest

from surpass.feasibility import problems_of
from surpass.models.sklearn import Sklearn
from surpass.report import write
from surpass.runner import run
from surpass.scoring import results
from surpass.spec import encode
from surpass.splits import Data, make_splits
from surpass.store import Store
from surpass.study import Study, cells
from surpass.studyfile import read
from surpass.tasks._molecules import group_of, outline
from surpass.tasks.base import Task
from surpass.tasks.free_solvation import FreeSolvation
from surpass.tasks.solubility import Solubility

CUT = [Solubility(cut=i) for i in range(3)] + [FreeSolvation(cut=i) for i in range(3)]


@pytest.mark.parametrize("task", [Solubility(), FreeSolvation()], ids=lambda task: task.label())
def test_a_task_without_the_option_keeps_its_key(task: Task) -> None:
    assert set(encode(task)) == {"kind", "version"}
    assert encode(task)["version"] == 1


def test_the_source_s_parts_give_way_to_scaffolds() -> None:
    row = {"compound": "Cc1ccccc1", "logS": -2.2, "part": "test", "group": "c1ccccc1"}
    examples = {cut: next(Solubility(cut=cut).examples([row])) for cut in (None, 0, 1)}
    assert [(one.part, one.group) for one in examples.values() if one] == [
        ("test", ""),
        ("", "c1ccccc1"),
        ("", "c1ccccc1, cut 1"),
    ]


@pytest.mark.assets
@pytest.mark.parametrize("task", CUT, ids=lambda task: task.label())
def test_no_scaffold_is_in_two_splits(task: Task) -> None:
    if problem := task.problem():
        pytest.skip(problem)
    splits = make_splits(Data(task=task.resolve(), n_weak=100, n_transfer=270, n_val=0, n_test=128))
    held: dict[str, set[str]] = {}
    for name in splits.names():
        for text in splits.part(name).inputs:
            held.setdefault(outline(str(text)).group, set()).add(name)  # type: ignore[union-attr]
    assert {len(names) for names in held.values()} == {1}
    assert {name for names in held.values() for name in names} == {"weak", "transfer", "test"}


@pytest.mark.assets
@pytest.mark.parametrize("kind", [Solubility, FreeSolvation])
def test_every_cut_has_test_rows_of_its_own(kind: type[Task]) -> None:
    if problem := kind().problem():
        pytest.skip(problem)
    size = {"n_weak": 0, "n_transfer": 0, "n_val": 0, "n_test": 128}
    tests = [set(make_splits(Data(task=kind(cut=cut).resolve(), **size)).rows.ids) for cut in range(3)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert len(tests[i] & tests[j]) < 64  # a third of the molecules tests: chance is 30 to 40 of 128


def test_cut_0_leaves_the_scaffold_s_name_alone() -> None:
    assert [group_of("c1ccccc1", cut) for cut in (0, 1)] == ["c1ccccc1", "c1ccccc1, cut 1"]


@pytest.mark.parametrize(("name", "tasks", "splits"), [("misfit-molecules", 6, 3), ("misfit-text", 3, 3)])
def test_each_student_has_several_supervisors_on_three_splits_of_rows(name: str, tasks: int, splits: int) -> None:
    study = read(name)
    assert len(study.tasks) == tasks
    assert study.seeds == splits
    supervisors: dict[tuple[Task, str], set[str]] = {}
    for cell in cells(study):
        supervisors.setdefault((cell.task, cell.pair.strong.label()), set()).add(cell.pair.weak.label())  # type: ignore[attr-defined]
    assert {task for task, _ in supervisors} == set(study.tasks)
    assert min(map(len, supervisors.values())) >= 5


def small(name: str) -> Study:
    """Return the recipe's first task with those of its pairs that need no pretrained model, and few rows."""
    study = read(name)
    task = study.tasks[0]
    plain = [pair for pair in study.pairs if isinstance(pair.weak, Sklearn) and task in study.tasks_of(pair)]
    ridge = Sklearn(features="chars", estimator="sklearn.linear_model.Ridge", ngrams=3)
    if name == "misfit-text":
        plain = [dataclasses.replace(pair, strong=ridge) for pair in plain]
        plain.append(dataclasses.replace(plain[0], weak=dataclasses.replace(ridge, ngrams=1)))
    few = {"n_weak": 80, "n_transfer": 150, "n_val": 0, "n_test": 100}
    pairs = tuple(dataclasses.replace(pair, tasks=(), data=few) for pair in plain)
    return dataclasses.replace(study, tasks=(task,), pairs=pairs)


@pytest.mark.assets
@pytest.mark.parametrize("name", ["misfit-molecules", "misfit-text"])
def test_a_small_version_has_both_sections_and_their_file(name: str, store: Store, tmp_path: Path) -> None:
    study = small(name)
    if problem := study.tasks[0].problem():
        pytest.skip(problem)
    assert problems_of(study) == []
    plan, outcomes = run(study, store=store)
    assert [one.error for one in outcomes if one.error] == []
    found = results(plan, outcomes, store)
    files = write(found, tmp_path / "report")
    html = files["report.html"].read_text(encoding="utf-8")
    assert "Misfit and gain" in html
    assert "Choosing the supervisor" in html
    with files["misfit.csv"].open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(study.pairs) >= 2
    (chosen,) = found.selections
    assert len(chosen.weak) == len(study.pairs)
    made = runpy.run_path("docs/misfit_table.py")["written"](tmp_path / "report")
    wins = [line.split("|")[-2].strip() for line in made.splitlines() if line.startswith(f"| {chosen.weak[0]} |")]
    assert wins == [str(chosen.candidates[0].best)]
