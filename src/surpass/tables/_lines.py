"""Tables whose rows are lines of text: CSV, TSV and JSONL, plain or gzipped."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from surpass.errors import DataError
from surpass.tables.base import CELL_LIMIT, Columns, Row, Table, long_cell, megabytes

ROW_LIMIT = 16 * CELL_LIMIT
"""Characters of the longest row; a longer one is skipped without being held in memory."""
FIRST_ROWS = 100
"""The columns of JSONL are those of so many first rows."""


class _TooLong(Exception):
    """A row is longer than ROW_LIMIT."""


class _Lines:
    """Lines of a text stream, with those of the present row at hand so that reading can go back to its second line."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self.number = self.size = 0
        self.row: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(ROW_LIMIT)
        if not line:
            raise StopIteration
        self.number += 1
        self.size += len(line)
        self.row.append(line)
        if self.size >= ROW_LIMIT:
            self._leave_rest(line)
            raise _TooLong
        return line

    def _leave_rest(self, line: str) -> None:
        """Pass over what follows the first part of an endless line, without holding it."""
        if len(line) == ROW_LIMIT and not line.endswith(("\n", "\r")):
            self.row[-1] = line + "\n"
            while not line.endswith(("\n", "\r")) and (line := self._stream.readline(ROW_LIMIT)):
                self.size += len(line)

    def begin(self) -> None:
        """Begin a new row."""
        self.row, self.size = [], 0

    def back(self) -> None:
        """Go back to the second line of the present row."""
        rest = self.row[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)

    @property
    def first(self) -> int:
        """The number of the present row's first line."""
        return self.number - len(self.row) + 1


class Lines(Table):
    """A text file, decoded line by line."""

    def __init__(self, source: str, *, strict: bool, encoding: str) -> None:
        self._path = Path(source)
        try:
            "".encode(encoding)  # a codec that is not of text, such as base64, is refused here as well
        except (LookupError, UnicodeError, ValueError):
            raise DataError(
                f"encoding '{encoding}' is not known. Give for instance utf-8, latin-1 or utf-16."
            ) from None
        self._encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._file: IO[bytes] | None = None
        self._size = self._path.stat().st_size
        if not self._size:
            raise DataError(f"'{source}' is empty. Give a table with the names of its columns and at least one row.")
        self.source, self.strict = source, strict
        with self._open() as lines:
            super().__init__(source, self._columns(lines), strict=strict)

    def _columns(self, lines: _Lines) -> Columns:
        raise NotImplementedError

    def size_hint(self) -> int:
        """Return the bytes of the file."""
        return self._size

    def progress(self) -> float:
        """Return the share of the file's bytes that were read."""
        if self._file is None:
            return 0.0
        return 1.0 if self._file.closed else min(self._file.tell() / max(self._size, 1), 1.0)

    @contextlib.contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        with self._path.open("rb") as file:
            self._file = file
            if self._path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=file) as plain:
                    yield cast("IO[bytes]", plain)
            else:
                yield file

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Lines]:
        """Open the file; every fault of reading it becomes a message."""
        try:
            with self._bytes() as file, io.TextIOWrapper(file, encoding=self._encoding, newline="") as stream:
                yield _Lines(stream)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"'{self.source}' is no whole gzip file: {error}. Pack it again.") from error
        except OSError as error:
            why = error.strerror or error
            raise DataError(f"'{self.source}' cannot be read: {why}. Give the path of a readable file.") from error
        except UnicodeError as error:
            raise DataError(self._undecodable(error)) from error

    def _undecodable(self, error: UnicodeError) -> str:
        """Return where the file stops being text of its encoding, and what to do."""
        kind, known = "".join(self._path.suffixes), self._encoding.removesuffix("-sig").upper()
        where = str(error)
        decoder = codecs.getincrementaldecoder(self._encoding)()
        offset, line = 0, 1
        head = b""
        with self._bytes() as file:
            while chunk := file.read(1 << 20):
                head = head or chunk[:2]
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as fault:
                    at = offset + len(chunk) - len(fault.object) + fault.start
                    line += chunk[: max(at - offset, 0)].count(b"\n")
                    where = f"byte 0x{fault.object[fault.start]:02x} at offset {at:,}, line {line:,}"
                    break
                offset, line = offset + len(chunk), line + chunk.count(b"\n")
        guess = "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"
        return (
            f"'{self.source}' cannot be read as {known} {kind}: {where}. Save it as UTF-8 "
            f"(iconv -f {guess} -t utf-8 FILE > NEW), or name its encoding, perhaps {guess}."
        )


