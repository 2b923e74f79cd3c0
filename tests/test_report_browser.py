"""Opens the report from disk in a real browser: wide and narrow, light and dark, on paper."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from sample_results import all_failed, empty, sample

from surpass.report import write

pytestmark = pytest.mark.browser

PHONE, TABLET, DESK = 375, 768, 1200
OPEN_ALL = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"
LIGHTNESS = """(() => {
  const parts = getComputedStyle(document.%s).%s.match(/[\\d.]+/g).map(Number);
  return (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    executable = chromium.find()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(chromium.NAMES)} is on the PATH (apt-get install chromium)")
    with chromium.Browser(executable, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    results = sample()
    long = "a-name-without-any-place-to-break-it-" * 4
    rows = tuple(dataclasses.replace(row, task=long, method=long, weak=long) for row in results.rows)
    studies = {
        "sample": results,
        "empty": empty(),
        "all-failed": all_failed(),
        "long": dataclasses.replace(results, name=long, rows=rows),
    }
    out = tmp_path_factory.mktemp("pages")
    return {name: write(study, out / name)["report.html"] for name, study in studies.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, TABLET, DESK])
@pytest.mark.parametrize("name", ["sample", "empty", "all-failed", "long"])
def test_opens_without_overflow_errors_or_requests(
    browser: chromium.Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    browser.open(pages[name], width=width, scheme=scheme)
    assert browser.evaluate("document.querySelector('.found').textContent.length") > 10
    for _ in range(2):
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        browser.evaluate(OPEN_ALL)
    assert browser.requests() == [pages[name].as_uri()]
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_from_paper_in_both_schemes(
    browser: chromium.Browser, pages: dict[str, Path], scheme: str
) -> None:
    browser.open(pages["sample"], width=DESK, scheme=scheme)
    paper = browser.evaluate(LIGHTNESS % ("body", "backgroundColor"))
    inks = [
        browser.evaluate(LIGHTNESS % (f"querySelector('{place}')", style))
        for place, style in (
            ("body", "color"),
            (".sub", "color"),
            ("figure svg .tick", "fill"),
            ("figure svg .head", "fill"),
            ("figure svg .mark.student", "fill"),
            ("figure svg .bar.floor", "stroke"),
        )
    ]
    assert (paper > 0.9) == (scheme == "light")
    assert all(abs(paper - ink) > 0.3 for ink in inks)


def test_screenshots_of_both_schemes_differ(browser: chromium.Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    shots = []
    for scheme in ("light", "dark"):
        browser.open(pages["sample"], width=PHONE, scheme=scheme)
        shots.append(browser.screenshot(tmp_path / f"{scheme}.png", whole=False))
    assert all(shot.startswith(b"\x89PNG") and len(shot) > 10_000 for shot in shots)
    assert shots[0] != shots[1]


def test_on_a_phone_rows_become_cards_and_words_stay_readable(
    browser: chromium.Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["sample"], width=PHONE)
    row = "document.querySelector('.stack tbody tr:not(.group)')"
    assert browser.evaluate(f"getComputedStyle({row}).display") == "block"
    assert "Student" in browser.evaluate(f"getComputedStyle({row}.children[2], '::before').content")
    drawn = "[...document.querySelectorAll('figure svg text')].map(word => word.getBoundingClientRect().height)"
    assert min(browser.evaluate(drawn)) >= 10


def test_words_in_drawings_stay_inside_and_apart(browser: chromium.Browser, pages: dict[str, Path]) -> None:
    for name in ("sample", "long"):
        browser.open(pages[name], width=PHONE)
        outside = """[...document.querySelectorAll('figure svg')].filter(svg => {
          const box = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].some(word => {
            const own = word.getBoundingClientRect();
            return own.left < box.left - 1 || own.right > box.right + 8;
          });
        }).length"""
        assert browser.evaluate(outside) == 0


def test_links_lead_to_open_places(browser: chromium.Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["sample"], width=DESK)
    browser.evaluate("document.querySelector('a.value').click()")
    assert browser.evaluate("document.querySelector(location.hash).closest('details').open") is True


def test_on_paper_folds_are_open(browser: chromium.Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    browser.open(pages["sample"], width=DESK, media="print", scheme="dark")
    assert browser.evaluate(LIGHTNESS % ("body", "backgroundColor")) == pytest.approx(1.0)
    inside = "document.querySelector('details:not([open]) td').getBoundingClientRect().height"
    assert browser.evaluate(inside) > 0
    pdf = browser.print(tmp_path / "report.pdf")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 5
