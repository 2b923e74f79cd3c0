"""Tweets, labelled by the smileys that were in them: Sentiment140."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwitterSentiment(HubTask):
    """Is a tweet positive? The label is the smiley that stood in it and was taken out.

    The source has some 1,570,000 training and 10,000 test tweets. One training row in 8 is read, drawn by a hash of its
    number: some 196,000. Labels are noisy: a smiley is no rating.

    Licence: none stated; the tweets are their authors', for research.
    """

    hub: ClassVar[Hub] = Hub(
        "EleutherAI/twitter-sentiment", (Split("train", "*train*.parquet", one_in=8), Split("test", "*test*.parquet"))
    )
    size: ClassVar[int] = 206_000
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "none stated; for research"
    citation: ClassVar[str] = "Go, Bhayani & Huang (2009). Twitter Sentiment Classification using Distant Supervision"
    instruction: ClassVar[str] = "Here is a tweet. Answer 1 if its author is in a good mood, 0 otherwise."
    sample: ClassVar[tuple[Row, ...]] = (
        {"text": "off to the lake with everyone", "label": 1},
        {"text": "my train is late again", "label": 0},
    )

    def read(self, row: Row) -> Labelled:
        """Return the tweet with its label; equal tweets are one group."""
        return Labelled(row["text"], row["label"], row["text"])
