"""Writing a table whole or not at all: to a temporary file beside its place, which is renamed when everything is written."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from surpass.errors import DataError, MissingPackageError, reason
from surpass.tables.base import Columns, Row

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these (CSV injection); an apostrophe before it makes it text."""
GROUP = 10_000
"""Rows of a row group of Parquet."""


class Writer:
    """Takes rows in the order in which they shall stand; `escaped` counts cells that got an apostrophe."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self.columns = path, columns
        self.escaped = 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some rows; columns that a row lacks are empty."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is held."""

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError


class _Text(Writer):
    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Separated(_Text):
    def __init__(self, path: Path, columns: Columns, *, delimiter: str, raw: bool) -> None:
        super().__init__(path, columns)
        self._raw = raw
        self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow([self._cell(name) for name in columns])

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some rows."""
        self._writer.writerows([[self._cell(row.get(name)) for name in self.columns] for row in rows])

    def _cell(self, value: Any) -> Any:
        if isinstance(value, str):
            if self._raw or not value.startswith(FORMULA) or _is_number(value):
                return value
            self.escaped += 1
            return f"'{value}"
        if isinstance(value, (list, dict)):
            return json.dumps(value, ensure_ascii=False, default=str)
        return value


class _Objects(_Text):
    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some rows; what JSON has no word for is null (NaN) or text (a date)."""
        for row in rows:
            whole = {name: None if _is_nan(row.get(name)) else row.get(name) for name in self.columns}
            self._file.write(json.dumps(whole, ensure_ascii=False, default=str) + "\n")


class _Parquet(Writer):
    """The first rows decide the types of the columns; one that is empty in all of them is text."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._held: list[Row] = []
        self._file: Any = None
        self._schema: Any = None

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Hold some rows, and write them once there are enough."""
        self._held += [{name: row.get(name) for name in self.columns} for row in rows]
        if len(self._held) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            if self._schema is None:
                found = pa.Table.from_pylist(self._held).schema if self._held else pa.schema([])
                kinds = {name: found.field(name).type for name in found.names}
                text = {name: pa.string() for name in self.columns if pa.types.is_null(kinds.get(name, pa.null()))}
                self._schema = pa.schema([(name, text.get(name) or kinds[name]) for name in self.columns])
                self._file = parquet.ParquetWriter(self.path, self._schema)
            self._file.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
        except pa.ArrowException as error:
            raise DataError(
                f"a column has cells of several types ({reason(error)}), which Parquet cannot hold. Write .jsonl."
            ) from error
        self._held = []

    def finish(self) -> None:
        """Write what is held."""
        if self._held or self._file is None:
            self._flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def refusal(out: Path) -> str | None:
    """Return why nothing can be written there, or None."""
    if out.suffix.lower() not in WRITABLE:
        return f"'{out}' has suffix '{out.suffix}', which tells no format. Writable are {', '.join(WRITABLE)}."
    if out.is_dir():
        return f"'{out}' is a folder. Give the path of a file."
    if not out.absolute().parent.is_dir():
        return f"folder '{out.parent}' is not there. Make it first: mkdir -p {out.parent}"
    return None


@contextlib.contextmanager
def writing(out: Path, columns: Columns, *, raw: bool = False) -> Iterator[Writer]:
    """Give a writer; the file is there when the block ends well, and nothing of it when it does not.

    Args:
        out: .csv, .tsv, .jsonl, .ndjson or .parquet; a file that is there is replaced.
        columns: names of the columns, in their order.
        raw: leave CSV and TSV cells that a spreadsheet would run, instead of putting an apostrophe before them.

    Raises:
        DataError: the format is unknown, the folder is not there or the disk refuses.
    """
    if problem := refusal(out):
        raise DataError(problem)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with contextlib.closing(_opened(part, columns, out.suffix.lower(), raw=raw)) as writer:
            yield writer
            writer.finish()
        part.replace(out)
    except OSError as error:
        raise DataError(
            f"'{out}' cannot be written: {error.strerror or error}. Free some space or write elsewhere."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _opened(path: Path, columns: Columns, kind: str, *, raw: bool) -> Writer:
    if kind in (".csv", ".tsv"):
        return _Separated(path, columns, delimiter="," if kind == ".csv" else "\t", raw=raw)
    if kind in (".jsonl", ".ndjson"):
        return _Objects(path, columns)
    try:
        import pyarrow  # noqa: F401  # told before anything is computed
    except ImportError:
        raise MissingPackageError("pyarrow", why="Parquet is written with it", extra="data") from None
    return _Parquet(path, columns)


WRITABLE = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
