"""A chess engine as the supervisor: Stockfish that looks a few half-moves ahead only, or that errs on purpose.

It labels prompts that `surpass.chess.notation` can read, as those of task `chess-puzzles`. The text of a row is the move it
chooses; its probability is the move's share among the best few, in proportion to exp(expected score / noise). So a move that
is much better than the rest has a probability near 1, and methods that go by confidence have something to go by.

The engine's own `Skill Level` errs by draws from the clock, so that no study with it could be repeated; `errs` draws from the
same shares by a hash of the row's id instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.chess import stockfish
from surpass.chess.needs import lacking, with_engine
from surpass.draws import place
from surpass.errors import DataError
from surpass.labels.base import LabelSource
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine(LabelSource):
    """The move that Stockfish chooses in a chess position at a small depth. Needs the extra `chess` and the program.

    Attributes:
        depth: half-moves that it looks ahead, at least. Most puzzles are found at depth 1 already: 104 of 110 that were mined
            at depth 8 with any gain, and 103 at depth 3.
        errs: a row's move is drawn among the best few by their shares; else it is the best. Of those 110, 79 are right with
            noise 0.1, 50 with 0.3, 33 with 1.
        noise: how little differences of expected score count in the shares.
        moves: how many of the best moves have a share.
        seed: of the draws, which go by a hash of the row's id.
        fingerprint: the engine's name and version, filled by `resolve`.
    """

    targets: ClassVar[frozenset[str]] = frozenset({"generation"})

    depth: int = option(1, low=1, high=40)
    errs: bool = False
    noise: float = option(0.05, above=0.0)
    moves: int = option(4, low=2)
    seed: int = option(0, low=0)
    fingerprint: str = ""

    def resolve(self) -> Self:
        """Fill the engine's name and version."""
        return with_engine(self)

    def problem(self) -> str | None:
        """Return what is not installed, or None."""
        return lacking()

    def lacks(self, training: Splits) -> str | None:
        """Return why these rows are no chess positions, or None."""
        return None if not len(training.rows) else self._unread(training.rows.ids[0], training.rows.inputs[0])

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the move of every row; a position without a legal move has the text "" with probability 0.

        Raises:
            DataError: an input is no chess position.
        """
        from surpass.chess.notation import fen_of
        from surpass.chess.working import finished

        rows = splits.rows
        for name, text in zip(rows.ids, rows.inputs, strict=True):
            if problem := self._unread(name, text):
                raise DataError(problem)
        work = {
            name: partial(_lines, position=fen_of(str(text)), depth=self.depth, moves=self.moves)
            for name, text in zip(rows.ids, rows.inputs, strict=True)
        }
        found = finished(work, runtime or Runtime(), planned=self.fingerprint)
        chosen = [self._chosen(name, lines) for name, lines in found.items()]
        texts = np.array([text for text, _ in chosen], dtype=object)[:, None]
        return Predictions(rows.ids, splits.split, np.array([[share] for _, share in chosen]), texts=texts)

    def _unread(self, name: str, text: Any) -> str | None:
        from surpass.chess.notation import fen_of

        try:
            fen_of(str(text))
        except ValueError:
            return (
                f"label 'engine' reads chess positions, but row {name!r} begins {str(text)[:40]!r}. Give prompts such as "
                "'1. e4 1... e5 2.', as task 'chess-puzzles' has."
            )
        return None

    def _chosen(self, name: str, lines: Sequence[tuple[str, float]]) -> tuple[str, float]:
        """Return the text of a row and its share."""
        from surpass.chess.notation import answer

        if not lines:
            return "", 0.0
        weights = [math.exp((win - lines[0][1]) / self.noise) for _, win in lines]
        shares = np.array(weights) / sum(weights)
        drawn = int(np.searchsorted(np.cumsum(shares), place(name, f"engine/{self.seed}"), side="right"))
        i = min(drawn, len(lines) - 1) if self.errs else 0
        return answer(lines[i][0]), float(shares[i])


def _lines(engine: stockfish.Engine, position: str, depth: int, moves: int) -> list[tuple[str, float]]:
    """Return the best moves, in standard algebraic notation, with their expected scores."""
    from surpass.chess.notation import san

    depths = engine.answer(position, depth, lines=moves)
    return [(san(line.move, position), line.win) for line in depths[max(depths)]] if depths else []
