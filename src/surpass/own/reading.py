"""From a person's table to rows that can be fitted: texts, weak labels as votes or probabilities, gold labels where known.

The table is streamed once, however long. At most `max_rows` rows are kept, chosen by a hash of their content and those with a
gold label first; classes are counted, and labels checked, over all rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Inputs, Values
from surpass.checks.overlap import plain
from surpass.errors import DataError, SpecError
from surpass.tables import Row, Table, sample, textless
from surpass.tables.labels import ClassCounter, Classes, Preference, Probabilities, spell
from surpass.tasks.base import PREFERENCES

Tell = Callable[[float, str], None]
"""Called with the share of the reading that is done, in [0, 1], and a few words."""
EVERY = 5000
ZERO_ONE = (("0", "1"), ("false", "true"), ("False", "True"))
"""Classes of which the second is meant where one probability is given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which columns hold what.

    Attributes:
        text: the column of texts; empty for a preference.
        first, second: the columns of the two candidates of a preference.
        weak: columns of weak labels, one for each rater.
        probabilities: columns of weak probabilities, one for each class, or one with that of the second of two classes.
        gold: the column of gold labels, which may be empty in most rows; "" when there is none.
        classes: names of the classes in order; found in the label columns when empty.
        max_rows: rows that are kept.
        supervised: whether a supervisor will label the rows, so that rows without any label are of use.
    """

    text: str = ""
    first: str = ""
    second: str = ""
    weak: tuple[str, ...] = ()
    probabilities: tuple[str, ...] = ()
    gold: str = ""
    classes: tuple[str, ...] = ()
    max_rows: int = 20_000
    supervised: bool = False

    def __post_init__(self) -> None:
        if bool(self.first) != bool(self.second) or bool(self.text) == bool(self.first):
            raise SpecError(
                "name the column of texts with --text, or those of two candidates with --first and --second."
            )
        if self.weak and self.probabilities:
            raise SpecError("give --weak-label or --weak-probability, not both.")
        labelled = bool(self.weak or self.probabilities)
        if labelled == self.supervised:
            both = "give either weak labels or a supervisor that makes them, not both"
            none = "nothing labels the rows: name a column with --weak-label or --weak-probability, or a --supervisor"
            raise SpecError(f"{both if labelled else none}.")
        if self.supervised and not self.gold:
            raise SpecError("a supervisor is fitted on gold labels: name their column with --gold.")
        if self.preference and self.classes:
            raise SpecError(
                "--classes is of labels of texts; those of a preference are the first and the second candidate."
            )
        if self.preference and self.probabilities:
            raise SpecError("weak probabilities of a preference are not read; give --weak-label.")
        if twice := sorted(name for name, n in Counter(self.columns).items() if n > 1):
            raise SpecError(
                f"column '{twice[0]}' is named twice. Weak labels that are the gold labels tell nothing, and a rater who is "
                "named twice counts twice: name each column once."
            )
        if self.max_rows < 1:
            raise SpecError(f"--max-rows {self.max_rows}: at least 1 is needed.")

    @property
    def preference(self) -> bool:
        """Whether rows are pairs of candidates."""
        return bool(self.first)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        named = (self.text, self.first, self.second, *self.weak, *self.probabilities, self.gold)
        return tuple(filter(None, named))


@dataclasses.dataclass(frozen=True)
class Own:
    """A person's rows.

    Attributes:
        inputs: n texts, or pairs of texts.
        votes: (n, k) class indices, NaN where a rater gave none; k is 0 without columns of classes.
        probabilities: (n, C), NaN in rows that have none; (n, 0) without columns of probabilities.
        gold: (n,) class indices, NaN where unknown.
        classes: names of the classes.
        target: "classification" or "preference".
        counts: rows read, left out and why, and kept.
    """

    inputs: Inputs
    votes: Values
    probabilities: Values
    gold: Values
    classes: tuple[str, ...]
    target: str
    counts: dict[str, int]

    @property
    def groups(self) -> tuple[str, ...]:
        """What must not be parted: rows of one text, whatever its case, spacing and end marks, and of a pair in any order."""
        return names_of(self.inputs)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a weak label, (n,)."""
        columns = np.hstack([self.votes, self.probabilities])
        return np.asarray(np.isfinite(columns).any(axis=1))


def names_of(inputs: Inputs) -> tuple[str, ...]:
    """Return a short name of each row, which the guard's equal texts share whatever their case, and pairs in either order."""
    written = (x.tobytes() if isinstance(x, np.ndarray) else _plain(x).encode("utf-8", "surrogatepass") for x in inputs)
    return tuple(hashlib.blake2b(item, digest_size=12).hexdigest() for item in written)


def _plain(item: Any) -> str:
    return plain(item).casefold() if isinstance(item, str) else "\n".join(sorted(map(_plain, item)))


