"""Writes the four files of a comparison: compare.html, compare.md, compare.csv and compare.json."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surpass.disk import write_atomically
from surpass.report import text
from surpass.report.compare.document import FILES, build
from surpass.report.files import field, plain_estimate, rounded
from surpass.report.markdown import markdown
from surpass.stats import Estimate, OverTasks, PairedTest
from surpass.versus import DifferenceRow, Standing, Versus

COLUMNS = (
    *("task", "split", "weak", "strong", "method", "baseline", "stopping", "metric", "student", "baseline_student"),
    *("difference", "difference_low", "difference_high", "pgr_difference", "pgr_difference_low", "pgr_difference_high"),
    *("outcome", "note", "seeds", "seeds_lacking", "n_test", "settings"),
)


def write(versus: Versus, out: Path) -> dict[str, Path]:
    """Write the comparison into a folder and return the paths by file name; each file appears whole or not at all.

    Raises:
        OSError: the folder cannot be made or written.
    """
    from surpass.report.page import page

    document = build(versus)
    contents = (page(document), markdown(document), csv_text(versus), json_text(versus))
    out.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, contents, strict=True):
        write_atomically(out / name, content)
    return {name: out / name for name in FILES}


def csv_text(versus: Versus) -> str:
    """Return compare.csv: a line for each task, pair, method and metric. What is undefined is empty, and `note` says why."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in versus.rows:
        record = _record(versus, row)
        writer.writerow([field(record[name]) for name in COLUMNS])
    return file.getvalue()


def _record(versus: Versus, row: DifferenceRow) -> dict[str, Any]:
    ends: dict[str, float | None] = {}
    for name, item in (("difference", row.difference), ("pgr_difference", row.pgr)):
        ends |= {name: rounded(item.value), f"{name}_low": rounded(item.low), f"{name}_high": rounded(item.high)}
    return {
        **{name: getattr(row, name) for name in ("task", "split", "weak", "strong", "method", "metric")},
        "baseline": versus.baseline,
        "stopping": versus.stopping,
        "student": rounded(row.student.value),
        "baseline_student": rounded(row.baseline.value),
        **ends,
        "outcome": row.outcome,
        "note": "; ".join(dict.fromkeys(filter(None, (row.note, row.pgr.note)))),
        "seeds": row.seeds,
        "seeds_lacking": row.lacking,
        "n_test": row.n_test,
        "settings": versus.settings[row.method],
    }


def json_text(versus: Versus) -> str:
    """Return compare.json: the lines of compare.csv with all estimates, and means and tests over tasks."""
    data = {
        **{
            name: getattr(versus, name)
            for name in ("name", "baseline", "split", "stopping", "level", "seeds", "metrics")
        },
        "settings": versus.settings,
        "fair": versus.fair,
        "rows": [{**_record(versus, row), "estimates": _estimates(row)} for row in versus.rows],
        "standings": [_standing(one) for name in versus.metrics for one in versus.ranked(name)],
        "versions": versus.versions,
    }
    return json.dumps(text.plain(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _estimates(row: DifferenceRow) -> dict[str, Mapping[str, Any]]:
    names = [part.name for part in dataclasses.fields(row)]
    return {name: plain_estimate(item) for name in names if isinstance(item := getattr(row, name), Estimate)}


def _standing(standing: Standing) -> dict[str, Any]:
    over = {unit: {name: _over(one) for name, one in of_unit.items()} for unit, of_unit in standing.over.items()}
    names = ("method", "metric", "outcomes", "better", "same", "worse", "undefined_pgr")
    return {**{name: getattr(standing, name) for name in names}, "over": over}


def _over(one: OverTasks) -> dict[str, Any]:
    tests = {name: {side: _test(test) for side, test in getattr(one, name).items()} for name in ("t", "wilcoxon")}
    counts = {name: getattr(one, name) for name in ("better", "same", "worse")}
    return {"mean": plain_estimate(one.mean), **counts, **tests}


def _test(test: PairedTest) -> dict[str, Any]:
    return {name: rounded(v) if isinstance(v, float) else v for name, v in dataclasses.asdict(test).items()}
