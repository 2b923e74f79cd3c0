"""The VADER ground truth: short texts of four domains, each with the mean of about 20 people's ratings from -4 to 4.

`lines` reads a file as it is. `sentences` also finds what belongs together: sentences of one document, tweets made from one
another, and documents that share a sentence, which would otherwise be in train and test alike.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

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

CITATION = (
    "Hutto & Gilbert (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text. ICWSM"
)

# The source makes some tweets from others with capitals, exclamation marks, or one of these words more or less.
_STRESS = "absolutely|especially|extremely|fucking|major|really|seriously|super|totally|uber|very"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratings(Task):
    """Base of the tasks that ask for the sign of the mean rating of one domain's texts.

    Attributes:
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
    """

    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION
    domain: ClassVar[str] = ""

    threshold: float = option(0.5, low=0.0, high=3.5)

    def source(self) -> Packaged:
        """Return the sentences of the domain, from the packaged ratings."""
        return Packaged(ASSET, functools.partial(sentences, domains=(self.domain,)))

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the text with the sign of its rating, or None when people rate it near 0."""
        label = sign(row["mean"], self.threshold)
        return None if label is None else Example(row["text"], label, group=row["group"], id=row["id"])


def sign(mean: float, threshold: float) -> int | None:
    """Return 1 for a positive rating, 0 for a negative one, None within +-threshold of 0."""
    return None if abs(mean) <= threshold else int(mean > 0)


def words(text: str) -> str:
    """Return the words of a text alone, in lower case."""
    return re.sub(r"\W+", " ", text.casefold()).strip()


def lines(folder: Path, domain: str) -> Iterator[Row]:
    """Yield id, mean rating and text of each line of a domain's ground truth; DataError names a bad line."""
    path = folder / f"{FILES[domain]}_GroundTruth.txt"
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                name, mean, text = line.rstrip("\n").split("\t", 2)
                yield {"id": name, "mean": float(mean), "text": text.strip()}
            except ValueError as error:
                raise DataError(
                    f"line {number} of '{path.name}' is {line.strip()[:60]!r}; needed are id, mean rating and text, "
                    f"separated by tabs. Fetch the asset again: surpass assets fetch {ASSET}"
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
