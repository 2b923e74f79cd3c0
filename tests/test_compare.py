"""`surpass compare`: the four files, what they say, what the terminal shows, and the command from a finished study."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import chromium
import pytest
from rich.console import Console
from sample_versus import LOST, METHODS, NO_GAP, made, renamed, sample

from surpass.report.compare import FILES, plots, write
from surpass.report.compare.document import build
from surpass.report.compare.files import COLUMNS, csv_text, json_text
from surpass.report.compare.terminal import summary
from surpass.report.compare.words import signed
from surpass.report.markdown import markdown
from surpass.report.page import page
from surpass.versus import Versus
from surpass.work import Outcome

STUDY = """
name: duel
tasks: [toy, {task: toy, noise: 0.15}]
data: {n_weak: 60, n_transfer: 400, n_val: 60, n_test: 300}
pairs:
  - weak: {model: sklearn, ngrams: 1}
    strong: {model: sklearn, params: {C: 10.0}}
methods: [soft, hard]
seeds: 2
"""


def printed(found: Versus) -> str:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(summary(found))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("compare")
    return {name: path.read_text(encoding="utf-8") for name, path in write(sample(), out).items()}


def test_the_four_files_are_written_and_the_same_again(files: dict[str, str], tmp_path: Path) -> None:
    assert tuple(files) == FILES == ("compare.html", "compare.md", "compare.csv", "compare.json")
    again = {name: path.read_text(encoding="utf-8") for name, path in write(sample(), tmp_path).items()}
    assert again == files
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_csv_has_every_comparison(files: dict[str, str]) -> None:
    records = list(csv.DictReader(io.StringIO(files["compare.csv"])))
    assert tuple(records[0]) == COLUMNS
    assert len(records) == 5 * 2 * 3
    lost = [record for record in records if record["outcome"] == "undefined"]
    assert [(r["difference"], r["pgr_difference"], r["note"], r["seeds"]) for r in lost] == [("", "", LOST, "0")]
    assert {r["note"] for r in records if r["difference"] and not r["pgr_difference"]} == {NO_GAP}
    assert {(r["method"], r["settings"]) for r in records} == {
        ("hard", "1"),
        ("knn(action=relabel)", "1"),
        ("logconf(paper)", "3"),
    }
    for record, row in zip(records, sample().rows, strict=True):
        if record["difference"]:
            assert float(record["difference_low"]) == pytest.approx(row.difference.low)


def test_json_has_the_tests_and_no_nan(files: dict[str, str]) -> None:
    data = json.loads(files["compare.json"])
    assert data["fair"] is False
    assert data["settings"]["logconf(paper)"] == 3
    assert [one["method"] for one in data["standings"]] == ["logconf(paper)", "knn(action=relabel)", "hard"]
    hard = data["standings"][-1]
    assert hard["outcomes"]["undefined"] == 1
    assert sum(hard["outcomes"].values()) == 10
    for unit, n in (("task", 5), ("task x pair", 9)):
        test = hard["over"][unit]["difference"]["t"]["two-sided"]
        assert test["n"] == n
        assert 0 <= test["p"] <= test["p_holm"] <= 1
    assert set(hard["over"]["task"]["pgr"]["wilcoxon"]) == {"two-sided", "greater", "less"}
    assert "NaN" not in files["compare.json"]


def test_the_page_shows_every_cell_and_why_one_is_undefined(files: dict[str, str]) -> None:
    (matrix,) = re.findall(r"\| Task \| Weak → strong \| logconf[^\n]*\n((?:\|[^\n]*\n)+?)\n", files["compare.md"])[:1]
    lines = [line for line in matrix.splitlines() if not line.startswith("|:")]
    assert len(lines) == 10
    assert sum(line.count("win") + line.count("tie") + line.count("loss") for line in lines) == 29
    assert sum("undefined: no seed has both methods" in line for line in lines) == 1
    assert files["compare.html"].count(NO_GAP) >= 3
    assert "1 of 5 seeds did not finish for both methods" in files["compare.md"]
    for section in ("Ranking", "Differences with intervals", "Tests over tasks", "Undefined and incomplete"):
        assert f"## {section}" in files["compare.md"]
        assert f">{section}</h2>" in files["compare.html"]


def test_unequal_tuning_is_a_warning_and_equal_tuning_is_said() -> None:
    for shown in (markdown(build(sample())), printed(sample())):
        said = "Methods tried different numbers of settings (logconf(paper): 3; the others: 1): more"
        assert said in " ".join(shown.split())
    equal = markdown(build(sample(tries=1)))
    assert "different numbers" not in equal
    assert "Every method was run with 1 setting." in equal


def test_the_page_is_one_whole_document() -> None:
    class Reader(HTMLParser):
        ids: list[str]
        links: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                if name == "id":
                    self.ids.append(value or "")
                if name == "href" and value and value.startswith("#"):
                    self.links.append(value[1:])

    reader = Reader()
    reader.ids, reader.links = [], []
    reader.feed(page(build(sample())))
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.links) <= set(reader.ids)
    assert "tuning" in reader.links


def test_names_are_text_and_never_markup() -> None:
    hostile = renamed(sample(), "<script>alert(1)</script>|=1+1\x1b[31m")
    assert "<script>" not in page(build(hostile))
    assert "<script>" not in markdown(build(hostile))
    assert "\x1b" not in page(build(hostile)) + markdown(build(hostile)) + csv_text(hostile) + printed(hostile)
    formula = renamed(sample(), "=cmd()")
    assert all(record["method"].startswith("'=") for record in csv.DictReader(io.StringIO(csv_text(formula))))


def test_a_forest_has_a_line_for_every_comparison_and_the_mean() -> None:
    found = sample()
    limits = plots.limits(found.rows, (standing.mean for standing in found.standings))
    assert limits[0] < 0 < limits[1]
    for standing in found.standings:
        panel = plots.forest(found, standing, limits=limits)
        marks = re.findall(r'class="mark ([^"]+)"', panel.svg)
        defined = sum(n for kind, n in standing.outcomes.items() if kind != "undefined")
        assert marks.count("total") == 1
        assert len(marks) == defined + 1
        assert marks.count("student") == standing.outcomes["win"] + standing.outcomes["loss"]
        assert panel.svg.count(">undefined</text>") == standing.outcomes["undefined"]


def test_what_was_found_names_the_best_method_and_both_tests() -> None:
    told = build(sample()).found
    assert told.startswith("In accuracy logconf(paper) does best: +.019 [+.010, +.029] against soft over 5 tasks")
    assert "(6 won, 4 tied, 0 lost)" in told
    assert "paired t 1 better and 1 worse of 3 methods; Wilcoxon none of 3 methods" in told
    single = build(sample(tasks=1, pairs=1)).found
    assert "tests over tasks need two tasks" in single


def test_nothing_defined_is_said() -> None:
    nothing = [row for row in sample().rows if row.note == LOST]
    found = made(nothing, {"soft": 1, "hard": 1})
    assert "No difference in accuracy is defined" in build(found).found
    assert "undefined" in printed(found)
    assert math.isnan(found.standings[0].mean.value)
    json.loads(json_text(found))
    assert "<svg" in page(build(found))


def test_the_terminal_fits_80_columns_and_shows_all() -> None:
    shown = printed(sample())
    assert max(map(len, shown.splitlines())) <= 80
    for method in METHODS:
        assert method in shown
    ended = [line.rstrip().endswith(" win") for line in shown.splitlines()]
    assert sum(ended) == sum(row.outcome == "win" for row in sample().rows)
    assert "0/4/5" in shown
    long = dataclasses.replace(renamed(sample(), "a-very-long-name-without-a-break-" * 3))
    assert max(map(len, printed(long).splitlines())) <= 80


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0004, "+.00040"), (-0.0, ".000"), (1e-12, ".00000000"), (12.0, "+12.00")]
)
def test_signs(value: float, shown: str) -> None:
    assert signed(value) == shown


@pytest.mark.browser
def test_the_page_opens_wide_and_narrow_without_a_complaint(tmp_path: Path) -> None:
    executable = chromium.find()
    if executable is None:
        pytest.skip("no browser on the PATH (apt-get install chromium)")
    write(renamed(sample(), "a-name-without-any-place-to-break-it-" * 3), tmp_path)
    with chromium.Browser(executable, tmp_path / "profile") as browser:
        for width in (375, 1200):
            browser.open(tmp_path / "compare.html", width=width)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.complaints() == []


# the command


def surpass(*arguments: str, cwd: Path, check: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "surpass", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert done.returncode == check, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duel")
    (folder / "study.yaml").write_text(STUDY)
    surpass("run", "study.yaml", "--jobs", "0", "--quiet", cwd=folder)
    return folder


def test_the_command_writes_and_prints(finished: Path) -> None:
    done = surpass("compare", "out/duel", cwd=finished)
    assert "against soft, accuracy" in done.stdout
    assert "Comparison: out/duel/compare.html" in done.stdout
    records = list(csv.DictReader((finished / "out/duel/compare.csv").open()))
    scores = {
        (r["task"], r["method"]): float(r["student"])
        for r in csv.DictReader((finished / "out/duel/results.csv").open())
        if r["metric"] == "accuracy"
    }
    assert len(records) == 2
    for record in records:
        expected = scores[record["task"], "hard"] - scores[record["task"], "soft"]
        assert float(record["difference"]) == pytest.approx(expected, abs=1e-9)


def test_options_choose_baseline_and_metrics(finished: Path) -> None:
    said = surpass(
        *("compare", "out/duel", "--baseline", "hard", "--metric", "brier", "--metric", "auroc", "--json"), cwd=finished
    )
    data = json.loads(said.stdout)
    assert data["baseline"] == "hard"
    assert data["metrics"] == ["brier", "auroc"]
    assert {row["method"] for row in data["rows"]} == {"soft"}
    assert surpass("compare", "out/duel", "--quiet", cwd=finished).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out/duel", "--baseline", "harder"], "unknown method (--baseline) 'harder'. Did you mean 'hard'?"),
        (["out/duel", "--metric", "mse"], "metric 'mse' serves regression"),
        (["out/duel", "--split", "shift:far"], "has no test split 'shift:far'"),
        (["out"], "is not the output of a study"),
        (["out/duel", "--store", "elsewhere"], "elsewhere"),
    ],
)
def test_bad_input_is_one_paragraph(arguments: list[str], said: str, finished: Path) -> None:
    error = surpass("compare", *arguments, cwd=finished, check=2).stderr
    assert error.startswith("Error: ")
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_stages_that_the_store_lost_give_exit_code_1_and_are_shown(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    row = next(r for r in csv.DictReader((copy / "out/duel/results.csv").open()) if r["method"] == "hard")
    shutil.rmtree(next((copy / "out/store/fit").glob(f"*/{row['key']}*")))
    done = surpass("compare", "out/duel", cwd=copy, check=1)
    assert "the comparison lacks 1 of" in done.stderr
    assert "1 of 2 comparisons lacks seeds" in " ".join(done.stdout.split())
    records = list(csv.DictReader((copy / "out/duel/compare.csv").open()))
    assert sorted(record["seeds_lacking"] for record in records) == ["0", "1"]
    about = json.loads((copy / "out/duel/study.json").read_text())
    lost = Outcome(row["key"], "failed", 0.0, "the loss is nan")
    (copy / "out/duel/study.json").write_text(json.dumps({**about, "ended": [lost._asdict()]}))
    done = surpass("compare", "out/duel", cwd=copy, check=1)
    assert "the loss is nan" in done.stderr
    assert "the comparison lacks" not in done.stderr
