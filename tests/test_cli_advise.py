"""The command `advise`: which source it is given, what it prints, and how a person's mistakes are told."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from surpass import work
from surpass.cli import main
from surpass.cli.advise import is_study, next_step
from surpass.errors import DataError, StageError
from surpass.own.advising import Question
from surpass.own.reading import Wanted
from surpass.study import describe

sys.path.insert(0, str(Path(__file__).parent / "own"))
import reviews

VOTES = ("--weak-label", "v1", "--weak-label", "v2", "--weak-label", "v3")


def run(*words):
    return CliRunner().invoke(main, ["advise", *map(str, words)])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return reviews.write(tmp_path_factory.mktemp("own") / "reviews.csv", reviews.rows(400, gold=200))


@pytest.fixture(scope="module")
def told(table):
    return run(table, "--text", "text", *VOTES, "--gold", "label", "--strong", "tfidf", "--threads", 1)


def test_the_verdict_comes_first(told):
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith(("Yes: ", "No: ", "Cannot be known"))
    assert len(told.stdout.splitlines()) < 40
    for word in ("the labels (mean)", "gold labels alone", "accuracy by source", "90 % intervals", "dawid-skene"):
        assert word in told.stdout
    assert "reading the table" in told.stderr


def test_the_last_line_is_a_command_that_runs(told, table, tmp_path):
    command = shlex.split(told.stdout.splitlines()[-1])
    assert command[:3] == ["surpass", "fit", str(table)]
    command[command.index("--out") + 1] = str(tmp_path / "model")
    fitted = CliRunner().invoke(main, command[1:])
    assert fitted.exit_code == 0, fitted.output
    assert (tmp_path / "model" / "surpass.json").is_file()


def test_json_has_the_same_content(told, table):
    found = run(table, "--text", "text", *VOTES, "--gold", "label", "--strong", "tfidf", "--json", "--threads", 1)
    facts = json.loads(found.stdout)
    assert facts["verdict"]["text"] in told.stdout
    assert facts["next"]["command"] in told.stdout
    assert found.stderr == ""
    for text in facts["told"]:
        assert text[1:].rstrip(".") in told.stdout
    assert {"expected", "forecast", "sources", "more_rows", "gold_alone", "label_free", "needed"} <= set(facts)


def test_quiet_says_nothing(table):
    found = run(table, "--text", "text", "--weak-label", "v1", "--strong", "tfidf", "--quiet")
    assert (found.exit_code, found.output) == (0, "")


def test_without_gold_a_number_of_labels_is_named(table):
    found = run(table, "--text", "text", *VOTES, "--strong", "tfidf")
    assert found.stdout.startswith("Cannot be known: there are no gold labels")
    assert "named with --gold" in found.stdout
    assert "--gold" not in found.stdout.splitlines()[-1]


STUDY = """
name: small
tasks: [toy]
data: {n_weak: 120, n_transfer: 150, n_val: 20, n_test: 50}
pairs:
  - {weak: {model: sklearn, params: {C: 0.01}}, strong: {model: sklearn}}
seeds: 1
"""


def test_a_study_is_advised_on_for_each_pair(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    words = (study, "--store", tmp_path / "store", "--threads", 1)
    found = run(*words)
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("toy: tfidf")
    assert "No test label was read" in found.stdout
    facts = json.loads(run(*words, "--json").stdout)
    assert facts["pairs"][0]["verdict"]["answer"] in ("yes", "no", "unknown")


TRIAL = """
name: small
tasks: [toy, {task: toy, noise: 0.1}]
data: {n_weak: 60, n_transfer: 100, n_val: 0, n_test: 50}
pairs:
  - {weak: {model: sklearn, params: {C: 0.01}}, strong: {model: sklearn}}
seeds: 1
"""


@pytest.mark.parametrize("broken", [(), ("toy(noise=0.1)",), ("toy",)])
def test_a_trial_ends_as_a_run_does(tmp_path, monkeypatch, broken):
    """A stage that failed is told by name, with the exit code of `surpass run`; no record is kept but the trial's own."""
    real = work.compute

    def compute(spec, inputs, runtime):
        what = describe(spec)
        if spec.kind == "fit" and "student" in what and what.startswith(broken):
            raise StageError("its loss is no number.")
        return real(spec, inputs, runtime)

    monkeypatch.setattr(work, "compute", compute)
    study, out = tmp_path / "study.yaml", tmp_path / "out"
    study.write_text(TRIAL, encoding="utf-8")
    found = run(study, "--store", tmp_path / "store", "--trial", "--out", out, "--threads", 1)
    assert found.exit_code == bool(broken), found.output
    assert "Traceback" not in found.output
    assert ("Failed: toy" in found.stderr) == bool(broken)
    assert (out / "record.json").is_file() == (broken != ("toy",))
    assert "done: toy, seed 0" in found.stderr or broken == ("toy",)


def test_a_table_that_is_stopped_keeps_nothing_and_says_so(table, monkeypatch):
    def stop(question, tell):
        raise KeyboardInterrupt

    monkeypatch.setattr("surpass.own.advising.advise", stop)
    found = run(table, "--text", "text", "--weak-label", "v1", "--strong", "tfidf")
    assert found.exit_code == 130
    assert "stopped. Nothing was written." in found.stderr
    assert "kept" not in found.stderr