class _Usable:
    """The rows of a table that can serve: what `sample` reads."""

    def __init__(self, table: Table, wanted: Wanted, tell: Tell) -> None:
        self.table, self.wanted, self.tell = table, wanted, tell
        self.counts: Counter[str] = Counter()
        label_columns = (*wanted.weak, wanted.gold) if wanted.gold else wanted.weak
        finds = bool(label_columns) and not (wanted.classes or wanted.preference or len(wanted.probabilities) > 1)
        self.classes = ClassCounter(table, label_columns) if finds else None
        self.check = None if finds else _Labels(table, wanted, _fixed(wanted))

    def rows(self) -> Iterator[tuple[int, Row]]:
        wanted = self.wanted
        texts = (wanted.text,) if wanted.text else (wanted.first, wanted.second)
        labels = tuple(name for name in wanted.columns if name not in texts)
        for number, row in self.table.rows():
            self.counts["read"] += 1
            if self.counts["read"] % EVERY == 0:
                self.tell(self.table.progress(), f"{self.counts['read']:,} rows read")
            if problem := next(filter(None, (textless(row.get(name)) for name in texts)), None):
                self.counts["empty"] += 1
                self.table.skip(number, problem)
            elif not wanted.supervised and not any(spell(row.get(name)) for name in labels):
                self.counts["unlabelled"] += 1
            else:
                if self.classes:
                    self.classes.add(row)
                elif self.check:
                    self.check.read(row, number)
                self.counts["usable"] += 1
                yield number, {name: row.get(name) for name in wanted.columns}


def _fixed(wanted: Wanted) -> tuple[str, ...]:
    """Return the classes that are known before any row is read."""
    if wanted.preference:
        return PREFERENCES
    columns = wanted.probabilities
    names = wanted.classes or (columns if len(columns) > 1 else ("0", "1"))
    if len(set(names)) < max(len(names), 2):
        raise SpecError(f"--classes {', '.join(names)}: at least two different names are needed.")
    return names


class _Labels:
    """Reads the labels of a row."""

    def __init__(self, table: Table, wanted: Wanted, classes: tuple[str, ...]) -> None:
        def column(name: str) -> Any:
            if wanted.preference:
                return Preference(name, wanted.first, wanted.second)
            return Classes(name, classes)

        self.table = table
        self.raters = [column(name) for name in wanted.weak]
        self.gold = column(wanted.gold) if wanted.gold else None
        self.chances = Probabilities(wanted.probabilities, classes) if wanted.probabilities else None
        self.missing = np.full(len(classes) if self.chances else 0, np.nan)

    def read(self, row: Row, number: int) -> tuple[list[float], Values, float]:
        """Return votes, probabilities and gold label; DataError names line and value of what is none."""
        with self.table.located(number):
            votes = [rater.read(row) for rater in self.raters]
            chances = self.chances.read(row) if self.chances else None
            gold = self.gold.read(row) if self.gold else np.nan
        return votes, self.missing if chances is None else chances, gold


def read(table: Table, wanted: Wanted, tell: Tell = lambda share, text: None) -> Own:
    """Return the rows of a table that serve, at most `wanted.max_rows` of them.

    Raises:
        DataError: a column is missing, a label is outside the classes, there are fewer than two classes, or no row serves.
    """
    table.need(*wanted.columns)
    usable = _Usable(table, wanted, tell)
    gold = wanted.gold
    kept = sample(usable, wanted.max_rows, lambda row: bool(gold and spell(row.get(gold))))  # type: ignore[arg-type]
    if not kept:
        raise DataError(
            f"'{table.source}' has no row with a text and a label in {', '.join(map(repr, wanted.columns))} "
            f"({usable.counts['read']:,} rows read, {usable.counts['empty']:,} of them without a text). Name other columns."
        )
    classes = usable.classes.names() if usable.classes else _fixed(wanted)
    if usable.classes and wanted.probabilities and classes not in ZERO_ONE:
        raise SpecError(
            f"column '{wanted.probabilities[0]}' holds the probability of one class, and '{gold}' names "
            f"{', '.join(classes)}. Name the two classes in order, that one last: --classes {','.join(classes)}."
        )
    labels = _Labels(table, wanted, classes)
    found = [labels.read(row, number) for number, row in kept]
    if not wanted.supervised and not any(np.isfinite([*votes, *chances]).any() for votes, chances, _ in found):
        raise DataError(
            f"'{table.source}' has no row with a weak label in {', '.join(map(repr, wanted.weak or wanted.probabilities))}. "
            "Name other columns; to fit on gold labels alone, name a --supervisor instead."
        )
    inputs: Inputs = tuple(str(row[wanted.text]) for _, row in kept) if wanted.text else _pairs(wanted, kept)
    counts = {"read": usable.counts["read"], "bad": table.bad_count, "empty": usable.counts["empty"]}
    counts |= {name: usable.counts[name] for name in ("unlabelled", "usable")} | {"kept": len(kept)}
    return Own(
        inputs,
        np.array([votes for votes, _, _ in found], dtype=np.float64).reshape(len(kept), len(wanted.weak)),
        np.array([chances for _, chances, _ in found]),
        np.array([known for _, _, known in found], dtype=np.float64),
        classes,
        "preference" if wanted.preference else "classification",
        counts,
    )


def _pairs(wanted: Wanted, kept: list[tuple[int, Row]]) -> Inputs:
    return tuple((str(row[wanted.first]), str(row[wanted.second])) for _, row in kept)
