"""Sentiment of movie review snippets, each rated by some 15 to 20 people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.spec import option
from surpass.tasks._vader import ASSET, CITATION, lines, sign, words
from surpass.tasks.base import Example, Packaged, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class MovieReviews(Task):
    """Is a snippet of a movie review good or bad news for the film? The label is the sign of its mean rating.

    The rows are the 10,605 `movieReviewSnippets` of the VADER ground truth, each with the mean of about 15 to 20 people's
    ratings from -4 to 4. 10,043 of them have a mean beyond +-0.5: 4,982 positive and 5,061 negative.

    Licence: MIT; the authors ask for the citation. The texts seem to be those of the sentence polarity set of Pang & Lee
    (2005), critics' snippets from Rotten Tomatoes: it opens with the same ones.

    Nothing groups the rows. The ids are running numbers and say nothing about film or review: neighbours share no more
    words than rows far apart. A dozen snippets may be about one film, scattered over the file, so that a film can be in
    train and test alike; only rows of the same words (2 pairs) are kept together. The source lists mostly positive
    snippets in its first half and negative ones in its second: never take rows by their order.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = f"{CITATION}; Pang & Lee (2005). Seeing Stars. ACL"
    instruction: ClassVar[str] = (
        "Here is a snippet of a film review. Answer 1 if it speaks well of the film, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1", "mean": 2.4, "text": "A warm, funny film that earns every one of its tears."},
        {"id": "2", "mean": -2.13333333333, "text": "Ninety minutes of noise in search of a plot."},
        {"id": "3", "mean": 0.2, "text": "Neither better nor worse than the book."},
    )

    threshold: float = option(0.5, low=0.0, high=3.5)

    def source(self) -> Packaged:
        """Return the snippets of the packaged ratings."""
        return Packaged(ASSET, read)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the snippet with its sign, or None when people rate it near 0; equal texts are one group."""
        label = sign(row["mean"], self.threshold)
        return None if label is None else Example(row["text"], label, group=words(row["text"]), id=row["id"])


def read(folder: Path) -> Iterator[Row]:
    """Yield id, mean rating and text of each line of the snippets' ground truth; DataError names a bad line."""
    return lines(folder, "movie")
