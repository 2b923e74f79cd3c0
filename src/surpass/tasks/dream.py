"""Questions about dialogues: DREAM."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dream(Choice):
    """Is the answer to a question about a dialogue right? Three candidates, one right.

    The rows are 6,116 training and 2,041 test questions of English examinations. Questions about one dialogue stay together.

    Licence: for non-commercial research.
    """

    hub: ClassVar[Hub] = Hub(
        "dataset-org/dream",
        (
            Split("train", "plain_text/train/*.parquet", 6_116),
            Split("test", "plain_text/test/*.parquet", 2_041),
        ),
        "ca4c45feaf089ecfc37579eb2c594375f70dbfd5",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "for non-commercial research"
    citation: ClassVar[str] = (
        "Sun et al. (2019). DREAM: A Challenge Data Set and Models for Dialogue-Based Reading Comprehension. TACL 7"
    )
    instruction: ClassVar[str] = (
        "Here are a dialogue, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": 0,
            "dialogue_id": "1-1",
            "dialogue": ["W: Is the shop open?", "M: Not before ten."],
            "question": "When does the shop open?",
            "choice": ["At eight.", "At ten.", "At noon."],
            "answer": "At ten.",
        },
        {
            "id": 1,
            "dialogue_id": "1-1",
            "dialogue": ["W: Is the shop open?", "M: Not before ten."],
            "question": "Where are they?",
            "choice": ["At a shop.", "At sea.", "On a hill."],
            "answer": "At a shop.",
        },
    )

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return dialogue and question with each answer; None when the answer is none of the choices."""
        if row["answer"] not in row["choice"]:
            return None
        dialogue = "\n".join(row["dialogue"])
        texts = tuple(f"{dialogue}\n\nQ: {row['question']} A: {answer}" for answer in row["choice"])
        return Question(texts, (row["choice"].index(row["answer"]),), dialogue)
