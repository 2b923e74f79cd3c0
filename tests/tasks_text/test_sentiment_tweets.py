"""Tweets of three sentiments: damaged bytes, retweets, and counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks.sentiment_tweets import SentimentTweets, read


def group(text: str) -> str:
    return SentimentTweets().example({"sentiment": "neutral", "text": text}, Random(0)).group


def test_retweets_are_one_group() -> None:
    first = group("Studio at 45,000 ft! @united http://t.co/abc")
    assert first == group("RT @ann: studio at 45,000 ft @jetblue https://t.co/xyz") == "studio at 45 000 ft"
    assert group("start Studio") == "start studio"


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    content = b'sentiment,confidence,text\r\nnegative,0.7,"no, \xd2thank you"\r\npositive,,two\nlines\r\n'
    (tmp_path / "tweets.csv").write_bytes(content.replace(b"two\nlines", b'"two\nlines"'))
    first, second = SentimentTweets().examples(read(tmp_path))
    assert (first.input, first.label) == ("no, \ufffdthank you", 0)
    assert (second.input, second.label) == ("two\nlines", 2)


@pytest.mark.parametrize(
    "row", [{"sentiment": "good", "text": "a"}, {"sentiment": "neutral", "text": " "}, {"text": "a"}]
)
def test_a_row_without_text_or_sentiment_is_named(row: dict[str, str]) -> None:
    with pytest.raises(DataError, match="lacks a text, or a sentiment of negative, neutral, positive"):
        SentimentTweets().example(row, Random(0))


def test_the_instruction_numbers_the_classes() -> None:
    for label, name in enumerate(SentimentTweets.classes):
        assert f"{label} {name}" in SentimentTweets.instruction


@pytest.mark.assets
def test_real_tweets() -> None:
    task = SentimentTweets()
    if problem := task.problem():
        pytest.skip(problem)
    rows = list(task.examples())
    assert Counter(row.label for row in rows) == {0: 16_186, 1: 15_018, 2: 6_954}
    labels: dict[str, set[int]] = {}
    for row in rows:
        labels.setdefault(row.input, set()).add(row.label)
    usable = Counter(min(held) for held in labels.values() if len(held) == 1)
    assert usable == {0: 15_955, 1: 14_431, 2: 6_811}
    assert sum(usable.values()) == task.size
    assert len({row.group for row in rows}) == 34_817
    splits = make_splits(Data(task=task.resolve()))
    assert (splits.facts["usable"], splits.facts["conflicting"]) == (task.size, 46)
    assert np.bincount(splits.part("transfer").labels).tolist() == [667, 667, 666]
    assert not set(splits.part("test", "val").groups) & set(splits.part("weak", "transfer").groups)
