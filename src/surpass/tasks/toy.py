"""Generated sentences whose mood a few words decide: for tests, docs and trying things out in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from surpass.spec import option
from surpass.tasks.base import Example, Generated, Row, Task

GOOD = "bright calm clever fresh gentle golden happy kind lively lovely smooth sunny sweet tidy warm wise".split()
BAD = "bitter broken cold cruel dull empty foul gloomy grim harsh heavy muddy rough sour stale weary".split()
PLAIN = (
    "apple bridge candle door engine field garden house island jacket kettle lamp market needle orchard paper".split()
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy(Task):
    """Sentences of plain words with pleasant and unpleasant ones mixed in; the majority decides the label.

    Licence: made by this file, Apache-2.0. Nothing to cite.

    Attributes:
        rows: how many sentences.
        noise: share of rows whose label is flipped.
    """

    classes: ClassVar[tuple[str, ...]] = ("unpleasant", "pleasant")
    licence: ClassVar[str] = "Apache-2.0"
    instruction: ClassVar[str] = (
        "Here are some words. Some have a mood. Answer 1 if most of those are pleasant, 0 if most are unpleasant."
    )
    size: ClassVar[int] = 4000
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "0", "text": "warm apple kind door sour lamp", "pleasant": 1},
        {"id": "1", "text": "grim bridge stale field", "pleasant": 0},
    )

    rows: int = option(4000, low=10, high=1_000_000)
    noise: float = option(0.05, low=0.0, high=0.5)

    def source(self) -> Generated:
        """Return the generator of the rows."""
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        for i in range(self.rows):
            rng = Random(f"toy/{i}")
            moods = [rng.random() < 0.5 for _ in range(rng.choice((1, 3, 5)))]
            pleasant = sum(moods) * 2 > len(moods)
            words = [rng.choice(GOOD if mood else BAD) for mood in moods] + rng.choices(PLAIN, k=4)
            rng.shuffle(words)
            flipped = rng.random() < self.noise
            yield {"id": str(i), "text": " ".join(words), "pleasant": int(pleasant != flipped)}

    def example(self, row: Row, rng: Random) -> Example:
        """Return the sentence with its mood."""
        return Example(row["text"], row["pleasant"], id=row["id"])
