"""Parquet, Arrow and data sets of the hub; samples; memory."""

from __future__ import annotations

import datetime
import random
import sys
from pathlib import Path

import pytest

from surpass.errors import DataError, MissingPackageError
from surpass.tables import open_table, sample

pa = pytest.importorskip("pyarrow")
ROWS = [
    {"text": "one", "label": 1, "score": 0.5, "flag": True, "day": datetime.date(2020, 1, 2), "tags": ["a", "b"]},
    {"text": "two", "label": None, "score": None, "flag": False, "day": None, "tags": []},
]


def save(path: Path, rows: list[dict]) -> Path:
    found = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(found, path, row_group_size=700)
    elif path.suffix == ".feather":
        from pyarrow import feather

        feather.write_feather(found, path)
    else:
        make = pa.ipc.new_stream if path.name.startswith("stream") else pa.ipc.new_file
        with make(path, found.schema) as writer:
            writer.write_table(found, max_chunksize=1500)
    return path


NAMES = ["t.parquet", "t.arrow", "stream.arrow", "t.feather"]


@pytest.mark.parametrize("name", NAMES)
def test_formats_of_pyarrow(name, tmp_path):
    found = open_table(str(save(tmp_path / name, ROWS)))
    assert found.columns == ("text", "label", "score", "flag", "day", "tags")
    assert [row for _, row in found.rows()] == ROWS
    assert [number for number, _ in found.rows()] == [1, 2]
    assert found.unit == "row"
    assert found.size_hint() == (None if name.startswith("stream") else 2)


@pytest.mark.parametrize("name", NAMES)
def test_many_batches_progress_and_long_cells(name, tmp_path):
    rows = [{"text": f"t{i}" if i != 1600 else "x" * 1_000_001} for i in range(4000)]
    path = str(save(tmp_path / name, rows))
    found = open_table(path)
    seen = []
    for _, row in found.rows():
        seen.append(row["text"])
        if len(seen) == 3001 and found.size_hint():
            assert found.progress() == pytest.approx(0.75, abs=0.01)
    assert seen == [row["text"] for i, row in enumerate(rows) if i != 1600]
    assert found.bad == [(1601, "a 1 MB cell in column 'text' (at most 1 MB)")]
    with pytest.raises(DataError, match=r"row 1601 of .*: a 1 MB cell"):
        list(open_table(path, strict=True).rows())


@pytest.mark.parametrize("name", NAMES)
def test_broken_files_of_pyarrow(name, tmp_path):
    whole = save(tmp_path / name, [{"text": f"t{i}" * 20, "n": random.random()} for i in range(4000)]).read_bytes()
    for content in (b"text,label\none,a\n", b"", whole[:-200]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"'.*' cannot be read as (Parquet|Arrow|Feather)"):
            list(open_table(str(tmp_path / name)).rows())
    (tmp_path / name).write_bytes(whole)
    assert sum(1 for _ in open_table(str(tmp_path / name)).rows()) == 4000


@pytest.mark.parametrize("name", NAMES)
def test_files_of_pyarrow_without_rows_or_with_columns_of_one_name(name, tmp_path):
    empty = save(tmp_path / name, ROWS[:1])
    found = pa.table({"text": pa.array([], pa.string())})
    if name == "t.parquet":
        from pyarrow import parquet

        parquet.write_table(found, empty)
        with pytest.raises(DataError, match=r"has no rows. Give a table with at least one row"):
            list(open_table(str(empty)).rows())
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with (pa.ipc.new_file if not name.startswith("stream") else pa.ipc.new_stream)(
        tmp_path / "twice.arrow", twice.schema
    ) as out:
        out.write_table(twice)
    with pytest.raises(DataError, match="several columns called 'text'"):
        open_table(str(tmp_path / "twice.arrow"))


@pytest.mark.parametrize("source", ["t.parquet", "hub:org/rows"])
def test_a_missing_package_is_told_with_its_install_line(source, tmp_path, monkeypatch):
    for package in ("pyarrow", "datasets"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "t.parquet").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingPackageError, match=r"is read with it. Install it: pip install 'surpass\[data\]'"):
        open_table(source)


# Data sets of the hub; a folder of the same form stands for one, read by the same library


