"""The track record of advice: what it said of a cell, and what came out. It ships with the package.

`surpass advise STUDY --trial` writes one to its folder; copied to the place of this package's record.json, it is the one that
advice rests on.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from surpass.errors import DataError

SHIPPED = Path(__file__).with_name("record.json")
VERSION = 1
DOMAINS = {"movie": "movie-reviews", "amazon": "amazon-reviews", "nyt": "nyt-editorials", "tweets": "tweets"}
SHARED = {
    "sentiment-domains": frozenset(DOMAINS.values()),
    "sst2": frozenset({"movie-reviews"}),
    "quartz-hub": frozenset({"quartz"}),
    "social-iqa-hub": frozenset({"social-iqa"}),
    "sciq-with-support": frozenset({"sciq"}),
}
"""Tasks whose rows are those of other tasks; `snippet-ratings` and `snippet-preferences` go by their domain."""


@cache
def sources(task: str) -> frozenset[str]:
    """Return whose rows a task has, by its label: its own, whatever its options, or those of other tasks.

    >>> sorted(sources("snippet-ratings(domain=movie)") | sources("toy(noise=0.2)"))
    ['movie-reviews', 'toy']
    """
    name, _, options = task.partition("(")
    given = dict(re.findall(r"(domain|path)=([^,)]+)", options))
    if name in ("snippet-ratings", "snippet-preferences"):
        return frozenset({DOMAINS.get(given.get("domain", "nyt"), name)})
    if "path" in given:
        return frozenset({f"{name} {given['path']}"})
    return SHARED.get(name, frozenset({name}))


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
        finetuned: whether the student was, so that a probe stood in for it.
        seen: what was seen before the strong run.
        floor, student, ceiling, gain: what came out on the test rows.
        gain_width: half of the interval of the gain that came out.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int
    finetuned: bool
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
        """Return the record without a task and others of its rows: what the advice on this task may know."""
        return Record(self.level, tuple(one for one in self.entries if not sources(one.task) & sources(task)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, sorted."""
        return tuple(sorted({one.task for one in self.entries}))

    @property
    def families(self) -> dict[str, str]:
        """The first of the tasks that each task has rows in common with, itself or through others: what is independent."""
        found: dict[str, str] = {}
        for task in self.tasks:
            joined = {found[other] for other in found if sources(other) & sources(task)}
            first = min(joined | {task})
            found = {other: first if name in joined else name for other, name in found.items()} | {task: first}
        return found

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
    """Return the cells; `dear` is what `finetuned` was called in older records."""
    renamed = [{"finetuned" if name == "dear" else name: value for name, value in cell.items()} for cell in cells]
    return tuple(Entry(**{**cell, "seen": Sight(**cell["seen"])}) for cell in renamed)


@cache
def shipped() -> Record:
    """Return the record that came with this installation; empty where none is there."""
    return read_record(SHIPPED) if SHIPPED.is_file() else Record(0.9, ())
