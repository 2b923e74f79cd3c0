"""A person's own rows: a table (CSV, TSV, JSONL, Parquet, Arrow or of the hub) with columns of texts and labels."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Literal, NamedTuple, Self

from surpass.errors import DataError, SpecError, SurpassError
from surpass.tables import Table
from surpass.tables.labels import Classes, Column, Crowd, Numbers, Preference, find_classes
from surpass.tasks.base import Example, Files, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(Task):
    """Rows of a table.

    Licence: the user's own. Rows with an empty text or label are left out and counted; so are bad lines, unless `strict`.

    Attributes:
        path: the table: a .csv, .tsv, .jsonl, .parquet, .arrow or .feather file (text ones also with .gz), or
            hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT].
        target: what a label is: a class, a number, or which of two candidates is better.
        text: column of the text.
        text_b: column of the second text of a pair; empty: rows are single texts.
        first: of a preference, column of the first candidate.
        second: of a preference, column of the second candidate.
        prompt: of a preference, column of what both candidates answer, which is put before each; empty: none.
        label_column: column of the label: a class name, a number, or the better candidate (a name of the two columns,
            first/second, a/b, 1/2). Empty, of a preference: the first is always better, and the order is drawn at random.
        names: the classes, in order; empty: the values of the label column, filled by `resolve`.
        votes: columns of raters' labels, one a rater, in the terms of the label column; cells may be empty.
        group: column of what must never be split over train and test, such as an author; empty: none (of a preference the
            prompt, or else the pair of candidates in either order).
        id_column: column of the row's id; empty: the text is its own id.
        part: column with train, test or shift:NAME, where the table has its own split; empty: none.
        encoding: of a text file.
        strict: whether a bad line, such as one with too many cells, is an error instead of being left out and counted.
    """

    licence: ClassVar[str] = "the user's own"
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1", "text": "the lamp by the door is on", "label": "yes"},
        {"id": "2", "text": "the lamp in the garden is off", "label": "no"},
        {"id": "3", "text": "", "label": "no"},
    )

    path: str
    target: Literal["classification", "regression", "preference"] = "classification"  # type: ignore[misc]  # of the kind elsewhere
    text: str = "text"
    text_b: str = ""
    first: str = ""
    second: str = ""
    prompt: str = ""
    label_column: str = "label"
    names: tuple[str, ...] = ()
    votes: tuple[str, ...] = ()
    group: str = ""
    id_column: str = ""
    part: str = ""
    encoding: str = "utf-8"
    strict: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target == "preference":
            if not (self.first and self.second) or self.text_b:
                raise SpecError(
                    "task 'file': a preference needs the columns `first` and `second` of its candidates, no text_b."
                )
        elif self.first or self.second or self.prompt:
            raise SpecError(
                "task 'file': `first`, `second` and `prompt` are of target: preference. Set it, or leave them out."
            )
        if not self.label_column and self.target != "preference":
            raise SpecError("task 'file': label_column is empty. Name the column of the labels.")
        pairs = self.target == "preference" or self.text_b
        object.__setattr__(self, "input", "pair" if pairs else "text")
        object.__setattr__(self, "named_raters", bool(self.votes))

    def source(self) -> Files:
        """Return the table."""
        return Files(self.path, self.strict, self.encoding)

    def resolve(self) -> Self:
        """Fill the digest of the table and, unless they were given, the names of the classes; check labels and ids.

        Raises:
            DataError: a label is none of the classes or no number, there is one class only, or one id is of two texts.
        """
        table = self.source().table()
        table.need(*self._columns())
        labels = [name for name in (self.label_column, *self.votes) if name]
        if self.target == "classification" and not self.names:
            return dataclasses.replace(self, names=find_classes(table, *labels)).resolve()
        _check(self, table)
        return dataclasses.replace(self, fingerprint=table.digest())

    def problem(self) -> str | None:
        """Return what is wrong with the path or its columns, or None."""
        try:
            lacking = self.source().problem() or self.source().table().lacking(*self._columns())
        except SurpassError as error:  # the data, or a package that its format needs
            lacking = str(error)
        return f"task 'file': {lacking}" if lacking else None

    def class_names(self) -> tuple[str, ...]:
        """Return the classes that were given or found."""
        return self.names if self.target == "classification" else super().class_names()

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the row's text or texts, label and votes, or None when a text or the label is empty."""
        read = _readers(self)
        texts = tuple(_cell(row, name) for name in self._texts())
        label = 1.0 if read.label is None else read.label.read(row)
        if not all(texts) or math.isnan(label):
            return None
        votes = read.votes.read(row)
        group, prompt = _cell(row, self.group), _cell(row, self.prompt)
        if prompt:
            texts = tuple(f"{prompt}\n\n{text}" for text in texts)
        if read.label is None and rng.random() < 0.5:
            texts, label, votes = texts[::-1], 0.0, tuple(1 - vote for vote in votes)
        return Example(
            texts if self.input == "pair" else texts[0],
            label if self.target == "regression" else int(label),
            group=group or prompt or (_pair(texts) if self.target == "preference" else ""),
            id=_cell(row, self.id_column),
            part=_cell(row, self.part),
            votes=votes,
        )

    def _texts(self) -> tuple[str, ...]:
        """Return the columns of the texts, all of which must be filled."""
        if self.target == "preference":
            return self.first, self.second
        return (self.text, self.text_b) if self.text_b else (self.text,)

    def _columns(self) -> tuple[str, ...]:
        return (*self._texts(), self.label_column, self.prompt, self.group, self.id_column, self.part, *self.votes)


class _Readers(NamedTuple):
    label: Column | None
    votes: Crowd


@functools.lru_cache
def _readers(task: File) -> _Readers:
    """Return what reads the labels of a row."""

    def column(name: str) -> Column:
        if task.target == "preference":
            return Preference(name, task.first, task.second)
        return Numbers(name) if task.target == "regression" else Classes(name, task.names)

    return _Readers(
        column(task.label_column) if task.label_column else None, Crowd([column(name) for name in task.votes])
    )


def _check(task: File, table: Table) -> None:
    """Check the labels of every row and that an id names one row."""
    read = _readers(task)
    seen: dict[str, tuple[int, int]] = {}
    counted: set[float] = set()
    for number, row in table.rows():
        with table.located(number):
            label = 1.0 if read.label is None else read.label.read(row)
            read.votes.read(row)
        counted.add(label)
        name = _cell(row, task.id_column)
        content = hash(tuple(_cell(row, column) for column in (*task._texts(), task.prompt)))
        if name and seen.setdefault(name, (number, content))[1] != content:
            raise DataError(
                f"{table.place(number)}: id {name!r} is that of another text in {table.unit} {seen[name][0]}. "
                "Give each row its own id, or leave out id_column: the text is then its id."
            )
    if read.label and task.target == "regression" and len({label for label in counted if not math.isnan(label)}) < 2:
        raise DataError(f"column '{task.label_column}' of '{table.source}' holds fewer than two different numbers.")


def _pair(texts: Sequence[str]) -> str:
    """Return a name that two candidates have whichever comes first."""
    written = "\n".join(sorted(" ".join(text.casefold().split()) for text in texts))
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _cell(row: Any, column: str) -> str:
    """Return a cell as text, empty when the row lacks it; 0 and false are values."""
    value = row.get(column) if column else None
    return "" if value is None else str(value).strip()
