"""The track record of advice: what it said of a cell, and what came out. It ships with the package.

`surpass advise STUDY --trial` makes one; `--write-record` puts it in the place of the shipped one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from surpass.errors import DataError

SHIPPED = Path(__file__).with_name("record.json")
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Sight:
    """The numbers of one cell's evidence that predictions are made from; None: undefined. Widths are half of an interval."""

    target: str
    n_gold: int
    floor: float
    student: float
    gain: float
    gain_width: float
    proper: float
    proper_width: float
    gold: float | None
    lead: float | None
    disagreement: float | None
    judged: float | None
    slope: float | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """One cell of the record.

    Attributes:
        task, weak, strong, method, seed: which cell.
        dear: whether the student was finetuned, so that a probe stood in for it.
        seen: what was seen before the strong run.
        floor, student, ceiling, gain: what came out on the test rows.
        gain_width: half of the interval of the gain that came out.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int
    dear: bool
    seen: Sight
    floor: float
    student: float
    ceiling: float
    gain: float
    gain_width: float


@dataclasses.dataclass(frozen=True)
class Record:
    """The cells of a trial, and the level of the intervals in it."""

    level: float
    entries: tuple[Entry, ...]

    def of_kind(self, target: str) -> Record:
        """Return the cells whose labels are of a kind; preferences and classes are one."""
        numbers = target == "regression"
        return Record(self.level, tuple(one for one in self.entries if (one.seen.target == "regression") == numbers))

    def without(self, task: str) -> Record:
        """Return the record without a task: what the advice on this task may know."""
        return Record(self.level, tuple(one for one in self.entries if one.task != task))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, sorted."""
        return tuple(sorted({one.task for one in self.entries}))

    def save(self, path: Path) -> None:
        """Write the record; numbers have four digits, since no interval here is narrower."""
        cells = [_rounded(dataclasses.asdict(one)) for one in self.entries]
        lines = ",\n".join(json.dumps(cell, sort_keys=True, ensure_ascii=False) for cell in cells)
        path.write_text(f'{{"version": {VERSION}, "level": {self.level}, "cells": [\n{lines}\n]}}\n', encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def read_record(path: Path) -> Record:
    """Return the record in a file.

    Raises:
        DataError: the file is no record of this version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise DataError(f"'{path}' is a record of version {data['version']}, not {VERSION}. Run the trial again.")
        return Record(data["level"], _entries(data["cells"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"'{path}' is no track record: {error!r}. Run `surpass advise advice-trial --trial`."
        ) from error


def _entries(cells: Sequence[dict[str, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(**{**cell, "seen": Sight(**cell["seen"])}) for cell in cells)


@cache
def shipped() -> Record:
    """Return the record that came with this installation; empty where none is there."""
    return read_record(SHIPPED) if SHIPPED.is_file() else Record(0.9, ())
