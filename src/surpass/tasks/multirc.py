"""Is an answer to a question about a paragraph right? MultiRC, from the SuperGLUE collection."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._choice import Answers
from surpass.tasks._hub import Hub, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Multirc(Answers):
    """Is an answer to a question about a paragraph right? A question has several answers, any number of them right.

    The rows are 27,243 training and 4,848 validation answers; the test labels are not public, so the validation split is the
    test. Questions about one paragraph stay together.

    Licence: for research, as SuperGLUE's other sets.
    """

    hub: ClassVar[Hub] = Hub(
        "aps/super_glue",
        (Split("train", "multirc/train-*.parquet", 27_243), Split("test", "multirc/validation-*.parquet", 4_848)),
        "3de24cf8022e94f4ee4b9d55a6f539891524d646",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("wrong", "right")
    licence: ClassVar[str] = "for research (SuperGLUE)"
    citation: ClassVar[str] = (
        "Khashabi et al. (2018). Looking Beyond the Surface: A Challenge Set for Reading Comprehension over Multiple "
        "Sentences. NAACL"
    )
    instruction: ClassVar[str] = (
        "Here are a passage, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = tuple(
        {
            "paragraph": "Ana and Ben sold apples. Cem bought two.",
            "question": "Who sold apples?",
            "answer": answer,
            "idx": {"paragraph": 0, "question": 0, "answer": i},
            "label": label,
        }
        for i, (answer, label) in enumerate([("Ana", 1), ("Cem", 0), ("Ben", 1)])
    )

    def question_of(self, row: Row) -> str:
        """Return paragraph and question."""
        return f"{row['paragraph']}\n{row['question']}"

    def read(self, row: Row) -> Labelled:
        """Return paragraph, question and answer with whether it is right."""
        text = f'Passage:\n\n{row["paragraph"]}\n\nQ: "{row["question"]}" Is the answer "{row["answer"]}"?'
        return Labelled(text, row["label"], row["paragraph"])
