"""Generated notes about fruit, one class for each kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from surpass.spec import option
from surpass.tasks.base import Example, Generated, Row, Task

WORDS = {"apple": "crisp core russet", "pear": "juicy bell conference", "plum": "purple stone mirabelle"}
PLAIN = "basket cart crate dawn ladder market rain tree".split()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Harvest(Task):
    """Which fruit is a note about?

    Licence: made by this file, CC0.

    Attributes:
        rows: how many notes.
    """

    classes: ClassVar[tuple[str, ...]] = tuple(WORDS)
    licence: ClassVar[str] = "CC0"
    sample: ClassVar[tuple[Row, ...]] = (
        {"tree": 1, "note": "crisp market dawn", "fruit": "apple"},
        {"tree": 2, "note": "rain stone crate", "fruit": "plum"},
    )

    rows: int = option(600, low=10)

    def source(self) -> Generated:
        """Return the generator of the notes."""
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        for i in range(self.rows):
            rng = Random(f"harvest/{i}")
            fruit = rng.choice(self.classes)
            words = [rng.choice(WORDS[fruit].split()), *rng.choices(PLAIN, k=3), str(i)]
            yield {"tree": i % (self.rows // 2), "note": " ".join(words), "fruit": fruit}

    def example(self, row: Row, rng: Random) -> Example:
        """Return the note with its fruit; notes about one tree stay together."""
        return Example(row["note"], self.classes.index(row["fruit"]), group=f"tree {row['tree']}")
