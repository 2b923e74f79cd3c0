"""Questions about news, blogs and stories: QuAIL."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any, ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import CONVERTED, Hub, Split
from surpass.tasks.base import Row

_PASSAGE: dict[str, Any] = {
    "context_id": "f001",
    "domain": "fiction",
    "metadata": {"author": "nobody", "title": "The kite", "url": ""},
    "context": "Ana lost her kite. She cried, then built another one.",
    "question_type": "Character_identity",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quail(Choice):
    """Is the answer to a question about a passage right? Four candidates, one right ("not enough information" is one).

    The rows are 10,246 training and 2,164 validation questions; the validation split is the test, and the 556 challenge
    questions are left out. Some 18 questions about one passage stay together.

    Licence: CC BY-NC-SA 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "textmachinelab/quail",
        (Split("train", "*/train/*.parquet", 10_246), Split("test", "*/validation/*.parquet", 2_164)),
        CONVERTED,
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "CC BY-NC-SA 4.0"
    citation: ClassVar[str] = (
        "Rogers et al. (2020). Getting Closer to AI Complete Question Answering: A Set of Prerequisite Real Tasks. AAAI"
    )
    instruction: ClassVar[str] = (
        "Here are a passage, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            **_PASSAGE,
            "id": "f001_0",
            "question_id": "0",
            "question": "Who built a kite?",
            "answers": ["Ben", "Ana", "not enough information", "nobody"],
            "correct_answer_id": 1,
        },
        {
            **_PASSAGE,
            "id": "f001_1",
            "question_id": "1",
            "question": "How old is Ana?",
            "answers": ["six", "ten", "not enough information", "forty"],
            "correct_answer_id": 2,
        },
    )

    def question(self, row: Row, rng: Random) -> Question:
        """Return passage and question with each answer."""
        head = f'Passage:\n\n{row["context"]}\n\nQ: "{row["question"]}" Is the answer'
        texts = tuple(f'{head} "{answer}"?' for answer in row["answers"])
        return Question(texts, (row["correct_answer_id"],), row["context"])
