"""Frozen features of rows, and what an encoder that has to be learned first learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from surpass.columns import Array, Facts, positions, read_arrays, read_json, write_arrays, write_json


@dataclasses.dataclass(frozen=True)
class Parameters:
    """What an encoder learned: its arrays in their order, and facts such as the loss at the end."""

    arrays: tuple[Array, ...]
    facts: Facts

    def save(self, folder: Path) -> None:
        """Write the parameters into an existing folder."""
        write_arrays(folder, **{f"{i:04}": array for i, array in enumerate(self.arrays)})  # a file keeps their order
        write_json(folder, "facts.json", dict(self.facts))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(tuple(read_arrays(folder).values()), read_json(folder, "facts.json"))


@dataclasses.dataclass(frozen=True)
class FeatureTable:
    """Frozen features: `vectors` (n, d) float32 for the rows `ids`; facts such as the share of truncated rows."""

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    facts: Facts

    def on(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of the given ids, in their order."""
        return self.vectors[positions(self.ids, ids, what="these features")]

    @staticmethod
    def joined(tables: Sequence[FeatureTable]) -> FeatureTable:
        """Return several tables over distinct rows as one; rates in the facts are averaged by rows."""
        facts: dict[str, float | int | str] = {}
        for name in sorted({name for table in tables for name in table.facts}):
            held = [(t.facts[name], len(t.ids)) for t in tables if name in t.facts]
            numbers = [(float(value), n) for value, n in held if not isinstance(value, str)]
            total = sum(n for _, n in numbers)
            facts[name] = sum(v * n for v, n in numbers) / total if total else held[0][0]
        return FeatureTable(
            tuple(name for table in tables for name in table.ids), np.concatenate([t.vectors for t in tables]), facts
        )

    def save(self, folder: Path) -> None:
        """Write the table into an existing folder."""
        write_arrays(folder, vectors=self.vectors)
        write_json(folder, "rows.json", {"ids": self.ids, "facts": dict(self.facts)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        data = read_json(folder, "rows.json")
        return cls(tuple(data["ids"]), read_arrays(folder)["vectors"], data["facts"])
