"""`surpass audit`: what a folder claims, and whether it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reviews
from click.testing import CliRunner

from surpass.cli import main
from surpass.own.audit import _compared, audit
from surpass.own.evidence import as_json
from surpass.own.job import Request, run
from surpass.own.reading import Wanted
from surpass.stats import Estimate


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    table = reviews.write(folder / "data.csv", reviews.rows(400, gold=300))
    wanted = Wanted(text="text", weak=("v1", "v2", "v3"), gold="label")
    run(Request(source=str(table), wanted=wanted, out=folder / "model", strong="tfidf"))
    return folder


@pytest.fixture
def copy(fitted, tmp_path) -> Path:
    import shutil

    return Path(shutil.copytree(fitted / "model", tmp_path / "model"))


def test_a_whole_folder_has_no_problem(fitted):
    found = audit(fitted / "model")
    assert found["problems"] == []
    assert found["files"] == 2
    assert "versions that are installed" in found["told"][0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: (folder / "README.md").write_text("the best model there is"), "README.md was changed"),
        (lambda folder: (folder / "model.skops").unlink(), "model.skops is missing"),
        (lambda folder: (folder / "modeling.py").write_text("1"), "modeling.py was added"),
    ],
)
def test_changes_are_seen(copy, change, problem):
    change(copy)
    assert audit(copy)["problems"] == [problem]
    done = CliRunner().invoke(main, ["audit", str(copy)])
    assert done.exit_code == 1
    assert problem in done.stderr


def test_other_versions_are_told(copy):
    facts = json.loads((copy / "surpass.json").read_text())
    facts["versions"]["numpy"] = "1.0"
    (copy / "surpass.json").write_text(json.dumps(facts))
    assert "numpy 1.0 then" in audit(copy)["told"][0]


def test_fresh_rows_agree_with_the_claim(fitted, tmp_path):
    table = reviews.write(tmp_path / "new.csv", [row | {"label": row["truth"]} for row in reviews.rows(300, seed=8)])
    found = audit(fitted / "model", str(table))
    assert found["problems"] == []
    assert found["again"]["accuracy"]["examples"] == 300


def test_the_file_it_was_fitted_to_is_no_fresh_one(fitted, tmp_path):
    seen = audit(fitted / "model", str(fitted / "data.csv"))["told"]
    assert any("the file that the student was fitted to" in text and "too good" in text for text in seen)
    table = reviews.write(tmp_path / "new.csv", [row | {"label": row["truth"]} for row in reviews.rows(300, seed=8)])
    assert not any("fitted to" in text for text in audit(fitted / "model", str(table))["told"])


def test_a_claim_without_errors_is_not_contradicted_by_a_few():
    facts = {"evidence": {"metrics": {"accuracy": {"student": as_json({"s": claimed(1.0, 1.0, 1.0, 150)})["s"]}}}}
    text, wrong = _compared("accuracy", claimed(0.983, 0.969, 0.998, 300), facts)
    assert not wrong, text
    assert _compared("accuracy", claimed(0.95, 0.925, 0.97, 300), facts)[1]


def claimed(value: float, low: float, high: float, rows: int) -> Estimate:
    return Estimate(value, low, high, 0.95, 1, rows, "")


def test_rows_on_which_the_claim_fails_are_a_problem(fitted, tmp_path):
    other = {"good": "bad", "bad": "good"}
    table = reviews.write(
        tmp_path / "new.csv", [row | {"label": other[row["truth"]]} for row in reviews.rows(300, seed=8)]
    )
    found = audit(fitted / "model", str(table))
    assert any(text.startswith("accuracy") and "lie apart" in text for text in found["problems"])


def test_the_command_prints_what_is_claimed(fitted):
    done = CliRunner().invoke(main, ["audit", str(fitted / "model")])
    assert done.exit_code == 0, done.output
    for words in ("floor", "student", "tiny-test", "2 files read, 0 problems"):
        assert words in done.stdout
    told = json.loads(CliRunner().invoke(main, ["audit", str(fitted / "model"), "--json"]).stdout)
    assert told["facts"]["rows"]["test"] == 150


def test_a_folder_of_something_else_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["audit", str(tmp_path)])
    assert done.exit_code == 2
    assert "no model folder" in done.output
