"""The report: its numbers, its words, which rows stand for a study, and what the terminal shows."""

from __future__ import annotations

import dataclasses
import io
import math
import re

import pytest
from rich.console import Console
from sample_results import NO_GAP, all_failed, change, empty, estimate, nothing, only, sample

from surpass.checks import Finding
from surpass.report import headline, story, svg, text
from surpass.report.document import build
from surpass.report.markdown import markdown
from surpass.report.terminal import summary
from surpass.results import Results
from surpass.stats import Estimate


def printed(results: Results, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(summary(results))
    return console.file.getvalue()  # type: ignore[attr-defined]


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


def test_findings_of_a_row_are_those_that_touch_it() -> None:
    results = sample()
    others = [{}, {"seed": "1"}, {"task": "sarcasm"}, {"task": "sarcasm", "seed": "2"}, {"elsewhere": "x"}]
    more = [Finding("code", "note", f"number {i}", where, {}) for i, where in enumerate(others)]
    findings = (*results.findings, *more)
    touching = headline.Touching(findings)
    for row in (*results.rows, *results.agreement):
        wanted = [
            (i, one) for i, one in enumerate(headline.ordered(findings), 1) if one.where and headline.touches(one, row)
        ]
        assert touching.of(row) == wanted


def test_tables_too_long_for_a_page_give_way_to_their_file(monkeypatch) -> None:
    results = sample()
    whole = markdown(build(results))
    monkeypatch.setattr("surpass.report.document._MOST_ROWS", 3)
    monkeypatch.setattr("surpass.report.document._SLOWEST", 2)
    short = markdown(build(results))
    assert len(short) < len(whole)
    assert f"{len(results.rows)} rows, too many for a page: `results.csv`" in short
    assert "stand in `results.csv`, each with its reason" in short
    assert "the 2 longest, all are in results.json" in short


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


def test_terminal_breaks_long_names_between_their_parts() -> None:
    name = "soft (via minilm probe(layer=last, pool=mean), gold control)"
    lines = [line[:16].rstrip() for line in printed(change(sample(), method=name)).splitlines()]
    start = lines.index("soft (via minilm")
    assert lines[start : start + 4] == ["soft (via minilm", "probe(", "layer=last,", "pool=mean), gold"]


def test_terminal_takes_no_markup_from_names() -> None:
    shown = printed(change(sample(), task="[bold]x[/bold]", method="[red]m"))
    assert "[bold]x[/bold]" in shown
    assert "[red]m" in shown
