"""report.html and report.md: whole, alone, complete, and safe from the texts they show."""

from __future__ import annotations

import dataclasses
import html.parser
import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from sample_results import all_failed, change, empty, nothing, sample

from surpass.checks import Finding
from surpass.report import story, text, write
from surpass.report.document import build
from surpass.report.markdown import escape
from surpass.results import Results
from surpass.stats import Estimate

HOSTILE = '<script>alert(1)</script>"&|`*'
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("report")
    return {name: path.read_text(encoding="utf-8") for name, path in write(sample(), out).items()}


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
    none = ("errors.csv", "calibration.csv", "misfit.csv")  # no such rows here
    shown = [path for name, path in paths.items() if name not in none]
    assert all("Ünïcode 情感 😀" in path.read_text(encoding="utf-8") for path in shown)


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
