"""Texts that a corpus yields: what models are pretrained on and what tasks are made of."""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from surpass.draws import place
from surpass.errors import AlignmentError

FILE = "documents.json"


def going_on(beginning: str, ordered: Sequence[str]) -> Iterator[str]:
    """Yield those of sorted texts that begin with a text, its last word whole.

    >>> list(going_on("1. e4", ["1. d4", "1. e4", "1. e4 1... e5", "1. e4+"]))
    ['1. e4', '1. e4 1... e5']
    """
    for text in islice(ordered, bisect_left(ordered, beginning), None):
        if not text.startswith(beginning):
            return
        if text[len(beginning) : len(beginning) + 1] in ("", " "):
            yield text


@dataclasses.dataclass(frozen=True)
class Documents:
    """Texts with their ids and groups.

    Attributes:
        ids: of the n texts, each once.
        texts: (n,).
        groups: (n,) what must never be split, such as the game that a position is from; empty: each text is its own.
        facts: counts of what was made, read, left out.
        columns: further values of each text, by name: a list of n strings, numbers, lists of those, or none.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    groups: tuple[str, ...] = ()
    facts: Mapping[str, float | int | str] = dataclasses.field(default_factory=dict)
    columns: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", self.ids)
        lengths = {"texts": len(self.texts), "groups": len(self.groups), **{k: len(v) for k, v in self.columns.items()}}
        wrong = [f"{count} {name}" for name, count in lengths.items() if count != len(self.ids)]
        if wrong or len(set(self.ids)) < len(self.ids):
            raise AlignmentError(
                f"documents have {len(self.ids)} ids, {len(set(self.ids))} of them distinct, but "
                f"{', '.join(wrong) or 'one id stands for several texts'}. "
                "Give each text one id of its own, one group, and one value of each column."
            )

    def __len__(self) -> int:
        return len(self.ids)

    def held_out(self, share: float, what: str) -> tuple[Documents, Documents]:
        """Return the texts in two parts, whole groups in each: those kept, and about a share of them, drawn by a hash.

        `what` names the draw: equal names draw alike, whatever else is in the corpus.
        """
        out = np.array([place(group, what) < share for group in self.groups], dtype=bool)
        return self._take(np.flatnonzero(~out)), self._take(np.flatnonzero(out))

    @cached_property
    def _ordered(self) -> list[str]:
        return sorted(self.texts)

    def begun_by(self, beginnings: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each beginning whether a text begins with it, its last word whole, (n,)."""
        found = (next(going_on(text, self._ordered), None) is not None for text in beginnings)
        return np.fromiter(found, dtype=np.bool_, count=len(beginnings))

    def _take(self, rows: np.ndarray[Any, Any]) -> Documents:
        def some(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in rows)

        columns = {name: some(values) for name, values in self.columns.items()}
        return Documents(some(self.ids), some(self.texts), some(self.groups), self.facts, columns)

    def rows(self) -> list[dict[str, Any]]:
        """Return a mapping for each text: `id`, `text`, `group` and its columns."""
        names = ("id", "text", "group", *self.columns)
        values = zip(self.ids, self.texts, self.groups, *self.columns.values(), strict=True)
        return [dict(zip(names, row, strict=True)) for row in values]

    def save(self, folder: Path) -> None:
        """Write the documents into an existing folder."""
        held = {name: getattr(self, name) for name in ("ids", "texts", "groups")}
        body = {**held, "facts": dict(self.facts), "columns": {k: list(v) for k, v in self.columns.items()}}
        (folder / FILE).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        held = json.loads((folder / FILE).read_text(encoding="utf-8"))
        ids, texts, groups = (tuple(held[name]) for name in ("ids", "texts", "groups"))
        return cls(ids, texts, groups, held["facts"], {name: tuple(column) for name, column in held["columns"].items()})
