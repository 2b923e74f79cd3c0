"""The report: its numbers, its words, its files and what it does with texts nobody trusts."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import html.parser
import io
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from sample_results import NO_GAP, all_failed, empty, estimate, nothing, sample

from surpass.checks import Finding
from surpass.report import FILES, headline, story, svg, text, write
from surpass.report.document import build
from surpass.report.files import COLUMNS, csv_text
from surpass.report.markdown import escape
from surpass.report.terminal import summary
from surpass.results import Results
from surpass.stats import Estimate

TESTS = Path(__file__).parent
HOSTILE = '<script>alert(1)</script>"&|`*'
WRITE = """
import pathlib, sys, sample_results, surpass.report
surpass.report.write(sample_results.sample(), pathlib.Path(sys.argv[1]))
"""
VOID = {"meta", "link", "br", "hr", "img"}


class Page(html.parser.HTMLParser):
    """The elements of a page in order, its text, and whether every element is closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def tags(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in names]


def change(results: Results, **options: Any) -> Results:
    """The results with the same change in every row."""
    return dataclasses.replace(results, rows=tuple(dataclasses.replace(row, **options) for row in results.rows))


def only(results: Results, **wanted: str) -> Results:
    """The results with the rows that agree."""
    rows = tuple(r for r in results.rows if all(getattr(r, name) == value for name, value in wanted.items()))
    return dataclasses.replace(results, rows=rows)


