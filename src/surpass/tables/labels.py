"""What the cells of label columns mean. A label is a class index or a number, NaN where the cell is empty.

    names = find_classes(table, "vote_1", "vote_2")                       # streams the table once
    votes = Crowd([Classes(column, names) for column in ("vote_1", "vote_2")])
    table.need(*votes.columns)
    for number, row in table.rows():
        with table.located(number):
            votes.read(row)                                               # (1.0, nan); DataError for any other value

Readers are `Classes`, `Numbers`, `Preference` (one column), `Probabilities` and `Crowd` (several). `spell` is how a cell is
written as the name of a class: 1.0 and "1.0" are 1; True, "true" and "TRUE" are one class.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.errors import DataError
from surpass.tables.base import Table

MOST_CLASSES = 1000
FEW_CLASSES = 20
"""So many are taken for classes, whatever they are and however few labels there are."""
SUM_TOLERANCE = 1e-3
"""Probabilities of a row may miss the sum 1 by so much, for rounding; they are then scaled to it."""
FIRST, SECOND, TIE = {"first", "a", "1", "model_a"}, {"second", "b", "2", "model_b"}, {"tie", "equal", "both"}
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def spell(cell: Any) -> str:
    """Return a cell as the name of a class: stripped text, whole numbers without a point; empty for a missing one."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    text = str(cell).strip()
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    return "" if text.lower() == "nan" else text


def verbatim(cell: Any) -> str:
    """Return a cell as a text to learn, as it stands; empty for a missing one and for nothing but space.

    >>> verbatim(" Nf6"), verbatim("3.0"), verbatim(None)
    (' Nf6', '3.0', '')
    """
    missing = cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip()
    return "" if missing else str(cell)


def _same(name: str) -> str:
    """Return what spellings of one class share."""
    return name.lower() if name.lower() in ("true", "false") else name


class ClassCounter:
    """Counts the classes that label columns name, while rows go by."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._named = f"column{'s'[: len(columns) > 1]} {', '.join(map(repr, columns))} of '{table.source}'"
        self._columns = tuple(columns)
        self.counts: Counter[str] = Counter()
        self._held: dict[str, set[str]] = {column: set() for column in columns}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the labels of a row; DataError once there are too many classes."""
        for column in self._columns:
            cell = row.get(column)
            if isinstance(cell, (list, dict)):
                raise DataError(f"{self._named}: {str(cell)[:60]!r} is no name of a class. Name another column.")
            if name := spell(cell):
                self.counts[name] += 1
                self._held[column].add(_same(name))
        if len(self.counts) > MOST_CLASSES:
            some = ", ".join(repr(name[:30]) for name in list(self.counts)[:3])
            raise DataError(
                f"{self._named} ha{'ve' if len(self._columns) > 1 else 's'} more than {MOST_CLASSES:,} different values, "
                f"such as {some}. That is no class. Name another column; numbers are labels of a regression."
            )

    def names(self) -> tuple[str, ...]:
        """Return the classes: numbers by size, other names by alphabet, each in its most frequent spelling.

        Raises:
            DataError: there are fewer than two; two differ in case alone; a column shares none with the others; or the
                columns hold free text, or numbers such as probabilities.
        """
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in self.counts:
            spellings[_same(name)].append(name)
        names = [min(found, key=lambda name: (-self.counts[name], name)) for found in spellings.values()]
        if len(names) < 2:
            held = f"one class only, {names[0]!r}" if names else "no label at all"
            plural = "hold" if len(self._columns) > 1 else "holds"
            raise DataError(f"{self._named} {plural} {held}. Two classes or more are needed to learn from.")
        if problem := self._unlike(names) or self._no_classes(names):
            raise DataError(problem)
        numbers = all(_number(name) is not None for name in names)
        return tuple(sorted(names, key=(lambda name: (_number(name) or 0.0, name)) if numbers else None))

    def _unlike(self, names: Sequence[str]) -> str | None:
        """Return that columns spell the same classes in several ways, so that no label of one is right by another."""
        remedy = "Write them alike, or, if they are meant, name all classes"
        alike: dict[str, str] = {}
        for name in names:
            other = alike.setdefault(name.casefold(), name)
            if other != name:
                return f"{self._named}: {other!r} and {name!r} would be two classes. {remedy}."
        used = {column: held for column, held in self._held.items() if held}
        for column, held in used.items():
            others = set[str]().union(*(found for name, found in used.items() if name != column))
            if others and not held & others:
                return (
                    f"{self._named}: '{column}' names {_some(held)}, and the other{'s' * (len(used) > 2)} "
                    f"{_some(others)}: not one class in common. {remedy}."
                )
        return None

    def _no_classes(self, names: Sequence[str]) -> str | None:
        """Return that there are as many values as free text or probabilities have, not classes."""
        given = sum(self.counts.values())
        broken = sum(_number(name) is not None and not name.lstrip("+-").isdigit() for name in names)
        if len(names) <= FEW_CLASSES or (2 * len(names) <= given and broken <= FEW_CLASSES):
            return None
        return (
            f"{self._named}: {given:,} labels with {len(names):,} different values, such as {_some(names)}, are no classes. "
            "Name another column, or all classes. Probabilities are columns of their own kind; numbers to predict (a "
            "regression) are for a study."
        )


