"""Elementary questions of science: OpenBookQA."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar, Literal

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Openbookqa(Choice):
    """Is the answer to an elementary question of science right? Four candidates, all listed, one right.

    The rows are 4,957 training and 500 test questions.

    EleutherAI/w2s shows a right answer as its letter and a wrong one as its text, so that the form alone tells the label: all
    its models are above .999. Here every answer is shown as its text; `variant: released` keeps the published form.

    Licence: Apache 2.0.

    Attributes:
        variant: "mended", or "released": right answers are shown as letters.
    """

    hub: ClassVar[Hub] = Hub(
        "allenai/openbookqa",
        (Split("train", "main/train-*.parquet", 4_957), Split("test", "main/test-*.parquet", 500)),
        "388097ea7776314e93a529163e0fea805b8a6454",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "Apache 2.0"
    citation: ClassVar[str] = (
        "Mihaylov et al. (2018). Can a Suit of Armor Conduct Electricity? A New Dataset for Open Book Question Answering. "
        "EMNLP"
    )
    instruction: ClassVar[str] = (
        "Here are a question of science, its choices and one answer. Answer 1 if that answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "7-1",
            "question_stem": "Ice melts when it is",
            "choices": {"text": ["heated", "hidden", "painted", "weighed"], "label": ["A", "B", "C", "D"]},
            "answerKey": "A",
        },
        {
            "id": "7-2",
            "question_stem": "A plant makes food from",
            "choices": {"text": ["noise", "light", "paper", "rust"], "label": ["A", "B", "C", "D"]},
            "answerKey": "B",
        },
    )

    variant: Literal["mended", "released"] = "mended"

    def question(self, row: Row, rng: Random) -> Question:
        """Return the question with its choices, and each of them as the answer."""
        letters, answers = row["choices"]["label"], list(row["choices"]["text"])
        right = letters.index(row["answerKey"])
        listed = "\n".join(f"{letter}) {answer}" for letter, answer in zip(letters, answers, strict=True))
        if self.variant == "released":
            answers[right] = row["answerKey"]
        head = f"Q: {row['question_stem']}\n\nChoices:\n{listed}\n\nAnswer:"
        return Question(tuple(f"{head} {answer}" for answer in answers), (right,), row["question_stem"])

    def known_defect(self) -> str:
        """Return what is wrong with the published form."""
        if self.variant == "mended":
            return ""
        return "right answers are shown as letters and wrong ones as texts, so that the form of a row tells its label"
