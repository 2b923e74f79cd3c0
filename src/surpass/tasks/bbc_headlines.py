"""Headlines of five sections of a news site."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.errors import DataError
from surpass.tables import read_rows
from surpass.tasks.base import Example, Packaged, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class BbcHeadlines(Task):
    """Which section of the BBC's news site is a headline from?

    The rows are the first lines of the 2,225 articles of the BBC set (2004 and 2005), some five words each: 2,096 distinct
    headlines, of business 501, entertainment 365, politics 397, sports 500 and tech 333. The bodies are left out, which give
    the section away: bags of their words reach .99 with 1,500 articles, headlines .79.

    Licence: the package is MIT; the articles are the BBC's, for research and other non-commercial use: fetched, not shipped.

    A headline that is there several times is one row (no headline is in two sections, else it would be left out). With as
    many rows of each section and the default `train_share` 1,140 rows train and 525 evaluate.
    """

    classes: ClassVar[tuple[str, ...]] = ("business", "entertainment", "politics", "sports", "tech")
    licence: ClassVar[str] = "MIT (packaging); the articles are the BBC's, for research and other non-commercial use"
    citation: ClassVar[str] = (
        "Greene & Cunningham (2006). Practical Solutions to the Problem of Diagonal Dominance in Kernel Document "
        "Clustering. ICML"
    )
    instruction: ClassVar[str] = (
        "Here is the headline of a news article. Answer with the number of its section: "
        "0 business, 1 entertainment, 2 politics, 3 sports, 4 tech."
    )
    size: ClassVar[int] = 2_096
    sample: ClassVar[tuple[Row, ...]] = (
        {"name": "sports/001.txt", "text": "Keeper saves the day\n\nA late save kept the cup in the north.\n"},
        {"name": "tech/002.txt", "text": "Phones learn to fold\n\nA maker showed a telephone that folds.\n"},
        {"name": "business/003.txt", "text": "Bakers raise prices\n\nBread costs more from Monday on.\n"},
    )

    def source(self) -> Packaged:
        """Return the packaged articles."""
        return Packaged("bbc-news", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the first line of the article with its section; headlines of the same words are one group."""
        section, headline = row["name"].partition("/")[0], row["text"].partition("\n")[0].strip()
        if section not in self.classes or not headline:
            raise DataError(
                f"task 'bbc-headlines': article '{row['name']}' begins with {headline[:60]!r}; needed are a headline and one "
                f"of the sections {', '.join(self.classes)}. Fetch the asset again: surpass assets fetch bbc-news"
            )
        return Example(headline, self.classes.index(section), group=re.sub(r"\W+", " ", headline.casefold()).strip())


def read(folder: Path) -> Iterator[Row]:
    """Yield name and text of each article."""
    return read_rows(folder / "articles.jsonl")
