"""Supervisor and student pretrained on one corpus, finetuned to write, scored, and their texts side by side in the report."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from typing import ClassVar

import pytest
from sample_results import sample

from surpass.corpora.base import Corpus
from surpass.diagnosing import diagnose
from surpass.documents import Documents
from surpass.models._pretrain import Pretrain
from surpass.models.generator import Generator
from surpass.report import write
from surpass.results_sides import SideRow
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import key
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.base import Example, Task

LETTERS = "abcdefgh"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs(Corpus):
    """Letters that go on in a circle, by steps of one or two."""

    count: int = 600

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        rng = random.Random(0)
        starts = [(rng.randrange(8), rng.choice((1, 2)), rng.randrange(6, 12)) for _ in range(self.count)]
        texts = tuple(" ".join(LETTERS[(a + i * step) % 8] for i in range(n)) for a, step, n in starts)
        return Documents(tuple(map(str, range(self.count))), texts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told(Corpus):
    """The runs, of which those with a number below 60 stand as the task asks for them, answered."""

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        runs = Runs().build(runtime, ())
        texts = (
            f"{name} : {text}" if int(name) < 60 else text for name, text in zip(runs.ids, runs.texts, strict=True)
        )
        return Documents(runs.ids, tuple(texts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Next(Task):
    """The letter that comes next."""

    target: ClassVar[str] = "generation"
    runs: Corpus = Runs()

    def sources(self) -> tuple[Corpus, ...]:
        return (self.runs,)

    def example(self, row, rng):
        letters = row["text"].split()
        return Example(f"{row['id']} : " + " ".join(letters[:-1]), " " + letters[-1], id=row["id"])

    def drawing(self, prompt, texts):
        assert set(texts) == {"target", "supervisor", "student"}
        return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{texts["target"].strip()}</title></svg>'


@pytest.mark.slow
def test_a_ladder_of_writers_from_one_corpus(tmp_path):
    def writer(corpus, width, layers, epochs):
        made = Pretrain(
            corpus=corpus,
            layers=layers,
            width=width,
            heads=2,
            context=32,
            vocabulary=300,
            precision="fp32",
            lr=1e-2,
            epochs=8,
        )
        return Generator(
            backbone=made, epochs=epochs, lr=3e-3, max_new_tokens=3, max_length=32, points=1, precision="fp32"
        )

    pair = Pair(weak=writer(Told(), 16, 1, 4), strong=writer(Runs(), 32, 2, 8))
    data = {"n_weak": 80, "n_transfer": 120, "n_val": 0, "n_test": 100}
    study = Study(name="letters", tasks=(Next(),), pairs=(pair,), data=tuple(data.items()), seeds=2)
    store = Store.open(tmp_path / "store")
    plan, outcomes = run(study, store=store)
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    found = results(plan, outcomes, store)
    scores = {row.metric: row for row in found.rows if row.split == "test"}
    assert scores["exact_match"].floor.value < scores["exact_match"].ceiling.value
    told = [finding for finding in found.findings if finding.code == "pretrained-on-source"]
    assert sorted({"weak", "strong"} & finding.where.keys() == {"weak"} for finding in told) == [False, True]
    [weak] = [finding.message for finding in told if "weak" in finding.where]
    test = store.load("data", key(cells(study)[0].data.evaluation())).part("test")
    known = sum(int(name) < 60 for name in test.ids)
    assert f"{known} of 100 test rows" in weak
    assert known > 0
    diagnosed = diagnose(plan, store)
    assert all("generation" in row.estimate.note for row in diagnosed if row.diagnostic == "similarity")
    [agreement] = [row for row in diagnosed if row.diagnostic == "agreement"]
    assert 0 < agreement.estimate.value <= 1
    assert found.sides
    assert all((row.student.strip() == row.target.strip()) == (row.right == "student") for row in found.sides)
    assert len({(row.right, row.id) for row in found.sides}) == len(found.sides) <= 6
    files = write(found, tmp_path / "out")
    page = files["report.html"].read_text()
    assert page.count("data:image/svg+xml;base64,") == len(found.sides)
    text = files["report.md"].read_text()
    assert found.sides[0].prompt in text
    made = text.partition("## Texts and models made here")[2].partition("\n## ")[0]
    assert "pretraining llama-1x16" in made
    assert "texts of" in made
    held = json.loads(files["results.json"].read_text())["sides"]
    assert held[0]["prompt"] == found.sides[0].prompt
    assert "drawing" not in held[0]


def test_texts_of_others_stay_texts(tmp_path):
    nasty = "<script>alert(1)</script>"
    row = SideRow("t", "w", "s", "m", 0, "student", "1", "x" * 500 + nasty, nasty, "", nasty, f"<svg>{nasty}</svg>")
    files = write(dataclasses.replace(sample(), sides=(row,)), tmp_path)
    page = files["report.html"].read_text()
    assert nasty not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "(nothing)" in page
    assert "x" * 241 not in page
    assert "<script" not in files["report.md"].read_text()
