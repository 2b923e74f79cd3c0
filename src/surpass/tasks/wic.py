"""Has a word the same meaning in two sentences? WiC, from the SuperGLUE collection."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wic(HubTask):
    """Does a word have the same meaning in both sentences?

    The rows are 5,428 training and 638 validation pairs; the test labels are not public, so the validation split is the test.
    Rows of one word stay together.

    Licence: CC BY-NC 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "aps/super_glue",
        (Split("train", "wic/train-*.parquet", 5_428), Split("test", "wic/validation-*.parquet", 638)),
        "3de24cf8022e94f4ee4b9d55a6f539891524d646",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("different sense", "same sense")
    licence: ClassVar[str] = "CC BY-NC 4.0"
    citation: ClassVar[str] = "Pilehvar & Camacho-Collados (2019). WiC: the Word-in-Context Dataset. NAACL"
    instruction: ClassVar[str] = (
        "Here are two sentences and a word of both. Answer 1 if the word has the same meaning in both, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "word": "bank",
            "sentence1": "She sat on the bank of the river.",
            "sentence2": "He paid the bank.",
            "start1": 15,
            "start2": 12,
            "end1": 19,
            "end2": 16,
            "idx": 0,
            "label": 0,
        },
        {
            "word": "light",
            "sentence1": "A light box.",
            "sentence2": "The bag was light.",
            "start1": 2,
            "start2": 12,
            "end1": 7,
            "end2": 17,
            "idx": 1,
            "label": 1,
        },
    )

    def read(self, row: Row) -> Labelled:
        """Return both sentences and the word, with whether its sense is the same."""
        first, second = (f"Sentence {i}:\n{row[f'sentence{i}']}\n\n" for i in (1, 2))
        question = f'Q: Does "{row["word"]}" have the same meaning in the above sentences?'
        return Labelled(first + second + question, row["label"], row["word"])
