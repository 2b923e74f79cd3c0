"""Advice put to the test: every cell of a study is advised on first, then run, and what came out is set beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surpass.advice.choosing import unadvised_all
from surpass.advice.evidence import LEVEL, Evidence, Rehearsal, evidence
from surpass.advice.forecasting import sight
from surpass.advice.record import Entry, Record
from surpass.advice.rehearsing import Grounds, Part, stands_in
from surpass.advice.tracking import Foretold, TrackRecord, foretold, track_record
from surpass.advice.trial_report import write_trial
from surpass.errors import DataError, StageError, StudyError, SurpassError
from surpass.report.files import plain_estimate
from surpass.report.text import plain
from surpass.runner import Plan, run
from surpass.runtime import Runtime
from surpass.shelf import Shelf, names, run_of
from surpass.stats import Estimate
from surpass.store import Store
from surpass.study import Cell, Study, cells, describe
from surpass.work import Outcome

Progress = Callable[[str], None]


def observed(
    study: Study, *, store: Store, runtime: Runtime, progress: Progress | None = None
) -> Iterator[tuple[Cell, Evidence | str]]:
    """Yield each cell of a resolved study with what was seen before it ran, or why nothing could be seen."""
    grounds = Grounds(store, runtime)
    for cell in sorted(cells(study), key=lambda cell: (cell.task.label(), cell.seed)):  # rows of one task at a time
        if progress:
            progress(" / ".join((*names(cell).values(), f"seed {cell.seed}")))
        model, finetuned = stands_in(cell.pair.strong)
        try:
            ground = grounds.of(cell.data, cell.pair.weak, finetuned=finetuned)
            yield cell, evidence(Part(ground, cell.pair.weak, model, cell.student.seed).rehearse(cell.route))
        except SurpassError as error:
            yield cell, str(error)


def came_out(cell: Cell, shelf: Shelf) -> Evidence | None:
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
    )


class Collected(NamedTuple):
    """The record of a study, why some of its cells are not in it, and the stages of its run that failed."""

    record: Record
    lost: tuple[str, ...]
    failed: tuple[str, ...]


def collect(study: Study, *, store: Store, runtime: Runtime, progress: Progress | None = None) -> Collected:
    """Return the record of a study. The advice is given before the study runs; StudyError where there is none on any task."""
    if problems := unadvised_all(study):
        raise StudyError(problems)
    study = study.resolve()
    seen = list(observed(study, store=store, runtime=runtime, progress=progress))

    def show(made: Plan, outcome: Outcome) -> None:
        if progress and outcome.status != "cached":
            progress(f"{outcome.status}: {describe(made.nodes[outcome.key].spec)}")

    made, outcomes = run(study, store=store, runtime=runtime, progress=show)
    failed = [f"{describe(made.nodes[one.key].spec)}: {one.error}" for one in outcomes if one.status == "failed"]
    shelf, entries, lost = Shelf(store), list[Entry](), list[str]()
    for cell, one in seen:
        what = names(cell)
        result = came_out(cell, shelf)
        unknown = [found.gain.note for found in (one, result) if isinstance(found, Evidence) and not found.gain.defined]
        if isinstance(one, str) or result is None or unknown:
            why = one if isinstance(one, str) else "".join(unknown[:1]) or "a stage of the real run failed"
            lost.append(f"{' / '.join(what.values())}, seed {cell.seed}: {why}")
            continue
        entries.append(
            Entry(
                **what,
                seed=cell.seed,
                finetuned=stands_in(cell.pair.strong)[1],
                seen=sight(one),
                floor=result.floor.value,
                student=result.student.value,
                ceiling=result.gold.value,
                gain=result.gain.value,
                gain_width=(result.gain.high - result.gain.low) / 2,
            )
        )
    return Collected(Record(LEVEL, tuple(entries)), tuple(lost), tuple(failed))


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """A finished trial: every cell's gain predicted from the other tasks, and how well that went; what failed is said."""

    name: str
    out: Path
    cells: tuple[Foretold, ...]
    track: TrackRecord
    lost: tuple[str, ...]
    failed: tuple[str, ...] = ()

    def text(self) -> str:
        """Return what a terminal shows."""
        lost = [f"{len(self.lost)} cells without a predicted gain; the first: {self.lost[0]}"] if self.lost else []
        failed = [f"Stages of the run that failed: {len(self.failed)}."] if self.failed else []
        return "\n".join([self.track.sentence, *lost, *failed, f"Report: {self.out / 'report.html'}"])

    def to_json(self) -> dict[str, Any]:
        """Return the track record and every cell as plain data."""
        track = {
            name: plain_estimate(value) if isinstance(value, Estimate) else value
            for name, value in vars(self.track).items()
        }
        cells = [
            {**dataclasses.asdict(one.entry), "predicted_gain": plain_estimate(one.gain), "held": one.held}
            for one in self.cells
        ]
        found: dict[str, Any] = plain(
            {"name": self.name, "track": track, "cells": cells, "lost": self.lost, "failed": self.failed}
        )
        return found


def run_trial(
    study: Study, *, store: Store, runtime: Runtime, out: Path, progress: Progress | None = None
) -> TrialResult:
    """Advise on every cell of a study, run it, and write what was predicted beside what came out.

    Args:
        study: the cells; tasks are predicted from each other, so several are needed.
        store: of both the advice's features and the study's stages.
        runtime: speed and place.
        out: gets report.html, report.md, trial.csv and record.json.
        progress: is told what is being done.

    Raises:
        DataError: no cell has both a predicted gain and a result.
        StageError: the same, and stages of the run failed.
        StudyError: there is no advice on any of its tasks; nothing was run.
    """
    record, lost, failed = collect(study, store=store, runtime=runtime, progress=progress)
    if not record.entries:
        told = f"no cell of the trial could be advised on and run. The first: {lost[0] if lost else 'none'}"
        raise StageError(f"{told}. Failed: {failed[0]}") if failed else DataError(told)
    cells, track = foretold(record), track_record(record)
    write_trial(study.name, cells, track, record=record, lost=(*lost, *failed), out=out)
    return TrialResult(study.name, out, cells, track, lost, failed)
