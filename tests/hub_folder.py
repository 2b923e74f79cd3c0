"""A folder with the files of a hub data set, made of rows: parquet, CSV or gzipped JSONL, as the task's patterns ask."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from surpass.tasks._hub import Hub, HubTask
from surpass.tasks.base import Row


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows into a file whose ending says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, fieldnames=list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def hub_folder(folder: Path, task: HubTask, rows: Sequence[Row] = ()) -> Hub:
    """Return the task's source over a folder in which each split holds the rows, by default the task's sample."""
    rows = rows or task.sample
    splits = []
    for split in task.source().splits:
        write(folder / split.files.replace("*", "0"), rows)
        splits.append(split._replace(rows=len(rows), one_in=1))
    return dataclasses.replace(task.source(), repo=str(folder), splits=tuple(splits))
