"""Files that people have: broken lines are counted with their numbers, files that cannot serve are refused in words."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from surpass.errors import DataError
from surpass.tables import open_table

GOOD = "id,text,label\n1,one,a\n2,two,b\n"


def table(folder: Path, content: str | bytes, name: str = "t.csv", **options):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(str(path), **options)


def read(opened) -> list[tuple[int, list]]:
    return [(number, list(row.values())) for number, row in opened.rows()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"'.*t\.csv' is empty. Give a table with the names of its columns and at least one row"),
        (b"id,text,label\n", r"'.*t\.csv' has no rows. Give a table with at least one row"),
        (b"\n\n", "has no columns"),
        (b"id,text,id\n1,2,3\n", "several columns called 'id'. Rename them"),
        (b"a\0b,text\n1,2\n", "its first line holds NUL bytes"),
        (b'"id,text\n1,2\n', "the first line of '.*' is no list of column names: unexpected end of data"),
        (
            b"id,text\n1\n2\n",
            r"has no rows that can be read \(2 bad lines; the first: line 2 of '.*': it has 1 cell, the",
        ),
        (
            b"text,label\none,a\ncaf\xe9,b\n",
            r"byte 0xe9 at offset 20, line 3. Save it as UTF-8 \(iconv -f latin-1 -t utf-8",
        ),
        (
            "text,label\none,a\n".encode("utf-16"),
            r"cannot be read as UTF-8 \.csv: byte 0xff at offset 0, line 1.*utf-16",
        ),
        (b"text\n\xff\xfeone\n", "perhaps latin-1"),
    ],
)
def test_files_that_cannot_serve(content, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(table(tmp_path, content))


def test_the_place_of_a_wrong_byte_is_found_far_into_a_file(tmp_path):
    line = "text of ä line,a\n".encode()
    content = b"text,label\n" + line * 100_000 + b"caf\xe9,b\n" + line
    with pytest.raises(DataError, match=rf"byte 0xe9 at offset {11 + len(line) * 100_000 + 3:,}, line 100,002\."):
        read(table(tmp_path, content))
    with pytest.raises(DataError, match=rf"byte 0xe9 at offset {11 + len(line) * 100_000 + 3:,}, line 100,002\."):
        read(table(tmp_path, gzip.compress(content, 1), "t.csv.gz"))


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("t.csv", "text,label\nä,a\n".encode("utf-8-sig"), "utf-8"),
        ("t.csv", "text,label\nä,a\n".encode("latin-1"), "latin-1"),
        ("t.csv", "text,label\nä,a\n".encode("utf-16"), "utf-16"),
        ("t.csv", "text;label\r\nä;a\r\n".encode(), "utf-8"),
        ("t.csv", "text\tlabel\nä\ta\n".encode(), "utf8"),
        ("t.tsv", "text\tlabel\nä\ta".encode(), "utf-8"),
        ("T.CSV", "text , label\n\n\nä,a\n\n".encode(), "utf-8"),
        ("t.csv.gz", gzip.compress("text,label\nä,a\n".encode()), "utf-8"),
        ("t.jsonl", '{"text": "ä", "label": "a"}\n\n'.encode("utf-8-sig"), "utf-8"),
        ("t.ndjson.gz", gzip.compress('{"text": "ä", "label": "a"}'.encode()), "utf-8"),
    ],
)
def test_forms_of_text_files(name, content, encoding, tmp_path):
    found = table(tmp_path, content, name, encoding=encoding)
    assert found.columns == ("text", "label")
    assert [row for _, row in found.rows()] == [{"text": "ä", "label": "a"}]
    assert (found.bad_count, found.progress()) == (0, 1.0)


def test_unknown_encoding_suffix_folder_and_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"encoding 'klingon' is not known. Give for instance utf-8, latin-1 or utf-16"):
        table(tmp_path, GOOD, encoding="klingon")
    with pytest.raises(DataError, match=r"has the suffix \.xlsx, which tells no format. Readable are \.csv, \.tsv"):
        table(tmp_path, GOOD, "t.xlsx")
    with pytest.raises(DataError, match="has no suffix, which tells no format"):
        table(tmp_path, GOOD, "rows")
    with pytest.raises(DataError, match=r"file 'gone\.csv' is not there"):
        open_table("gone.csv")
    with pytest.raises(DataError, match="is a folder"):
        open_table(str(tmp_path))


@pytest.mark.parametrize("cut", [10, 40])
def test_a_damaged_gzip_file(cut, tmp_path):
    packed = gzip.compress(GOOD.encode() * 20)
    with pytest.raises(DataError, match=r"'.*t\.csv\.gz' is no whole gzip file"):
        read(table(tmp_path, packed[:cut], "t.csv.gz"))
    with pytest.raises(DataError, match="is no whole gzip file"):
        read(table(tmp_path, GOOD, "u.csv.gz"))


LONG = "x" * 10_000_000
BAD_LINES = [
    ("3,three\n", r"it has 2 cells, the first line has 3"),
    ("3,three,a,b\n", r"it has 4 cells, the first line has 3"),
    ("3,th\0ree,a\n", r"it holds a NUL byte"),
    ('3,"th\nr\0ee",a\n', r"it holds a NUL byte"),
    ('3,"three" and more,a\n', r"its quotes do not match"),
    ('3,"three,a\n', r"its quotes do not match|a quote is opened in it and never closed"),
    (f"3,{LONG},a\n", r"a 10 MB cell in column 'text' \(at most 1 MB\)"),
    (f'3,"{LONG}",a\n', r"a 10 MB cell in column 'text'"),
    ('3,"' + "many words\n" * 200_000 + '",a\n', r"a 2\.2 MB cell in column 'text'"),
    (f"3,{LONG}{LONG},a\n", r"a 20 MB row \(at most 16 MB\)"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
@pytest.mark.parametrize("after", ["5,five,b\n", '5,"five",b\n', ""])
def test_a_bad_line_is_left_out_with_its_number_and_the_others_are_read(line, reason, after, tmp_path):
    found = table(tmp_path, GOOD + line + '4,"a ""four""",a\n' + after)
    assert [row[0] for _, row in read(found)] == ["1", "2", "4"] + ["5"] * bool(after)
    assert (found.bad_count, found.bad[0].number) == (1, 4)
    assert re.fullmatch(f"(?s)({reason}).*", found.bad[0].reason)
    assert len(found.bad[0].reason) < 200
    after_it = 4 + line.count("\n")
    assert [number for number, _ in read(found)][:3] == [2, 3, after_it]  # a second pass, counted anew
    assert found.bad_count == 1
    with pytest.raises(
        DataError, match=rf"line 4 of '.*t\.csv': ({reason}).*Mend it, or read the file without `strict`"
    ):
        read(table(tmp_path, GOOD + line, strict=True))


