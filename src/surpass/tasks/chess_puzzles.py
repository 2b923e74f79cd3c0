"""Which move is best? Chess puzzles, answered in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Inputs, Rows, Values
from surpass.corpora.base import Corpus, without
from surpass.documents import Documents
from surpass.draws import place
from surpass.errors import DataError
from surpass.registry import CORPORA
from surpass.spec import option
from surpass.tasks.base import Example, Row, Task

TRAIN_SHARE = 0.7
PUZZLES = "Give a corpus of puzzles, such as chess-puzzles or lichess-puzzles."


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Task):
    """Write the best move of a chess position: the chess setting of Burns et al. 2023, appendix A.2.

    The input is the game so far with the number of the move to come, `1. d4 1... Nf6 2. Nf3 2... d5 ... 22. Rc1 22...`,
    and the answer is the move after a space, ` Qxc1+`. Rows come from a corpus of puzzles: by default mined from games
    that Stockfish plays (`chess-puzzles`), or lichess.org's (`lichess-puzzles`), whose puzzles the paper has. The game
    is the group. A text is right if its first word is the answer, and `accepted` if that is a legal move.

    Licence: nobody has rights in mined puzzles; CC0 for those of lichess.org.

    With `hardest` or `hard` whole games are cut into training and evaluation here, so that no game has rows on both
    sides, and `train_share` of the data has no effect.

    Attributes:
        puzzles: the corpus.
        form: "moves", the game so far; or "position", the position as game files tag it, which every puzzle can have.
        hardest: training rows are at most so difficult; 0: any. Of mined puzzles the difficulty is the depth at which
            the engine finds them, of lichess.org's the rating. See appendix C of the paper (easy to hard).
        hard: evaluation rows of at least this difficulty are the shifted test `shift:hard`; 0: there is none.
        mates: a corpus whose positions are the shifted test `shift:mates`, such as `chess-mates`; none: there is none.
            They have no game, so that their input is the position in either form: with "moves", a model that was
            trained on games alone has seen no such text.
    """

    target: ClassVar[str] = "generation"
    licence: ClassVar[str] = "none (mined from games of an engine)"
    citation: ClassVar[str] = "Burns et al. (2023). Weak-to-Strong Generalization. arXiv:2312.09390, appendix A.2"
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "id": "1/0/4",
            "text": "1. f3 1... e5 2. g4 2...",
            "group": "1/0",
            "answer": "Qh4#",
            "difficulty": 1,
            "mate": 1,
            "position": "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2",
        },
        {
            "id": "1/1/6",
            "text": "1. e4 1... e5 2. Qh5 2... Nc6 3. Bc4 3... Nf6 4.",
            "group": "1/1",
            "answer": "Qxf7#",
            "difficulty": 4,
            "mate": 1,
            "position": "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
        },
    )

    puzzles: Corpus = CORPORA.get("chess-puzzles")()
    form: Literal["moves", "position"] = "moves"
    hardest: int = option(0, low=0)
    hard: int = option(0, low=0)
    mates: Corpus | None = None

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpora of puzzles and of mates."""
        return (self.puzzles, self.mates) if self.mates else (self.puzzles,)

    def problem(self) -> str | None:
        """Return what is lacking, or that a corpus is none of puzzles."""
        for corpus, needed in zip(self.sources(), self._needed(), strict=False):
            if found := without(corpus, *needed):
                return f"{found} {PUZZLES}"
        return super().problem()

    def _needed(self) -> tuple[tuple[str, ...], ...]:
        """Return the columns that are read of the puzzles, and of the mates."""
        found = ("answer", *(["position"] if self.form == "position" else ()))
        return ((*found, "difficulty") if self.hardest or self.hard else found), found

    def rows_from(self, corpora: Sequence[Documents]) -> Iterator[Row]:
        """Yield a row for each puzzle, and for each mate one that says so; DataError where a corpus is none of puzzles."""
        for spec, needed, held in zip(self.sources(), self._needed(), corpora, strict=False):
            if lacking := [name for name in needed if name not in held.columns]:
                raise DataError(f"corpus '{spec.label()}' has no column {', '.join(map(repr, lacking))}. {PUZZLES}")
        puzzles = corpora[0].rows()
        hard = {row["group"] for row in puzzles if self.hard and (row.get("difficulty") or 0) >= self.hard}
        yield from ({**row, "beside_hard": row["group"] in hard} for row in puzzles)
        for mates in corpora[1:]:
            yield from ({**row, "shift": "mates"} for row in mates.rows())

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the prompt and the move, or None for a puzzle that is too difficult to train on."""
        from surpass.chess.notation import answer, position_prompt

        if (part := self._part(row)) is None:
            return None
        text = position_prompt(row["position"]) if self.form == "position" else row["text"]
        return Example(text, answer(row["answer"]), row["group"], row["id"], part)

    def candidates(self, prompt: str) -> tuple[str, ...]:
        """Return the legal moves of the position, each as an answer is written: ` Qxc1+`."""
        from surpass.chess.notation import answers

        return answers(prompt)

    def accepts(self, inputs: Inputs, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return which texts are a legal move in their position, (n,)."""
        from surpass.chess.notation import legal

        pairs = zip(inputs, texts, strict=True)
        return np.array([legal(str(prompt), _first(text)) for prompt, text in pairs], dtype=bool)

    def right(self, rows: Rows, texts: Sequence[str]) -> Values:
        """Return 1 where the first word of a text is the move, (n,): a model that was not finetuned goes on with the game."""
        return super().right(rows, [_first(text) for text in texts])

    def drawing(self, prompt: str, texts: Mapping[str, str]) -> str:
        """Return the board with arrows: green for the wanted move, red for a wrong one."""
        from surpass.chess.drawing import board

        return board(prompt, texts)

    def _part(self, row: Row) -> str | None:
        """Return where a puzzle may go, None: nowhere."""
        if shift := row.get("shift"):
            return f"shift:{shift}"
        if not (self.hardest or self.hard):
            return ""
        if (difficulty := row.get("difficulty")) is None:
            raise DataError(
                f"task 'chess-puzzles': hardest={self.hardest} and hard={self.hard} cut by difficulty, but puzzle "
                f"'{row['id']}' has no difficulty. Leave out `hardest` and `hard`, or take puzzles that have one."
            )
        if place(row["group"], "chess-puzzles/cut") < TRAIN_SHARE:
            return "train" if difficulty <= (self.hardest or difficulty) else None
        if 0 < self.hard <= difficulty:
            return "shift:hard"
        return None if row.get("beside_hard") else "test"  # a game's puzzles stay in one split


def _first(text: str) -> str:
    return "".join(text.split()[:1])
