"""Opening a table by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surpass.errors import DataError
from surpass.tables._columnar import Arrow, Parquet
from surpass.tables._hub import FORM, Hub
from surpass.tables._lines import Objects, Separated
from surpass.tables.base import Row, Table

_LINES = {".csv": Separated, ".tsv": Separated, ".jsonl": Objects, ".ndjson": Objects}
_COLUMNAR = {".parquet": Parquet, ".arrow": Arrow, ".feather": Arrow}
FORMATS = f"{', '.join(_LINES)} (also with .gz), {', '.join(_COLUMNAR)}"


def open_table(source: str, *, strict: bool = False, encoding: str = "utf-8") -> Table:
    """Open a file by its suffix, or a data set of the hub.

    Args:
        source: path of a .csv, .tsv, .jsonl, .ndjson (each also with .gz), .parquet, .arrow or .feather file, or
            hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT].
        strict: make a bad line an error, instead of leaving it out and counting it.
        encoding: of a text file.

    Raises:
        DataError: the file is not there, is empty, is of another format or encoding, or has two columns of one name.
        MissingPackageError: the format needs a package that is not installed.
    """
    if source.startswith("hub:"):
        return Hub(source, strict=strict)
    if problem := missing(source):
        raise DataError(problem)
    kind = suffix(source)
    if kind in _COLUMNAR and not source.endswith(".gz"):
        return _COLUMNAR[kind](source, strict=strict)
    if kind in _LINES:
        return _LINES[kind](source, strict=strict, encoding=encoding)
    found = Path(source).suffix
    raise DataError(
        f"'{source}' has {f'the suffix {found}' if found else 'no suffix'}, which tells no format. "
        f"Readable are {FORMATS}, and {FORM}. Save the table as one of them."
    )


def readable(source: str) -> bool:
    """Return whether a name is that of a table: a suffix that tells a format, or a data set of the hub."""
    return source.startswith("hub:") or suffix(source) in {**_LINES, **_COLUMNAR}


def missing(source: str) -> str | None:
    """Return that a file is not there, or None. A data set of the hub is not looked for."""
    if source.startswith("hub:") or Path(source).is_file():
        return None
    why = "is a folder" if Path(source).is_dir() else "is not there"
    return f"file '{source}' {why} (seen from '{Path.cwd().name}/'). Give the path of a readable file."


def suffix(source: str) -> str:
    """Return the suffix that tells the format of a file, in lower case, without .gz."""
    path = Path(source.lower())
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file whose every line must be right."""
    for _, row in open_table(str(path), strict=True).rows():
        yield row
