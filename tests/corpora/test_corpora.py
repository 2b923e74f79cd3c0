"""Corpora: stages that yield texts, tasks that stand on them, and the texts of a person's own files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import ClassVar

import pytest

from surpass.corpora.base import Corpus
from surpass.corpora.files import Files
from surpass.documents import Documents
from surpass.errors import AlignmentError, DataError
from surpass.models.sklearn import Sklearn
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.spec import decode, encode, key, spec_class
from surpass.stages import inputs_of, stored_as
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers(Corpus):
    """Numbers, written out."""

    count: int = 400

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        names = tuple(map(str, range(self.count)))
        texts = tuple(f"the number {i} is here" for i in range(self.count))
        return Documents(names, texts, tuple(str(i // 2) for i in range(self.count)), {"made": self.count})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parities(Corpus):
    """Numbers with their parity, made of another corpus."""

    numbers: Numbers = Numbers()

    def sources(self) -> tuple[Corpus, ...]:
        return (self.numbers,)

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        (numbers,) = sources
        parity = [int(name) % 2 for name in numbers.ids]
        words = tuple(f"{text} {'odd' if odd else 'even'}" for text, odd in zip(numbers.texts, parity, strict=True))
        return Documents(numbers.ids, words, numbers.groups, {}, {"parity": parity})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """Whether a number is odd."""

    classes: ClassVar[tuple[str, ...]] = ("even", "odd")
    corpus: Corpus = Parities()

    def sources(self) -> tuple[Corpus, ...]:
        return (self.corpus,)

    def example(self, row, rng):
        return Example(row["text"], row["parity"], group=row["group"], id=row["id"])


def study(**options) -> Study:
    pair = Pair(weak=Sklearn(), strong=Sklearn(features="chars"))
    data = {"n_weak": 40, "n_transfer": 60, "n_val": 10, "n_test": 40}
    return Study(name="parity", tasks=(Parity(**options),), pairs=(pair,), data=tuple(data.items()), seeds=1)


def test_a_study_builds_the_corpora_of_its_task_once(tmp_path):
    nodes = graph(study().resolve()).values()
    assert [node.spec.kind for node in nodes][:3] == [Numbers.kind, Parities.kind, "data"]
    assert [stored_as(node.spec) for node in nodes].count("corpus") == 2
    store = Store.open(tmp_path)
    _, outcomes = run(study(), store=store)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert {outcome.status for outcome in run(study(), store=store)[1]} == {"cached"}
    held = store.load("corpus", key(Parities()))
    assert len(held) == 400
    assert held.columns["parity"][3] == 1
    facts = store.manifest("corpus", key(Numbers()))["facts"]
    assert facts["made"] == 400


def test_groups_of_a_corpus_are_never_split(tmp_path):
    store = Store.open(tmp_path)
    made, _ = run(study(), store=store)
    rows = [store.load("data", node.key) for node in made.nodes.values() if node.spec.kind == "data"]
    groups = [
        {g for g, s in zip(half.rows.groups, half.split, strict=True) if s == n} for half in rows for n in half.names()
    ]
    assert sum(map(len, groups)) == len(set().union(*groups))


@pytest.mark.slow
def test_the_same_corpus_in_worker_processes(tmp_path):
    stores = [Store.open(tmp_path / str(jobs)) for jobs in (0, 1)]
    for jobs, store in enumerate(stores):
        _, outcomes = run(study(), store=store, runtime=Runtime(jobs=jobs))
        assert {outcome.status for outcome in outcomes} == {"done"}
    for spec in (Numbers(), Parities()):
        here, there = (store.load("corpus", key(spec)) for store in stores)
        assert here == there
        assert len(here) == 400


def test_a_corpus_is_in_the_key_of_all_that_stands_on_it():
    few = Parity(corpus=Parities(numbers=Numbers(count=200)))
    assert key(few) != key(Parity())
    assert decode(encode(Files(path="a.txt"))) == Files(path="a.txt")
    assert spec_class("corpus/files") is Files
    assert inputs_of(Numbers()) == ()


def test_documents_come_back_and_split_by_group(tmp_path):
    made = Parities().build(Runtime(), [Numbers().build(Runtime(), ())])
    made.save(tmp_path)
    again = Documents.load(tmp_path)
    assert again == dataclasses.replace(made, columns={"parity": tuple(made.columns["parity"])})
    kept, out = made.held_out(0.1, "test")
    assert not set(kept.groups) & set(out.groups)
    assert len(kept) + len(out) == 400
    assert 20 <= len(out) <= 60
    assert kept.rows()[0]["parity"] == int(kept.ids[0]) % 2


@pytest.mark.parametrize(
    ("wrong", "match"),
    [({"texts": ("a",)}, "1 texts"), ({"ids": ("1", "1")}, "one id stands"), ({"columns": {"n": [1]}}, "1 n")],
)
def test_documents_that_do_not_fit_are_refused(wrong, match):
    with pytest.raises(AlignmentError, match=match):
        Documents(**{"ids": ("1", "2"), "texts": ("a", "b"), **wrong})


def test_rows_on_a_corpus_cannot_be_read_before_it_is_built():
    with pytest.raises(DataError, match=r"made of .*Parities.*, which a study builds first"):
        list(Parity().examples())


@pytest.mark.parametrize("each", ["line", "document"])
def test_texts_of_a_folder(tmp_path, each):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.txt").write_text("two\nthree\n")
    found = Files(path=str(tmp_path), each=each).resolve().build(Runtime(), ())
    if each == "line":
        assert found.texts == ("one", "two", "three")
        assert found.groups == ("a.txt", "a.txt", "b.txt")
        assert found.facts == {"read": 5, "empty": 1, "repeated": 1}
    else:
        assert found.texts == ("one\n\ntwo\n", "two\nthree\n")


def test_texts_of_a_table(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"line {i}", "author": i % 3}) + "\n" for i in range(9)))
    found = Files(path=str(path), group="author").resolve().build(Runtime(), ())
    assert len(found) == 9
    assert set(found.groups) == {"0", "1", "2"}
    assert "no column 'texts'. " in str(Files(path=str(path), text="texts").problem())


def test_bad_files_are_told(tmp_path):
    assert "is not there" in str(Files(path=str(tmp_path / "no.txt")).problem())
    assert "holds no .txt file" in str(Files(path=str(tmp_path)).problem())
    path = tmp_path / "some.txt"
    path.write_text("one\n")
    planned = Files(path=str(path)).resolve()
    path.write_text("other\n")
    with pytest.raises(DataError, match="not what it was when the study was planned"):
        planned.build(Runtime(), ())
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match="is not UTF-8"):
        Files(path=str(path)).resolve().build(Runtime(), ())
    path.write_text("\n \n")
    with pytest.raises(DataError, match="holds no text"):
        Files(path=str(path)).resolve().build(Runtime(), ())
