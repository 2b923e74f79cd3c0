"""Sentiment of tweets, each rated by 20 people or more."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._vader import Ratings
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tweets(Ratings):
    """Does a tweet sound positive or negative? The label is the sign of its mean rating.

    The rows are the 4,200 `tweets` of the VADER ground truth, names and addresses in them replaced. 3,362 have a mean beyond
    +-0.5: 1,062 negative and 2,300 positive.

    Licence: MIT; the authors ask for the citation.

    Some tweets were made from others with capitals, exclamation marks or words of stress, to see how much each adds: 30
    tweets and 170 made from them. A tweet and those made from it are one group; so are tweets of the same words. For 196
    tweets the mean is not that of the raw ratings of single people (by up to 1.13, never in its sign): the label holds, but
    leave them out where raw ratings are used.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    domain: ClassVar[str] = "tweets"
    instruction: ClassVar[str] = "Here is a tweet. Answer 1 if its tone is positive, 0 if it is negative."
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1", "mean": 2.9, "text": "Best. Pancakes. EVER!! :)", "domain": "tweets", "group": "tweets/1"},
        {"id": "2", "mean": -1.6, "text": "@anonymous missed the bus, again", "domain": "tweets", "group": "tweets/2"},
        {"id": "3", "mean": 0.3, "text": "On my way to http://url_removed", "domain": "tweets", "group": "tweets/3"},
    )
