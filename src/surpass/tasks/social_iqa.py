"""Social IQa offline: which of three answers to a question on a social situation is right?"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.tables import read_rows
from surpass.tasks._choice import Choosing, Question
from surpass.tasks._evals import asked
from surpass.tasks.base import Packaged, Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class SocialIqa(Choosing):
    """Is the answer shown to a question on people's motives, feelings or next steps the right one of three?

    The rows are the 2,224 questions of the test split of Social IQa as the `evals` package holds them, 2,203 of them
    distinct. A question becomes two rows, with the right answer and with one of the wrong ones, or one row under protocol
    "eleuther". All three choices are shown. In the source the last choice ends with a full stop and no other does; it goes.

    Licence: CC BY 4.0, as the package says.

    Questions on one situation are one group; each situation has one question here.

    Hard for small models: a linear model on bags of words and word pairs has .51 right (3,000 rows), a probe on the best
    layer of a small language model .57 at most.
    """

    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = "Sap et al. (2019). Social IQa: Commonsense Reasoning about Social Interactions. EMNLP"
    size: ClassVar[int] = 4_406
    instruction: ClassVar[str] = (
        "Here is a situation, a question on it with three choices, and one of them as the answer. "
        "Answer 1 if that answer is right, 0 if it is wrong."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "input": [
                {
                    "role": "user",
                    "content": "Ann lent Bo her bicycle. What will Bo want to do next? "
                    "A: thank Ann; B: buy a boat; C: scold Ann.",
                }
            ],
            "ideal": "A",
        },
        {
            "input": [
                {
                    "role": "user",
                    "content": "Cy burned the soup. How would Cy feel afterwards? A: proud; B: asleep; C: sorry.",
                }
            ],
            "ideal": "C",
        },
    )

    def source(self) -> Packaged:
        """Return the packaged questions."""
        return Packaged("social-iqa", read)

    def question(self, row: Row, rng: Random) -> Question:
        """Return the question written out with each of its answers; its group is the situation."""
        found = asked(row, "ABC", asset="social-iqa")
        end = re.match(r".*[.!?][\"']?\s", found.question, flags=re.DOTALL)
        cut = end.end() if end else 0
        context, question = found.question[:cut].strip(), found.question[cut:]
        choices = "\n".join(found.answers)
        head = f'Context:\n{context}\n\nQuestion: "{question}"\n\nChoices:\n{choices}\n\n'
        texts = tuple(f'{head}Is the answer "{answer}"?' for answer in found.answers)
        return Question(texts, (found.right,), context)


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows, one JSON object per line."""
    return read_rows(folder / "test.jsonl")
