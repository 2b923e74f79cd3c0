"""A study part of which fails, over rows that hold markup: its report is whole, says what is missing, and runs nothing."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from test_report_page import Page

from surpass.report import write
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.store import Store
from surpass.studyfile import read

HOSTILE = "<script>alert(1)</script>"
CLASS = "<img src=x onerror=alert(2)>"
STUDY = """
name: partly
tasks: [{{task: file, path: "{rows}", group: author}}]
data: {{n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}}
pairs:
  - {{weak: {{model: sklearn, ngrams: 1}}, strong: sklearn}}
  - weak: {{model: sklearn, ngrams: 1}}
    strong: {{model: probe, backbone: "{backbone}", precision: fp32, solver: adam, lr: 1e30, epochs: 3}}
seeds: 2
"""


@pytest.fixture(scope="module")
def out(llama, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("partly")
    rows, rng = folder / "<i>rows&.csv", random.Random(0)
    with rows.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("text", "label", "author"))
        for i in range(400):
            good = rng.random() < 0.5
            words = [rng.choice(("fine", "great") if good else ("dull", "grim")), HOSTILE, f"film {i}"]
            rng.shuffle(words)
            table.writerow((" ".join(words), CLASS if good else "a & b", f"{HOSTILE}{i}"))
    (folder / "study.yaml").write_text(STUDY.format(rows=rows, backbone=llama), encoding="utf-8")
    store = Store.open(folder / "store")
    made, outcomes = run(read(folder / "study.yaml"), store=store, runtime=Runtime(device="cpu"))
    write(results(made, outcomes, store), folder / "out")
    return folder / "out"


@pytest.mark.slow
def test_what_did_not_fail_has_its_numbers_and_what_did_is_named(out):
    page = " ".join(" ".join(Page((out / "report.html").read_text(encoding="utf-8")).words).split())
    assert "4 stages failed" in page
    assert "the training loss is" in page
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    failed = [stage for stage in found["timings"] if stage["status"] == "failed"]
    assert len(failed) == 4  # of two seeds a ceiling and a student
    assert all("the training loss is" in stage["error"] for stage in failed)
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(row["student"] and "probe" not in row["strong"] for row in rows)
    (finding,) = [finding for finding in found["findings"] if finding["code"] == "cell-failed"]
    assert finding["severity"] == "error"
    assert "probe" in json.dumps(finding)


@pytest.mark.slow
def test_markup_in_rows_and_names_stays_text(out):
    content = (out / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert not page.open
    assert not page.tags("script", "img", "i")
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
    assert "<script" not in content.casefold()
    assert "<img" not in content.casefold()
    assert "<i>rows&.csv" in " ".join(page.words)  # it is shown, as the text that it is
