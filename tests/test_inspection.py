"""What `ls`, `show` and `check` tell: plug-ins and presets, whole or in part, and the guard's view of a study file."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

import pytest
from click.testing import CliRunner

from surpass import presets
from surpass.cli import main
from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.errors import DataError, StoreError, StudyError, UnknownNameError
from surpass.inspection import about, differences, findings_before, listing, manifest
from surpass.registry import REGISTRIES
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.splits import Data, make_splits
from surpass.study import cells
from surpass.studyfile import ROUTE_WORDS, read
from surpass.tasks.base import Example, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts(Corpus):
    """Numbers in words."""

    def build(self, runtime, sources):
        return Documents(tuple(map(str, range(200))), tuple(f"number {i}" for i in range(200)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """Is a number odd?"""

    classes: ClassVar[tuple[str, ...]] = ("even", "odd")
    counts: Corpus = Counts()

    def sources(self):
        return (self.counts,)

    def example(self, row, rng):
        return Example(row["text"], int(row["id"]) % 2, id=row["id"])


@pytest.mark.parametrize("family", REGISTRIES)
def test_every_plugin_is_listed_with_its_first_line(family):
    rows = {row["name"]: row for row in listing(REGISTRIES[family].plural)}
    assert sorted(rows) == REGISTRIES[family].names()
    for name, row in rows.items():
        assert row["summary"] == (REGISTRIES[family].get(name).__doc__ or "").strip().partition("\n")[0]


def test_tasks_are_listed_with_licence_classes_and_what_is_missing():
    rows = {row["name"]: row for row in listing("tasks")}
    assert rows["toy"]["classes"] == ["unpleasant", "pleasant"]
    assert rows["toy"]["problem"] == ""
    assert all(row["licence"] for row in rows.values())
    assert "Misra & Arora" in rows["sarcasm"]["citation"]


def test_a_plugin_is_told_with_its_options_and_defaults():
    told = about("methods", "logconf")
    assert told["options"]["variant"] == repr(REGISTRIES["method"].get("logconf")().variant)
    assert "\n  variant: 'paper' ('paper' or 'openai' or 'eleuther')\n" in told["text"]
    assert "\n  strength: 0.5 (a number, at least 0 and at most 1)\n" in told["text"]
    assert "\nNeeds: gradient training on its loss." in told["text"]
    with pytest.raises(UnknownNameError, match=r"unknown method 'logcnof'\. Did you mean 'logconf'"):
        about("methods", "logcnof")


@pytest.mark.parametrize("family", REGISTRIES)
def test_every_option_is_explained(family):
    """In the attributes of the class, or in backticks in the text about it."""
    for name in REGISTRIES[family].names():
        told = about(REGISTRIES[family].plural, name)
        text = told["text"].partition("Options and defaults:")[0]
        named = {*re.findall(r"`(\w+)`", text)}
        for line in re.findall(r"^ *(\w+(?:, \w+)*): ", text, re.MULTILINE):
            named.update(line.split(", "))
        assert set(told["options"]) <= named, name


def test_options_are_told_as_a_study_file_has_them():
    assert "\n  weak: must be given (a model or a label source, as a mapping" in about("labels", "blend")["text"]
    assert "\n  threshold: null (a number or null, at least 0 and at most 1)\n" in about("methods", "confident")["text"]
    assert "\n  vocabulary: 1024 (" in about("models", "pretrain")["text"]
    text = about("methods", "knn")["text"]
    assert "\n  itself: true (true or false)\n" in text
    assert "\n  k: 50 (a whole number, at least 1)\n" in text
    assert "\n  shots: 0 (" in about("models", "prompt")["text"]


def test_what_may_stand_beside_a_method_is_told_with_every_method():
    beside = about("methods", "soft")["text"].partition("Beside any method")[2]
    assert tuple(re.findall(r"^ {4}(\w+):", beside, re.MULTILINE)) == ROUTE_WORDS
    assert "Beside any method" not in about("models", "sklearn")["text"]


def test_every_preset_is_a_study_with_a_line_about_it():
    rows = listing("presets")
    assert {"demo", "first-look"} <= {row["name"] for row in rows}
    for row in rows:
        assert row["summary"].endswith(".")  # not cut in the middle of a sentence
        assert read(presets.recipe(row["name"])).name == row["name"]
        assert about("presets", row["name"])["text"].startswith(f"# {row['summary']}")
    with pytest.raises(UnknownNameError, match=r"unknown preset 'dmeo'\. Did you mean 'demo'"):
        presets.recipe("dmeo")


def test_an_artifact_is_found_by_the_beginning_of_its_key(small_study, store):
    plan, _ = run(small_study(seeds=2), store=store, runtime=Runtime())
    first, second = (key(cell.student) for cell in cells(plan.study))
    assert manifest(store, first[:10])["spec"]["kind"] == "fit"
    assert differences(store, first, second)["seed"] == [None, 1]
    assert differences(store, first, first) == {}
    with pytest.raises(StoreError, match=r"\d+ artifacts in store .* begins with ''"):
        manifest(store, "")
    with pytest.raises(StoreError, match=r"no artifact in store .* begins with 'zz'"):
        manifest(store, "zz")


def test_the_guard_reads_the_rows_of_a_study_file_before_it_runs(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: few\ntasks: [toy]\ndata: {n_weak: 40, n_transfer: 60, n_test: 20}\n"
        "pairs: [{weak: {model: sklearn}, strong: {model: sklearn}}]\n"
    )
    assert "tiny-test" in {finding.code for finding in findings_before(str(file))}
    file.write_text(file.read_text().replace("n_test: 20", "n_test: 200000"))
    with pytest.raises(StudyError, match="n_test"):
        findings_before(str(file))


def test_tasks_on_corpora_are_left_out_before_a_study_runs_and_it_is_said(tmp_path):
    file = tmp_path / "study.yaml"
    rows = "data: {n_weak: 40, n_transfer: 60, n_val: 20, n_test: 20}"
    text = f"name: few\ntasks: [toy, 'test_inspection:Parity']\n{rows}\npairs: [{{weak: sklearn, strong: sklearn}}]\n"
    file.write_text(text)
    told: list[str] = []
    found = findings_before(str(file), tell=told.append)
    assert {finding.where.get("task") for finding in found} == {"toy"}
    assert len(told) == 1
    assert "'test_inspection:Parity' are made of corpora" in told[0]
    file.write_text(text.replace("toy, ", ""))
    checked = CliRunner().invoke(main, ["check", str(file)])
    assert checked.exit_code == 0, checked.output
    assert checked.stdout == "The guard found nothing yet.\n"
    assert checked.stderr == f"Note: {told[0]}\n"
    assert CliRunner().invoke(main, ["check", str(file), "--quiet"]).output == ""


def test_rows_without_their_corpora_are_refused_in_words():
    data = Data(task=Parity(), n_weak=10, n_transfer=10, n_val=0, n_test=10)
    with pytest.raises(DataError, match=r"made of test_inspection:Counts, which a study builds first. Run the study"):
        make_splits(data)
    made = Parity().counts.build(Runtime(), ())
    assert len(make_splits(data, [made]).part("test")) == 10
