"""The sections of the analyses: which are there, what their one sentence says, their drawings, tables and files."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from sample_analyses import error_rows, full, ladder, saliency_row
from sample_results import estimate, nothing, sample
from test_report_page import HOSTILE, Page

from surpass.report import analyses, text, write
from surpass.report.analysis_files import CALIBRATION_COLUMNS, ERROR_COLUMNS, calibration_text, errors_text
from surpass.report.analysis_plots import parameters
from surpass.report.blocks import Figures, Fold, Section, Table, Text
from surpass.report.document import build
from surpass.results import Results

ANCHORS = ("errors", "calibration", "sizes", "saliency")


def section(results: Results, anchor: str) -> Section:
    return next(part for part in build(results).sections if part.anchor == anchor)


def intro(results: Results, anchor: str) -> str:
    first = section(results, anchor).blocks[0]
    assert isinstance(first, Text)
    return first.text


def inside(found: Section) -> list[Any]:
    return [part for block in found.blocks for part in ((block,) if not isinstance(block, Fold) else block.blocks)]


def panels(found: Section) -> list[Any]:
    return [panel for block in inside(found) if isinstance(block, Figures) for panel in block.panels]


def only_errors(*rows: Any) -> Results:
    return dataclasses.replace(sample(), errors=rows)


def test_nothing_is_shown_of_analyses_that_have_nothing_to_say():
    assert not {part.anchor for part in build(sample()).sections} & set(ANCHORS)
    assert errors_text(sample()).splitlines() == [",".join(ERROR_COLUMNS)]
    assert calibration_text(sample()).splitlines() == [",".join(CALIBRATION_COLUMNS)]


def test_the_sections_stand_after_agreement_and_before_the_guard():
    anchors = [part.anchor for part in build(full()).sections]
    start = anchors.index("agreement")
    assert anchors[start : start + 6] == ["agreement", *ANCHORS, "guard"]


def test_drawings_are_well_formed_and_say_their_numbers():
    for anchor, count in zip(ANCHORS, (8, 8, 2, 1), strict=True):
        found = panels(section(full(), anchor))
        assert len(found) == count
        for panel in found:
            assert ElementTree.fromstring(panel.svg).get("aria-label") == panel.words
            assert not re.search(r"nan|inf\b", panel.svg.replace(panel.words, ""))
    assert text.estimate(estimate(0.78, 0.01)) in panels(section(full(), "saliency"))[0].words
    assert "123M" not in panels(section(full(), "sizes"))[0].svg
    assert all(size in panels(section(full(), "sizes"))[0].svg for size in (">23M<", ">135M<", ">1.5B<"))


def test_the_page_is_whole_with_all_of_them(tmp_path: Path):
    paths = write(full(), tmp_path)
    page = Page(paths["report.html"].read_text(encoding="utf-8"))
    assert not page.open
    assert len(page.tags("caption")) == len(page.tags("table"))
    for line in paths["report.md"].read_text(encoding="utf-8").split("\n\n"):
        if line.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in line.splitlines()}) == 1


def test_one_comparison_is_told_with_its_interval():
    rows = error_rows("sarcasm", 0, 0)
    assert intro(only_errors(*rows[:3]), "errors").endswith(
        "The student takes over .400 [.360, .440] of its supervisor's errors and corrects .570 [.530, .610], measurably more "
        "where the supervisor is surest than where least."
    )
    assert intro(only_errors(rows[0]), "errors").endswith("and corrects .570 [.530, .610].")
    never = dataclasses.replace(rows[0], inheritance=nothing("none wrong"))
    assert intro(only_errors(never), "errors").endswith("No supervisor is wrong on any test row here.")


def test_a_share_without_an_interval_proves_no_trend():
    rows = error_rows("sarcasm", 0, 0)
    sure = dataclasses.replace(rows[2], inheritance=estimate(1.0, 0.0))
    assert "not measurably more where the supervisor is surest" in intro(only_errors(*rows[:2], sure), "errors")
    less = dataclasses.replace(rows[2], inheritance=estimate(0.1, 0.01))
    assert "measurably less where the supervisor is surest" in intro(only_errors(*rows[:2], less), "errors")


def test_many_comparisons_are_counted():
    rows = [row for method in (0, 1) for row in error_rows("sarcasm", 0, method)[:3]]
    assert intro(only_errors(*rows), "errors").endswith(
        "Students take over from .400 to .450 of their supervisors' errors: measurably more where the supervisor is surest "
        "than where it is least sure in 2 of 2 comparisons, measurably less in 0."
    )
    assert (
        "Students are measurably surer than they are right in 4 of 8 comparisons, measurably less sure in 0."
        in intro(full(), "calibration")
    )


def test_one_student_s_calibration_is_told_with_its_interval():
    rows = full().calibration
    one = dataclasses.replace(sample(), calibration=rows[6:9])
    assert rows[6].split == "test"
    told = "The student is surer than it is right: confidence − accuracy is .090 [.060, .120]."
    assert told in intro(one, "calibration")


def test_bins_of_a_few_rows_are_in_the_table_and_not_drawn():
    rows = full().calibration[:3]
    curve = tuple(one._replace(rows=9 if i == 6 else 50) for i, one in enumerate(rows[1].curve))
    results = dataclasses.replace(sample(), calibration=(rows[0], dataclasses.replace(rows[1], curve=curve), rows[2]))
    found = section(results, "calibration")
    (panel,) = panels(found)
    assert (panel.svg.count("50 rows"), panel.svg.count("9 rows")) == (6, 0)
    bins = [block for block in inside(found) if isinstance(block, Table)][1]
    assert [row[4].text for row in bins.rows if row[0].text == "student"] == ["50"] * 6 + ["9"]


def test_sizes_say_what_the_largest_student_copies():
    one = dataclasses.replace(sample(), ladders=(ladder(),))
    assert intro(one, "sizes").endswith(
        "The largest student gives fewer of its supervisor's wrong answers than the smallest: the difference is "
        "−.100 [−.130, −.070]."
    )
    two = dataclasses.replace(sample(), ladders=(ladder(), dataclasses.replace(ladder(), method="hard")))
    assert "in 2 of 2 ladders (inverse scaling), measurably more in 0" in intro(two, "sizes")
    unsized = intro(dataclasses.replace(sample(), ladders=(ladder(sized=False),)), "sizes")
    assert "inverse scaling" not in unsized
    assert "stand in the order of the study" in unsized
    (table,) = [block for block in inside(section(one, "sizes")) if isinstance(block, Table)]
    assert [row[1].text for row in table.rows][-1] == "largest − smallest"
    assert table.rows[0][4].text == "undefined"
    assert table.rows[0][4].sub == "no gap"


def test_saliency_tells_the_probe_after_weak_finetuning_and_warns_of_unequal_rows():
    assert intro(full(), "saliency").endswith(
        "“finetuned, then a probe on ground truth (soft)” closes .600 [.500, .700] of the gap."
    )
    row = saliency_row()
    flat = [dataclasses.replace(way, share=way.share and nothing("no gap")) for way in row.ways]
    assert "not significant" in analyses._of_saliency([dataclasses.replace(row, ways=tuple(flat))])
    missing = [dataclasses.replace(way, share=None) for way in row.ways[1:]]
    lone = dataclasses.replace(sample(), saliency=(dataclasses.replace(row, ways=tuple(missing), ends=(0,)),))
    assert "One of the two ends is missing" in intro(lone, "saliency")
    assert len(panels(section(lone, "saliency"))) == 1
    assert "not trained on the same" not in intro(full(), "saliency").lower()
    fewer = (row.ways[0], dataclasses.replace(row.ways[1], trained=100), *row.ways[2:])
    told = intro(dataclasses.replace(sample(), saliency=(dataclasses.replace(row, ways=fewer),)), "saliency")
    assert "Not all ways were trained on the same number of rows" in told


def test_supervisor_and_ceiling_stand_once_in_the_tables_of_calibration():
    table, _ = [block for block in inside(section(full(), "calibration")) if isinstance(block, Table)]
    of_sarcasm = [row for row, group in zip(table.rows, table.groups, strict=True) if group[0] == "sarcasm"]
    assert [row[0].text for row in of_sarcasm] == ["supervisor", "student", "ceiling", "student"] * 2
    assert [row[1].text for row in of_sarcasm[:4]] == ["–", "soft", "–", "logconf(paper)"]


def test_the_column_of_other_errors_is_there_when_there_are_any():
    def titles(results: Results) -> tuple[str, ...]:
        return next(block for block in inside(section(results, "errors")) if isinstance(block, Table)).columns

    assert "Another error" in titles(full())
    none = [dataclasses.replace(row, other=estimate(0.0, 0.0)) for row in full().errors]
    assert "Another error" not in titles(only_errors(*none))


def test_files_hold_every_number(tmp_path: Path):
    results = full()
    paths = write(results, tmp_path)
    errors = list(csv.DictReader(io.StringIO(paths["errors.csv"].read_text(encoding="utf-8"))))
    assert len(errors) == len(results.errors)
    assert (errors[0]["bin"], errors[1]["bin"]) == ("all", "1")
    assert float(errors[1]["inheritance_low"]) == pytest.approx(0.48)
    assert {record["inheritance"] for record in errors if record["wrong"] == "0"} == {""}
    calibrated = list(csv.DictReader(io.StringIO(paths["calibration.csv"].read_text(encoding="utf-8"))))
    assert len(calibrated) == sum(1 + len(row.curve) for row in results.calibration)
    assert calibrated[0]["rows"] == str(sum(10 * i for i in range(8, 15)))
    assert float(calibrated[0]["accuracy"]) == pytest.approx(0.8)
    data = json.loads(paths["results.json"].read_text(encoding="utf-8"))
    assert [len(data[name]) for name in ("errors", "calibration", "ladders", "saliency")] == [48, 36, 2, 1]
    assert data["ladders"][0]["rungs"][2]["when_wrong"]["value"] == pytest.approx(0.5)
    assert data["ladders"][0]["rungs"][0]["pgr"]["value"] is None
    assert data["calibration"][0]["curve"][0]["rows"] == 80
    assert data["saliency"][0]["ends"] == [0, 1]


def test_texts_of_others_are_never_markup(tmp_path: Path):
    names = {"task": HOSTILE, "weak": HOSTILE, "method": HOSTILE}
    results = full()
    bad = dataclasses.replace(
        results,
        errors=tuple(dataclasses.replace(row, **names, strong=HOSTILE) for row in results.errors),
        calibration=tuple(dataclasses.replace(row, **names, strong=HOSTILE) for row in results.calibration),
        ladders=tuple(
            dataclasses.replace(
                row, **names, family=HOSTILE, rungs=tuple(dataclasses.replace(r, strong=HOSTILE) for r in row.rungs)
            )
            for row in results.ladders
        ),
        saliency=tuple(
            dataclasses.replace(
                row,
                task=HOSTILE,
                weak=HOSTILE,
                backbone=HOSTILE,
                ways=tuple(dataclasses.replace(w, strong=HOSTILE, method=HOSTILE) for w in row.ways),
            )
            for row in results.saliency
        ),
    )
    paths = write(bad, tmp_path)
    page = Page(paths["report.html"].read_text(encoding="utf-8"))
    assert not page.open
    assert not page.tags("script")
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", paths["report.md"].read_text(encoding="utf-8"))
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", outside)


def test_hundreds_of_comparisons_leave_the_page_small_and_say_where_the_rest_is():
    results = full()
    many = dataclasses.replace(
        results,
        errors=tuple(dataclasses.replace(row, method=f"{row.method} {i}") for i in range(50) for row in results.errors),
        calibration=tuple(
            dataclasses.replace(row, method=f"{row.method} {i}") for i in range(50) for row in results.calibration
        ),
    )
    start = time.process_time()
    for anchor, file, left in (("errors", "errors.csv", 50 * 8 - 36), ("calibration", "calibration.csv", 50 * 8 - 36)):
        found = section(many, anchor)
        assert len(panels(found)) == 36
        told = " ".join(block.text for block in inside(found) if isinstance(block, Text))
        assert f"{left} more comparisons stand in `{file}`" in told
        assert f"of this table stand in `{file}`" in told
        assert all(len(block.rows) == 200 for block in inside(found) if isinstance(block, Table))
        assert sum(len(panel.svg) for panel in panels(found)) < 400_000
    assert time.process_time() - start < 5
    assert len(errors_text(many).splitlines()) == 1 + len(many.errors)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (999, "999"),
        (30_200, "30K"),
        (1_234, "1.2K"),
        (134_515_008, "135M"),
        (1_100_000_000, "1.1B"),
        (70_000_000_000, "70B"),
    ],
)
def test_parameters_in_words(count: int, said: str):
    assert parameters(count) == said
