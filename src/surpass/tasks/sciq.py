"""Questions of science: SciQ."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks import _sciq
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sciq(_sciq.Sciq):
    """Is the answer to a question of science right? Four candidates, one right, and no text to look it up in.

    The rows are 13,679 questions, all splits of the source pooled, as in EleutherAI/w2s; the data spec draws the test rows.
    Questions with one supporting text stay together.

    Licence: CC BY-NC 3.0.
    """

    instruction: ClassVar[str] = (
        "Here are a question of science and an answer. Answer 1 if the answer is right, 0 otherwise."
    )

    def head(self, row: Row) -> str:
        """Return the question."""
        return f"Q: {row['question']} A: "
