"""The VADER ground truth: short texts of four domains, each with about 20 people's ratings from -4 to 4 and their mean.

`lines` reads a domain's texts with their ratings. `sentences` also finds what belongs together: sentences of one document,
tweets made from one another, and documents that share a sentence, which would otherwise be in train and test alike.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal

from surpass.errors import DataError
from surpass.spec import option
from surpass.tasks.base import Example, Packaged, Row, Task

ASSET = "vader-ratings"
FILES = {
    "movie": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "nyt": "nytEditorialSnippets",
    "tweets": "tweets",
}
"""Domains, and what their files are called."""

Domain = Literal["movie", "amazon", "nyt", "tweets"]

CITATION = (
    "Hutto & Gilbert (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text. ICWSM"
)

_ROUNDING = 0.01
"""By how much a mean of the source differs from the mean of its ratings at most, where both are of the same people."""

# The source makes some tweets from others with capitals, exclamation marks, or one of these words more or less.
_STRESS = "absolutely|especially|extremely|fucking|major|really|seriously|super|totally|uber|very"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratings(Task):
    """Base of the tasks that ask for the sign of the mean rating of one domain's texts.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    version: ClassVar[int] = 2  # rows carry votes
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION
    domain: ClassVar[str] = ""

    threshold: float = option(0.5, low=0.0, high=3.5)

    def source(self) -> Packaged:
        """Return the sentences of the domain, from the packaged ratings."""
        return Packaged(ASSET, functools.partial(sentences, domains=(self.domain,)))

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the text with the sign of its rating and of each vote, or None when people rate it near 0."""
        label = sign(row["mean"], self.threshold)
        if label is None:
            return None
        return Example(row["text"], label, group=row["group"], id=row["id"], votes=sides(row["votes"]))


def sides(ratings: Iterable[float]) -> tuple[float, ...]:
    """Return the class that each rating speaks for: 1 above 0, 0 below; NaN for a rating of 0, which takes no side."""
    return tuple(float(rating > 0) if rating else math.nan for rating in ratings)


def sign(mean: float, threshold: float) -> int | None:
    """Return 1 for a positive rating, 0 for a negative one, None within +-threshold of 0."""
    return None if abs(mean) <= threshold else int(mean > 0)


def words(text: str) -> str:
    """Return the words of a text alone, in lower case."""
    return re.sub(r"\W+", " ", text.casefold()).strip()


def lines(folder: Path, domain: str) -> Iterator[Row]:
    """Yield id, mean rating, text and single ratings of each line of a domain's ground truth; DataError names a bad line.

    No ratings come with a text whose mean is not that of its single ratings: 196 tweets, all of those made up to see what
    capitals and the like add. Their means are of other people's ratings, which are not in the files.
    """
    stem = folder / FILES[domain]
    votes = dict(_parsed(Path(f"{stem}_anonDataRatings.txt"), 4, _ratings, "id, mean rating, spread and ratings"))
    for name, mean, text in _parsed(Path(f"{stem}_GroundTruth.txt"), 3, _text, "id, mean rating and text"):
        given = votes.get(name, ())
        theirs = bool(given) and abs(sum(given) / len(given) - mean) < _ROUNDING
        yield {"id": name, "mean": mean, "text": text, "votes": given if theirs else ()}


def _ratings(name: str, mean: str, spread: str, ratings: str) -> tuple[str, tuple[int, ...]]:
    return name, tuple(map(int, json.loads(ratings)))


def _text(name: str, mean: str, text: str) -> tuple[str, float, str]:
    return name, float(mean), text.strip()


def _parsed(path: Path, cells: int, parse: Callable[..., Any], needed: str) -> Iterator[Any]:
    """Yield what `parse` makes of the cells of each line; the last cell may hold tabs."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield parse(*line.rstrip("\n").split("\t", cells - 1))
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"line {number} of '{path.name}' is {line.strip()[:60]!r}; needed are {needed}, separated by tabs. "
                    f"Fetch the asset again: surpass assets fetch {ASSET}"
                ) from error


def sentences(folder: Path, domains: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of the domains with their domain and group; a domain's equal texts have one id.

    A group is named after one of its documents: `DOMAIN/DOCUMENT`. Ids are the source's, so unique in a domain only.
    """
    rows: list[dict[str, Any]] = [{**row, "domain": domain} for domain in domains for row in lines(folder, domain)]
    parents: dict[str, str] = {}
    first: dict[str, str] = {}
    for row in rows:
        row["group"] = f"{row['domain']}/{row['id'].partition('_')[0]}"
        # A text without any word, such as a smiley, is only alike to itself.
        _join(parents, row["group"], first.setdefault(_core(row["text"]) or row["text"], row["group"]))
    ids: dict[tuple[str, str], str] = {}
    for row in rows:
        known = (row["domain"], row["text"])
        ids[known] = min(row["id"], ids.get(known, row["id"]))
    for row in rows:
        yield {**row, "id": ids[row["domain"], row["text"]], "group": _root(parents, row["group"])}


def rated(folder: Path, domain: str) -> Iterator[Row]:
    """Yield the sentences of a domain that have ratings, with their mean; equal texts are one, with the ratings of all."""
    found: dict[str, dict[str, Any]] = {}
    for row in sentences(folder, (domain,)):
        found.setdefault(row["id"], {**row, "votes": ()})["votes"] += row["votes"]
    for row in found.values():
        if row["votes"]:
            yield {**row, "mean": sum(row["votes"]) / len(row["votes"])}


def _core(text: str) -> str:
    """Return the words of a text without words of stress and without repeating one."""
    plain = re.sub(rf"\b({_STRESS})\b", " ", words(text))
    return re.sub(r"\b(\w+)( \1\b)+", r"\1", " ".join(plain.split()))


def _root(parents: dict[str, str], name: str) -> str:
    while (parent := parents.setdefault(name, name)) != name:
        name = parent
    return name


def _join(parents: dict[str, str], one: str, other: str) -> None:
    """Make two groups one, under the name that sorts first, whatever the order of the rows."""
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low
