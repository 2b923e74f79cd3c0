"""What diagnostics read of one seed of a comparison: rows, predictions on them, and the frozen features that are stored."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

from surpass.artifacts import FeatureTable, Rows, Values
from surpass.errors import DataError, StoreError
from surpass.models.base import Model
from surpass.shelf import Scored, run_of
from surpass.spec import key
from surpass.stages import Features, Fit, supervisor_of
from surpass.stats import Run
from surpass.store import Store

Side = Literal["weak", "strong"]
Part = Literal["transfer", "evaluation"]
Found = TypeVar("Found")

ROOM = 1 << 30
"""Bytes of features that are kept for other diagnostics and pairs: ten tables of 20,000 rows of 1,152 numbers."""


def features_of(scored: Scored, side: Side, part: Part) -> Features:
    """Return the stage that holds the frozen features of a cell's weak or strong model.

    Raises:
        DataError: the model has none.
    """
    cell = scored.cell
    if side == "strong":
        model: Model | None = cell.pair.strong
    else:
        fit = cell.supervisor if isinstance(cell.supervisor, Fit) else supervisor_of(cell.supervisor.source)
        model = fit.model if fit else None
    encoder = model.encoder() if model else None
    if encoder is None:
        what = model.label() if model else cell.pair.weak.label()  # type: ignore[attr-defined]  # models and labels have one
        raise DataError(f"the {side} model ({what}) has no frozen features")
    data = cell.data.training() if part == "transfer" else cell.data.evaluation()
    return Features(data=data, part=part, encoder=encoder)


class Desk:
    """Stored features, each read once as long as there is room for it, and what was made of them."""

    def __init__(self, store: Store, room: int = ROOM) -> None:
        self._store, self._room = store, room
        self._tables: dict[str, FeatureTable] = {}
        self._made: dict[tuple[str, ...], Any] = {}

    def table(self, stage: Features) -> FeatureTable:
        """Return stored features; DataError when the store has none, or altered ones."""
        name = key(stage)
        if name in self._tables:
            self._tables[name] = self._tables.pop(name)  # the last to go
            return self._tables[name]
        if not self._store.has(stage.kind, name):
            raise DataError(f"the store has no features of {stage.encoder.label()} on the {stage.part} rows")
        try:
            table = self._store.load(stage.kind, name)
        except StoreError as error:
            raise DataError(str(error)) from error
        self._tables[name] = table  # type: ignore[assignment]  # its kind says what it is
        while len(self._tables) > 1 and sum(held.vectors.nbytes for held in self._tables.values()) > self._room:
            self._tables.pop(next(iter(self._tables)))
        return self._tables[name]

    def once(self, name: tuple[str, ...], make: Callable[[], Found]) -> Found:
        """Return what `make` returns, computed once for each name: several pairs share a strong model."""
        if name not in self._made:
            self._made[name] = make()
        found: Found = self._made[name]
        return found


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One seed of a comparison."""

    scored: Scored
    stopping: str
    desk: Desk

    @property
    def target(self) -> str:
        """What a label is: "classification", "preference", "regression" or "generation"."""
        return self.scored.splits.target

    @property
    def transfer(self) -> Rows:
        """The transfer rows whose label the supervisor gave: ground truth mixed into the labels is left out.

        Raises:
            DataError: there is none.
        """
        rows, known = self.scored.splits.part("transfer"), set(self.scored.supervisor.ids)
        held = np.array([i for i, name in enumerate(rows.ids) if name in known], dtype=np.int64)
        rows = rows.take(held)
        rows = rows.take(np.flatnonzero(~self.scored.supervisor.gold_on(rows.ids)))
        if not len(rows):
            raise DataError("no transfer row has a weak label")
        return rows

    def supervisor(self, rows: Rows) -> Values:
        """Return the weak labels of some rows, (n, C) or (n, k)."""
        return self.scored.supervisor.on(rows.ids)

    def student(self, rows: Rows) -> Values:
        """Return the student's predictions of transfer rows, which are made at the end of its training alone."""
        return self.scored.student.predictions.on(rows.ids)

    def texts(self, rows: Rows) -> tuple[Sequence[str], Sequence[str]]:
        """Return what student and supervisor write for transfer rows, the first text of each, n of either."""
        student, supervisor = self.scored.student.predictions, self.scored.supervisor
        return student.texts_at(-1, rows.ids), supervisor.texts_at(-1, rows.ids)

    def test(self) -> Run:
        """Return the test rows as statistics take them, read by the study's stopping rule."""
        return run_of(self.scored, "test", self.stopping)

    def features(self, side: Side, rows: Rows, part: Part = "transfer") -> Values:
        """Return stored frozen features of the rows, (n, d) float32; DataError says why there are none."""
        return self.desk.table(features_of(self.scored, side, part)).on(rows.ids)  # type: ignore[return-value]

    def of_rows(self, side: Side, rows: Rows) -> tuple[str, ...]:
        """Return the name of a model's features on these transfer rows, for `Desk.once`."""
        known = hashlib.blake2b("\n".join(rows.ids).encode(), digest_size=10).hexdigest()
        return key(features_of(self.scored, side, "transfer")), known
