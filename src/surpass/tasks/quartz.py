"""QuaRTz offline: which of two answers to a question on qualitative relations is right?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.tables import read_rows
from surpass.tasks._choice import Choosing, Question
from surpass.tasks._evals import asked
from surpass.tasks._near import families
from surpass.tasks.base import Packaged, Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quartz(Choosing):
    """Is the answer shown to a question on qualitative relations ("more friction, less speed") right?

    The rows are the 3,860 questions of QuaRTz, all its splits, as the `evals` package holds them: without the passages that
    come with them, so that a model has to know what the passage says. A question becomes two rows, one with the right answer
    and one with the wrong one, or one row under protocol "eleuther". 16 questions are there with either answer as the right
    one and are left out; 7,656 rows remain. Answers lose the full stop at their end.

    Licence: CC BY 4.0, as its card on the hub says; the package says MIT and does not name the set.

    Nearly every question has a twin that differs in one word ("more", "less") and so in the answer. Twins, and other
    questions that share most of their words, are one group: 1,863 groups.

    No shortcut, and hard: a linear model on bags of words and word pairs is at chance (.50 with 4,500 rows), and so were
    frozen features of the small models at hand. Differences between such models are noise here.
    """

    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = (
        "Tafjord et al. (2019). QuaRTz: An Open-Domain Dataset of Qualitative Relationship Questions. EMNLP"
    )
    size: ClassVar[int] = 7_656
    instruction: ClassVar[str] = (
        "Here is a question with an answer. Answer 1 if that answer is right, 0 if it is wrong."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "input": [
                {"role": "system", "content": "Answer with the letter of the option."},
                {
                    "role": "user",
                    "content": "Ann greases the chain. The friction on it will be\n\n A: higher\n B: lower.",
                },
            ],
            "ideal": "B",
            "family": "Ann dries the chain. The friction on it will be",
        },
        {
            "input": [
                {"role": "system", "content": "Answer with the letter of the option."},
                {"role": "user", "content": "Ann dries the chain. The friction on it will be\n\n A: higher\n B: lower"},
            ],
            "ideal": "A",
            "family": "Ann dries the chain. The friction on it will be",
        },
    )

    def source(self) -> Packaged:
        """Return the packaged questions, each with its family."""
        return Packaged("quartz", read)

    def question(self, row: Row, rng: Random) -> Question:
        """Return the question written out with either answer."""
        found = asked(row, "AB", asset="quartz")
        texts = tuple(f'Q: "{found.question}" Is the answer "{answer}"?' for answer in found.answers)
        return Question(texts, (found.right,), row["family"])


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows, each with the first of the questions that are nearly its own."""
    rows = list(read_rows(folder / "samples.jsonl"))
    questions = [asked(row, "AB", asset="quartz").question for row in rows]
    for row, family in zip(rows, families(questions, alike=0.6), strict=True):
        yield {**row, "family": family}
