"""Sentiment of sentences from product reviews, each rated by 20 people."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._vader import Ratings
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmazonReviews(Ratings):
    """Is a sentence of a product review good or bad news for the product? The label is the sign of its mean rating.

    The rows are the 3,708 `amazonReviewSnippets` of the VADER ground truth: 309 reviews of electronics, cut into lowercase
    sentences. 2,943 sentences have a mean beyond +-0.5, 2,935 of them distinct: 1,216 negative and 1,719 positive.

    Licence: MIT; the authors ask for the citation.

    Sentences of one review stay together, and so do reviews that share a sentence ("highly recommended."): 283 groups. Every
    row has 20 votes, the signs of its ratings: .91 of them are right, .07 undecided.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    domain: ClassVar[str] = "amazon"
    instruction: ClassVar[str] = (
        "Here is a sentence from a customer's review of a product. Answer 1 if it speaks well of the product, 0 otherwise."
    )
    size: ClassVar[int] = 2_935
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "4_1",
            "mean": 2.6,
            "text": "the battery outlasts a week of use.",
            "domain": "amazon",
            "group": "amazon/4",
            "votes": [3, 2, 2, 3, 3],
        },
        {"id": "4_2", "mean": -2.0, "text": "it broke.", "domain": "amazon", "group": "amazon/4", "votes": [-4, 0]},
        {"id": "9_1", "mean": 0.0, "text": "bought in may.", "domain": "amazon", "group": "amazon/9", "votes": [0, 0]},
    )
