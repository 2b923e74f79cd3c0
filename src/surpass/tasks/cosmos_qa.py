"""Questions that need reading between the lines of a story: Cosmos QA."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import ClassVar, Literal

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Example, Protocol, Row

NONE = "None of the above choices ."


@dataclasses.dataclass(frozen=True, kw_only=True)
class CosmosQa(Choice):
    """Is the answer to a question about a story right? Four candidates, one right.

    The rows are 25,262 training and 2,985 validation questions; the test labels are not public, so the validation split is
    the test. Questions about one story stay together.

    "None of the above choices ." is a candidate of many questions and cannot be judged where no other candidate is seen.
    EleutherAI/w2s shows it as a wrong answer only, so that the phrase tells the label, and takes nothing but wrong answers
    from the questions where it is right. Here it is never shown: questions where it is right are left out, and it is no
    candidate of the others. `variant: released` keeps the published form.

    Licence: CC BY 4.0.

    Attributes:
        variant: "mended", or "released": "None of the above" is shown, always as wrong.
    """

    hub: ClassVar[Hub] = Hub(
        "allenai/cosmos_qa",
        (
            Split("train", "default/train/*.parquet", 25_262),
            Split("test", "default/validation/*.parquet", 2_985),
        ),
        "ed50fe83db62b355759053b1cd5eef344ee371e0",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = (
        "Huang et al. (2019). Cosmos QA: Machine Reading Comprehension with Contextual Commonsense Reasoning. EMNLP"
    )
    instruction: ClassVar[str] = (
        "Here are a context, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "s1##0",
            "context": "It rained all day , so we played cards .",
            "question": "Why did they stay in ?",
            "answer0": "None of the above choices .",
            "answer1": "The weather was bad .",
            "answer2": "They were ill .",
            "answer3": "The cards were new .",
            "label": 1,
        },
        {
            "id": "s1##1",
            "context": "It rained all day , so we played cards .",
            "question": "Who won ?",
            "answer0": "None of the above choices .",
            "answer1": "The rain .",
            "answer2": "The day .",
            "answer3": "The weather .",
            "label": 0,
        },
    )

    variant: Literal["mended", "released"] = "mended"

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return story and question with each answer; None when the right one is "None of the above"."""
        answers = [row[f"answer{i}"] for i in range(4)]
        right = answers[row["label"]] if row["label"] in range(4) else ""
        if not right or NONE in right:
            return None
        if self.variant == "mended":
            answers = [answer for answer in answers if NONE not in answer]
        return self._written(row, answers, (answers.index(right),))

    def expand(self, row: Row, rng: Random, protocol: Protocol) -> Iterator[Example | None]:
        """Yield the row's examples; in the published form one wrong answer where "None of the above" is right."""
        if self.variant == "released" and row["label"] in range(4) and NONE in row[f"answer{row['label']}"]:
            found = self._written(row, [row[f"answer{i}"] for i in range(4) if i != row["label"]], ())
            yield self.shown(rng.choice(found.texts), 0, found.shared, row)
            return
        yield from super().expand(row, rng, protocol)

    def _written(self, row: Row, answers: list[str], right: tuple[int, ...]) -> Question:
        head = f"Context: {row['context']}\nQuestion: {row['question']}\nAnswer:"
        return Question(tuple(f"{head} {answer}" for answer in answers), right, row["context"])

    def known_defect(self) -> str:
        """Return what is wrong with the published form."""
        if self.variant == "mended":
            return ""
        return f"'{NONE}' is only ever shown as a wrong answer, so that this phrase tells the label"
