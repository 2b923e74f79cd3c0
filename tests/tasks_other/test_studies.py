"""A small study on each task that is not text, from rows to report: vectors, images, molecules, numbers and preferences."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surpass.feasibility import problems_of
from surpass.labels.raters import Raters
from surpass.models.sklearn import Sklearn
from surpass.registry import TASKS
from surpass.report import write
from surpass.runner import run
from surpass.scoring import results
from surpass.store import Store
from surpass.study import Pair, Study

FOREST = "sklearn.ensemble.RandomForestClassifier"
TREE = Sklearn(features="none", estimator="sklearn.tree.DecisionTreeClassifier", params=(("max_depth", 2),))
LINEAR = Sklearn(features="standard")
RIDGE = "sklearn.linear_model.Ridge"
PAIRS: dict[str, Pair] = {
    "blood-brain": Pair(
        weak=Sklearn(features="chars"),
        strong=Sklearn(features="morgan", estimator=FOREST, params=(("n_estimators", 20),)),
    ),
    "solubility": Pair(
        weak=Sklearn(features="chars", estimator=RIDGE), strong=Sklearn(features="descriptors", estimator=RIDGE)
    ),
    "free-solvation": Pair(weak=Raters(k=1), strong=Sklearn(features="descriptors", estimator=RIDGE)),
    "fashion-mnist": Pair(weak=Sklearn(features="standard", shrink=7), strong=Sklearn(features="standard", shrink=2)),
    "heart": Pair(weak=TREE, strong=LINEAR),
    "digits": Pair(weak=TREE, strong=LINEAR),
    "train-choices": Pair(weak=TREE, strong=LINEAR),
}
SIZES = {"n_weak": 60, "n_transfer": 200, "n_val": 20, "n_test": 120}


def study(name: str, **changes: Any) -> Study:
    task = TASKS.get(name)()
    if problem := task.problem():
        pytest.skip(problem)
    values: dict[str, Any] = {"name": name, "tasks": (task,), "pairs": (PAIRS[name],), "data": SIZES, "seeds": 2}
    return Study(**{**values, **changes})


def cases() -> list[Any]:
    """Return every task; only the digits need nothing fetched, and the pictures take seconds to read each time."""
    marks = {"digits": [], "fashion-mnist": [pytest.mark.assets, pytest.mark.slow]}
    return [pytest.param(name, marks=marks.get(name, [pytest.mark.assets])) for name in PAIRS]


@pytest.mark.parametrize("name", cases())
def test_a_study_runs_from_rows_to_report(name: str, store: Store, tmp_path: Path) -> None:
    made = study(name, seeds=1 if name == "fashion-mnist" else 2)
    assert problems_of(made) == []
    plan, outcomes = run(made, store=store)
    assert [one.error for one in outcomes if one.error] == []
    found = results(plan, outcomes, store)
    metric = "r2" if made.tasks[0].target == "regression" else "accuracy"
    rows = {row.split: row for row in found.rows if row.metric == metric and row.stopping == "last"}
    assert set(rows) == {"test", "shift:rare-scaffolds"} if name == "blood-brain" else {"test"}
    scores = {role: getattr(rows["test"], role).value for role in ("floor", "student", "ceiling")}
    assert np.isfinite(list(scores.values())).all()
    assert scores["ceiling"] > (0.4 if metric == "r2" else 0.55 if made.tasks[0].target == "preference" else 0.6)
    files = write(found, tmp_path / "report")
    assert {"report.html", "report.md", "results.csv"} <= set(files)
    with files["results.csv"].open(encoding="utf-8", newline="") as file:
        assert {row["task"] for row in csv.DictReader(file)} == {name}
    html = files["report.html"].read_text(encoding="utf-8")
    assert name in html
    assert "Traceback" not in html
    assert {finding.code for finding in found.findings if finding.severity == "error"} == set()
    assert json.loads(files["results.json"].read_text(encoding="utf-8"))


@pytest.mark.assets
def test_physics_labels_are_the_calculation_itself(store: Store) -> None:
    """The floor of the physics calculation is its own score against the measurements of the test rows."""
    made = study("free-solvation", seeds=1)
    plan, outcomes = run(made, store=store)
    found = results(plan, outcomes, store)
    from surpass.splits import Data, make_splits

    test = make_splits(Data(task=made.tasks[0].resolve(), **SIZES)).part("test")
    error = np.mean((test.labels - np.array([vote for (vote,) in test.votes])) ** 2)
    (row,) = (row for row in found.rows if row.metric == "mse" and row.stopping == "last")
    assert row.floor.value == pytest.approx(error)


@pytest.mark.assets
def test_a_model_of_texts_cannot_read_vectors_and_the_plan_says_so() -> None:
    made = study("heart", pairs=(Pair(weak=Sklearn(), strong=LINEAR),))
    (problem,) = problems_of(made)
    assert "cannot read task 'heart', whose input is vector; as it is set it reads pair, text" in problem


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "estimator", "needed"),
    [
        ("heart", RIDGE, "classification; as it is set it does regression"),
        ("free-solvation", None, "regression; as it is set it does classif"),
    ],
)
def test_numbers_and_classes_need_estimators_of_their_own(name: str, estimator: str | None, needed: str) -> None:
    features = "none" if name == "heart" else "descriptors"
    strong = Sklearn(features=features, **({"estimator": estimator} if estimator else {}))
    problems = problems_of(study(name, pairs=(Pair(weak=PAIRS[name].weak, strong=strong),)))
    assert [needed in problem for problem in problems] == [True]
