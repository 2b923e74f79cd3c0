"""The files of a report: results.csv, results.json, and how they are written."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_results import NO_GAP, change, empty, estimate, sample

from surpass.report import FILES, write
from surpass.report.files import COLUMNS, csv_text

TESTS = Path(__file__).parent
WRITE = """
import pathlib, sys, sample_results, surpass.report
surpass.report.write(sample_results.sample(), pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("report")
    return {name: path.read_text(encoding="utf-8") for name, path in write(sample(), out).items()}


CSV = (
    "movie-reviews,test,tfidf,smollm2-135m/probe,soft,last,accuracy,0.742,0.803,0.871,"
    "0.4728682171,0.3488372093,0.5968992248,,5,1000,cee957e1\n",
    "movie-reviews,test,tfidf,smollm2-135m/probe,soft,last,auroc,0.782,0.843,0.911,"
    "0.4728682171,0.3488372093,0.5968992248,,5,1000,cee957e1\n",
)


def test_csv_is_what_it_was(files: dict[str, str]) -> None:
    """One golden beginning, and a checksum of the rest; a change here changes files that people compare."""
    lines = files["results.csv"].splitlines(keepends=True)
    assert lines[0] == (
        "task,split,weak,strong,method,stopping,metric,floor,student,ceiling,pgr,pgr_low,pgr_high,note,seeds,n_test,key\n"
    )
    assert tuple(lines[1:3]) == CSV
    assert len(lines) == 1 + len(sample().rows)
    assert hashlib.sha256(files["results.csv"].encode()).hexdigest()[:16] == "3b9c6e8aef375a80"


def test_csv_leaves_undefined_cells_empty_and_says_why(files: dict[str, str]) -> None:
    records = list(csv.DictReader(io.StringIO(files["results.csv"])))
    undefined = [record for record in records if record["weak"] == "qwen-0.5b" and record["task"] == "sarcasm"]
    assert len(undefined) == 12
    assert {(r["pgr"], r["pgr_low"], r["pgr_high"], r["note"]) for r in undefined} == {("", "", "", NO_GAP)}


def test_csv_does_not_see_timings_or_the_noise_of_summation() -> None:
    results = sample()
    slower = tuple(dataclasses.replace(stage, seconds=stage.seconds * 3) for stage in results.stages)
    assert csv_text(dataclasses.replace(results, stages=slower)) == csv_text(results)
    one, other = (change(results, student=estimate(value, 0.01)) for value in (0.1 + 0.2, 0.3))
    assert csv_text(one) == csv_text(other)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t="])
def test_csv_defuses_formulas_in_texts(start: str) -> None:
    records = list(csv.DictReader(io.StringIO(csv_text(change(sample(), method=f"{start}HYPERLINK(1)")))))
    assert {record["method"] for record in records} == {f"'{start}HYPERLINK(1)"}
    assert any(record["pgr"].startswith("-") for record in records)  # a negative number is no formula


def test_csv_quotes_what_it_must() -> None:
    records = list(csv.DictReader(io.StringIO(csv_text(change(sample(), task='a,"b"\nc', note="Ω ünï")))))
    assert {(record["task"], record["note"]) for record in records} == {('a,"b"\nc', "Ω ünï")}


def test_json_holds_the_rows_of_the_csv_and_the_rest(files: dict[str, str]) -> None:
    data = json.loads(files["results.json"], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    lines = files["results.json"].splitlines()
    assert json.loads(lines[lines.index(' "rows": [') + 1].removesuffix(",")) == data["rows"][0]  # a line for each
    records = list(csv.DictReader(io.StringIO(files["results.csv"])))
    assert [{name: "" if row[name] is None else str(row[name]) for name in COLUMNS} for row in data["rows"]] == records
    assert data["study"] == sample().study
    assert data["versions"]["torch"] == "2.13.0"
    assert [finding["code"] for finding in data["findings"]] == [finding.code for finding in sample().findings]
    assert {stage["status"] for stage in data["timings"]} == {"done", "cached", "failed", "skipped"}
    assert data["rows"][0]["estimates"]["student"]["low"] == pytest.approx(0.786)


def test_write_returns_the_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    paths = write(sample(), tmp_path / "new" / "out")
    assert tuple(paths) == FILES
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(FILES)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: path.read_bytes() for name, path in write(sample(), tmp_path).items()}

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        write(empty(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_fresh_processes_write_the_same_bytes(tmp_path: Path, files: dict[str, str]) -> None:
    for seed in ("1", "2"):
        out = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
        subprocess.run([sys.executable, "-c", WRITE, str(out)], env=environment, check=True, timeout=120)
        assert {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()} == files


def test_the_report_needs_no_plotting_library_and_no_torch(tmp_path: Path) -> None:
    check = f"{WRITE}\nassert not {{'matplotlib', 'torch', 'pandas', 'sklearn'}} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    subprocess.run([sys.executable, "-c", check, str(tmp_path)], env=environment, check=True, timeout=120)
