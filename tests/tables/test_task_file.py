"""The task and the label source `file` on every kind of table and label."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest

from surpass.errors import DataError, SpecError
from surpass.labels.file import File as FileLabels
from surpass.spec import decode, encode, key
from surpass.splits import Data, make_splits
from surpass.tasks.file import File


def file(folder, lines: list[str], name: str = "t.csv", **options) -> File:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return File(path=str(folder / name), **options)


def examples(task: File) -> list:
    return list(task.resolve().examples())


def test_a_crowd_of_named_raters(tmp_path):
    lines = ["text,label,ann,bo", "one,a,a,b", "two,b,b,", "three,a,c,"]
    task = file(tmp_path, lines, votes=("ann", "bo")).resolve()
    found = list(task.examples())
    assert task.named_raters
    assert task.class_names() == ("a", "b", "c")
    assert [example.label for example in found] == [0, 1, 0]
    assert found[0].votes == (0.0, 1.0)
    assert found[1].votes[0] == 1.0
    assert math.isnan(found[1].votes[1])
    rows = make_splits(Data(task=task, n_weak=1, n_transfer=1, n_val=0, n_test=0, balance=False)).rows
    assert all(len(votes) == 2 for votes in rows.votes)
    assert not file(tmp_path, lines).named_raters


def test_pairs_of_texts(tmp_path):
    task = file(tmp_path, ["text,other,label", "one,two,a", "three,,b", "four,five,b"], text_b="other")
    assert task.input == "pair"
    assert [example and example.input for example in examples(task)] == [("one", "two"), None, ("four", "five")]


def test_numbers(tmp_path):
    task = file(tmp_path, ["text,label,ann", "one,1.5,2", "two,,1", "three,-2,"], target="regression", votes=("ann",))
    found = examples(task)
    assert [example and example.label for example in found] == [1.5, None, -2.0]
    assert found[0].votes == (2.0,)
    assert task.class_names() == ()
    with pytest.raises(DataError, match=r"line 3 of '.*': column 'label' has 'high'; a finite number is needed"):
        file(tmp_path, ["text,label", "one,1", "two,high"], target="regression").resolve()
    with pytest.raises(DataError, match=r"column 'label' of '.*' holds fewer than two different numbers"):
        file(tmp_path, ["text,label", "one,1", "two,1.0"], target="regression").resolve()


def test_preferences(tmp_path):
    lines = ["q,left,right,best,ann", "why,x,y,left,b", "how,u,v,2,1", "who,s,t,tie,a", "what,,t,1,1"]
    columns = {"first": "left", "second": "right", "label_column": "best"}
    task = file(tmp_path, lines, target="preference", prompt="q", votes=("ann",), **columns)
    found = examples(task)
    assert task.input == "pair"
    assert task.class_names() == ("second", "first")
    assert [example and (example.input, example.label, example.group, example.votes) for example in found] == [
        (("why\n\nx", "why\n\ny"), 1, "why", (0.0,)),
        (("how\n\nu", "how\n\nv"), 0, "how", (1.0,)),
        None,
        None,
    ]
    splits = make_splits(Data(task=task.resolve(), n_weak=1, n_transfer=0, n_val=0, n_test=0, balance=False))
    assert splits.target == "preference"
    with pytest.raises(DataError, match=r"line 2 of '.*': column 'best' has 'middle', which names no candidate"):
        file(tmp_path, ["left,right,best", "x,y,middle"], target="preference", **columns).resolve()


def test_a_pair_the_other_way_round_is_of_one_group(tmp_path):
    lines = ["left,right,best", "one,two,1", "two,one,2", "Two ,one,2", "one,three,1"]
    columns = {"first": "left", "second": "right", "label_column": "best"}
    found = examples(file(tmp_path, lines, target="preference", **columns))
    first, turned, spaced, other = (example.group for example in found)
    assert first == turned == spaced != other


def test_chosen_and_rejected_stand_in_an_order_that_tells_nothing(tmp_path):
    lines = ["chosen,rejected,ann", *(f"good {i},bad {i},1" for i in range(400))]
    columns = {"first": "chosen", "second": "rejected", "label_column": "", "votes": ("ann",)}
    task = file(tmp_path, lines, target="preference", **columns).resolve()
    found = list(task.examples())
    for example in found:
        assert example.input[1 - example.label].startswith("good")
        assert example.votes == (float(example.label),)
    assert 160 < sum(example.label for example in found) < 240  # binomial(400, .5) is outside with chance 1e-4
    by_text = {example.input for example in found}
    again = file(tmp_path, [lines[0], *lines[:0:-1]], "u.csv", target="preference", **columns).resolve()
    assert {example.input for example in again.examples()} == by_text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "preference"}, "a preference needs the columns `first` and `second`"),
        ({"target": "preference", "first": "a", "second": "b", "text_b": "c"}, "no text_b"),
        ({"first": "a"}, "are of target: preference. Set it"),
        ({"label_column": ""}, "label_column is empty. Name the column of the labels"),
        ({"target": "generation"}, "target='generation', but allowed is"),
    ],
)
def test_columns_that_do_not_go_together(options, message):
    with pytest.raises(SpecError, match=message):
        File(path="t.csv", **options)


def test_the_tables_own_split(tmp_path):
    parts = ("train", "test", "shift:new")
    lines = ["text,label,part", *(f"{part} {i},{'ab'[i % 2]},{part}" for part in parts for i in range(4))]
    task = file(tmp_path, lines, part="part").resolve()
    splits = make_splits(Data(task=task, n_weak=2, n_transfer=2, n_val=2, n_test=2))
    for name, start in (("weak", "train"), ("transfer", "train"), ("test", "test"), ("shift:new", "shift:new")):
        assert {text.rpartition(" ")[0] for text in splits.part(name).inputs} == {start}


def test_one_id_of_two_texts_is_told_with_both_lines(tmp_path):
    lines = ["id,text,label", "1,one,a", "2,two,b", "1,three,a"]
    with pytest.raises(
        DataError, match=r"line 4 of '.*': id '1' is that of another text in line 2\. Give each row its own"
    ):
        file(tmp_path, lines, id_column="id").resolve()
    task = file(tmp_path, [*lines[:3], "1,one,a"], id_column="id").resolve()
    facts = make_splits(Data(task=task, n_weak=1, n_transfer=0, n_val=0, n_test=0, balance=False)).facts
    assert (facts["repeated"], facts["usable"]) == (1, 2)


def test_one_class_only(tmp_path):
    with pytest.raises(DataError, match="holds one class only, 'a'"):
        file(tmp_path, ["text,label", "one,a", "two,a"]).resolve()


def test_missing_columns_of_every_kind_are_told_while_planning(tmp_path):
    lines = ["text,label", "one,a"]
    for field in ("text", "text_b", "label_column", "group", "id_column", "part"):
        assert "has no column 'wrong'" in str(file(tmp_path, lines, **{field: "wrong"}).problem())
    assert "has no column 'wrong'" in str(file(tmp_path, lines, votes=("wrong",)).problem())
    assert file(tmp_path, lines).problem() is None
    assert "is no address of a data set" in str(File(path="hub:x").problem())


@pytest.mark.parametrize("plugin", [File, FileLabels])
def test_a_missing_package_is_a_problem_with_its_install_line(plugin, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"")
    assert "Install it: pip install 'surpass[data]'" in str(plugin(path=str(tmp_path / "t.parquet")).problem())


ROWS = [{"id": str(i), "text": f"text {i}", "label": i % 2 == 1, "p": i / 40} for i in range(40)]


def write(folder, name: str) -> str:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif name.endswith(".csv"):
        path.write_text("id,text,label,p\n" + "".join(",".join(map(str, row.values())) + "\n" for row in ROWS))
    else:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return str(path)


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.csv"])
def test_tasks_and_labels_of_every_format_are_the_same(name, tmp_path):
    path = write(tmp_path, name)
    task = File(path=path, id_column="id").resolve()
    assert task.class_names() == ("False", "True")
    assert [example.label for example in task.examples()] == [0, 1] * 20
    assert decode(json.loads(json.dumps(encode(task)))) == task
    splits = make_splits(Data(task=task, n_weak=2, n_transfer=2, n_val=2, n_test=2, train_share=0.6))
    for labels in (FileLabels(path=path), FileLabels(path=path, join="text", on="text")):
        assert np.array_equal(labels.resolve().compute(splits, ()).values.argmax(axis=1), splits.rows.labels)
    soft = FileLabels(path=path, column="p").compute(splits, ())
    assert soft.values == pytest.approx(np.array([[1 - int(i) / 40, int(i) / 40] for i in soft.ids]))


def test_bad_lines_of_labels_are_errors_unless_they_are_let_out(tmp_path):
    path = write(tmp_path, "t.csv")
    with open(path, "a") as out:  # noqa: PTH123
        out.write("broken\n")
    splits = make_splits(Data(task=File(path=path, strict=False).resolve(), n_weak=1, n_transfer=1, n_val=0, n_test=1))
    assert splits.facts["left_out"] == 1
    labels = FileLabels(path=path, on="text", join="text")
    with pytest.raises(DataError, match=r"line 42 of '.*': it has 1 cell"):
        labels.compute(splits, ())
    assert len(FileLabels(path=path, on="text", join="text", strict=False).compute(splits, ()).ids) == 3


def test_encoding_and_strict_are_part_of_what_is_computed(tmp_path):
    plain = file(tmp_path, ["text,label", "one,a", "two,b"])
    assert (
        len({key(plain), key(File(path=plain.path, strict=False)), key(File(path=plain.path, encoding="latin-1"))}) == 3
    )
