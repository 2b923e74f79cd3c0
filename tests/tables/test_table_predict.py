"""Scoring a table: streamed, whole or not at all, nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from surpass.cli import main
from surpass.errors import DataError
from surpass.own.predicting import completed, predictions, score
from surpass.tables import open_table
from surpass.tables.writing import writing

CLASSES = ("no", "yes")


def by_length(texts) -> np.ndarray:
    """Return more of "yes" for longer texts: a student whose answers can be checked by hand."""
    share = np.array([min(len(text), 10) / 10 for text in texts])
    return np.stack([1 - share, share], axis=1)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def table(folder: Path, content: str, name: str = "in.csv", **options):
    (folder / name).write_text(content, encoding="utf-8")
    return open_table(str(folder / name), **options)


def scored(folder: Path, content: str, out: str = "out.csv", *, strict: bool = False, **options):
    given = table(folder, content, strict=strict)
    return score(predictions(by_length, CLASSES), given, folder / out, texts=("text",), **options)


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_rows_keep_their_columns_and_order_and_get_those_of_the_prediction(chunk, tmp_path):
    found = scored(tmp_path, 'id,text\n1,abc\n2,"abcdefgh, i"\n3,abcde\n', chunk=chunk)
    assert [list(row.values()) for row in rows_of(tmp_path / "out.csv")] == [
        ["1", "abc", "no", "0.7", "0.7", "0.3"],
        ["2", "abcdefgh, i", "yes", "1.0", "0.0", "1.0"],
        ["3", "abcde", "no", "0.5", "0.5", "0.5"],
    ]
    assert list(rows_of(tmp_path / "out.csv")[0]) == ["id", "text", "label", "probability", "p_no", "p_yes"]
    assert (found.rows, found.counts, found.bad_count) == (3, {"no": 2, "yes": 1}, 0)


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
def test_every_format_holds_the_same(name, tmp_path):
    scored(tmp_path, "id,text,note\n1,abc,\n2,abcdefgh,=x\n", name, raw=True)
    found = [row for _, row in open_table(str(tmp_path / name)).rows()]
    assert [(row["id"], row["text"], row["note"], row["label"], float(row["p_yes"])) for row in found] == [
        ("1", "abc", "", "no", 0.3),
        ("2", "abcdefgh", "=x", "yes", 0.8),
    ]


def test_columns_of_the_same_names_are_never_lost(tmp_path):
    found = scored(tmp_path, "text,label\nabc,x\n")
    assert found.columns == ("predicted_label", "predicted_probability", "predicted_p_no", "predicted_p_yes")
    assert rows_of(tmp_path / "out.csv")[0]["label"] == "x"
    with pytest.raises(DataError, match=r"the table has columns 'predicted_p_no' already. Rename them"):
        scored(tmp_path, "text,label,predicted_p_no\nabc,x,1\n")


def test_bad_lines_and_empty_texts_are_left_out_and_told(tmp_path):
    found = scored(tmp_path, "id,text\n1,abc\n2\n3, \n4,de\n")
    assert [row["id"] for row in rows_of(tmp_path / "out.csv")] == ["1", "4"]
    assert found.bad == ((3, "it has 1 cell, the first line has 2"), (4, "its text is empty"))


@pytest.mark.parametrize(
    ("content", "message", "strict"),
    [
        ("id,text\n1,abc\n2\n", r"line 3 of '.*': it has 1 cell", True),
        ("id,text\n1,abc\n2,\n", r"line 3 of '.*': its text is empty", True),
        ("id,txt\n1,abc\n", r"has no column 'text'.*Did you mean 'txt'\?", False),
        ("id,text\n1, \n2,\n", "has no text in column 'text': 2 bad lines were left out", False),
        ("id,text\n", "has no rows", False),
    ],
)
def test_nothing_is_written_when_it_cannot_be_whole(content, message, strict, tmp_path):
    (tmp_path / "out.csv").write_text("earlier")
    with pytest.raises(DataError, match=message):
        scored(tmp_path, content, strict=strict, chunk=1)
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_student_that_fails_leaves_nothing(name, tmp_path):
    def failing(texts):
        if "de" in texts:
            raise RuntimeError("out of memory")
        return by_length(texts)

    given = table(tmp_path, "id,text\n1,abc\n2,de\n")
    with pytest.raises(RuntimeError, match="out of memory"):
        score(predictions(failing, CLASSES), given, tmp_path / name, texts=("text",), chunk=1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("out.xlsx", r"has suffix '.xlsx', which tells no format. Writable are \.csv, \.tsv"),
        ("none/out.csv", r"folder '.*none' is not there. Make it first: mkdir -p"),
        ("in.csv", "is the table itself. Write the predictions to another file"),
    ],
)
def test_places_where_nothing_can_be_written(out, message, tmp_path):
    with pytest.raises(DataError, match=message):
        scored(tmp_path, "text\nabc\n", out)
    assert (tmp_path / "in.csv").read_text() == "text\nabc\n"


def test_completions_are_written_as_predictions_are_and_never_over_the_table_itself(tmp_path):
    answers = completed(lambda prompts: [(prompt[:1].strip(), 0.123456789) for prompt in prompts])
    given = table(tmp_path, "id,text,completion\n1,abc,x\n2, d,y\n")
    found = score(answers, given, tmp_path / "out.csv", texts=("text",))
    assert found.counts == {"with a completion": 1, "without": 1}
    assert [list(row.values()) for row in rows_of(tmp_path / "out.csv")] == [
        ["1", "abc", "x", "a", "0.123457"],
        ["2", " d", "y", "", "0.123457"],
    ]
    with pytest.raises(DataError, match="is the table itself"):
        score(answers, open_table(str(tmp_path / "in.csv")), tmp_path / "in.csv", texts=("text",))
    assert (tmp_path / "in.csv").read_text() == "id,text,completion\n1,abc,x\n2, d,y\n"


def test_a_full_disk_is_told_in_words_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("surpass.tables.writing._Objects.write", full)
    with pytest.raises(DataError, match=r"'.*out\.jsonl' cannot be written: No space left on device"):
        scored(tmp_path, "text\nabc\n", "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.tsv"])
def test_cells_that_a_spreadsheet_would_run_become_text(name, tmp_path):
    cells = ["=1+1", "+cmd", "-boring", "@SUM(A1)", "\tx", "-5", "+1e3", "a=b", "'=x", ""]
    given = table(tmp_path, json.dumps({"text": "abc"} | {f"c{i}": cell for i, cell in enumerate(cells)}), "in.jsonl")
    found = score(predictions(by_length, CLASSES), given, tmp_path / name, texts=("text",))
    expected = ["'=1+1", "'+cmd", "'-boring", "'@SUM(A1)", "'\tx", "-5", "+1e3", "a=b", "'=x", ""]
    assert list(rows_of(tmp_path / name)[0].values())[1:11] == expected
    assert found.escaped == 5
    score(predictions(by_length, CLASSES), given, tmp_path / name, texts=("text",), raw=True)
    assert list(rows_of(tmp_path / name)[0].values())[1:11] == cells


def test_a_column_name_or_a_class_that_is_a_formula(tmp_path):
    given = table(tmp_path, "text,=x\nabc,1\n")
    score(predictions(by_length, ("=no", "yes")), given, tmp_path / "out.csv", texts=("text",))
    row = rows_of(tmp_path / "out.csv")[0]
    assert list(row)[:2] == ["text", "'=x"]
    assert row["label"] == "'=no"


def test_values_of_other_formats_are_written_as_they_are_or_as_text(tmp_path):
    given = table(tmp_path, '{"text": "abc", "n": 1.5, "tags": ["ä"]}\n{"text": "de", "n": NaN}\n', "in.jsonl")
    score(predictions(by_length, CLASSES), given, tmp_path / "out.csv", texts=("text",))
    assert rows_of(tmp_path / "out.csv")[0]["tags"] == '["ä"]'
    score(predictions(by_length, CLASSES), given, tmp_path / "out.jsonl", texts=("text",))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["n"], line["tags"]) for line in lines] == [(1.5, ["ä"]), (None, None)]


def test_parquet_takes_its_types_from_the_first_rows(tmp_path):
    with writing(tmp_path / "a.parquet", ("a", "b")) as out:
        for start in range(0, 24_000, 6000):
            out.write([{"a": i, "b": "later" if i > 12_000 else None} for i in range(start, start + 6000)])
    found = [row["b"] for _, row in open_table(str(tmp_path / "a.parquet")).rows()]
    assert found == [None] * 12_001 + ["later"] * 11_999
    with (
        pytest.raises(DataError, match=r"a column has cells of several types .* Write \.jsonl"),
        writing(tmp_path / "b.parquet", ("a",)) as out,
    ):
        out.write([{"a": 1}, {"a": "x"}])
    assert not (tmp_path / "b.parquet").exists()


def test_pairs_of_candidates(tmp_path):
    seen = []

    def predict(pairs):
        seen.extend(pairs)
        return by_length([first for first, _ in pairs])

    given = table(tmp_path, "a,b\nabcdefg,x\n,y\n")
    found = score(predictions(predict, ("second", "first")), given, tmp_path / "out.csv", texts=("a", "b"))
    assert seen == [("abcdefg", "x")]
    assert (found.bad_count, rows_of(tmp_path / "out.csv")[0]["label"]) == (1, "first")


# The command, on a model folder that `surpass fit` wrote


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    lines = ["words,vote,label"]
    for i in range(200):
        for mood in ("good", "bad"):
            lines.append(f"{mood} thing number {i},{mood == 'good'},{mood == 'good' if i < 80 else ''}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    columns = ["--text", "words", "--weak-label", "vote", "--gold", "label"]
    options = ["--strong", "tfidf", "--method", "soft", "--out", str(folder / "model"), "--quiet"]
    main(["fit", str(folder / "rows.csv"), *columns, *options], standalone_mode=False)
    return folder / "model"


def run(*words) -> None:
    main(["predict", *map(str, words)], standalone_mode=False)


def test_the_command(model, tmp_path, capsys):
    table(tmp_path, "words,label\na good day,x\na bad day,y\nbroken\n")
    run(model, tmp_path / "in.csv", "--out", tmp_path / "out.csv", "--batch-size", 1)
    told = capsys.readouterr()
    assert "2 rows: False 1, True 1." in told.out
    assert "1 bad line was left out of" in told.err
    assert "line 4: it has 1 cell, the first line has 2" in told.err
    rows = rows_of(tmp_path / "out.csv")
    assert [row["predicted_label"] for row in rows] == ["True", "False"]
    from surpass.own.bundle import load

    expected = load(model).predict(["a good day", "a bad day"])
    found = [[float(row[f"predicted_p_{name}"]) for name in ("False", "True")] for row in rows]
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_command_in_scripts(model, tmp_path, capsys):
    table(tmp_path, "t\ngood\n\nbad\n")
    run(model, tmp_path / "in.csv", "--out", tmp_path / "o.jsonl", "--text", "t", "--json")
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert (facts["rows"], facts["counts"], facts["bad"], told.err) == (2, {"False": 1, "True": 1}, [], "")
    run(model, tmp_path / "in.csv", "--out", tmp_path / "o.jsonl", "--text", "t", "--quiet")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        ('words\ngood\n"x\n', ["--strict"], "line 3 of .* a quote is opened in it and never closed. Mend it"),
        ("words\ngood\n", ["--text", "text"], "has no column 'text'"),
        ("words,b\ngood,x\n", ["--first", "words", "--second", "b"], "needs one column of texts: --text"),
        ("words\ngood\n", ["--encoding", "klingon"], "encoding 'klingon' is not known"),
    ],
)
def test_bad_input_has_exit_code_2_and_one_paragraph(content, words, message, model, tmp_path, capsys):
    table(tmp_path, content)
    with pytest.raises(SystemExit) as left:
        run(model, tmp_path / "in.csv", "--out", tmp_path / "out.csv", *words)
    assert left.value.code == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("Error: ")
    assert re.search(message, told)
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_folder_that_is_no_model(tmp_path, capsys):
    table(tmp_path, "text\ngood\n")
    with pytest.raises(SystemExit):
        run(tmp_path, tmp_path / "in.csv", "--out", tmp_path / "out.csv")
    assert "is no model folder" in capsys.readouterr().err
