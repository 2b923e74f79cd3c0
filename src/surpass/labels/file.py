"""Labels from a file: people, rules, an API model or an earlier model, as a column or as one column per class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surpass.artifacts import Predictions, Splits, Values
from surpass.errors import AlignmentError, DataError
from surpass.labels.base import LabelSource
from surpass.tasks.base import Row, file_digest, read_rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(LabelSource):
    """Weak labels in a CSV or JSONL file, joined to the task's rows.

    Attributes:
        path: the file; `.csv`, or `.jsonl` with one object per line.
        column: holds a class name, a class index, for two classes the probability of the second, or a number (regression).
        columns: instead of `column`: one column of probabilities per class, in the order of the task's classes.
        on: the column with the row id, or with the text when the file knows no ids (`join: text`).
        join: "id" or "text": what `on` holds.
        digest: checksum of the file, filled by `resolve`.
    """

    path: str
    column: str = "label"
    columns: tuple[str, ...] = ()
    on: str = "id"
    join: str = "id"
    digest: str = ""

    def resolve(self) -> File:
        """Fill the file's checksum."""
        return dataclasses.replace(self, digest=file_digest(self.path))

    def problem(self) -> str | None:
        """Return what is wrong with the path or its columns, or None."""
        if self.join not in ("id", "text"):
            return f"label 'file': join={self.join!r}; allowed are 'id' and 'text'."
        if not Path(self.path).is_file():
            return f"label 'file': '{self.path}' is not there. Give the path of a .csv or .jsonl file."
        first = next(read_rows(Path(self.path)), {})
        missing = [name for name in (self.on, *(self.columns or (self.column,))) if name not in first]
        if missing:
            return (
                f"label 'file': '{self.path}' has no column {', '.join(map(repr, missing))}. "
                f"It has {', '.join(map(repr, first)) or 'no rows'}."
            )
        return None

    def compute(self, splits: Splits, sources: Sequence[Predictions]) -> Predictions:
        """Return the file's labels for the rows it knows; all rows of transfer and test must be among them."""
        wanted = splits.rows.ids if self.join == "id" else splits.rows.inputs
        names = {name: i for i, name in enumerate(wanted)}
        values: dict[int, Values] = {}
        for line, row in enumerate(read_rows(Path(self.path)), 1):
            if (at := names.get(str(row[self.on]))) is not None:
                values[at] = self._value(row, line, splits)
        for name in ("transfer", "test"):
            absent = [i for i, split in enumerate(splits.split) if split == name and i not in values]
            if absent:
                raise AlignmentError(
                    f"label 'file': '{self.path}' lacks {len(absent)} of the {name} rows, for instance "
                    f"{splits.rows.ids[absent[0]]!r}. Every transfer and test row needs a label."
                )
        rows = sorted(values)
        ids, split = (tuple(column[i] for i in rows) for column in (splits.rows.ids, splits.split))
        return Predictions(ids, split, np.stack([values[i] for i in rows]))

    def _value(self, row: Row, line: int, splits: Splits) -> Values:
        """Return one row's label as probabilities, (C,), or as a number, (1,)."""
        where = f"label 'file': line {line + 1} of '{self.path}'"
        try:
            if self.columns:
                value = np.array([float(row[name]) for name in self.columns])
            elif splits.target != "classification":
                return np.array([float(row[self.column])])
            elif (text := str(row[self.column]).strip()) in splits.classes:
                return np.eye(len(splits.classes))[splits.classes.index(text)]
            elif float(text).is_integer() and 0 <= float(text) < len(splits.classes):
                return np.eye(len(splits.classes))[int(float(text))]
            else:
                value = np.array([1 - float(text), float(text)])
        except ValueError:
            allowed = ", ".join(splits.classes)
            raise DataError(
                f"{where} has {row[self.column]!r}; allowed are {allowed}, a class index, or numbers."
            ) from None
        if len(value) != len(splits.classes) or (value < 0).any() or abs(value.sum() - 1) > 1e-3:
            raise DataError(
                f"{where} gives {np.array2string(value, precision=4)}, which are not {len(splits.classes)} probabilities "
                "that sum to 1."
            )
        return value / value.sum()
