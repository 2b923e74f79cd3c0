"""Sentiment in four domains: train on all of them, be tested on one and, as a shift, on the others."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.draws import place
from surpass.spec import option
from surpass.tasks._vader import ASSET, CITATION, FILES, Domain, sentences, sides, sign
from surpass.tasks.base import Example, Packaged, Row, Task

HELD_OUT = 0.3
"""The part of each domain's groups that no training row is drawn from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentimentDomains(Task):
    """Does a text sound positive or negative, where the supervisor may know other kinds of text than the one tested?

    The rows are the four domains of the VADER ground truth as `movie-reviews`, `amazon-reviews`, `nyt-editorials` and
    `tweets` have them, each with its domain. Three tenths of the groups of each domain are held out, by a hash. The held-out
    rows of `domain` are the test (and val) rows, those of each other domain a shifted test (`shift:amazon`). What trains is
    the rest of all four domains, or with `broad` false the rest of `domain` alone. No group is on both sides.

    The rest holds 13,566 rows at the default threshold, half of them film reviews; the share of positive rows is .40 (nyt) to
    .68 (tweets), so that the domain alone says something of the label. With `even` each class of each domain has as many
    training rows as the smallest: 8 x 769, thus 6,152 for weak and transfer together. Held out are, with as many rows of each
    class, 2,892 of movie, 644 of amazon, 516 of nyt and 586 of tweets: those of `domain` are for test and val together.

    A row's votes are the signs of its ratings. 196 tweets have none (see `tweets`); `rated` leaves them out.

    Licence: MIT; the authors ask for the citation.

    Attributes:
        domain: the domain that the test and validation rows are from.
        broad: train on all domains; false: on `domain` alone.
        even: leave out training rows, by a hash, until all classes of all domains have as many.
        threshold: rows whose mean rating is within +-threshold of 0 are left out.
        rated: leave out the tweets without ratings of their own, as label source `raters` needs.
    """

    version: ClassVar[int] = 2  # rows carry votes
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION
    instruction: ClassVar[str] = (
        "Here is a sentence from a film review, a product review, a newspaper's opinion page or a tweet. "
        "Answer 1 if its tone is positive, 0 if it is negative."
    )
    size: ClassVar[int] = 11_675
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "7",
            "mean": 2.5,
            "text": "A joy.",
            "domain": "movie",
            "group": "movie/7",
            "part": "train",
            "votes": [2, 3],
        },
        {
            "id": "8",
            "mean": -1.5,
            "text": "Limp.",
            "domain": "movie",
            "group": "movie/8",
            "part": "test",
            "votes": [-2, -1],
        },
        {
            "id": "6_1",
            "mean": 1.5,
            "text": "it works.",
            "domain": "amazon",
            "group": "amazon/6",
            "part": "shift:amazon",
            "votes": [3, 0],
        },
    )

    domain: Domain = "movie"
    broad: bool = True
    even: bool = True
    threshold: float = option(0.5, low=0.0, high=3.5)
    rated: bool = False

    def source(self) -> Packaged:
        """Return the sentences of all domains, each with its part; what evenness leaves out has none."""
        return Packaged(ASSET, self._rows)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the text with its sign, domain and part, or None when people rate it near 0 or it has no part."""
        label = sign(row["mean"], self.threshold)
        if label is None or not row["part"]:
            return None
        name = f"{row['domain']}/{row['id']}"
        where = {"group": row["group"], "part": row["part"], "domain": row["domain"]}
        return Example(row["text"], label, id=name, votes=sides(row["votes"]), **where)

    def _rows(self, folder: Path) -> Iterator[Row]:
        found = (row for row in sentences(folder, FILES) if row["votes"] or not self.rated)
        rows: list[Row] = [{**row, "part": self._part(row)} for row in found]
        spare = self._spare(rows) if self.even else set()
        for row in rows:
            yield {**row, "part": ""} if (row["domain"], row["id"]) in spare else row

    def _part(self, row: Row) -> str:
        if place(row["group"], "held-out") < HELD_OUT:
            return "test" if row["domain"] == self.domain else f"shift:{row['domain']}"
        return "train" if self.broad or row["domain"] == self.domain else ""

    def _spare(self, rows: list[Row]) -> set[tuple[str, str]]:
        """Return the training rows beyond the size of the smallest class of a domain."""
        cells: Mapping[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
        for row in rows:
            label = sign(row["mean"], self.threshold)
            if row["part"] == "train" and label is not None:
                cells[row["domain"], label].add((row["domain"], row["id"]))
        fewest = min(map(len, cells.values()), default=0)
        lined_up = (sorted(cell, key=lambda name: (place("/".join(name), "even"), name)) for cell in cells.values())
        return {name for cell in lined_up for name in cell[fewest:]}