def printed(results: Results, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(summary(results))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("report")
    return {name: path.read_text(encoding="utf-8") for name, path in write(sample(), out).items()}


# numbers and words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.8034, ".803"),
        (-0.05, "−.050"),
        (-0.0001, "−.00010"),
        (0.0, ".000"),
        (-0.0, ".000"),
        (1.0, "1.000"),
        (12.345, "12.35"),
        (123.45, "123.5"),
        (0.0012, ".0012"),
        (2.5e7, "2.5e+07"),
        (math.nan, "undefined"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value: float, shown: str) -> None:
    assert text.number(value) == shown


def test_value_and_interval_have_the_same_decimals() -> None:
    assert text.estimate(estimate(0.8026, 0.0214)) == ".803 [.781, .824]"
    assert text.estimate(estimate(11.9, 1.25)) == "11.90 [10.65, 13.15]"
    assert text.estimate(estimate(0.001, 0.002)) == ".0010 [−.0010, .0030]"


def test_a_value_without_interval_says_so() -> None:
    lone = Estimate(0.8, math.nan, math.nan, 0.95, 1, 1, "", "one row")
    assert text.estimate(lone) == ".800 (no interval)"
    assert text.estimate(nothing("why")) == "undefined"


def test_small_words() -> None:
    assert [text.listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert text.count(1, "stage") == "1 stage"
    assert text.count(1200, "stage") == "1,200 stages"
    assert [text.seconds(s) for s in (0.423, 59.94, 185, 7440)] == ["0.42 s", "59.9 s", "3 min 05 s", "2 h 04 min"]
    assert text.shorten("abcdefghij", 5) == "ab…ij"
    assert text.clean("\x1b[31mred\x1b[0m\x00\tx\r\ny") == "red\tx\ny"
    assert text.tail("a\nb\nc", 2) == "(1 earlier line left out)\nb\nc"


@pytest.mark.parametrize("low", [-3.0, 0.0, 0.617, 1e-5, 250.0])
@pytest.mark.parametrize("width", [1e-4, 0.03, 0.25, 1.0, 77.0])
def test_ticks_are_few_round_and_told_apart(low: float, width: float) -> None:
    ticks = svg.ticks(low, low + width)
    labels = svg.tick_labels(ticks)
    assert 1 <= len(ticks) <= 5
    assert all(low - 1e-9 <= tick <= low + width + 1e-9 for tick in ticks)
    assert len(set(labels)) == len(labels)


def test_tick_labels() -> None:
    assert svg.tick_labels([0.0, 0.25, 0.5]) == ["0", ".25", ".50"]
    assert svg.tick_labels([-0.1, 0.0, 0.1]) == ["−.1", "0", ".1"]
    assert svg.tick_labels([0.0, 100.0, 200.0]) == ["0", "100", "200"]


# which rows stand for the study


def test_headline_rows_are_one_for_each_task_pair_and_method() -> None:
    rows = headline.headline_rows(sample())
    assert len(rows) == 8
    assert {(row.split, row.stopping, row.metric) for row in rows} == {("test", "last", "accuracy")}


def test_headline_follows_the_stopping_rule_of_the_study() -> None:
    results = dataclasses.replace(sample(), study={"stopping": "weak_val"})
    assert {row.stopping for row in headline.headline_rows(results)} == {"weak_val"}


def test_a_method_without_the_stopping_rule_stays_in_the_headline() -> None:
    results = sample()
    kept = tuple(row for row in results.rows if row.method != "soft" or row.stopping == "oracle")
    rows = headline.headline_rows(dataclasses.replace(results, rows=kept))
    assert {(row.method, row.stopping) for row in rows} == {("soft", "oracle"), ("logconf(paper)", "last")}


def test_a_task_without_the_primary_metric_shows_its_first() -> None:
    results = sample()
    rows = tuple(row for row in results.rows if row.task == "sarcasm" or row.metric == "auroc")
    shown = headline.shown_metrics(dataclasses.replace(results, rows=rows))
    assert shown == {"movie-reviews": "auroc", "sarcasm": "accuracy"}


@pytest.mark.parametrize(
    ("where", "touched"),
    [
        ({"task": "sarcasm"}, True),
        ({"task": "sarcasm", "seed": "3"}, True),
        ({"task": "sarcasm", "method": "soft"}, False),
        ({"seed": "3"}, False),
        ({}, False),
    ],
)
def test_findings_touch_the_rows_they_name(where: dict[str, str], touched: bool) -> None:
    row = next(r for r in sample().rows if r.task == "sarcasm" and r.method == "logconf(paper)")
    assert headline.touches(Finding("code", "warning", "", where, {}), row) is touched


def test_improvement_knows_errors_from_scores() -> None:
    row = sample().rows[0]
    better, worse, same = estimate(0.05, 0.02), estimate(-0.05, 0.02), estimate(0.01, 0.02)
    found = [headline.improvement(dataclasses.replace(row, gain=gain)) for gain in (better, worse, same, nothing(""))]
    assert found == [1, -1, 0, 0]
    loss = dataclasses.replace(row, metric="log_loss")
    assert [headline.improvement(dataclasses.replace(loss, gain=gain)) for gain in (better, worse)] == [-1, 1]


# what was asked and found


def test_asked_and_found() -> None:
    assert story.asked(sample()) == (
        "How much of its ability does a strong student show when all it learns from is a weak supervisor's labels? Here on "
        "2 tasks (movie-reviews and sarcasm), with 2 pairs, 2 methods and 5 seeds, scored by accuracy on test rows."
    )
    assert story.found(sample()) == (
        "The student is measurably better than its supervisor in 5 of 8 comparisons; PGR runs from −.102 to "
        ".651 [.527, .775] (logconf(paper) on movie-reviews, tfidf → smollm2-135m/probe); in 2 the gap between floor and "
        "ceiling is not significant, so no PGR is shown there."
    )


def test_one_comparison_is_told_in_full() -> None:
    one = only(sample(), task="movie-reviews", weak="tfidf", method="soft", stopping="last", metric="accuracy")
    assert story.found(one) == (
        "The student (soft, tfidf → smollm2-135m/probe) reaches .803 [.786, .820] accuracy on movie-reviews, measurably "
        "better than its supervisor at .742 [.723, .761]; with a ceiling of .871 [.857, .885] its PGR is .473 [.349, .597]."
    )


def test_one_comparison_without_a_gap_shows_no_pgr() -> None:
    one = only(sample(), task="sarcasm", weak="qwen-0.5b", method="soft", stopping="last", metric="accuracy")
    assert story.found(one).endswith(
        "not measurably different from its supervisor at .732 [.713, .751]; the gap between floor and ceiling, "
        ".009 [−.009, .027], is not significant, so no PGR is shown."
    )
    assert "PGR is" not in story.found(one).replace("no PGR is shown", "")


def test_no_significant_gap_anywhere_is_said_plainly() -> None:
    assert "in none is the gap between floor and ceiling significant, so no PGR is shown" in story.found(
        only(sample(), task="sarcasm", weak="qwen-0.5b")
    )


def test_nothing_scored_is_said_plainly() -> None:
    assert story.found(empty()) == "The study holds no results yet."
    assert story.found(all_failed()) == "None of the 8 comparisons could be scored; the failures are below."


def test_findings_without_a_row_stand_above_the_numbers() -> None:
    lost = [Finding("cell-failed", "error", f"none of {n} seeds finished.", {"task": "gone"}, {}) for n in range(5)]
    few = story.alerts(dataclasses.replace(empty(), findings=tuple(lost[:2])))
    assert [mark.text for mark in few] == [f"gone: none of {n} seeds finished." for n in range(2)]
    many = story.alerts(dataclasses.replace(empty(), findings=tuple(lost)))
    assert [(mark.text, mark.href) for mark in many] == [("cell-failed: 5 findings alike.", "#finding-1")]
    placed = story.alerts(sample())
    assert [mark.href for mark in placed] == ["#failures", "#finding-3"]


# results.csv and results.json

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
    records = list(csv.DictReader(io.StringIO(files["results.csv"])))
    assert [{name: "" if row[name] is None else str(row[name]) for name in COLUMNS} for row in data["rows"]] == records
    assert data["study"] == sample().study
    assert data["versions"]["torch"] == "2.13.0"
    assert [finding["code"] for finding in data["findings"]] == [finding.code for finding in sample().findings]
    assert {stage["status"] for stage in data["timings"]} == {"done", "cached", "failed", "skipped"}
    assert data["rows"][0]["estimates"]["student"]["low"] == pytest.approx(0.786)


# the page and the Markdown


@pytest.mark.parametrize("results", [sample(), empty(), all_failed()], ids=["sample", "empty", "all failed"])
def test_page_is_well_formed_and_alone(results: Results, tmp_path: Path) -> None:
    content = write(results, tmp_path)["report.html"].read_text(encoding="utf-8")
    page = Page(content)
    assert not page.open
    assert not page.tags("script", "iframe", "object", "img")
    links = [
        str(value) for _, attributes in page.found for name, value in attributes.items() if name in ("href", "src")
    ]
    assert all(link.startswith("#") or link == "data:," for link in links)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "http" not in re.sub(r"http-equiv", "", content)
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)


def test_page_serves_those_who_cannot_see_it(files: dict[str, str]) -> None:
    page = Page(files["report.html"])
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert len(page.tags("caption")) == len(page.tags("table")) > 5
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in page.tags("th"))
    drawings = page.tags("svg")
    assert all(attributes.get("aria-label") or attributes.get("aria-hidden") for attributes in drawings)
    assert sum(attributes.get("role") == "img" for attributes in drawings) == 2 + 2 + 8 + 2


