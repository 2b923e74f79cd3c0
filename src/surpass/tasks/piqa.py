"""How is an everyday task done? PIQA."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.tasks._choice import Choice, Question
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piqa(Choice):
    """Does the solution shown reach the goal? Two candidates, one right.

    The rows are 16,113 training and 1,838 validation goals; the test labels are not public, so the validation split is the
    test. Equal goals stay together.

    Licence: Academic Free License 3.0 (the authors). The original is a loader script; the mirror that is read states none.
    """

    hub: ClassVar[Hub] = Hub(
        "baber/piqa",
        (Split("train", "*train*.parquet", 16_113), Split("test", "*valid*.parquet", 1_838)),
        "142f6d7367fd9877f0fb3b5734ea6a545f54cdd1",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "Academic Free License 3.0"
    citation: ClassVar[str] = "Bisk et al. (2020). PIQA: Reasoning about Physical Commonsense in Natural Language. AAAI"
    instruction: ClassVar[str] = (
        "Here are a goal and a way to reach it. Answer 1 if that way works better than another one, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"goal": "To dry a cup,", "sol1": "turn it over.", "sol2": "fill it.", "label": 0},
        {"goal": "To cut paper,", "sol1": "use a spoon.", "sol2": "use scissors.", "label": 1},
    )

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return the goal with each solution; label 0 says that the first is right."""
        if row["label"] not in (0, 1):
            return None
        texts = tuple(f"Q: {row['goal']} A: {row[name]}" for name in ("sol1", "sol2"))
        return Question(texts, (row["label"],), row["goal"])
