"""Which of two short texts sounds more positive, as some 20 people's ratings of either say."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.draws import place
from surpass.spec import option
from surpass.tasks._vader import ASSET, CITATION, Domain, rated, sides, sign
from surpass.tasks.base import Example, Packaged, Row, Task

MEETINGS = 2
"""How many texts of the other document a text is compared with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SnippetPreferences(Task):
    """Which of two sentences sounds more positive? The first is better when its mean rating is higher.

    The texts are those of `snippet-ratings`. Documents (of film reviews and tweets: single texts) are matched two by two, by
    a hash, and each text of one is compared with two of the other: a text is in at most two pairs, and all pairs of two
    documents are one group. Pairs whose means differ by no more than `margin` are left out. At the default margin there
    remain 1,895 pairs of nyt, 3,489 of movie, 1,447 of amazon and 1,228 of tweets. Which text comes first is drawn. A linear
    model of the difference of bags of words is right in .65, .72, .77 and .83 of the pairs with 770 to learn from.

    A pair's votes: the ratings of the one text, in an order drawn, against those of the other, as if each time one person
    had rated both. The higher one wins; equal ratings take no side (NaN). Such a vote is right in .83 of the cases and
    undecided in .14 (nyt); .91 and .06 (movie), .93 and .05 (amazon), .89 and .08 (tweets).

    Licence: MIT; the authors ask for the citation.

    Attributes:
        domain: whose texts.
        margin: pairs whose mean ratings differ by no more are left out.
    """

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "pair"
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION
    size: ClassVar[int] = 1_895
    instruction: ClassVar[str] = (
        "Here are two sentences from a newspaper's opinion page. Answer 1 if the first sounds more positive than the second, "
        "0 if the second does."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "3_1+8_2",
            "texts": ["A gift to the city.", "It shames us all."],
            "means": [2.0, -1.0],
            "votes": [[3, 1, 2], [-2, 0, -1]],
            "group": "nyt/3+nyt/8",
        },
        {
            "id": "5_4+6_1",
            "texts": ["It is due in May.", "Nobody could wish for more."],
            "means": [0.0, 1.5],
            "votes": [[0, 1, -1, 0], [3, 1, 0, 2]],
            "group": "nyt/5+nyt/6",
        },
        {
            "id": "5_4+6_2",
            "texts": ["It is due in May.", "The votes were counted."],
            "means": [0.0, 0.5],
            "votes": [[0, 1, -1, 0], [1, 0]],
            "group": "nyt/5+nyt/6",
        },
    )

    domain: Domain = "nyt"
    margin: float = option(1.0, low=0.0, high=7.0)

    def source(self) -> Packaged:
        """Return all pairs of the domain, from the packaged ratings."""
        return Packaged(ASSET, self._pairs)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the two texts in an order drawn, with who is better, or None when they are rated too much alike."""
        order = [0, 1] if rng.random() < 0.5 else [1, 0]
        first, second = (row["means"][i] for i in order)
        label = sign(first - second, self.margin)
        if label is None:
            return None
        ratings = [rng.sample(row["votes"][i], len(row["votes"][i])) for i in order]
        votes = sides(one - other for one, other in zip(*ratings, strict=False))
        pair = (row["texts"][order[0]], row["texts"][order[1]])
        return Example(pair, label, group=row["group"], id=row["id"], votes=votes)

    def _pairs(self, folder: Path) -> Iterator[Row]:
        documents: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in rated(folder, self.domain):
            documents[row["group"]][row["id"]] = row
        line = _lined_up(documents)
        for one, other in zip(line[::2], line[1::2], strict=False):
            first, second = ([documents[name][key] for key in _lined_up(documents[name])] for name in (one, other))
            for turn in range(min(MEETINGS, len(second))):
                for row, against in zip(first, second[turn:] + second[:turn], strict=False):
                    yield _pair(row, against)


def _lined_up(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (place(name, "preferences"), name))


def _pair(one: Row, other: Row) -> Row:
    both = (one, other)
    return {
        "id": "+".join(row["id"] for row in both),
        "texts": [row["text"] for row in both],
        "means": [row["mean"] for row in both],
        "votes": [list(row["votes"]) for row in both],
        "group": "+".join(row["group"] for row in both),
    }
