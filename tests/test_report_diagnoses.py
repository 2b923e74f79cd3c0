"""The section of `surpass diagnose` and its files: what stands there, what is undefined and why, how long it gets."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from sample_results import METHODS, PAIRS, TASKS, estimate, nothing, sample
from test_report_page import HOSTILE, Page

from surpass import diagnosing
from surpass.report import diagnosis_files, text, write
from surpass.report.blocks import Fold, Section, Table, Terms, Text
from surpass.report.diagnoses import section
from surpass.report.diagnosis_words import FAMILIES
from surpass.report.document import build
from surpass.results import Results
from surpass.results_diagnoses import DiagnosisRow

NO_FEATURES = "the weak model (tfidf) has no frozen features"


def row(diagnostic: str, quantity: str, value: Any, **changes: Any) -> DiagnosisRow:
    names = {"task": TASKS[0], "weak": PAIRS[0][0], "strong": PAIRS[0][1], "method": METHODS[0], "part": ""}
    given = {"rows": "transfer", "gold": False, **names, **changes}
    number = nothing(value) if isinstance(value, str) else estimate(value, 0.02)
    return DiagnosisRow(diagnostic=diagnostic, quantity=quantity, estimate=number, **given)


def rows() -> tuple[DiagnosisRow, ...]:
    """Misfit of both methods, dimensions of which the weak one is undefined, expansion whose bound of one class is."""
    tested = {"rows": "test", "gold": True}
    return (
        *(row("misfit", "reverse_kl", 0.1 + i / 10, method=name) for i, name in enumerate(METHODS)),
        row("dimension", "correlation", 14.2, method="", part="strong"),
        row("dimension", "correlation", NO_FEATURES, method="", part="weak"),
        row("dimension", "shared", NO_FEATURES, method="", part="both"),
        row("expansion", "c", 0.4, part="bad", **tested),
        row("expansion", "bound", "would be .8, but away is too large", part="bad", **tested),
        row("expansion", "c", 0.5, part="good", **tested),
        row("expansion", "bound", 0.3, part="good", **tested),
        row("speed", "area", "one reading", **tested),
    )


def diagnosed(*found: DiagnosisRow) -> Results:
    return dataclasses.replace(sample(), diagnoses=found or rows())


def blocks(found: Section, kind: type) -> list[Any]:
    return [block for block in found.blocks if isinstance(block, kind)]


def test_a_study_that_was_not_diagnosed_has_no_section():
    assert section(sample()) is None
    assert "diagnoses.csv" not in build(sample()).files
    assert "diagnoses.csv" in build(diagnosed()).files


def test_the_section_stands_before_the_guard():
    anchors = [part.anchor for part in build(diagnosed()).sections]
    assert anchors.index("diagnostics") + 1 == anchors.index("guard")


def test_every_diagnostic_and_every_quantity_has_words():
    known = {family.diagnostic: family for family in FAMILIES}
    assert len(known) == len(FAMILIES)
    assert {measure.name for measure in diagnosing.MEASURES} == set(known)
    for measure in diagnosing.MEASURES:
        assert set(measure.quantities) <= set(known[measure.name].columns), measure.name


def test_families_tell_their_meaning_and_their_rows():
    found = section(diagnosed())
    assert found is not None
    told = {title: meaning for block in blocks(found, Terms) for title, meaning in block.items}
    assert len(told) == 4  # those that were asked alone
    misfit = next(meaning for title, meaning in told.items() if title.startswith("Misfit"))
    assert "convex class" in misfit
    assert misfit.endswith("Read from: transfer rows without ground truth.")
    assert told["Errors that neighbours correct"].endswith("Read from: test rows with ground truth.")


def test_likeness_says_that_copies_of_unsure_models_are_near_zero():
    capa = next(family for family in FAMILIES if family.diagnostic == "similarity")
    assert "of models that are unsure even copies are near 0" in capa.rests_on


def test_tables_hold_the_numbers_and_leave_lines_without_any_to_a_sentence():
    found = section(diagnosed())
    assert found is not None
    misfit, dimension, expansion = blocks(found, Table)
    assert misfit.columns == ("Method", "KL(student || supervisor)")
    assert [line[0].text for line in misfit.rows] == list(METHODS)
    assert misfit.rows[0][1].text == text.value(estimate(0.1, 0.02))
    assert misfit.rows[0][1].sub == text.interval(estimate(0.1, 0.02))
    assert misfit.groups[0] == (TASKS[0], text.pair(*PAIRS[0]))
    assert [line[0].text for line in dimension.rows] == ["strong"]
    assert dimension.columns == ("Features", "Correlation")
    assert expansion.rows[0][-1].kind == "undefined"
    assert expansion.rows[0][-1].sub == "would be .8, but away is too large"
    told = [block.text for block in blocks(found, Text)][1:]
    assert any(NO_FEATURES in line and "weak" in line and "both" in line for line in told)
    assert any("one reading" in line for line in told)


def test_many_lines_are_folded_and_cut_and_reasons_are_counted():
    many = tuple(row("misfit", "brier", 0.1, method=f"method-{i}") for i in range(300))
    lost = tuple(row("agreement", "agreement", "why", method=f"method-{i}") for i in range(300))
    found = section(diagnosed(*many, *lost))
    assert found is not None
    [fold] = blocks(found, Fold)
    table, rest = fold.blocks
    assert len(table.rows) == 200
    assert "100 more lines" in rest.text
    assert "diagnoses.csv" in rest.text
    assert [block.text for block in blocks(found, Text)][1:] == ["Undefined for 300 lines: why."]


def test_the_csv_has_every_number_and_no_formula():
    found = [*rows(), row("misfit", "brier", 0.1, weak="=SUM(A1)")]
    lines = list(csv.DictReader(io.StringIO(diagnosis_files.csv_text(found))))
    assert len(lines) == len(found)
    assert lines[-1]["weak"] == "'=SUM(A1)"
    assert (lines[3]["value"], lines[3]["note"]) == ("", NO_FEATURES)
    assert (lines[0]["gold"], lines[5]["gold"]) == ("no", "yes")


def test_what_is_written_is_read_back(tmp_path: Path):
    results = sample()
    diagnosis_files.write(rows(), results, tmp_path)
    back = diagnosis_files.read(tmp_path, results)
    assert len(back) == len(rows())
    for one, other in zip(back, rows(), strict=True):
        assert dataclasses.replace(one, estimate=None) == dataclasses.replace(other, estimate=None)
        assert one.estimate.note == other.estimate.note
        assert one.estimate.value == pytest.approx(other.estimate.value, nan_ok=True)
        assert math.isnan(one.estimate.low) == math.isnan(other.estimate.low)


def test_a_study_knows_its_own_diagnoses():
    results = sample()
    assert diagnosis_files.identity(results) == diagnosis_files.identity(dataclasses.replace(results, curves=()))
    fewer = dataclasses.replace(results, rows=results.rows[:1])
    changed = dataclasses.replace(results, study={**results.study, "level": 0.5})
    assert len({diagnosis_files.identity(one) for one in (results, fewer, changed)}) == 3


def test_hostile_names_stay_text(tmp_path: Path):
    bad = row("misfit", "brier", HOSTILE, method=HOSTILE, part=HOSTILE, weak=HOSTILE)
    paths = write(diagnosed(bad, dataclasses.replace(bad, estimate=estimate(0.1, 0.1))), tmp_path)
    page = Page(paths["report.html"].read_text(encoding="utf-8"))
    assert not page.open
    assert not page.tags("script")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    executable = chromium.find()
    if executable is None:
        pytest.skip("no browser on the PATH (apt-get install chromium)")
    with chromium.Browser(executable, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_opens_without_overflow(browser: chromium.Browser, tmp_path: Path, width: int, scheme: str):
    page = write(diagnosed(), tmp_path)["report.html"]
    browser.open(page, width=width, scheme=scheme)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('#diagnostics table').length") == 3
    assert browser.complaints() == []
