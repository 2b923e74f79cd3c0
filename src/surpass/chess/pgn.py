"""Games of a file in portable game notation. Broken and illegal ones are counted and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import chess
import chess.pgn

from surpass.chess.notation import sans

Headers = dict[str, str]


class _Builder(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Keeps what is wrong with a game to itself, where the library's own logs it too."""

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)


def games(file: TextIO, counts: Counter[str]) -> Iterator[tuple[list[str], Headers]]:
    """Yield moves in standard algebraic notation and headers of each whole and legal game from the usual first position.

    Args:
        file: in portable game notation.
        counts: gets `read`, `broken` (a move that is not legal or cannot be read), `empty` (no move) and `other_start` (of
            another game than chess, or from another position).
    """
    while (game := chess.pgn.read_game(file, Visitor=_Builder)) is not None:
        counts["read"] += 1
        headers = dict(game.headers)
        if headers.get("Variant", "Standard").lower() not in ("standard", "chess") or "FEN" in headers:
            counts["other_start"] += 1
        elif game.errors:
            counts["broken"] += 1
        elif moves := sans(game.mainline_moves()):
            yield moves, headers
        else:
            counts["empty"] += 1


def problems(path: Path) -> Iterator[tuple[str, list[str], Headers]]:
    """Yield position, moves of the main line and headers of each position of a file of puzzles; broken ones are left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        while (game := chess.pgn.read_game(file, Visitor=_Builder)) is not None:
            moves = list(game.mainline_moves())
            if moves and not game.errors and game.board().is_valid():
                yield game.board().fen(), sans(moves, game.board()), dict(game.headers)
