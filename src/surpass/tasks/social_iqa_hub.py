"""What do people do, feel and want in a situation? Social IQa, from the hub."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class SocialIqaHub(Choice):
    """Is the answer to a question about a social situation right? Three candidates, all listed, one right.

    The rows are 33,410 training and 1,954 validation questions; the validation split is the test. Questions about one
    situation stay together. `social-iqa` is a part of the same set from a package that needs no hub.

    Licence: CC BY 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "allenai/social_i_qa",
        (
            Split("train", "default/train/*.parquet", 33_410),
            Split("test", "default/validation/*.parquet", 1_954),
        ),
        "537a2ec8ec565adc0b70b70752893e59e024df26",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = "Sap et al. (2019). Social IQa: Commonsense Reasoning about Social Interactions. EMNLP"
    instruction: ClassVar[str] = (
        "Here are a situation, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "context": "Ana lent Ben her bike.",
            "question": "How does Ben feel?",
            "answerA": "grateful",
            "answerB": "robbed",
            "answerC": "sleepy",
            "label": "1",
        },
        {
            "context": "Ana lent Ben her bike.",
            "question": "What will Ben do next?",
            "answerA": "sell it",
            "answerB": "paint it",
            "answerC": "ride home",
            "label": "3",
        },
    )

    def question(self, row: Row, rng: Random) -> Question:
        """Return situation, question and choices with each answer; labels count from 1."""
        answers = tuple(row[f"answer{letter}"] for letter in "ABC")
        listed = "\n".join(answers)
        head = f'Context:\n{row["context"]}\n\nQuestion: "{row["question"]}"\n\nChoices:\n{listed}\n\nIs the answer'
        return Question(tuple(f'{head} "{answer}"?' for answer in answers), (int(row["label"]) - 1,), row["context"])
