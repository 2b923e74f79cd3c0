"""A person's own rows: a CSV or JSONL file with a text column and a label column."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar, Self

from surpass.errors import DataError
from surpass.tasks.base import Example, Files, Row, Task, read_rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(Task):
    """Rows of a CSV or JSONL file.

    Licence: the user's own. Rows with an empty text or label are left out and counted.

    Attributes:
        path: the file; `.csv`, or `.jsonl` with one object per line.
        text: column of the text.
        label_column: column of the label, a class name.
        names: the classes, in order; empty: the sorted values of the label column, filled by `resolve`.
        group: column of what must never be split over train and test, such as an author; empty: none.
        id_column: column of the row's id; empty: the text is its own id.
    """

    licence: ClassVar[str] = "the user's own"
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1", "text": "the lamp by the door is on", "label": "yes"},
        {"id": "2", "text": "the lamp in the garden is off", "label": "no"},
        {"id": "3", "text": "", "label": "no"},
    )

    path: str
    text: str = "text"
    label_column: str = "label"
    names: tuple[str, ...] = ()
    group: str = ""
    id_column: str = ""

    def source(self) -> Files:
        """Return the file."""
        return Files(self.path, read_rows)

    def resolve(self) -> Self:
        """Fill the checksum of the file and, unless they were given, the names of the classes."""
        names = self.names or tuple(sorted({_cell(row, self.label_column) for row in self.source().rows()} - {""}))
        return dataclasses.replace(self, names=names, fingerprint=self.source().fingerprint())

    def problem(self) -> str | None:
        """Return what is wrong with the path or its columns, or None."""
        if problem := self.source().problem():
            return problem
        try:
            first = next(self.source().rows(), {})
        except DataError as error:
            return f"task 'file': {error}"
        wanted = [name for name in (self.text, self.label_column, self.group, self.id_column) if name]
        if missing := [name for name in wanted if name not in first]:
            return (
                f"task 'file': '{self.path}' has no column {', '.join(map(repr, missing))}. "
                f"It has {', '.join(map(repr, first)) or 'no rows'}."
            )
        return None

    def class_names(self) -> tuple[str, ...]:
        """Return the classes that were given or found."""
        return self.names

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the row's text and label, or None when either is empty."""
        text, label = _cell(row, self.text), _cell(row, self.label_column)
        if not text or not label:
            return None
        if label not in self.names:
            raise DataError(f"task 'file': label {label!r} in '{self.path}' is none of {', '.join(self.names)}.")
        return Example(text, self.names.index(label), group=_cell(row, self.group), id=_cell(row, self.id_column))


def _cell(row: Row, column: str) -> str:
    """Return a cell as text, empty when the row lacks it; 0 and false are values."""
    value = row.get(column) if column else None
    return "" if value is None else str(value).strip()