def test_a_diagnosis_that_is_stopped_wrote_nothing_and_says_so(tmp_path, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("surpass.folder.recall", stop)
    found = CliRunner().invoke(main, ["diagnose", str(tmp_path)])
    assert found.exit_code == 130
    assert "stopped. Nothing was written." in found.stderr


def test_what_is_a_study_and_what_a_table(tmp_path):
    assert all(is_study(name) for name in ("demo", "study.yaml", "deep/study.yml", "recipe.py:make"))
    for name in ("reviews.csv", "a.jsonl.gz", "b.parquet", "hub:org/name@main:config/train"):
        assert not is_study(name)
    for name in ("no-such-preset", "notes.txt", str(tmp_path)):
        with pytest.raises(DataError, match="Give"):
            is_study(name)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("notes.txt",), "neither a study"),
        (("gone.csv", "--text", "t", "--weak-label", "v", "--strong", "tfidf"), "is not there"),
        (("demo", "--text", "t"), "--text is about a table"),
        (("demo", "--out", "x"), "--out: of use to a trial alone"),
        (("demo", "--out", "x", "--jobs", 2), "--jobs and --out: of use to a trial alone"),
        (("demo", "--trial", "--level", 0.8), "leave out --level"),
        (("TABLE", "--text", "text", "--weak-label", "v1", "--strong", "tfidf", "--trial"), "--trial is about a study"),
        (("TABLE", "--text", "text", "--weak-label", "v1"), "--strong"),
        (("TABLE", "--strong", "tfidf", "--weak-label", "v1"), "--text"),
        (("TABLE", "--text", "text", "--strong", "tfidf"), "nothing labels the rows"),
        (("TABLE", "--text", "text", "--weak-label", "v1", "--gold", "goal", "--strong", "tfidf"), "goal"),
        (("TABLE", "--text", "text", "--weak-label", "number", "--strong", "tfidf"), "regression"),
        (("TABLE", "--text", "text", "--weak-label", "v1", "--strong", "{model: prompt, backbone: package:smollm2-135m}"),
         "cannot be written"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_paragraph(tmp_path, words, expected):
    held = [dict(row, number=i / 7) for i, row in enumerate(reviews.rows(60, gold=50))]
    table = reviews.write(tmp_path / "t.csv", held)
    found = run(*(str(table) if word == "TABLE" else word for word in words))
    assert found.exit_code == 2
    assert expected in found.stderr
    assert "Traceback" not in found.output


def test_the_command_keeps_what_was_asked():
    wanted = Wanted(text="the text", weak=("a", "b"), gold="g", classes=("x", "y z"))
    question = Question(source="my file.csv", wanted=wanted, strong="path:models/m", combine="mean")
    facts = {
        "verdict": {"answer": "unknown", "label": 300},
        "use": {"source": "dawid-skene", "combine": "dawid-skene", "weak": ["a", "b"], "method": "hard"},
        "columns": {"gold": "g"},
        "expected": {},
        "rows": {"gold": 40, "judges": 20, "left_for_test": 20},
        "data": {"counts": {"usable": 1000}},
    }
    step = next_step(question, facts)
    words = shlex.split(step["command"])
    assert step["text"].startswith("Label about 300 more rows")
    assert words[2] == "my file.csv"
    for pair in (("--text", "the text"), ("--classes", "x,y z"), ("--combine", "dawid-skene"), ("--method", "hard")):
        assert words[words.index(pair[0]) + 1] == pair[1]
    assert words.count("--weak-label") == 2


def test_on_a_narrow_terminal_no_number_is_cut(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = run(table, "--text", "text", *VOTES, "--gold", "label", "--strong", "tfidf", "--threads", 1)
    assert found.exit_code == 0, found.output
    assert "…" not in found.stdout
    assert max(map(len, found.stdout.splitlines()[2:12])) <= 80


def test_more_rows_to_label_than_the_table_has_is_said(tmp_path):
    table = reviews.write(tmp_path / "t.csv", reviews.rows(100, gold=10))
    found = run(table, "--text", "text", "--weak-label", "v1", "--gold", "label", "--strong", "tfidf", "--threads", 1)
    assert "more rows (this table has but 85 to label) drawn at random" in found.stdout


@pytest.mark.parametrize("role", ["strong", "supervisor"])
def test_a_model_that_writes_texts_is_refused_before_the_table_is_read(role, table, llama):
    writer = f"{{model: generator, backbone: '{llama}'}}"
    of = {
        "strong": ("--weak-label", "v1", "--strong", writer),
        "supervisor": ("--supervisor", writer, "--strong", "tfidf"),
    }
    found = run(table, "--text", "text", "--gold", "label", *of[role])
    assert found.exit_code == 2
    assert f"{role}: model 'generator' writes texts, but advice is for classes and preferences" in str(found.output)
    assert "reading the table" not in found.stderr


def test_labels_that_are_copied_say_once_that_no_number_tells(tmp_path):
    held = [dict(row, v1="good") for row in reviews.rows(100, gold=60)]
    table = reviews.write(tmp_path / "t.csv", held)
    found = run(table, "--text", "text", "--weak-label", "v1", "--gold", "label", "--strong", "tfidf", "--threads", 1)
    assert found.exit_code == 0, found.output
    assert "differ too rarely for a gain of .02 or .05: no number of gold rows tells it." in found.stdout
    assert "with power" not in found.stdout


def test_gold_rows_without_weak_labels_are_to_get_some(tmp_path):
    held = reviews.rows(200, gold=100)
    for row in held:
        row["v1"] = "" if row["label"] else row["v1"]
    table = reviews.write(tmp_path / "t.csv", held)
    found = run(table, "--text", "text", "--weak-label", "v1", "--gold", "label", "--strong", "tfidf")
    assert found.stdout.startswith("Cannot be known: 0 of the 100 gold rows have a weak label")
    assert "labelled by the weak source too" in found.stdout


def test_help_lists_the_command():
    assert "advise" in CliRunner().invoke(main, ["--help"]).output
    assert "--weak-label" in run("--help").output