def test_a_quote_that_is_never_closed_loses_its_line_only(tmp_path):
    rows = "".join(f"{i},{'some words ' * 80},a\n" for i in range(20_000))  # more than the longest row
    found = table(tmp_path, f'{GOOD}3,"three,a\n{rows}')
    assert sum(1 for _ in found.rows()) == 20_002
    assert found.bad == [(4, "a quote is opened in it and never closed")]


def test_a_row_over_several_lines_is_one_row(tmp_path):
    found = table(tmp_path, 'id,text\n1,"a\nb\r\n""c"""\n2,d\n')
    assert list(found.rows()) == [(2, {"id": "1", "text": 'a\nb\r\n"c"'}), (5, {"id": "2", "text": "d"})]
    wrong = table(tmp_path, 'id,text\n1,"a\nb",c\n2,d\n')
    assert read(wrong) == [(4, ["2", "d"])]
    assert wrong.bad == [(2, "it has 3 cells, the first line has 2, and goes on to line 3 because of a quote")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "it is no JSON object"),
        ("nonsense", r"it is no JSON \(Expecting value"),
        ('{"text": "a"', "it is no JSON"),
        ('{"text": "\\ud83d"}', "it holds half a surrogate pair"),
        ("[" * 100_000, "it is no JSON"),
        ('{"text": ' + "1" * 5000 + "}", "it is no JSON"),
        (json.dumps({"text": LONG}), "a 10 MB cell in column 'text'"),
        (json.dumps({"text": LONG + LONG}), "a 20 MB row"),
    ],
)
def test_a_bad_line_of_jsonl(line, reason, tmp_path):
    content = '{"text": "one \\ud83d\\ude00"}\n' + line + '\n{"text": "two", "label": null}\n'
    found = table(tmp_path, content, "t.jsonl")
    assert read(found) == [(1, ["one 😀"]), (3, ["two", None])]
    assert found.columns == ("text", "label")
    assert [bad.number for bad in found.bad] == [2]
    assert re.match(reason, found.bad[0].reason)
    with pytest.raises(DataError, match=rf"line 2 of '.*': {reason}"):
        read(table(tmp_path, content, "t.jsonl", strict=True))


def test_a_jsonl_file_without_an_object(tmp_path):
    with pytest.raises(DataError, match=r"holds no JSON object in any line. Give one object per line"):
        table(tmp_path, "[1]\n2\n", "t.jsonl")


def test_twenty_bad_lines_are_kept_and_all_are_counted(tmp_path):
    found = table(tmp_path, GOOD + "short\n" * 50)
    assert len(read(found)) == 2
    assert (len(found.bad), found.bad_count) == (20, 50)
    assert re.fullmatch(r"50 bad lines were left out of '.*': line 4: it has 1 cell, .*; and 45 more", found.told())
    found.skip(2, "its text is empty")
    assert found.bad_count == 51


def test_missing_columns_are_named_with_the_closest_name(tmp_path):
    found = table(tmp_path, GOOD)
    found.need("text", "", "label")
    with pytest.raises(DataError, match=r"has no column 'txt'. It has 'id', 'text', 'label'. Did you mean 'text'\?"):
        found.need("id", "txt")
    assert "Did you mean" not in str(found.lacking("zzz"))


def test_where_a_row_is_goes_before_what_is_wrong_with_it(tmp_path):
    found = table(tmp_path, GOOD)
    with pytest.raises(DataError, match=r"line 3 of '.*t\.csv': that is no label"), found.located(3):
        raise DataError("that is no label")


def test_the_digest_follows_the_content(tmp_path):
    first = table(tmp_path, GOOD).digest()
    assert (first, len(first)) == (table(tmp_path, GOOD).digest(), 20)
    assert table(tmp_path, GOOD + "3,c,d\n").digest() != first
