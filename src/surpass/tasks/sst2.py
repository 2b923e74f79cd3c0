"""Sentiment of phrases of film reviews: SST-2."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sst2(HubTask):
    """Is a phrase or sentence of a film review positive?

    The rows are 67,349 training phrases and 872 validation sentences; the test labels are not public, so the validation split
    is the test. Training phrases are parts of one another and the source does not say of which sentence, so that phrases of
    one sentence may be among the rows of both supervisor and student; no test sentence is cut into them.

    Licence: none stated; for research.
    """

    hub: ClassVar[Hub] = Hub(
        "stanfordnlp/sst2",
        (Split("train", "data/train-*.parquet", 67_349), Split("test", "data/validation-*.parquet", 872)),
        "8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "none stated; for research"
    citation: ClassVar[str] = (
        "Socher et al. (2013). Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank. EMNLP"
    )
    instruction: ClassVar[str] = (
        "Here is a piece of a film review. Answer 1 if it speaks well of the film, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"idx": 0, "sentence": "a warm and clever comedy ", "label": 1},
        {"idx": 1, "sentence": "two hours of fog ", "label": 0},
        {"idx": 2, "sentence": "not labelled here ", "label": -1},
    )

    def read(self, row: Row) -> Labelled:
        """Return the phrase with its label."""
        return Labelled(row["sentence"], row["label"], row["sentence"])
