"""What stages yield: frozen, with row ids, written to and read from a folder. Joins are by id, never by position."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from surpass.columns import (
    Array,
    Facts,
    Inputs,
    Texts,
    Values,
    Written,
    candidates,
    positions,
    read_arrays,
    read_json,
    take,
    write_arrays,
    write_json,
    written,
)
from surpass.documents import Documents
from surpass.errors import AlignmentError, DataError
from surpass.pretrained import Pretrained
from surpass.vectors import FeatureTable, Parameters

__all__ = [
    "UNCLASSED",
    "Array",
    "Artifact",
    "Facts",
    "FeatureTable",
    "Inputs",
    "Parameters",
    "Predictions",
    "Rows",
    "Splits",
    "Targets",
    "Texts",
    "Values",
    "Written",
    "candidates",
    "positions",
    "take",
    "written",
]

UNCLASSED = ("regression", "generation")
"""Kinds of label without classes."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of one split: ids (n,), inputs, gold labels (n,) (class, number or text), groups (n,), domains (n,), votes (n,).

    A row's domain is the part of the task's distribution that it is from; empty in most tasks. Its votes are the labels that
    people, columns of a file or a calculation gave it, in the label's own terms; NaN where one gave none.
    """

    ids: tuple[str, ...]
    inputs: Inputs
    labels: Array
    groups: tuple[str, ...]
    domains: tuple[str, ...] = ()
    votes: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.domains:
            object.__setattr__(self, "domains", ("",) * len(self.ids))
        if not any(self.votes):
            object.__setattr__(self, "votes", ((),) * len(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """Return the rows of several tables as one; those without rows say nothing of what an input is."""
        held = [part.inputs for part in parts if len(part)] or [parts[0].inputs]
        arrays = [inputs for inputs in held if isinstance(inputs, np.ndarray)]
        inputs: Any = np.concatenate(arrays) if arrays else tuple(chain.from_iterable(held))
        columns = zip(*((part.ids, part.groups, part.domains, part.votes) for part in parts), strict=True)
        ids, groups, domains, votes = (tuple[Any, ...](chain.from_iterable(column)) for column in columns)
        return Rows(ids, inputs, np.concatenate([part.labels for part in parts]), groups, domains, votes)

    def take(self, rows: Array) -> Rows:
        """Return the rows at the given positions."""
        places = rows.tolist()
        held: tuple[Any, ...] = (self.ids, self.groups, self.domains, self.votes)  # columns of two types
        ids, groups, domains, votes = (tuple(map(column.__getitem__, places)) for column in held)
        return Rows(ids, take(self.inputs, rows), self.labels[rows], groups, domains, votes)


@dataclasses.dataclass(frozen=True)
class Splits:
    """The rows of every split of a task, with what is known of it.

    Attributes:
        rows: all rows, split after split.
        split: for each row `weak`, `transfer`, `val`, `test` or `shift:NAME`.
        target: what a label is: "classification", "regression", "generation", ...
        classes: names of the classes, in the order of the label indices; empty for numbers and texts.
        facts: counts of rows read, dropped and kept.
    """

    rows: Rows
    split: tuple[str, ...]
    target: str
    classes: tuple[str, ...]
    facts: Facts
    suffix: ClassVar[str] = "splits"

    @classmethod
    def joined(cls, parts: Sequence[Splits]) -> Self:
        """Return the rows of parts of one task as one table; of facts of one name the first part's stand."""
        split = tuple(chain.from_iterable(part.split for part in parts))
        facts = {name: value for part in reversed(parts) for name, value in part.facts.items()}
        return cls(Rows.joined([part.rows for part in parts]), split, parts[0].target, parts[0].classes, facts)

    def names(self) -> tuple[str, ...]:
        """Return the names of the splits that hold rows."""
        return tuple(dict.fromkeys(self.split))

    def part(self, *names: str) -> Rows:
        """Return the rows of the named splits, in the table's order."""
        return self.rows.take(np.flatnonzero(np.isin(np.array(self.split), names)))

    def save(self, folder: Path) -> None:
        """Write the splits into an existing folder."""
        inputs = self.rows.inputs
        vectors = {"inputs": inputs} if isinstance(inputs, np.ndarray) else {}
        texts = {"labels": self.rows.labels.tolist()} if self.rows.labels.dtype == object else {}
        write_arrays(folder, **({} if texts else {"labels": self.rows.labels}), **vectors)
        head = {"split": self.split, "target": self.target, "classes": self.classes, "facts": dict(self.facts)}
        body = {name: getattr(self.rows, name) for name in ("ids", "groups", "domains", "votes")}
        write_json(folder, "rows.json", head | body | texts | ({} if vectors else {"inputs": inputs}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        arrays, data = read_arrays(folder), read_json(folder, "rows.json")
        inputs = arrays["inputs"] if "inputs" in arrays else tuple(map(_frozen, data["inputs"]))
        domains = tuple(data.get("domains", ()))  # artifacts of version 0.1 had none
        votes = tuple(map(tuple, data.get("votes", ())))
        labels = arrays["labels"] if "labels" in arrays else written(data["labels"])
        rows = Rows(tuple(data["ids"]), inputs, labels, tuple(data["groups"]), domains, votes)
        return cls(rows, tuple(data["split"]), data["target"], tuple(data["classes"]), data["facts"])


def _frozen(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


@dataclasses.dataclass(frozen=True)
class Targets:
    """What a model is fitted to.

    Attributes:
        ids: rows, n of them.
        values: (n, C) probabilities whose rows sum to 1, (n, k) numbers for regression, or (n, k) probabilities of texts.
        weight: (n,) non-negative, mean 1.
        gold: (n,) True where the target is ground truth.
        columns: (n, k) further numbers of each row that a method's loss reads; k is 0 for most.
        texts: (n, k) the texts whose probabilities `values` are, for generation; None for numbers.
    """

    ids: tuple[str, ...]
    values: Values
    weight: Values
    gold: NDArray[np.bool_]
    columns: Values = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    texts: Written | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        if not self.columns.size:
            object.__setattr__(self, "columns", np.zeros((n, 0)))
        if self.values.ndim != 2 or {len(self.values), len(self.weight), len(self.gold), len(self.columns)} != {n}:
            raise AlignmentError(
                f"targets for {n} ids have values of shape {self.values.shape}, {len(self.weight)} weights, "
                f"{len(self.gold)} gold marks and columns of shape {self.columns.shape}. Give (n, C) values and n of "
                "each of the others."
            )
        _check_texts(self.texts, self.values)
        finite = (np.isfinite(item).all() for item in (self.values, self.weight, self.columns))
        if not (all(finite) and (self.weight >= 0).all()):
            raise DataError("targets hold values that are not finite, or negative weights. Clean the labels first.")

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        values: Values,
        *,
        gold: bool | NDArray[np.bool_] = False,
        texts: Written | None = None,
    ) -> Self:
        """Return targets with weight 1 for every row; `gold` is one mark for all rows, or (n,)."""
        n = len(ids)
        marks = np.broadcast_to(np.asarray(gold, dtype=bool), (n,)).copy()
        return cls(tuple(ids), np.asarray(values, dtype=np.float64), np.ones(n), marks, texts=texts)

    def take(self, rows: Array) -> Targets:
        """Return the targets at the given positions, weights scaled to mean 1."""
        weight = self.weight[rows]
        total = weight.sum()
        weight = weight * (len(weight) / total) if total > 0 else weight
        ids = tuple(self.ids[i] for i in rows)
        texts = None if self.texts is None else self.texts[rows]
        return Targets(ids, self.values[rows], weight, self.gold[rows], self.columns[rows], texts)


def _check_texts(texts: Written | None, values: Values) -> None:
    """Raise AlignmentError where texts do not stand beside their probabilities."""
    if texts is not None and texts.shape != values.shape:
        raise AlignmentError(
            f"texts of shape {texts.shape} stand beside values of shape {values.shape}. Give one probability for each text."
        )


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions on the rows of every split, and on `val`, `test` and shifts at several points of training.

    Attributes:
        ids: rows, n of them.
        split: the split of each row.
        values: (n, C) probabilities or (n, k) numbers at the end of training; for generation (n, k) probabilities of texts,
            the most probable first.
        steps: optimizer steps (p of them, ascending) at which the watched rows were predicted; the last is the end.
        watched: (p, m, C) predictions at those steps.
        watched_ids: the m watched rows.
        facts: truncation rate, final training loss and other numbers of the fit.
        weights: writes the fitted model into a folder; only while the stage runs, never read back.
        gold: (n,) True where a label source gave ground truth; empty: nowhere.
        texts: (n, k) the texts whose probabilities `values` are; "" with probability 0 where a row has fewer. None: numbers.
        watched_texts: (p, m) the text of each watched row at those steps; None: numbers.
    """

    ids: tuple[str, ...]
    split: tuple[str, ...]
    values: Values
    steps: tuple[int, ...] = (0,)
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 0)))
    watched_ids: tuple[str, ...] = ()
    facts: Facts = dataclasses.field(default_factory=dict)
    weights: Callable[[Path], None] | None = None
    gold: NDArray[np.bool_] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=bool))
    texts: Written | None = None
    watched_texts: Written | None = None

    def __post_init__(self) -> None:
        _check_texts(self.texts, self.values)
        if not self.gold.size:
            object.__setattr__(self, "gold", np.zeros(len(self.ids), dtype=bool))
        if not np.isfinite(self.values).all():
            rows = int((~np.isfinite(self.values)).any(axis=1).sum())
            raise DataError(f"{rows} of {len(self.ids)} predictions are not finite. Lower the learning rate.")

    def on(self, ids: Sequence[str]) -> Values:
        """Return the final predictions for the given ids, in their order."""
        return self.values[positions(self.ids, ids, what="these predictions")]

    def gold_on(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return which of the given ids have a label that is ground truth."""
        marks: NDArray[np.bool_] = self.gold[positions(self.ids, ids, what="these predictions")]
        return marks

    def at(self, point: int, ids: Sequence[str]) -> Values:
        """Return predictions for the given ids at a point of training; -1 is the end, for which any row will do."""
        if point in (-1, len(self.steps) - 1):
            return self.on(ids)
        values: Values = self.watched[point, positions(self.watched_ids, ids, what="the watched predictions")]
        return values

    def texts_on(self, ids: Sequence[str]) -> Written:
        """Return the final texts for the given ids, (n, k) in their order, the most probable first."""
        if self.texts is None:
            raise DataError("texts are asked for, but these predictions are numbers. Look at the task's `target`.")
        texts: Written = self.texts[positions(self.ids, ids, what="these predictions")]
        return texts

    def texts_at(self, point: int, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the text of each of the given ids at a point of training; -1 is the end, for which any row will do."""
        if point in (-1, len(self.steps) - 1) or self.watched_texts is None:
            return tuple(self.texts_on(ids)[:, 0].tolist())
        places = positions(self.watched_ids, ids, what="the watched predictions")
        return tuple(self.watched_texts[point, places].tolist())

    def save(self, folder: Path) -> None:
        """Write the predictions, and the weights when there are any to keep, into an existing folder."""
        marks = {"gold": self.gold} if self.gold.any() else {}
        steps = np.array(self.steps, dtype=np.int64)
        write_arrays(folder, values=self.values, watched=self.watched, steps=steps, **marks)
        head = {"ids": self.ids, "split": self.split, "watched_ids": self.watched_ids, "facts": dict(self.facts)}
        texts = {"texts": self.texts, "watched_texts": self.watched_texts}
        held = {name: item.tolist() for name, item in texts.items() if item is not None}
        write_json(folder, "rows.json", head | held)
        if self.weights is not None:
            (folder / "weights").mkdir()
            self.weights(folder / "weights")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, without the weights."""
        arrays, data = read_arrays(folder), read_json(folder, "rows.json")
        return cls(
            tuple(data["ids"]),
            tuple(data["split"]),
            arrays["values"],
            tuple(int(step) for step in arrays["steps"]),
            arrays["watched"],
            tuple(data["watched_ids"]),
            data["facts"],
            gold=arrays.get("gold", np.zeros(0, dtype=bool)),
            texts=written(data["texts"], arrays["values"].shape) if "texts" in data else None,
            watched_texts=written(data["watched_texts"], arrays["watched"].shape[:2])
            if "watched_texts" in data
            else None,
        )


Artifact = Splits | Parameters | FeatureTable | Predictions | Documents | Pretrained
