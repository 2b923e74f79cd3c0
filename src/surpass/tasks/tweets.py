"""Sentiment of tweets, each rated by 20 people or more."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._vader import Ratings
from surpass.tasks.base import Example, Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tweets(Ratings):
    """Does a tweet sound positive or negative? The label is the sign of its mean rating.

    The rows are the 4,200 `tweets` of the VADER ground truth, names and addresses in them replaced. 3,362 have a mean beyond
    +-0.5: 1,062 negative and 2,300 positive.

    Licence: MIT; the authors ask for the citation.

    Some tweets were made from others with capitals, exclamation marks or words of stress, to see how much each adds: 30
    tweets and 170 made from them. A tweet and those made from it are one group; so are tweets of the same words.

    Votes are the signs of the single ratings, 20 or some 95 of a tweet: .86 of them are right, .12 undecided. 196 of the 200
    tweets made so have none: their means are not those of their ratings, by up to 1.13 (never in the sign), and must be of
    another 97 people. The label holds; `rated` leaves these tweets out, as label source `raters` needs.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
        rated: leave out the tweets without ratings of their own.
    """

    domain: ClassVar[str] = "tweets"
    instruction: ClassVar[str] = "Here is a tweet. Answer 1 if its tone is positive, 0 if it is negative."
    size: ClassVar[int] = 3_362
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "1",
            "mean": 3.0,
            "text": "Best. Day. EVER!! :)",
            "domain": "tweets",
            "group": "tweets/1",
            "votes": [4, 2],
        },
        {"id": "2", "mean": -1.5, "text": "@a missed it", "domain": "tweets", "group": "tweets/2", "votes": [-1, -2]},
        {"id": "3", "mean": 0.3, "text": "On my way", "domain": "tweets", "group": "tweets/3", "votes": []},
    )

    rated: bool = False

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return what `Ratings` does, unless the tweet lacks the ratings asked for."""
        return super().example(row, rng) if row["votes"] or not self.rated else None
