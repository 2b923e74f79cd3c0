"""The analyses as files: errors.csv, calibration.csv and misfit.csv, and what results.json says of them."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping
from typing import Any

from surpass.report.files import field, plain_estimate, rounded
from surpass.results import CalibrationRow, ErrorRow, MisfitRow, Results
from surpass.stats import Estimate

Value = str | int | float | None

_NAMES = ("task", "split", "weak", "strong", "method")
_SHARES = ("inheritance", "correction", "other", "new")
_SCORES = ("ece", "brier", "confidence", "overconfidence")
ERROR_COLUMNS = (
    *(*_NAMES, "bin", "confidence_low", "confidence_high", "rows", "wrong"),
    *(f"{share}{end}" for share in _SHARES for end in ("", "_low", "_high")),
)
CALIBRATION_COLUMNS = (
    *(*_NAMES, "role", "bin", "bin_low", "bin_high", "rows", "confidence", "accuracy"),
    *(f"{score}{end}" for score in _SCORES if score != "confidence" for end in ("", "_low", "_high")),
)
_MISFITS = ("misfit", "supervisor", "student", "gain", "slack", "bound")
MISFIT_COLUMNS = (
    *(*_NAMES, "domain", "loss"),
    *(f"{part}{end}" for part in _MISFITS for end in ("", "_low", "_high")),
    *("clipped", "seeds", "note"),
)


def errors_text(results: Results) -> str:
    """Return errors.csv: a line for all rows and for each bin of confidence of every comparison and test split."""
    return _text(ERROR_COLUMNS, (_error(row) for row in results.errors))


def calibration_text(results: Results) -> str:
    """Return calibration.csv: for each comparison, split and role a line over all rows, then one for each filled bin."""
    return _text(CALIBRATION_COLUMNS, (line for row in results.calibration for line in _reliability(row)))


def misfit_text(results: Results) -> str:
    """Return misfit.csv: for each comparison and split a line by loss, and one for each domain of splits that have some."""
    return _text(MISFIT_COLUMNS, (_misfit(row) for row in results.misfits))


def analyses(results: Results) -> dict[str, list[Any]]:
    """Return the analyses as plain data for results.json."""
    names = ("errors", "calibration", "ladders", "saliency", "shifts", "settings", "misfits", "selections")
    return {name: [_plain(row) for row in getattr(results, name)] for name in names}


def _text(columns: Iterable[str], lines: Iterable[Mapping[str, Value]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = tuple(columns)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([field(line.get(name)) for name in columns])
    return file.getvalue()


def _ends(name: str, item: Estimate) -> dict[str, Value]:
    ends = {name: item.value, f"{name}_low": item.low, f"{name}_high": item.high}
    return {name: rounded(value) for name, value in ends.items()}


def _error(row: ErrorRow) -> dict[str, Value]:
    line: dict[str, Value] = {name: getattr(row, name) for name in (*_NAMES, "rows", "wrong")}
    line |= {"bin": row.bin or "all", "confidence_low": rounded(row.low), "confidence_high": rounded(row.high)}
    for share in _SHARES:
        line |= _ends(share, getattr(row, share))
    return line


def _misfit(row: MisfitRow) -> dict[str, Value]:
    line: dict[str, Value] = {name: getattr(row, name) for name in (*_NAMES, "domain", "loss")}
    for part in _MISFITS:
        line |= _ends(part, getattr(row, part))
    return line | {"clipped": rounded(row.clipped), "seeds": len(row.seeds), "note": row.slack.note}


def _reliability(row: CalibrationRow) -> Iterable[dict[str, Value]]:
    names: dict[str, Value] = {name: getattr(row, name) for name in (*_NAMES, "role")}
    whole = {**names, "bin": "all", "rows": sum(one.rows for one in row.curve)}
    for score in _SCORES:
        whole |= _ends(score, getattr(row, score))
    accuracy = row.confidence.value - row.overconfidence.value
    yield {**whole, "accuracy": rounded(accuracy)}
    for place, one in enumerate(row.curve, 1):
        yield {
            **names,
            "bin": place,
            "bin_low": rounded(one.low),
            "bin_high": rounded(one.high),
            "rows": one.rows,
            "confidence": rounded(one.confidence),
            "accuracy": rounded(one.accuracy),
        }


def _plain(item: Any) -> Any:  # Any: a row of any of the record types, and what is inside it
    """Return records as mappings, with the digits of results.csv."""
    if isinstance(item, Estimate):
        return plain_estimate(item)
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {part.name: _plain(getattr(item, part.name)) for part in dataclasses.fields(item)}
    if isinstance(item, tuple):
        named = getattr(item, "_asdict", None)
        return _plain(named()) if named else [_plain(part) for part in item]
    if isinstance(item, dict):
        return {name: _plain(part) for name, part in item.items()}
    return rounded(item) if isinstance(item, float) else item