class Separated(Lines):
    """A CSV or TSV file with the names of the columns in its first line (RFC 4180; also with semicolons)."""

    delimiter = ","

    def _columns(self, lines: _Lines) -> Columns:
        csv.field_size_limit(
            max(csv.field_size_limit(), ROW_LIMIT)
        )  # the module's limit is an exception, ours a bad line
        try:
            first = next(lines, "")
            names = ".tsv" in self._path.suffixes
            self.delimiter = "\t" if names else next((mark for mark in ",;\t" if mark in first), ",")
            lines.back()
            header = next(csv.reader([first], delimiter=self.delimiter, strict=True), [])
        except (csv.Error, _TooLong) as error:
            why = str(error) or "it is too long"
            raise DataError(f"the first line of '{self.source}' is no list of column names: {why}.") from error
        if "\0" in first:
            raise DataError(f"'{self.source}' is no text: its first line holds NUL bytes. Give a CSV file.")
        return tuple(name.strip() or f"column {i}" for i, name in enumerate(header, 1))

    def _read(self) -> Iterator[tuple[int, Row]]:
        columns, width = self.columns, len(self.columns)
        with self._open() as lines:
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            next(reader)
            while True:
                lines.begin()
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except (csv.Error, _TooLong) as error:
                    self.skip(lines.first, _fault(error, lines))
                    lines.back()
                    continue
                if not cells:
                    continue
                if len(cells) != width:
                    self.skip(lines.first, _count_fault(len(cells), width, lines))
                elif "\0" in lines.row[0] or (len(lines.row) > 1 and "\0" in "".join(lines.row)):
                    self.skip(lines.first, "it holds a NUL byte")
                else:
                    row = dict(zip(columns, cells, strict=True))
                    if lines.size > CELL_LIMIT and (problem := long_cell(row)):
                        self.skip(lines.first, problem)
                    else:
                        yield lines.first, row


def _fault(error: Exception, lines: _Lines) -> str:
    """Return why a row could not be parsed."""
    if isinstance(error, _TooLong) and len(lines.row) == 1:
        return f"a {megabytes(lines.size)} row (at most {megabytes(ROW_LIMIT)})"
    if isinstance(error, _TooLong) or "unexpected end" in str(error):
        return "a quote is opened in it and never closed"
    return f"its quotes do not match ({error}); a quote inside a quoted cell is written twice"


def _count_fault(found: int, width: int, lines: _Lines) -> str:
    joined = f", and goes on to line {lines.number} because of a quote" if len(lines.row) > 1 else ""
    return f"it has {found} cell{'s'[: found != 1]}, the first line has {width}{joined}"


class Objects(Lines):
    """A JSONL file: one object per line. Rows may lack columns."""

    def _columns(self, lines: _Lines) -> Columns:
        names: dict[str, None] = {}
        found = (row for row in self._objects(lines, count=False) if row is not None)
        for (_, row), _ in zip(found, range(FIRST_ROWS), strict=False):
            names.update(dict.fromkeys(row))
        if not names:
            raise DataError(f"'{self.source}' holds no JSON object in any line. Give one object per line.")
        return tuple(names)

    def _read(self) -> Iterator[tuple[int, Row]]:
        with self._open() as lines:
            yield from self._objects(lines, count=True)

    def _objects(self, lines: _Lines, *, count: bool) -> Iterator[tuple[int, Row]]:
        while True:
            lines.begin()
            try:
                line = next(lines)
            except StopIteration:
                return
            except _TooLong as error:
                problem: str | None = _fault(error, lines)
            else:
                if not line.strip():
                    continue
                row, problem = _object(line)
            if problem is None:
                yield lines.number, row
            elif count:
                self.skip(lines.number, problem)


def _object(line: str) -> tuple[Row, str | None]:
    """Return the object of a line, and what is wrong with it."""
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            return {}, "it is no JSON object"
        if "\\u" in line:  # half of a surrogate pair is JSON, but no text that could be written again
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return {}, "it holds half a surrogate pair, which is no character"
    except (ValueError, RecursionError) as error:
        return {}, f"it is no JSON ({error})"
    return row, long_cell(row) if len(line) > CELL_LIMIT else None
