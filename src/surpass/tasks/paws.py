"""Do two sentences of nearly the same words mean the same? PAWS."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paws(HubTask):
    """Are two sentences that share nearly all their words paraphrases?

    The rows are 49,401 training and 8,000 test pairs of PAWS-Wiki (`labeled_final`), made by swapping words and by
    translating back. Pairs whose first sentence has the same words in any order stay together.

    Licence: free for any purpose, with acknowledgement of Google LLC as the source.
    """

    hub: ClassVar[Hub] = Hub(
        "google-research-datasets/paws",
        (
            Split("train", "labeled_final/train-*.parquet", 49_401),
            Split("test", "labeled_final/test-*.parquet", 8_000),
        ),
        "161ece9501cf0a11f3e48bd356eaa82de46d6a09",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("different", "paraphrase")
    licence: ClassVar[str] = "free for any purpose, with acknowledgement of Google LLC"
    citation: ClassVar[str] = "Zhang, Baldridge & He (2019). PAWS: Paraphrase Adversaries from Word Scrambling. NAACL"
    instruction: ClassVar[str] = "Here are two sentences. Answer 1 if they mean the same, 0 otherwise."
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": 1, "sentence1": "Ana saw Ben in Rome .", "sentence2": "In Rome , Ana saw Ben .", "label": 1},
        {"id": 2, "sentence1": "Ben saw Ana in Rome .", "sentence2": "Ana saw Ben in Rome .", "label": 0},
        {"id": 3, "sentence1": "The port is north .", "sentence2": "The port is south .", "label": 0},
    )

    def read(self, row: Row) -> Labelled:
        """Return both sentences with whether they are paraphrases."""
        text = (
            f"Sent 1: {row['sentence1']}\nSent 2: {row['sentence2']}\n\nQ: Are these sentences semantically equivalent?"
        )
        return Labelled(text, row["label"], " ".join(sorted(row["sentence1"].casefold().split())))
