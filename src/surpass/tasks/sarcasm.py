"""News headlines, sarcastic or not."""

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
class Sarcasm(Task):
    """Is a news headline meant sarcastically?

    The rows are 28,614 lowercase headlines of about ten words, 28,498 of them distinct: the News Headlines Dataset for
    Sarcasm Detection (v2) as the `evals` package holds it, 14,984 not sarcastic and 13,630 sarcastic.

    Licence: the package is MIT and states none for the headlines, which belong to their sites: fetched, not shipped.

    Caution: sarcastic headlines are from The Onion and the others from HuffPost, so the label is the site. Whatever tells
    the two sites apart (subjects, length, quotation marks, colons, numbers) predicts it. Read scores as how well a model
    tells the sites apart, not as how well it understands sarcasm.
    """

    classes: ClassVar[tuple[str, ...]] = ("not sarcastic", "sarcastic")
    licence: ClassVar[str] = "MIT (packaging); none stated for the headlines"
    citation: ClassVar[str] = "Misra & Arora (2023). Sarcasm Detection using News Headlines Dataset. AI Open 4"
    instruction: ClassVar[str] = (
        "Here is the headline of a news item. Answer 1 if it is satire that means the opposite of what it says, "
        "0 if it reports news."
    )
    size: ClassVar[int] = 28_498
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "input": [
                {"role": "system", "content": "Respond with only a 1 or 0"},
                {"role": "user", "content": "local lamp admits it was never that bright"},
            ],
            "ideal": "1",
        },
        {
            "input": [
                {"role": "system", "content": "Respond with only a 1 or 0"},
                {"role": "user", "content": "city council votes to repair two bridges"},
            ],
            "ideal": "0",
        },
    )

    def source(self) -> Packaged:
        """Return the packaged headlines."""
        return Packaged("sarcasm", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the user's message, a headline, with its label; headlines of the same words are one group."""
        text = " ".join(message["content"] for message in row["input"] if message["role"] == "user").strip()
        if row["ideal"] not in ("0", "1"):
            raise DataError(
                f"task 'sarcasm': ideal {row['ideal']!r} of headline {text[:60]!r} is neither '0' nor '1'. "
                "Fetch the asset again: surpass assets fetch sarcasm"
            )
        return Example(text, int(row["ideal"]), group=re.sub(r"\W+", " ", text.casefold()).strip())


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows of the samples, one JSON object per line."""
    return read_rows(folder / "samples.jsonl")
