"""Writes the files of a study: the report as HTML and Markdown, its numbers as CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surpass.disk import write_atomically
from surpass.report import text
from surpass.report.headline import is_defined, why_undefined
from surpass.results import ResultRow, Results
from surpass.stats import Estimate

FILES = ("report.html", "report.md", "results.csv", "errors.csv", "calibration.csv", "misfit.csv", "results.json")
COLUMNS = (
    *("task", "split", "weak", "strong", "method", "stopping", "metric", "floor", "student", "ceiling"),
    *("pgr", "pgr_low", "pgr_high", "note", "seeds", "n_test", "key"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(results: Results, out: Path) -> dict[str, Path]:
    """Write the report and the numbers into a folder and return the paths by file name.

    Each file appears whole or not at all, in place of the one before it. The same results give the same bytes.

    Raises:
        OSError: the folder cannot be made or written.
    """
    from surpass.report.analysis_files import calibration_text, errors_text, misfit_text
    from surpass.report.document import build
    from surpass.report.markdown import markdown
    from surpass.report.page import page

    document = build(results)
    contents = {
        "report.html": page(document),
        "report.md": markdown(document),
        "results.csv": csv_text(results),
        "errors.csv": errors_text(results),
        "calibration.csv": calibration_text(results),
        "misfit.csv": misfit_text(results),
        "results.json": json_text(results),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        write_atomically(out / name, contents[name])
    return {name: out / name for name in FILES}


def csv_text(results: Results) -> str:
    """Return results.csv: a line for each task, test split, pair, method, stopping rule and metric. It holds no timings."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in results.rows:
        writer.writerow([field(item) for item in _record(row).values()])
    return file.getvalue()


def _record(row: ResultRow) -> dict[str, str | int | float | None]:
    """Return the columns of a row; what is undefined is None, and `note` says why."""
    note = row.note or (why_undefined(row) if not is_defined(row) else row.pgr.note)
    scores = {role: rounded(getattr(row, role).value) for role in ("floor", "student", "ceiling", "pgr")}
    record = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
    ends = {"pgr_low": rounded(row.pgr.low), "pgr_high": rounded(row.pgr.high)} if is_defined(row) else {}
    every = {"pgr_low": None, "pgr_high": None, **record, **scores, **ends, "note": note}
    return {name: every[name] for name in COLUMNS}


def rounded(value: float) -> float | None:
    """Return ten significant digits: more are noise of summation that differs between processors."""
    return float(f"{value:.10g}") + 0.0 if math.isfinite(value) else None


def field(item: str | int | float | None) -> str:
    """Return a field of a CSV file: text that a spreadsheet takes for a formula gets a quote before it."""
    if isinstance(item, str):
        content = text.clean(item)
        return f"'{content}" if content.startswith(_FORMULA) else content  # a spreadsheet would run it
    return "" if item is None else repr(item)


def json_text(results: Results) -> str:
    """Return results.json: the rows of results.csv with all estimates, and everything else the report shows."""
    from surpass.report.analysis_files import analyses

    data = {
        "name": results.name,
        "level": results.level,
        "primary_metric": results.primary_metric,
        "rows": [
            {**_record(row), "failed": row.failed, "keys": row.keys, "estimates": _estimates(row)}
            for row in results.rows
        ],
        "agreement": [_flat(row) for row in results.agreement],
        **analyses(results),
        "sides": [{name: v for name, v in _flat(row).items() if name != "drawing"} for row in results.sides],
        "curves": [dataclasses.asdict(curve) for curve in results.curves],
        "findings": [dataclasses.asdict(finding) for finding in results.findings],
        "timings": [dataclasses.asdict(stage) for stage in results.stages],
        "versions": results.versions,
        "study": results.study,
    }
    return lined(data)


def lined(data: Mapping[str, Any]) -> str:  # Any: whatever `text.plain` takes
    """Return JSON with a line for each field, and one for each item of those that are lists.

    The library writes what has no line breaks in a tenth of the time.
    """
    write = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    parts = []
    for name, item in text.plain(data).items():
        items = ",\n  ".join(map(write, item)) if isinstance(item, list) else ""
        parts.append(f" {write(name)}: " + (f"[\n  {items}\n ]" if items else write(item)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _estimates(row: Any) -> dict[str, Mapping[str, Any]]:  # Any: a row of any of the record types
    names = [field.name for field in dataclasses.fields(row)]
    return {name: plain_estimate(item) for name in names if isinstance(item := getattr(row, name), Estimate)}


def plain_estimate(item: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON holds it."""
    return {name: rounded(v) if isinstance(v, float) else v for name, v in vars(item).items()}


def _flat(row: Any) -> dict[str, Any]:  # Any: as above
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)} | _estimates(row)
