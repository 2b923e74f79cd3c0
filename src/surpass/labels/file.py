"""Labels from a file: people, rules, an API model or an earlier model, as a column or as one column per class."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Predictions, Splits, Values
from surpass.columns import Written, written
from surpass.errors import AlignmentError, DataError, SurpassError
from surpass.labels.base import LabelSource, one_hot
from surpass.runtime import Runtime
from surpass.tables import Row, Table, open_table
from surpass.tables.labels import spell, verbatim
from surpass.tables.opening import missing


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(LabelSource):
    """Weak labels in a table, joined to the task's rows.

    Attributes:
        path: the table: a .csv, .tsv, .jsonl, .parquet, .arrow or .feather file (text ones also with .gz), or
            hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT].
        column: holds a class name, a class index, for two classes the probability of the second, or a number (regression).
            For generation it holds the text; rows whose cell is empty have none.
            Of a preference these are `second`, `first`, or the probability that the first candidate is better.
        columns: instead of `column`: one column of probabilities per class, in the order of the task's classes.
        on: the column with the row id, or with the text when the file knows no ids (`join: text`).
        join: "id" or "text": what `on` holds.
        encoding: of a text file.
        strict: whether a bad line, such as one with too many cells, is an error instead of being left out.
        digest: checksum of the file, filled by `resolve`.
    """

    targets: ClassVar[frozenset[str]] = LabelSource.targets | {"generation"}

    path: str
    column: str = "label"
    columns: tuple[str, ...] = ()
    on: str = "id"
    join: Literal["id", "text"] = "id"
    encoding: str = "utf-8"
    strict: bool = True
    digest: str = ""

    def resolve(self) -> File:
        """Fill the table's checksum."""
        return dataclasses.replace(self, digest=self._table().digest())

    def problem(self) -> str | None:
        """Return what is wrong with the path or its columns, or None."""
        try:
            lacking = missing(self.path) or self._table().lacking(self.on, *(self.columns or (self.column,)))
        except SurpassError as error:  # the data, or a package that its format needs
            lacking = str(error)
        return f"label 'file': {lacking}" if lacking else None

    def _table(self) -> Table:
        return open_table(self.path, strict=self.strict, encoding=self.encoding)

    def lacks(self, splits: Splits) -> str | None:
        """Return the first fault of a file of this machine: a label that is none, or rows without one."""
        if self.path.startswith("hub:") or self.problem():
            return None
        try:
            self.compute(splits, ())
        except SurpassError as error:
            return str(error)
        return None

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the file's labels for the rows it knows; all rows of transfer and test must be among them."""
        wanted = splits.rows.ids if self.join == "id" else splits.rows.inputs
        places: dict[object, list[int]] = defaultdict(list)
        for i, name in enumerate(wanted):
            places[name].append(i)
        values: dict[int, Any] = {}
        table = self._table()
        if self.digest and table.digest() != self.digest:
            raise DataError(
                f"label 'file': '{self.path}' was changed since the study was planned. Run the study again."
            )
        for number, row in table.rows():
            name = str(row.get(self.on))
            for at in places.get(name) or places.get(name.strip(), []):
                where = f"label 'file': {table.place(number)}"
                value = self._text(row) if splits.target == "generation" else self._value(row, where, splits)
                if not np.array_equal(values.setdefault(at, value), value):
                    raise DataError(f"{where} labels {name!r} again, with another value. Keep one label per row.")
        for name in ("transfer", "test"):
            absent = [i for i, split in enumerate(splits.split) if split == name and i not in values]
            if absent:
                raise AlignmentError(
                    f"label 'file': '{self.path}' lacks {len(absent)} of the {name} rows, for instance "
                    f"{splits.rows.ids[absent[0]]!r}. Every transfer and test row needs a label."
                )
        rows = sorted(values)
        ids, split = (tuple(column[i] for i in rows) for column in (splits.rows.ids, splits.split))
        found = np.stack([values[i] for i in rows])
        if splits.target != "generation":
            return Predictions(ids, split, found)
        return Predictions(ids, split, (found != "").astype(np.float64), texts=found)

    def _text(self, row: Row) -> Written:
        return written([verbatim(row.get(self.column))])

    def _value(self, row: Row, where: str, splits: Splits) -> Values:
        """Return one row's label as probabilities, (C,), or as a number, (1,)."""
        classes = splits.classes
        cells = [row.get(name) for name in self.columns or (self.column,)]
        text = str(cells[0]).strip()
        if text not in classes and not _is_number(text):  # 1.0 may be the class 1, an index or a probability: see below
            text = spell(cells[0])
        if not self.columns and text in classes:
            return one_hot(classes.index(text), len(classes))
        try:
            value = np.array([float(str(cell)) for cell in cells])
        except ValueError:
            value = np.array([np.nan])
        if not np.isfinite(value).all():
            allowed = "numbers" if self.columns or not classes else f"{', '.join(classes)}, a class index, or numbers"
            raise DataError(f"{where} has {', '.join(map(repr, cells))}; allowed are {allowed}.")
        if splits.target == "regression":
            return value
        if not self.columns:
            number = float(value[0])
            if any(_is_number(name) and float(name) != i for i, name in enumerate(classes)):
                raise DataError(
                    f"{where} has {text!r}, but the classes are named {', '.join(classes)}, so that it may be a name, an "
                    "index or a probability. Write the class names as they are, or give probabilities in `columns`."
                )
            if number.is_integer() and 0 <= number < len(classes):
                return one_hot(int(number), len(classes))
            value = np.array([1 - number, number])
        if len(value) != len(classes) or (value < 0).any() or abs(value.sum() - 1) > 1e-3:
            raise DataError(
                f"{where} gives {np.array2string(value, precision=4)}, which are not {len(classes)} probabilities "
                "that sum to 1."
            )
        shares: Values = value / value.sum()
        return shares


def _is_number(name: str) -> bool:
    try:
        return bool(np.isfinite(float(name)))
    except ValueError:
        return False