def test_drawings_are_well_formed() -> None:
    document = build(sample())
    panels = [panel for s in document.sections for b in s.blocks if b.name == "figures" for panel in b.panels]
    for panel in panels:
        root = ElementTree.fromstring(panel.svg)
        assert root.get("aria-label") == panel.words
        assert not re.search(r"nan|inf\b", panel.svg.replace(panel.words, ""))


def test_page_tells_everything(files: dict[str, str]) -> None:
    words = " ".join(" ".join(Page(files["report.html"]).words).split())
    for told in (
        story.found(sample()),
        "1 stage failed and 1 skipped",
        "Stages were computed with 2 versions",
        "12 of 72 rows",
        "oracle (uses test labels)",
        "the loss is no longer a number at step 31",
        "surpass show KEY",
        "n_transfer: 2000",
        "1 min 16 s",
        "shifted: forum",
    ):
        assert told in words


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_row_and_key_is_there(files: dict[str, str], name: str) -> None:
    for row in sample().rows:
        assert text.value(row.student) in files[name]
        assert all(key in files[name] for of_role in row.keys.values() for key in of_role)


def test_findings_stand_beside_the_rows_they_touch(files: dict[str, str]) -> None:
    section = files["report.md"].split("## Headline")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    collapsed = [line for line in rows if "supervisor-collapsed" in line]
    assert len(rows) == 8
    assert len(collapsed) == 2
    assert all(line.startswith("| sarcasm | tfidf") for line in collapsed)
    assert sum("test-small" in line for line in rows) == 4
    assert sum("1 seed missing" in line for line in rows) == 1
    assert "versions-mixed" not in section


def test_markdown_tables_are_rectangular(files: dict[str, str]) -> None:
    widths = []
    for line in files["report.md"].splitlines():
        if line.startswith("|"):
            widths.append(len(re.findall(r"(?<!\\)\|", line)))
        elif widths:
            assert len(set(widths)) == 1
            widths = []


