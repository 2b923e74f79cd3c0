"""Is an answer to a question about time plausible? MC-TACO."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._choice import Answers
from surpass.tasks._hub import CONVERTED, Hub, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class McTaco(Answers):
    """Is an answer to a question about when, how long or how often plausible?

    The rows are 9,442 answers of the source's test split, which train, and 3,783 of its validation split, which is the test:
    the source has no training split. A question has several answers, any number of them plausible. Questions about one
    sentence stay together.

    Licence: none stated; for research.
    """

    hub: ClassVar[Hub] = Hub(
        "CogComp/mc_taco",
        (Split("train", "*/test/*.parquet", 9_442), Split("test", "*/validation/*.parquet", 3_783)),
        CONVERTED,
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("not plausible", "plausible")
    licence: ClassVar[str] = "none stated; for research"
    citation: ClassVar[str] = (
        'Zhou et al. (2019). "Going on a vacation" takes longer than "Going for a walk": A Study of Temporal Commonsense '
        "Understanding. EMNLP"
    )
    instruction: ClassVar[str] = (
        "Here are a sentence, a question about it and an answer. Answer 1 if the answer is plausible, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"sentence": "He ate soup.", "question": "How long?", "answer": "ten minutes", "label": 1, "category": 0},
        {"sentence": "He ate soup.", "question": "How long?", "answer": "two years", "label": 0, "category": 0},
        {"sentence": "He ate soup.", "question": "How long?", "answer": "a decade", "label": 0, "category": 0},
    )

    def question_of(self, row: Row) -> str:
        """Return sentence and question."""
        return f"{row['sentence']}\n{row['question']}"

    def read(self, row: Row) -> Labelled:
        """Return sentence, question and answer with whether it is plausible."""
        text = f"{row['sentence']}\n\nGiven the above, {row['question']} Is the answer {row['answer']}?"
        return Labelled(text, row["label"], row["sentence"])
