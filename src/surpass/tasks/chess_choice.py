"""Which of two moves is best? Chess puzzles as a classification."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar

from surpass.corpora.base import Corpus, without
from surpass.registry import CORPORA
from surpass.tasks.base import Example, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChessChoice(Task):
    """Is the move that a text points to the best one? Each puzzle's best and second best move, as EleutherAI's w2s has it.

    A text holds the game so far, two numbered moves in a drawn order, and a drawn number; the label says whether that
    number is the best move's. The game is the group.

    What differs from the branch `chess` of EleutherAI/w2s: the rival is the second best move of the search that made
    the puzzle, where theirs is the first move of a search of depth 3 that is not the answer. Puzzles without a second
    move are left out.

    Licence: nobody has rights in mined puzzles.

    Attributes:
        puzzles: the corpus, with columns `answer` and `second`.
    """

    classes: ClassVar[tuple[str, ...]] = ("no", "yes")
    licence: ClassVar[str] = "none (mined from games of an engine)"
    citation: ClassVar[str] = "Scherlis et al. (2024). Experiments in Weak-to-Strong Generalization. blog.eleuther.ai"
    instruction: ClassVar[str] = (
        "Here is a game of chess, two moves, and the number of one of them. Answer 1 if that move is the better one, 0 "
        "otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "1/0/4", "text": "1. f3 1... e5 2. g4 2...", "group": "1/0", "answer": "Qh4#", "second": "d5"},
        {"id": "1/1/6", "text": "1. e4 1... e5 2.", "group": "1/1", "answer": "Nf3", "second": "Ke2"},
        {"id": "1/2/4", "text": "1. d4 1... d5 2.", "group": "1/2", "answer": "c4"},
    )

    puzzles: Corpus = CORPORA.get("chess-puzzles")()

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpus of puzzles."""
        return (self.puzzles,)

    def problem(self) -> str | None:
        """Return what is lacking, or that the corpus does not tell a second best move."""
        if found := without(self.puzzles, "answer", "second"):
            return f"{found} Give a corpus of mined puzzles, such as chess-puzzles."
        return super().problem()

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the game with both moves and a number, and whether it is the best move's; None where no rival is known."""
        if not row.get("second"):
            return None
        best, pointed = rng.randint(1, 2), rng.randint(1, 2)
        first, second = (row["answer"], row["second"]) if best == 1 else (row["second"], row["answer"])
        text = f"Find the best move. Previous moves:\n{row['text']}\n\n1) {first}\n2) {second}\nA: {pointed}"
        return Example(text, int(pointed == best), row["group"], row["id"])
