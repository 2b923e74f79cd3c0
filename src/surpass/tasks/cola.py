"""Is a sentence acceptable English? CoLA, from the GLUE collection."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cola(HubTask):
    """Is a sentence from the literature on grammar acceptable?

    The rows are the 8,551 training and 1,043 validation sentences of CoLA; the test labels are not public, so the validation
    split is the test. About 70 % are acceptable.

    Licence: none stated for the sentences, which are quoted from publications; for research.
    """

    hub: ClassVar[Hub] = Hub(
        "nyu-mll/glue",
        (Split("train", "cola/train-*.parquet", 8_551), Split("test", "cola/validation-*.parquet", 1_043)),
        "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("unacceptable", "acceptable")
    licence: ClassVar[str] = "none stated; quoted from publications, for research"
    citation: ClassVar[str] = "Warstadt, Singh & Bowman (2019). Neural Network Acceptability Judgments. TACL 7"
    instruction: ClassVar[str] = "Here is a sentence. Answer 1 if it is grammatical English, 0 otherwise."
    sample: ClassVar[tuple[Row, ...]] = (
        {"sentence": "The gardener watered the roses.", "label": 1, "idx": 0},
        {"sentence": "The gardener watered the the.", "label": 0, "idx": 1},
        {"sentence": "Whose roses did she water?", "label": 1, "idx": 2},
    )

    def read(self, row: Row) -> Labelled:
        """Return the sentence with its label."""
        return Labelled(row["sentence"], row["label"])
