"""Advice put to the test: every cell of a study is advised on first, then run, and what came out is set beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from surpass.advice.evidence import LEVEL, Evidence, Rehearsal, evidence
from surpass.advice.forecasting import sight
from surpass.advice.record import SHIPPED, Entry, Record
from surpass.advice.rehearsing import Grounds, Part, stands_in
from surpass.advice.tracking import Foretold, TrackRecord, foretold, track_record
from surpass.advice.trial_report import write_trial
from surpass.errors import DataError, SurpassError
from surpass.report.files import plain_estimate
from surpass.report.text import plain
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.shelf import Shelf, names, run_of
from surpass.stats import Estimate
from surpass.store import Store
from surpass.study import Cell, Study, cells

Progress = Callable[[str], None]


def observed(
    study: Study, *, store: Store, runtime: Runtime, level: float = LEVEL, progress: Progress | None = None
) -> Iterator[tuple[Cell, Evidence | str]]:
    """Yield each cell of a resolved study with what was seen before it ran, or why nothing could be seen."""
    grounds = Grounds(store, runtime)
    for cell in sorted(cells(study), key=lambda cell: (cell.task.label(), cell.seed)):  # rows of one task at a time
        if progress:
            progress(" / ".join((*names(cell).values(), f"seed {cell.seed}")))
        model, dear = stands_in(cell.pair.strong)
        try:
            ground = grounds.of(cell.data, cell.pair.weak, dear=dear)
            yield (
                cell,
                evidence(Part(ground, cell.pair.weak, model, cell.student.seed).rehearse(cell.route), level=level),
            )
        except SurpassError as error:
            yield cell, str(error)


def came_out(cell: Cell, shelf: Shelf, *, level: float = LEVEL) -> Evidence | None:
    """Return what came out on the test rows of a cell that ran, in the terms of advice; `gold` is the ceiling there."""
    scored = shelf.scored(cell)
    if scored is None:
        return None
    found = run_of(scored, "test", "last")
    table: dict[str, Any] = {name: np.asarray(getattr(found, name)) for name in ("floor", "student", "ceiling")}
    table = {name: values if values.ndim == 2 else values[:, None] for name, values in table.items()}
    return evidence(
        Rehearsal(
            scored.splits.target,
            np.asarray(found.labels),
            tuple(map(str, found.groups)),
            table["floor"],
            table["student"],
            table["ceiling"],
        ),
        level=level,
    )


def collect(
    study: Study, *, store: Store, runtime: Runtime, level: float = LEVEL, progress: Progress | None = None
) -> tuple[Record, tuple[str, ...]]:
    """Return the record of a study, and why some of its cells are not in it. The advice is given before the study runs."""
    study = study.resolve()
    seen = list(observed(study, store=store, runtime=runtime, level=level, progress=progress))
    run(study, store=store, runtime=runtime, progress=lambda made, outcome: progress(outcome.key) if progress else None)
    shelf, entries, lost = Shelf(store), list[Entry](), list[str]()
    for cell, one in seen:
        what = names(cell)
        result = came_out(cell, shelf, level=level)
        if isinstance(one, str) or result is None:
            why = one if isinstance(one, str) else "a stage of the real run failed"
            lost.append(f"{' / '.join(what.values())}, seed {cell.seed}: {why}")
            continue
        entries.append(
            Entry(
                **what,
                seed=cell.seed,
                dear=stands_in(cell.pair.strong)[1],
                seen=sight(one),
                floor=result.floor.value,
                student=result.student.value,
                ceiling=result.gold.value,
                gain=result.gain.value,
                gain_width=(result.gain.high - result.gain.low) / 2,
            )
        )
    return Record(level, tuple(entries)), tuple(lost)


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """A finished trial: every cell foretold from the other tasks, and how well that went."""

    name: str
    out: Path
    cells: tuple[Foretold, ...]
    track: TrackRecord
    lost: tuple[str, ...]

    def text(self) -> str:
        """Return what a terminal shows."""
        lost = [f"{len(self.lost)} cells without a forecast; the first: {self.lost[0]}"] if self.lost else []
        return "\n".join([self.track.sentence, *lost, f"Report: {self.out / 'report.html'}"])

    def to_json(self) -> dict[str, Any]:
        """Return the track record and every cell as plain data."""
        track = {
            name: plain_estimate(value) if isinstance(value, Estimate) else value
            for name, value in vars(self.track).items()
        }
        cells = [
            {**dataclasses.asdict(one.entry), "foretold": plain_estimate(one.gain), "held": one.held}
            for one in self.cells
        ]
        found: dict[str, Any] = plain({"name": self.name, "track": track, "cells": cells, "lost": self.lost})
        return found


def run_trial(
    study: Study,
    *,
    store: Store,
    runtime: Runtime,
    out: Path,
    write_record: bool = False,
    progress: Progress | None = None,
) -> TrialResult:
    """Advise on every cell of a study, run it, and write what was foretold beside what came out.

    Args:
        study: the cells; tasks are foretold from each other, so several are needed.
        store: of both the advice's features and the study's stages.
        runtime: speed and place.
        out: gets report.html, report.md, trial.csv and record.json.
        write_record: make this the record that comes with the package.
        progress: is told what is being done.

    Raises:
        DataError: no cell has both a forecast and a result.
    """
    record, lost = collect(study, store=store, runtime=runtime, progress=progress)
    if not record.entries:
        raise DataError(f"no cell of the trial could be advised on and run. The first: {lost[0] if lost else 'none'}")
    return finish(study.name, record, lost, out=out, write_record=write_record)


def finish(name: str, record: Record, lost: tuple[str, ...], *, out: Path, write_record: bool) -> TrialResult:
    """Write the trial of a record that has been collected."""
    cells, track = foretold(record), track_record(record)
    write_trial(name, cells, track, record=record, lost=lost, out=out)
    if write_record:
        record.save(SHIPPED)
    return TrialResult(name, out, cells, track, lost)
