"""The command line as a person meets it: real processes, real files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

COLUMNS = (
    "task,split,weak,strong,method,stopping,metric,floor,student,ceiling,pgr,pgr_low,pgr_high,note,seeds,n_test,key"
)
STUDY = """
name: small
tasks: [toy]
data: {n_weak: 40, n_transfer: 300, n_val: 60, n_test: 250}
pairs:
  - weak: {model: sklearn, ngrams: 1}
    strong: {model: sklearn, params: {C: 10.0}}
methods: [soft]
seeds: 2
"""


def surpass(*arguments: str, cwd: Path, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "surpass", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "study.yaml").write_text(STUDY)
    done = surpass("run", "study.yaml", "--jobs", "0", cwd=folder)
    assert "floor" in done.stdout
    assert "[36" not in done.stderr
    return folder


def test_help_is_quick_and_lists_the_commands(tmp_path):
    start = time.perf_counter()
    text = surpass("--help", cwd=tmp_path).stdout
    assert time.perf_counter() - start < 5  # far above the 0.1 s it takes; this catches heavy imports
    for command in ("demo", "run", "plan", "report", "compare", "check", "ls", "show", "assets"):
        assert f"\n  {command} " in text


@pytest.mark.parametrize("arguments", [["--help"], ["ls", "tasks"], ["ls", "methods"]])
def test_light_commands_import_nothing_heavy(arguments, tmp_path):
    code = (
        "import sys; sys.argv = ['surpass', *sys.argv[1:]]\n"
        "from surpass.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'transformers', 'sklearn', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_run_writes_the_four_files_with_the_agreed_columns(finished):
    out = finished / "out" / "small"
    lines = (out / "results.csv").read_text().splitlines()
    assert lines[0] == COLUMNS
    rows = list(csv.DictReader(lines))
    assert {row["metric"] for row in rows} == {"accuracy", "auroc", "log_loss", "brier", "ece"}
    assert len(rows) == 5
    assert {row["n_test"] for row in rows} == {"250"}
    data = json.loads((out / "results.json").read_text())
    assert len(data["rows"]) == 5
    assert data["study"]["name"] == "small"
    assert data["versions"]["numpy"]
    assert "<h1" in (out / "report.html").read_text()
    assert (out / "report.md").read_text().startswith("#")


def test_the_second_run_computes_nothing_and_says_the_same(finished):
    before = (finished / "out/small/results.csv").read_bytes()
    done = surpass("run", "study.yaml", cwd=finished)
    assert "done" not in done.stderr
    assert (finished / "out/small/results.csv").read_bytes() == before


def test_report_is_made_again_from_the_store(finished):
    files = {name: (finished / "out/small" / name).read_bytes() for name in ("results.csv", "report.md")}
    for name in files:
        (finished / "out/small" / name).unlink()
    surpass("report", "out/small", "--quiet", cwd=finished)
    assert (finished / "out/small/results.csv").read_bytes() == files["results.csv"]


def test_plan_tells_what_is_cached(finished):
    text = surpass("plan", "study.yaml", cwd=finished).stdout
    assert "0 to run" in text
    facts = json.loads(surpass("plan", "study.yaml", "--json", cwd=finished).stdout)
    assert all(stage["cached"] for stage in facts["stages"])
    fits = [
        stage
        for stage in facts["stages"]
        if stage["what"].split(": ")[1].split()[0] in ("supervisor", "ceiling", "student")
    ]
    assert facts["fits"] == len({stage["key"] for stage in fits}) == len(fits)
    assert f"{facts['cells']} cells ask for {3 * facts['cells']}" in text


def test_show_tells_a_spec_and_the_difference_of_two(finished):
    rows = list(csv.DictReader((finished / "out/small/results.csv").open()))
    facts = json.loads(surpass("show", rows[0]["key"][:8], "--json", cwd=finished).stdout)
    assert facts["spec"]["kind"] == "fit"
    keys = json.loads((finished / "out/small/results.json").read_text())["rows"][0]["keys"]
    text = surpass("show", *keys["student"], cwd=finished).stdout
    assert "data.seed" in text
    assert "no artifact" in surpass("show", "ffffffff", cwd=finished, check=2).stderr


def test_check_reads_a_study_and_a_finished_folder(finished):
    assert surpass("check", "study.yaml", cwd=finished, check=None).returncode in (0, 1)
    found = json.loads(surpass("check", "out/small", "--json", cwd=finished, check=None).stdout)
    assert {"code", "severity", "message", "where", "evidence"} <= set(found[0])


def test_quiet_prints_nothing_and_json_prints_json(finished):
    assert surpass("run", "study.yaml", "--quiet", cwd=finished).stdout == ""
    assert json.loads(surpass("run", "study.yaml", "--json", cwd=finished).stdout)["rows"]


def test_dry_run_leaves_no_artifact(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    text = surpass("run", "study.yaml", "--dry-run", cwd=tmp_path).stdout
    assert "to run" in text
    assert not (tmp_path / "out").exists()


def test_all_problems_of_a_study_are_told_at_once_without_a_traceback(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "name: bad\ntasks: [toi]\ndata: {n_wek: 3}\npairs:\n"
        "  - weak: {model: sklern}\n    strong: {model: sklearn, ngrams: many}\nmethods: [sotf]\nseeds: 2\n"
    )
    text = surpass("run", "bad.yaml", cwd=tmp_path, check=2).stderr
    assert "Did you mean 'toy'?" in text
    assert "Did you mean 'n_weak'?" in text
    assert "Did you mean 'sklearn'?" in text
    assert "Did you mean 'soft'?" in text
    assert "ngrams='many', but allowed is a whole number" in text
    assert not (tmp_path / "out/bad").exists()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("none.yaml", None, "cannot be read"),
        ("list.yaml", "- 1\n", "a study is a mapping"),
        ("broken.yaml", "name: [", "not valid YAML"),
        ("empty.yaml", "name: x\ntasks: [toy]\n", "field 'pairs' is missing"),
    ],
)
def test_a_file_that_is_no_study_is_one_paragraph(file, text, said, tmp_path):
    if text is not None:
        (tmp_path / file).write_text(text)
    assert said in surpass("run", file, cwd=tmp_path, check=2).stderr


def test_a_store_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear diary")
    text = surpass("run", "study.yaml", "--store", "mine", cwd=tmp_path, check=2).stderr
    assert "is not a surpass store" in text
    assert (tmp_path / "mine/diary.txt").read_text() == "dear diary"


def test_a_failed_stage_gives_exit_code_1_and_the_rest_goes_on(tmp_path):
    study = STUDY.replace("methods: [soft]", "methods: [soft]").replace(
        "    strong: {model: sklearn, params: {C: 10.0}}\n",
        "    strong: {model: sklearn, params: {C: 10.0}}\n"
        "  - weak: {model: sklearn, ngrams: 1}\n    strong: {model: sklearn, params: {solver: liblinear, l1_ratio: 0.5}}\n",
    )
    (tmp_path / "study.yaml").write_text(study)
    done = surpass("run", "study.yaml", "--jobs", "0", cwd=tmp_path, check=1)
    assert "Only 'saga' solver" in done.stderr
    rows = list(csv.DictReader((tmp_path / "out/small/results.csv").open()))
    assert len(rows) == 5
    codes = {f["code"] for f in json.loads((tmp_path / "out/small/results.json").read_text())["findings"]}
    assert "cell-failed" in codes
    assert "Only 'saga' solver" in (tmp_path / "out/small/report.md").read_text()
    again = surpass("report", "out/small", "--quiet", cwd=tmp_path, check=1)  # the code of the run
    assert "Failed: " in again.stderr
    assert "Only 'saga' solver" in again.stderr
