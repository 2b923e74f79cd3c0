"""The rows of SciQ, which two tasks show in two ways."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sciq(Choice):
    """Base of both. All splits are pooled, as in EleutherAI/w2s, and the data spec draws the test rows."""

    hub: ClassVar[Hub] = Hub(
        "allenai/sciq",
        (
            Split("", "data/train-*.parquet", 11_679),
            Split("", "data/validation-*.parquet", 1_000),
            Split("", "data/test-*.parquet", 1_000),
        ),
        "2c94ad3e1aafab77146f384e23536f97a4849815",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "CC BY-NC 3.0"
    citation: ClassVar[str] = "Welbl, Liu & Gardner (2017). Crowdsourcing Multiple Choice Science Questions. W-NUT"
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "question": "What gas do plants take in?",
            "distractor3": "neon",
            "distractor1": "helium",
            "distractor2": "methane",
            "correct_answer": "carbon dioxide",
            "support": "Plants take in carbon dioxide and give off oxygen.",
        },
        {
            "question": "What melts ice?",
            "distractor3": "cold",
            "distractor1": "shade",
            "distractor2": "wind",
            "correct_answer": "heat",
            "support": "",
        },
    )

    def head(self, row: Row) -> str:
        """Return the text before the answer."""
        raise NotImplementedError

    def tail(self) -> str:
        """Return the text after the answer."""
        return ""

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return the question with each answer; questions with one supporting text stay together."""
        answers = (row["correct_answer"], *(row[f"distractor{i}"] for i in (1, 2, 3)))
        texts = tuple(f"{self.head(row)}{answer}{self.tail()}" for answer in answers)
        return Question(texts, (0,), row["support"] or row["question"])
