"""Questions of science with a text that supports the answer: SciQ."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks import _sciq
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class SciqWithSupport(_sciq.Sciq):
    """Is the answer to a question about a text of science right? Four candidates, one right.

    The rows are 13,679 questions, all splits of the source pooled, as in EleutherAI/w2s; the data spec draws the test rows.
    Some have an empty text. Questions with one supporting text stay together.

    Licence: CC BY-NC 3.0.
    """

    instruction: ClassVar[str] = (
        "Here are a passage, a question about it and an answer. Answer 1 if the answer is right, 0 otherwise."
    )

    def head(self, row: Row) -> str:
        """Return text and question."""
        return f'Name: Bob\n\nPassage 1:\n{row["support"]}\n\nQ1: "{row["question"]}" Is the answer "'

    def tail(self) -> str:
        """Return the end of the question."""
        return '"?'
