"""Advice on whole studies, and trials, over generated sentences."""

from __future__ import annotations

import csv
import json

import pytest

from surpass.advice import advise_study, run_trial
from surpass.advice.record import Record
from surpass.advice.tracking import over_tasks, spearman
from surpass.errors import StudyError

EMPTY = Record(0.9, ())
TREE = {
    "model": "sklearn",
    "features": "tfidf",
    "estimator": "sklearn.tree.DecisionTreeClassifier",
    "params": {"max_depth": 2},
}
STRONG = {"model": "sklearn", "features": "tfidf", "ngrams": 1, "params": {"C": 10.0}}


def test_every_pair_is_advised_on_and_supervisors_are_ranked(study, store, runtime):
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    made = study(pairs=[{"weak": weak, "strong": STRONG} for weak in (words, TREE)], methods=["soft", "balance"])
    seen: list[str] = []
    found = advise_study(made, store=store, runtime=runtime, record=EMPTY, progress=seen.append)
    assert len(found.pairs) == len(seen) == 2
    (choice,) = found.choices
    assert choice.ranked[0][0] == "tfidf LogisticRegression(ngrams=1)"
    assert choice.ranked[0][1].value > choice.ranked[1][1].value
    for one in found.pairs:
        assert {method.method for method in one.methods} == {"hard", "soft (1 round)", "balance"}
        assert one.gold is not None
        assert one.gold.counts == (12, 24, 48)
    text = found.text()
    assert "No test label was read" in text
    assert all(one.verdict.sentence in text for one in found.pairs)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["pairs"][0]["verdict"]["answer"]


def test_what_cannot_be_advised_on_says_why(study, store, runtime):
    one_row = study(data={"n_weak": 8, "n_transfer": 100, "n_val": 0, "n_test": 50})
    (found,) = advise_study(one_row, store=store, runtime=runtime, record=EMPTY).pairs
    assert found.verdict.answer == "unknown"
    assert "8 independent rows" in found.verdict.sentence


def test_a_study_that_cannot_run_is_refused(study, store, runtime):
    with pytest.raises(StudyError, match="frozen features"):
        advise_study(study(methods=["knn"]), store=store, runtime=runtime, record=EMPTY)


def test_garbage_in_test_labels_changes_no_advice(study, store, runtime, table):
    told = []
    for name, garbage in (("honest.csv", False), ("garbage.csv", True)):
        one = study(tasks=[{"task": "file", "path": str(table(name, garbage=garbage)), "part": "part"}])
        found = advise_study(one, store=store, runtime=runtime, record=EMPTY).to_json()
        told.append(json.dumps(found["pairs"]).replace(name, ""))
    assert told[0] == told[1]


def test_a_trial_writes_what_was_foretold_beside_what_came_out(study, store, runtime, tmp_path):
    tasks = [{"task": "toy", "noise": noise / 100} for noise in (0, 5, 10, 15, 20, 25, 30)]
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    made = study(tasks=tasks, pairs=[{"weak": weak, "strong": STRONG} for weak in (words, TREE)])
    found = run_trial(made, store=store, runtime=runtime, out=tmp_path / "trial")
    assert (found.track.cells, found.track.tasks, found.lost) == (14, 7, ())
    with (tmp_path / "trial" / "trial.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for row in rows:
        assert float(row["student"]) - float(row["floor"]) == pytest.approx(float(row["gain"]), abs=2e-4)
    page = (tmp_path / "trial" / "report.html").read_text(encoding="utf-8")
    assert "Foretold and realised" in page
    assert page.count("<title>") >= 14
    assert (tmp_path / "trial" / "record.json").is_file()
    assert found.track.sentence in found.text()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["track"]["cells"] == 14


def test_what_came_out_is_what_the_study_reports(study, store, runtime, tmp_path):
    from surpass.runner import run
    from surpass.scoring import results

    made = study()
    found = run_trial_of(made, store, runtime, tmp_path)
    plan, outcomes = run(made, store=store, runtime=runtime)
    row = next(row for row in results(plan, outcomes, store).rows if row.metric == "accuracy" and row.split == "test")
    assert found.floor == pytest.approx(row.floor.value)
    assert found.student == pytest.approx(row.student.value)
    assert found.ceiling == pytest.approx(row.ceiling.value)


def run_trial_of(made, store, runtime, tmp_path):
    from surpass.advice.trial import collect

    record, lost = collect(made, store=store, runtime=runtime)
    assert lost == ()
    return record.entries[0]


def test_intervals_over_tasks_need_tasks():
    assert not over_tasks([("a", 1.0), ("b", 2.0)], lambda held: sum(held) / len(held)).defined
    found = over_tasks([(str(i), float(i)) for i in range(6)], lambda held: sum(held) / len(held))
    assert found.low < 2.5 < found.high
    assert spearman([1, 2, 3], [2, 4, 9]) == pytest.approx(1.0)
