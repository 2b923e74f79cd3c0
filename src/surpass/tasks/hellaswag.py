"""How does a description of an everyday scene go on? HellaSwag."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hellaswag(Choice):
    """Is the ending shown the best of four continuations, which are all listed?

    The rows are 39,905 training and 10,042 validation contexts; the test labels are not public, so the validation split is
    the test. Equal contexts stay together.

    Licence: MIT for the set; the contexts are from WikiHow and ActivityNet.
    """

    hub: ClassVar[Hub] = Hub(
        "Rowan/hellaswag",
        (Split("train", "data/train-*.parquet", 39_905), Split("test", "data/validation-*.parquet", 10_042)),
        "218ec52e09a7e7462a5400043bb9a69a41d06b76",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "MIT (the set); contexts from WikiHow and ActivityNet"
    citation: ClassVar[str] = "Zellers et al. (2019). HellaSwag: Can a Machine Really Finish Your Sentence? ACL"
    instruction: ClassVar[str] = (
        "Here are a context, four continuations and one of them again. Answer 1 if that is the best one, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = tuple(
        {
            "ind": i,
            "activity_label": "Baking bread",
            "ctx_a": context,
            "ctx_b": "she",
            "ctx": f"{context} she",
            "endings": ["lets it rise.", "sells the oven.", "swims away.", "paints a fence."],
            "source_id": f"activitynet~v_{i}",
            "split": "train",
            "split_type": "indomain",
            "label": "0",
        }
        for i, context in enumerate(["A woman kneads dough.", "A woman mixes flour and water."])
    )

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return the context with all endings, and each of them asked about; None where the label is empty."""
        if row["label"] == "":
            return None
        endings = "\n".join(row["endings"])
        head = f"Context:\n{row['ctx']}\n\nContinuations:\n\n{endings}\n\nQ: Is"
        texts = tuple(f'{head} "{ending}" the best continuation?' for ending in row["endings"])
        return Question(texts, (int(row["label"]),), row["ctx"])
