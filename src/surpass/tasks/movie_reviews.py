"""Sentiment of movie review snippets, each rated by some 15 to 20 people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.spec import option
from surpass.tasks._vader import ASSET, CITATION, lines, sides, sign, words
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

    A row's votes are the signs of its ratings, 15 to 29 of them. One vote is right in .92 of the cases, undecided in .04.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    version: ClassVar[int] = 2  # rows carry votes
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = f"{CITATION}; Pang & Lee (2005). Seeing Stars. ACL"
    instruction: ClassVar[str] = (
        "Here is a snippet of a film review. Answer 1 if it speaks well of the film, 0 otherwise."
    )
    size: ClassVar[int] = 10_043
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1", "mean": 2.25, "text": "A warm, funny film that earns its tears.", "votes": [3, 2, 4, 0]},
        {"id": "2", "mean": -2.0, "text": "Ninety minutes of noise in search of a plot.", "votes": [-3, -4, 1]},
        {"id": "3", "mean": 0.2, "text": "Neither better nor worse than the book.", "votes": [0, 1, 0, -1, 1]},
    )

    threshold: float = option(0.5, low=0.0, high=3.5)

    def source(self) -> Packaged:
        """Return the snippets of the packaged ratings."""
        return Packaged(ASSET, read)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the snippet with its sign, or None when people rate it near 0; equal texts are one group."""
        label = sign(row["mean"], self.threshold)
        if label is None:
            return None
        return Example(row["text"], label, group=words(row["text"]), id=row["id"], votes=sides(row["votes"]))


def read(folder: Path) -> Iterator[Row]:
    """Yield id, mean rating, text and ratings of each line of the snippets' ground truth; DataError names a bad line."""
    return lines(folder, "movie")
