"""Tables of pyarrow: Parquet files, Arrow files or streams (Feather too). They are read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surpass.errors import DataError, MissingPackageError, reason
from surpass.tables.base import Row, Table, long_cell

BATCH = 1000


class Columnar(Table):
    """Rows of a Parquet or Arrow file."""

    unit = "row"

    def __init__(self, source: str, *, strict: bool) -> None:
        try:
            import pyarrow
        except ImportError:
            raise MissingPackageError("pyarrow", why=f"'{source}' is read with it", extra="data") from None
        self._path, self._error = Path(source), pyarrow.ArrowException
        self._done = self._total = 0
        self.source = source
        names, self._total = self._opened(self._head)
        super().__init__(source, tuple(names), strict=strict)

    def size_hint(self) -> int | None:
        """Return the number of rows, when the file tells."""
        return self._total or None

    def progress(self) -> float:
        """Return the share of the rows that were read."""
        return min(self._done / self._total, 1.0) if self._total else 0.0

    def _head(self) -> tuple[list[str], int]:
        raise NotImplementedError

    def _batches(self) -> Iterator[Any]:
        raise NotImplementedError

    def _read(self) -> Iterator[tuple[int, Row]]:
        self._done = 0
        batches = self._batches()
        while (batch := self._opened(lambda: next(batches, None))) is not None:
            for start in range(0, batch.num_rows, BATCH):
                part = batch.slice(start, BATCH)
                for row in self._opened(part.to_pylist):
                    self._done += 1
                    if problem := long_cell(row):
                        self.skip(self._done, problem)
                    else:
                        yield self._done, row

    def _opened(self, step: Any) -> Any:
        """Return what a step of reading gives; its faults become a message."""
        try:
            return step()
        except (self._error, OSError, UnicodeDecodeError) as error:
            told = reason(error)
            kind = self._path.suffix[1:].capitalize()
            where = f" after row {self._done}" if self._done else ""
            raise DataError(
                f"'{self.source}' cannot be read as {kind}{where}: {told}. Is it whole, and of that format?"
            ) from error


class Parquet(Columnar):
    """A Parquet file."""

    def _file(self) -> Any:
        import pyarrow.parquet as parquet

        return parquet.ParquetFile(self._path, pre_buffer=False, buffer_size=1 << 20)

    def _head(self) -> tuple[list[str], int]:
        with self._file() as file:
            return list(file.schema_arrow.names), file.metadata.num_rows

    def _batches(self) -> Iterator[Any]:
        with self._file() as file:
            yield from file.iter_batches(batch_size=BATCH)


class Arrow(Columnar):
    """An Arrow IPC file (Feather is one) or stream (what `datasets` keeps)."""

    def _head(self) -> tuple[list[str], int]:
        import pyarrow

        with pyarrow.memory_map(str(self._path)) as source:
            try:
                file = pyarrow.ipc.open_file(source)
            except pyarrow.ArrowInvalid:
                source.seek(0)
                return list(pyarrow.ipc.open_stream(source).schema.names), 0
            return list(file.schema.names), sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))

    def _batches(self) -> Iterator[Any]:
        import pyarrow

        with pyarrow.memory_map(str(self._path)) as source:
            try:
                file = pyarrow.ipc.open_file(source)
            except pyarrow.ArrowInvalid:
                source.seek(0)
                yield from pyarrow.ipc.open_stream(source)
                return
            for i in range(file.num_record_batches):
                yield file.get_batch(i)
