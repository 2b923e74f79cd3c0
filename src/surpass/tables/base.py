"""What a table is: named columns, rows that are streamed, and the lines that could not be read."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from surpass.errors import DataError

Columns = tuple[str, ...]
Row = dict[str, Any]

SHOWN = 20
"""So many bad lines are kept with their reasons; all are counted."""
CELL_LIMIT = 1_000_000
"""Characters of the longest cell that is taken for data and not for a broken file."""


class BadLine(NamedTuple):
    """A line (or row, where there are no lines) that was left out, and why."""

    number: int
    reason: str


class Table:
    """Rows of a file or data set. `rows` may be called again and again; each pass counts its bad lines anew.

    Attributes:
        source: what a person named: a path or `hub:...`.
        columns: names of the columns; of JSONL those of the first rows.
        strict: whether a bad line is an error instead of being left out.
        unit: "line" or "row": what the numbers of `rows` and `bad` count, from 1 (a header is a line).
        bad: the first lines left out in the pass under way or the last one.
        bad_count: how many were left out.
    """

    unit = "line"

    def __init__(self, source: str, columns: Columns, *, strict: bool) -> None:
        self.source, self.columns, self.strict = source, columns, strict
        self.bad: list[BadLine] = []
        self.bad_count = 0
        if not columns:
            raise DataError(f"'{source}' has no columns. Give it a first line with the names of its columns.")
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            named = ", ".join(map(repr, twice))
            raise DataError(
                f"'{source}' has several columns called {named}. Rename them so that each name is there once."
            )

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield number and cells of each row: text of CSV and TSV, Python values of the other formats.

        Raises:
            DataError: nothing can be read: wrong encoding, damaged file, no row at all; with `strict`, the first bad line.
        """
        self.bad, self.bad_count = [], 0
        read = 0
        for item in self._read():
            read += 1
            yield item
        if not read:
            told = f"; the first: {self.place(self.bad[0].number)}: {self.bad[0].reason}" if self.bad else ""
            count = f" that can be read ({self.bad_count} bad {self.unit}s{told})" if self.bad else ""
            raise DataError(f"'{self.source}' has no rows{count}. Give a table with at least one row.")

    def _read(self) -> Iterator[tuple[int, Row]]:
        raise NotImplementedError

    def skip(self, number: int, reason: str) -> None:
        """Count a line as left out; DataError when the table is strict. Callers may use it on rows that they were given."""
        if self.strict:
            raise DataError(
                f"{self.place(number)}: {reason}. Mend it, or read the file without `strict`: "
                f"bad {self.unit}s are then left out and counted."
            )
        self.bad_count += 1
        if len(self.bad) < SHOWN:
            self.bad.append(BadLine(number, reason))

    def place(self, number: int) -> str:
        """Return where a row is, for messages."""
        return f"{self.unit} {number} of '{self.source}'"

    @contextlib.contextmanager
    def located(self, number: int) -> Iterator[None]:
        """Put where a row is before the message of a DataError that its cells raise."""
        try:
            yield
        except DataError as error:
            raise DataError(f"{self.place(number)}: {error}") from None

    def need(self, *names: str) -> None:
        """Check that the columns are there; DataError names those that are not, with the closest name."""
        if problem := self.lacking(*names):
            raise DataError(problem)

    def lacking(self, *names: str) -> str | None:
        """Return which of the columns are missing, with the closest names, or None."""
        missing = [name for name in names if name and name not in self.columns]
        if not missing:
            return None
        close = [match for name in missing for match in difflib.get_close_matches(name, self.columns, n=1, cutoff=0.5)]
        hint = f" Did you mean {', '.join(map(repr, dict.fromkeys(close)))}?" if close else ""
        return (
            f"'{self.source}' has no column {', '.join(map(repr, missing))}. "
            f"It has {', '.join(map(repr, self.columns))}.{hint}"
        )

    def size_hint(self) -> int | None:
        """Return the size that `progress` is a share of, bytes of a text file or rows; None when it is not known."""
        return None

    def progress(self) -> float:
        """Return how much of the table the pass under way has read, in [0, 1]."""
        return 0.0

    def digest(self) -> str:
        """Return an identity of the content: SHA-256 of the file, 20 hex digits, or the revision of a hub data set."""
        return file_digest(self.source)

    def told(self) -> str:
        """Return how many lines were left out and the first of them, for people; empty when there are none."""
        if not self.bad_count:
            return ""
        shown = "; ".join(f"{self.unit} {number}: {reason}" for number, reason in self.bad[:5])
        more = f"; and {self.bad_count - 5:,} more" if self.bad_count > 5 else ""
        count = f"1 bad {self.unit} was" if self.bad_count == 1 else f"{self.bad_count:,} bad {self.unit}s were"
        return f"{count} left out of '{self.source}': {shown}{more}"


def textless(cell: Any) -> str | None:
    """Return why a cell is no text, or None: it is empty, or a list or object. Numbers, 0 among them, are text."""
    if kind := structured(cell):
        return f"its text is {kind}"
    empty = cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip()
    return "its text is empty" if empty else None


def structured(cell: Any) -> str | None:
    """Return that a cell is a list or an object, in words, or None."""
    if not isinstance(cell, (list, dict)):
        return None
    return "a list" if isinstance(cell, list) else "a JSON object"


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / 1e6:.3g} MB"


def long_cell(row: Row) -> str | None:
    """Return that a cell is too long, with its size, or None."""
    for name, cell in row.items():
        if isinstance(cell, (str, bytes)) and len(cell) > CELL_LIMIT:
            return f"a {megabytes(len(cell))} cell in column '{name}' (at most {megabytes(CELL_LIMIT)})"
    return None


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, 20 hex digits; DataError when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:20]
    except OSError as error:
        raise DataError(f"file '{path}' cannot be read: {error.strerror}. Give the path of a readable file.") from error
