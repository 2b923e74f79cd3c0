"""Questions that people asked a search engine, to be answered yes or no from a passage: BoolQ."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Boolq(HubTask):
    """Is the answer to a question about a passage yes?

    The rows are 9,427 training and 3,270 validation questions; the test labels are not public, so the validation split is the
    test. 62 % are "yes": without balance a weak model says yes to all, and students copy it. Questions on one passage stay
    together.

    Licence: CC BY-SA 3.0.
    """

    hub: ClassVar[Hub] = Hub(
        "google/boolq",
        (Split("train", "data/train-*.parquet", 9_427), Split("test", "data/validation-*.parquet", 3_270)),
        "35b264d03638db9f4ce671b711558bf7ff0f80d5",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("no", "yes")
    licence: ClassVar[str] = "CC BY-SA 3.0"
    citation: ClassVar[str] = (
        "Clark et al. (2019). BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions. NAACL"
    )
    instruction: ClassVar[str] = "Here are a passage and a question about it. Answer 1 for yes, 0 for no."
    sample: ClassVar[tuple[Row, ...]] = (
        {"question": "is the lake deep", "answer": True, "passage": "The lake is 90 metres deep."},
        {"question": "is the lake salty", "answer": False, "passage": "The lake is 90 metres deep."},
    )

    def read(self, row: Row) -> Labelled:
        """Return passage and question with whether the answer is yes."""
        return Labelled(f"Passage: {row['passage']}\nQuestion: {row['question']}", int(row["answer"]), row["passage"])
