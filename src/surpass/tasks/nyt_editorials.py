"""Sentiment of sentences from a newspaper's opinion pages, each rated by 20 people."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._vader import Ratings
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class NytEditorials(Ratings):
    """Does a sentence of an editorial sound positive or negative? The label is the sign of its mean rating.

    The rows are the 5,190 `nytEditorialSnippets` of the VADER ground truth: 500 opinion pieces and letters of the New York
    Times of the 1990s, cut into sentences. People rate nearly half of them near 0: 2,788 have a mean beyond +-0.5, 2,751 of
    them distinct, 1,663 negative and 1,088 positive.

    Licence: MIT; the authors ask for the citation.

    Sentences of one piece stay together: 497 groups. The labels are the least certain of the four domains: a
    vote, the sign of one person's rating, is right in .72 of the cases and undecided in .26 (movie reviews: .92 and .04), and
    most of these means are mild. Every row has 20 votes.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    domain: ClassVar[str] = "nyt"
    instruction: ClassVar[str] = (
        "Here is a sentence from a newspaper's opinion page. Answer 1 if its tone is positive, 0 if it is negative."
    )
    size: ClassVar[int] = 2_751
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
        {"id": "5_4", "mean": 0.0, "text": "It is due in May.", "domain": "nyt", "group": "nyt/5", "votes": [0, 1, -1]},
    )