@pytest.fixture
def hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "org" / "reviews"
    (folder / "data").mkdir(parents=True)
    kinds = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])})
    for split, labels in (("train", [0, 1, 1]), ("test", [1, -1])):
        rows = datasets.Dataset.from_dict({"text": [f"{split} {i}" for i in labels], "label": labels}, features=kinds)
        rows.to_parquet(folder / "data" / f"{split}-00000.parquet")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return "hub:org/reviews"


def test_a_data_set_of_the_hub(hub):
    found = open_table(hub)
    assert found.columns == ("text", "label")
    assert [row["label"] for _, row in found.rows()] == ["bad", "good", "good"]  # names, not numbers
    assert (found.size_hint(), found.progress(), len(found.digest()) >= 10) == (3, 1.0, True)
    assert [(n, row["label"]) for n, row in open_table(f"{hub}/test").rows()] == [(1, "good"), (2, None)]
    assert open_table(f"{hub}:default/test").digest() == open_table(f"{hub}:default/test").digest()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hub:reviews", r"'hub:reviews' is no address of a data set. Write hub:ORG/NAME\[@REVISION\]\[:CONFIG\]"),
        ("hub:org/none", "'hub:org/none' cannot be loaded from the hub: .* Check the name"),
        ("hub:org/reviews/dev", "has no split 'dev'. It has train, test|has no split 'dev'. It has test, train"),
        ("hub:org/reviews:big", "'hub:org/reviews:big' cannot be loaded from the hub: .*big"),
    ],
)
def test_data_sets_that_cannot_be_read(address, message, hub):
    with pytest.raises(DataError, match=message):
        open_table(address)


# Samples


def csv_file(path: Path, lines: list[str]) -> str:
    path.write_text("id,text,label\n" + "".join(f"{line}\n" for line in lines))
    return str(path)


def test_a_sample_does_not_depend_on_the_order_and_begins_a_larger_one(tmp_path):
    lines = [f"{i},text {i},{'a' if i % 50 == 0 else ''}" for i in range(1000)]
    first = open_table(csv_file(tmp_path / "a.csv", lines))
    random.Random(0).shuffle(lines)
    second = open_table(csv_file(tmp_path / "b.csv", lines))
    found = [[row["id"] for _, row in sample(table, 100)] for table in (first, second)]
    assert found[0] == found[1]
    assert [row["id"] for _, row in sample(first, 30)] == found[0][:30]
    assert sorted(int(i) for i in found[0]) != list(range(100))
    half = sum(int(i) < 500 for i in found[0])
    assert 35 <= half <= 65  # binomial(100, .5) is outside with chance .002; the hashes are fixed
    assert len(sample(first, 5000)) == 1000
    assert sample(first, 0) == []
    assert all(row["id"] == str(number - 2) for number, row in sample(first, 100))


def test_rows_to_keep_go_first(tmp_path):
    table = open_table(csv_file(tmp_path / "a.csv", [f"{i},t,{'a' if i % 50 == 0 else ''}" for i in range(1000)]))
    kept = [row["label"] for _, row in sample(table, 60, lambda row: row["label"] != "")]
    assert kept == ["a"] * 20 + [""] * 40
    assert [row["label"] for _, row in sample(table, 15, lambda row: row["label"] != "")] == ["a"] * 15


# Memory


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read where Linux has it")
def test_a_long_file_is_streamed_and_its_bad_line_told(tmp_path, python):
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("id,text,label\n")
        for i in range(200_000):
            file.write(f"{i},{'some words of a row ' * 10},{i % 2}\n" if i != 123_456 else "broken\n")
    code = f"""
from pathlib import Path
from surpass.tables import open_table, sample
status = lambda: Path("/proc/self/status").read_text().split()  # getrusage would count the process that started this one
peak = lambda: int(status()[status().index("VmHWM:") + 1]) / 1024
table = open_table({str(path)!r})
before = peak()
kept = sample(table, 1000, lambda row: row["label"] == "1")
print(table.bad_count, table.bad[0].number, table.bad[0].reason, len(kept), sep="|")
print(peak() - before)
"""
    told, grown = python(code).splitlines()
    assert path.stat().st_size > 40_000_000
    assert told == "1|123458|it has 1 cell, the first line has 3|1000"
    assert 0 < float(grown) < 20  # MB, of a file of more than 40
