"""How does one quantity change with another? QuaRTz, from the hub."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuartzHub(Choice):
    """Is the answer to a question about how quantities go together right? Two candidates, and a passage that tells.

    The rows are 2,696 training and 784 test questions. Questions about one passage stay together. `quartz` is the same set
    from a package that needs no hub.

    Licence: CC BY 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "allenai/quartz",
        (Split("train", "data/train-*.parquet", 2_696), Split("test", "data/test-*.parquet", 784)),
        "28c1dbb56caf81799296cb17892fa73402e23464",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = (
        "Tafjord et al. (2019). QuaRTz: An Open-Domain Dataset of Qualitative Relationship Questions. EMNLP"
    )
    instruction: ClassVar[str] = (
        "Here are a passage, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = tuple(
        {
            "id": f"Q{i}",
            "question": question,
            "choices": {"text": ["more", "less"], "label": ["A", "B"]},
            "answerKey": key,
            "para": "The hotter the water, the more sugar it dissolves.",
            "para_id": "S1",
            "para_anno": {"cause_prop": "heat"},
            "question_anno": {"more_effect_dir": "more"},
        }
        for i, (question, key) in enumerate([("Hot tea dissolves", "A"), ("Iced tea dissolves", "B")])
    )

    def question(self, row: Row, rng: Random) -> Question:
        """Return passage and question with each answer."""
        right = row["choices"]["label"].index(row["answerKey"])
        head = f'Passage:\n{row["para"]}\n\nQ: "{row["question"]}" Is the answer'
        return Question(tuple(f'{head} "{answer}"?' for answer in row["choices"]["text"]), (right,), row["para"])