def _some(names: Iterable[str]) -> str:
    """Return a few names for a message."""
    held = sorted(names)
    return ", ".join(repr(name[:30]) for name in held[:3]) + (", ..." if len(held) > 3 else "")


def find_classes(table: Table, *columns: str) -> tuple[str, ...]:
    """Return the classes that the columns name; the table is streamed once.

    Raises:
        DataError: a column is missing, or they hold fewer than two or more than 1,000 classes.
    """
    table.need(*columns)
    counter = ClassCounter(table, columns)
    for _, row in table.rows():
        counter.add(row)
    return counter.names()


class Column:
    """A column of labels: `parse` reads one cell, `read` the cell of a row."""

    def __init__(self, column: str) -> None:
        self.columns = (column,)

    def parse(self, cell: Any) -> float:
        """Return the label of a cell, NaN when it is empty; DataError has its value and what is allowed."""
        raise NotImplementedError

    def read(self, row: Mapping[str, Any]) -> float:
        """Return the label of a row, NaN when its cell is empty or missing; DataError also has the column."""
        cell = row.get(self.columns[0])
        if cell is None:
            return math.nan
        try:
            return self.parse(cell)
        except DataError as error:
            raise DataError(f"column '{self.columns[0]}' has {str(cell)[:60]!r}{error}") from None


class Classes(Column):
    """A column of class names; labels are indices of `names`."""

    def __init__(self, column: str, names: Sequence[str]) -> None:
        super().__init__(column)
        self.names = tuple(names)
        self._index = {_same(spell(name)): float(i) for i, name in enumerate(names)}

    def parse(self, cell: Any) -> float:
        """Return the index of the class that a cell names."""
        name = spell(cell)
        found = self._index.get(_same(name)) if name else math.nan
        if found is None:
            raise DataError(f", which is none of {', '.join(self.names)}. Mend the label, or name its class too.")
        return found


class Numbers(Column):
    """A column of numbers, the labels of a regression."""

    def parse(self, cell: Any) -> float:
        """Return the number of a cell."""
        if not spell(cell):
            return math.nan
        number = None if isinstance(cell, bool) else _number(str(cell))
        if number is None:
            raise DataError("; a finite number is needed.")
        return number


class Preference(Column):
    """A column that says which of two candidates is better: 1 is the first, 0 the second.

    Cells are the names of the two columns, first/second, a/b, 1/2 or model_a/model_b; a tie is no preference (NaN).
    """

    def __init__(self, column: str, first: str, second: str) -> None:
        super().__init__(column)
        self._names = {first.lower(): 1.0, second.lower(): 0.0}

    def parse(self, cell: Any) -> float:
        """Return 1.0 when the first candidate is the better one, 0.0 when the second is, NaN for a tie or nothing."""
        name = spell(cell).lower()
        if name in self._names:
            return self._names[name]
        if not name or name in TIE:
            return math.nan
        if name not in FIRST | SECOND:
            allowed = ", ".join((*self._names, "first, second, a, b, 1, 2"))
            raise DataError(f", which names no candidate. Allowed are {allowed}, and tie.")
        return float(name in FIRST)


class Probabilities:
    """Columns of probabilities: one for each class, or of two classes one with the probability of the second."""

    def __init__(self, columns: Sequence[str], names: Sequence[str]) -> None:
        if len(columns) != len(names) and (len(columns), len(names)) != (1, 2):
            raise DataError(
                f"{len(columns)} column{'s'[: len(columns) != 1]} of probabilities ({', '.join(columns)}) for {len(names)} "
                f"classes ({', '.join(names)}). Give one for each class, or for two classes one with that of the second."
            )
        self.columns, self.names = tuple(columns), tuple(names)

    def read(self, row: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """Return the probabilities of a row, (C,), which sum to 1; None when all cells are empty.

        Raises:
            DataError: a cell is no number in [0, 1], or they miss the sum 1 by more than 0.001.
        """
        cells = [row.get(column) for column in self.columns]
        if not any(map(spell, cells)):
            return None
        found = np.array([_number(str(cell)) for cell in cells], dtype=np.float64)  # None becomes NaN
        named = ", ".join(f"{name}={str(cell)[:20]}" for name, cell in zip(self.columns, cells, strict=True))
        if not ((found >= 0) & (found <= 1)).all():
            raise DataError(f"columns {named}: probabilities between 0 and 1 are needed.")
        if len(found) == 1:
            return np.array([1 - found[0], found[0]])
        if abs(found.sum() - 1) > SUM_TOLERANCE:
            raise DataError(f"columns {named} sum to {found.sum():.4g}. The probabilities of a row must sum to 1.")
        return np.asarray(found / found.sum(), dtype=np.float64)


class Crowd:
    """Several columns of labels, one of each rater, who may disagree or give none."""

    def __init__(self, raters: Sequence[Column]) -> None:
        self._raters = tuple(raters)
        self.columns = tuple(name for rater in raters for name in rater.columns)

    def read(self, row: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the vote of each rater, NaN where one gave none."""
        return tuple(rater.read(row) for rater in self._raters)


def _number(text: str) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
