"""Out-of-fold predictions on a person's rows: a row is judged by models that saw neither it nor one of its text.

Rows are cut into five folds by a hash of their text. The models of a fold are fitted on the rows of the other four, and
predict its rows; so each row has one prediction of each role, and all of them are of rows that were not trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.advice.evidence import MOST_JUDGES
from surpass.artifacts import Values, take
from surpass.draws import place
from surpass.errors import DataError
from surpass.methods.base import Method
from surpass.models.base import Model
from surpass.own.evidence import Division
from surpass.own.fitting import Pool, one_hot
from surpass.own.reading import Own
from surpass.runtime import Runtime

Marks = NDArray[np.bool_]
Labels = Callable[[int], Values]
"""Weak labels (n, C) of all rows as the models of a fold may know them, NaN where a row has none."""

FOLDS = 5
MOST_ENCODED, MOST_READ = 1500, 5000
"""Rows that students learn from, for models on frozen features and for others."""


@dataclasses.dataclass(frozen=True)
class Crossfit:
    """The rows that advice rests on, and the fits over their folds.

    Attributes:
        pool: n rows.
        places: (n,) of them in the table.
        folds: (n,) the fold of each, 0 to 4.
        train: (n,) rows that students learn from.
        given: (n,) rows whose gold label students are given in place of the weak one, as `surpass fit` does.
        known: (n,) rows whose gold label may be read at all.
        gold: (n,) gold labels, NaN wherever they may not be read.
        groups: (n,) names of what must not be parted.
        model: the cheap student.
        method: how it learns.
        seed: of the fits.
    """

    pool: Pool
    places: NDArray[np.int64]
    folds: NDArray[np.int64]
    train: Marks
    given: Marks
    known: Marks
    gold: Values
    groups: tuple[str, ...]
    model: Model
    method: Method
    seed: int

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.pool.classes)

    def labels(self, values: Values) -> Labels:
        """Return labels (N, C) of all rows of the table, as every fold may know them."""
        own = values[self.places]
        return lambda fold: own

    def supervised(self, model: Model, soft: Method) -> Labels:
        """Return the labels of a supervisor, which each fold fits on the known gold rows of the others."""
        found: dict[int, Values] = {}

        def label(fold: int) -> Values:
            if fold not in found:
                rows = np.flatnonzero(self.known & (self.folds != fold))
                found[fold] = self._fitted(model, soft, rows, self._one_hot(rows), None)(np.arange(len(self.folds)))
            return found[fold]

        return label

    def weak(self, labels: Labels) -> Values:
        """Return the weak label (n, C) of each row, of the fold that did not know its gold label."""
        found = np.full((len(self.folds), self.classes), np.nan)
        for fold in range(FOLDS):
            inside = self.folds == fold
            found[inside] = labels(fold)[inside]
        return found

    def student(self, labels: Labels, *, method: Method | None = None, share: float = 1.0) -> Values:
        """Return out-of-fold predictions (n, C) of the cheap student.

        Args:
            labels: what it learns from.
            method: in place of the usual one.
            share: of the training rows, in (0, 1].
        """
        found = np.full((len(self.folds), self.classes), np.nan)
        rank = np.cumsum(self.train)
        some = self.train & (rank <= round(share * self.train.sum()))
        for fold in range(FOLDS):
            inside, values = self.folds == fold, labels(fold).copy()
            values[self.given] = self._one_hot(np.flatnonzero(self.given))
            rows = np.flatnonzero(some & ~inside & np.isfinite(values).all(axis=1))
            if inside.any():
                predict = self._fitted(self.model, method or self.method, rows, values[rows], self.given[rows])
                found[inside] = predict(np.flatnonzero(inside))
        return found

    def gold_alone(self, method: Method, count: int, draw: int) -> Values:
        """Return out-of-fold predictions (n, C) of the cheap model on so many gold labels, drawn from the other folds."""
        found = np.full((len(self.folds), self.classes), np.nan)
        order = np.random.default_rng((self.seed, draw)).permutation(len(self.folds))
        for fold in range(FOLDS):
            inside = self.folds == fold
            rows = np.sort(order[(self.known & ~inside)[order]][:count])
            found[inside] = self._fitted(self.model, method, rows, self._one_hot(rows), None)(np.flatnonzero(inside))
        return found

    def _one_hot(self, rows: NDArray[np.int64]) -> Values:
        return one_hot(self.gold[rows].astype(np.int64), self.classes)

    def _fitted(
        self, model: Model, method: Method, rows: NDArray[np.int64], values: Values, gold: Marks | None
    ) -> Callable[[NDArray[np.int64]], Values]:
        """Return what predicts rows; labels of one class are predicted as that class."""
        if not len(rows):
            raise DataError("no row with a label is left to fit on in one of five parts of the rows. Give more rows.")
        if len(set(values.argmax(axis=1))) < 2 and set(np.unique(values)) <= {0.0, 1.0}:
            return lambda asked: np.repeat(values[:1], len(asked), axis=0)
        student = self.pool.fit(model, method, rows, values, gold=gold, seed=self.seed)
        return lambda asked: self.pool.predict(student, asked)


def crossfit(
    own: Own,
    division: Division,
    model: Model,
    method: Method,
    *,
    supervised: bool,
    runtime: Runtime,
    seed: int,
    sizes: tuple[int, int] | None = None,
) -> Crossfit:
    """Return the rows that advice rests on: some to learn from, and gold rows, of which `surpass fit` tests on none.

    Args:
        own: the table's rows.
        division: what `surpass fit` would do with each.
        model: the cheap student.
        method: how it learns.
        supervised: whether a supervisor labels the rows.
        runtime: speed, place and noise.
        seed: of the fits.
        sizes: rows that students learn from and gold rows that judge, at most; by default as the model's cost allows.
    """
    most, judges = sizes or (MOST_ENCODED if model.encoder() else MOST_READ, MOST_JUDGES)
    rank = np.array([place(group, "advice") for group in own.groups])
    train = _first(division.train, rank, most)
    known = _first(_readable(own, division, supervised=supervised), rank, judges)
    places = np.union1d(train, known)
    places = places[np.argsort(rank[places], kind="stable")]
    learns, groups = np.isin(places, train), own.groups
    given = np.isin(places, division.known) & learns
    reads = np.isin(places, known) | given
    inputs: Any = take(own.inputs, places)
    return Crossfit(
        pool=Pool(inputs, own.classes, runtime, own.target),
        places=places,
        folds=np.array([int(place(groups[i], "fold") * FOLDS) for i in places], dtype=np.int64),
        train=learns,
        given=given,
        known=reads,
        gold=np.where(reads, own.gold[places], np.nan),
        groups=tuple(groups[i] for i in places),
        model=model,
        method=method,
        seed=seed,
    )


def _readable(own: Own, division: Division, *, supervised: bool) -> NDArray[np.int64]:
    """Return the rows whose gold label may be read: those that `surpass fit` does not test on."""
    if division.fair and not supervised:  # all training rows have one, for a ceiling; no student is given any
        return division.train[np.isfinite(own.gold[division.train])]
    return division.known


def _first(places: NDArray[np.int64], rank: Values, most: int) -> NDArray[np.int64]:
    return places[np.argsort(rank[places], kind="stable")][:most]