def test_texts_of_others_are_never_markup(tmp_path: Path) -> None:
    results = sample()
    bad = {"task": HOSTILE, "method": HOSTILE, "weak": HOSTILE, "note": HOSTILE}
    results = dataclasses.replace(
        change(results, **bad, pgr=nothing(HOSTILE)),
        name=HOSTILE,
        curves=tuple(dataclasses.replace(curve, task=HOSTILE, method=HOSTILE) for curve in results.curves),
        agreement=tuple(dataclasses.replace(row, task=HOSTILE, method=HOSTILE) for row in results.agreement),
        findings=(Finding(HOSTILE, "error", HOSTILE, {"task": HOSTILE}, {HOSTILE: HOSTILE}),),
        stages=tuple(
            dataclasses.replace(s, what=HOSTILE, key=HOSTILE, error=f"{HOSTILE}\n```\n" * 3) for s in results.stages
        ),
        versions={HOSTILE: HOSTILE},
        study={HOSTILE: HOSTILE},
    )
    paths = write(results, tmp_path)
    page = Page(paths["report.html"].read_text(encoding="utf-8"))
    assert not page.open
    assert not page.tags("script")
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", paths["report.md"].read_text(encoding="utf-8"))
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", outside)


def test_names_of_the_whole_world(tmp_path: Path) -> None:
    paths = write(change(sample(), task="Ünïcode 情感 😀", method="méthode"), tmp_path)
    assert all("Ünïcode 情感 😀" in path.read_text(encoding="utf-8") for path in paths.values())


def test_a_traceback_that_is_not_unicode_costs_nothing(tmp_path: Path) -> None:
    stage = dataclasses.replace(sample().stages[0], status="failed", error="bad file \udcff\x1b[31m name\x00")
    paths = write(dataclasses.replace(sample(), stages=(stage,)), tmp_path)
    assert "bad file \\udcff name" in paths["report.html"].read_text(encoding="utf-8")


def test_markdown_escapes() -> None:
    assert escape("weak_val a|b _c_ [x](y) <b>") == r"weak_val a\|b \_c\_ [x\](y) &lt;b&gt;"


def test_the_study_can_be_read_back(files: dict[str, str]) -> None:
    block = re.findall(r"```yaml\n(.*?)\n```", files["report.md"], re.DOTALL)[-1]
    assert yaml.safe_load(block) == sample().study


def test_holes_in_the_data_cost_no_report(tmp_path: Path) -> None:
    results = sample()
    gone = nothing("no row where the supervisor is wrong")
    lone = Estimate(0.8, math.nan, math.nan, 0.95, 1, 1, "", "one row")
    results = dataclasses.replace(
        change(results, student=lone, floor=gone),
        agreement=tuple(dataclasses.replace(row, when_wrong=gone) for row in results.agreement),
        curves=tuple(
            dataclasses.replace(c, test=(math.nan,) * len(c.test), floor=math.nan, steps=c.steps[: len(c.steps)])
            for c in results.curves
        ),
    )
    content = write(results, tmp_path)["report.html"].read_text(encoding="utf-8")
    assert ".800</" in content
    assert "(no interval)" in content


def test_curves_of_another_metric_than_the_shown_one_are_kept() -> None:
    document = build(dataclasses.replace(sample(), primary_metric="auroc"))
    training = next(section for section in document.sections if section.anchor == "training")
    assert len(training.blocks[1].panels) == 8  # type: ignore[union-attr]


def test_many_panels_are_folded_and_not_lost() -> None:
    results = sample()
    curves = tuple(dataclasses.replace(c, method=f"{c.method} {i}") for c in results.curves for i in range(3))
    training = next(s for s in build(dataclasses.replace(results, curves=curves)).sections if s.anchor == "training")
    figures, fold = (block for block in training.blocks if block.name in ("figures", "fold"))
    assert len(figures.panels) == 12
    assert fold.title == "12 more panels"
    assert len(fold.blocks[0].panels) == 12


# files


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


# the terminal


def test_terminal_fits_eighty_columns() -> None:
    for results in (sample(), empty(), all_failed()):
        assert all(len(line) <= 80 for line in printed(results).splitlines())


def test_terminal_shows_intervals_and_reasons() -> None:
    shown = printed(sample())
    assert re.search(r"soft +\.742 +\.803 +\.871 +\.473\n +\[\.723, \.761\] +\[\.786, \.820\]", shown)
    assert re.search(r"soft +\.732 +\.728 +\.741 +undefined", shown)
    assert f"PGR undefined: {NO_GAP} (soft," in shown
    assert "✕ supervisor-collapsed" in shown
    assert "1 seed missing because a stage failed (logconf(paper))" in shown
    assert "The guard found 1 error, 2 warnings and 1 note." in shown


def test_terminal_takes_no_markup_from_names() -> None:
    shown = printed(change(sample(), task="[bold]x[/bold]", method="[red]m"))
    assert "[bold]x[/bold]" in shown
    assert "[red]m" in shown
