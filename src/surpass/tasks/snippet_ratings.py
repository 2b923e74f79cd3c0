"""How positive a short text sounds, as a number: the mean of some 20 people's ratings."""

from __future__ import annotations

import dataclasses
import functools
from random import Random
from typing import ClassVar

from surpass.tasks._vader import ASSET, CITATION, Domain, rated
from surpass.tasks.base import Example, Packaged, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnippetRatings(Task):
    """How positive does a sentence sound, from -4 to 4? The label is the mean of people's ratings.

    The rows are those of `nyt-editorials`, or of another domain of the VADER ground truth, also those rated near 0, without
    texts that lack ratings of their own (196 tweets). Equal texts are one, with the ratings of all. There are 5,119 of nyt,
    10,603 of movie, 3,697 of amazon and 4,004 of tweets. The labels have a standard deviation of .88 (nyt), 1.92 (movie),
    1.63 (amazon) and 1.44 (tweets).

    A row's votes are its single ratings, 15 to 98 of them; their mean is the label. One rating correlates with the mean of
    the others at .72 (nyt), .89 (movie), .90 (amazon) and .84 (tweets); as a guess of the label, of which it is itself a
    part, it has R2 .24, .76, .79 and .64. Ridge regression on bags of words and word pairs of 2,400 rows reaches .09, .38,
    .45 and .52.

    Licence: MIT; the authors ask for the citation.

    Sentences of one document stay together, tweets made from one another, and texts of the same words.

    Attributes:
        domain: whose texts.
    """

    target: ClassVar[str] = "regression"
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION
    size: ClassVar[int] = 5_119
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "3_1",
            "mean": 2.0,
            "text": "A gift to the city.",
            "domain": "nyt",
            "group": "nyt/3",
            "votes": [3, 1, 2],
        },
        {"id": "3_2", "mean": -1.0, "text": "It shames us.", "domain": "nyt", "group": "nyt/3", "votes": [-2, 0, -1]},
        {"id": "5_4", "mean": 0.5, "text": "It is due in May.", "domain": "nyt", "group": "nyt/5", "votes": [0, 1]},
    )

    domain: Domain = "nyt"

    def source(self) -> Packaged:
        """Return the sentences of the domain, from the packaged ratings."""
        return Packaged(ASSET, functools.partial(rated, domain=self.domain))

    def example(self, row: Row, rng: Random) -> Example:
        """Return the text with its mean rating and the single ones."""
        votes = tuple(map(float, row["votes"]))
        return Example(row["text"], row["mean"], group=row["group"], id=row["id"], votes=votes)
