"""The diagnoses of a study as files: diagnoses.json and diagnoses.csv, and reading them back for its report."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surpass.disk import write_atomically
from surpass.errors import DataError
from surpass.report import text
from surpass.report.files import field, plain_estimate, rounded
from surpass.results import Results
from surpass.results_diagnoses import DiagnosisRow
from surpass.stats import Estimate

FILES = ("diagnoses.json", "diagnoses.csv")
_NAMES = ("task", "weak", "strong", "method", "diagnostic", "quantity", "part", "rows", "gold")
COLUMNS = (*_NAMES, "value", "low", "high", "level", "seeds", "examples", "note")
AGAIN = "Run surpass diagnose on the folder to make them again."


def identity(results: Results) -> str:
    """Return what diagnoses belong to: a study, and the fits of it that had finished."""
    fits = sorted({name for row in results.rows for names in row.keys.values() for name in names})
    held = json.dumps([text.plain(results.study), fits], sort_keys=True)
    return hashlib.sha256(held.encode()).hexdigest()[:20]


def write(rows: Sequence[DiagnosisRow], results: Results, out: Path) -> dict[str, Path]:
    """Write both files into a folder, each whole or not at all, and return the paths by file name.

    Raises:
        OSError: the folder cannot be written.
    """
    for name, content in zip(FILES, (json_text(rows, results), csv_text(rows)), strict=True):
        write_atomically(out / name, content)
    return {name: out / name for name in FILES}


def csv_text(rows: Sequence[DiagnosisRow]) -> str:
    """Return diagnoses.csv: a line for each quantity of each comparison; what is undefined is empty, and `note` says why."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        ends = [rounded(getattr(row.estimate, name)) for name in ("value", "low", "high")]
        rest = [getattr(row.estimate, name) for name in ("level", "seeds", "examples", "note")]
        named = [getattr(row, name) for name in _NAMES[:-1]]
        writer.writerow([field(item) for item in (*named, "yes" if row.gold else "no", *ends, *rest)])
    return file.getvalue()


def json_text(rows: Sequence[DiagnosisRow], results: Results) -> str:
    """Return diagnoses.json: which study it is of, and every row."""
    every = [
        {part.name: getattr(row, part.name) for part in dataclasses.fields(row)}
        | {"estimate": plain_estimate(row.estimate)}
        for row in rows
    ]
    data = {"name": results.name, "of": identity(results), "versions": results.versions, "rows": every}
    return json.dumps(text.plain(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(out: Path, results: Results) -> tuple[DiagnosisRow, ...]:
    """Return the diagnoses in an output folder; nothing where there are none.

    Raises:
        DataError: they are of another study, or of other fits of it; or the file is damaged.
    """
    file = out / FILES[0]
    if not file.exists():
        return ()
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        of, rows = data["of"], tuple(_row(line) for line in data["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{file}' cannot be read ({error}). {AGAIN}") from error
    if of != identity(results):
        raise DataError(f"'{file}' is of another study, or of other fits of this one, and is left out. {AGAIN}")
    return rows


def _row(line: dict[str, Any]) -> DiagnosisRow:
    held = line["estimate"].items()
    numbers: dict[str, Any] = {name: float("nan") if item is None else item for name, item in held}
    return DiagnosisRow(**{**line, "estimate": Estimate(**numbers)})
