"""A board with the moves that were wanted and written, as SVG by python-chess."""

from __future__ import annotations

from collections.abc import Mapping

import chess
import chess.svg

from surpass.chess.notation import fen_of

SIZE = 240
WANTED, WRONG = "green", "red"


def board(prompted: str, texts: Mapping[str, str]) -> str:
    """Return the position of a prompt with an arrow for each legal move among the texts, seen by the side to move.

    The wanted move is green, a wrong one of supervisor or student red; whoever wrote the wanted move has no arrow of its own.
    Empty when the prompt is no position.
    """
    try:
        held = chess.Board(fen_of(prompted))
    except ValueError:
        return ""
    moves = {who: _move(held, text) for who, text in texts.items()}
    wanted = moves.get("target")
    wrong = dict.fromkeys(move for move in moves.values() if move and move != wanted)
    arrows = [chess.svg.Arrow(move.from_square, move.to_square, color=WRONG) for move in wrong]
    if wanted:
        arrows.append(chess.svg.Arrow(wanted.from_square, wanted.to_square, color=WANTED))
    return str(chess.svg.board(held, orientation=held.turn, arrows=arrows, size=SIZE, coordinates=False))


def _move(held: chess.Board, text: str) -> chess.Move | None:
    try:
        return held.parse_san("".join(text.split()[:1]))
    except ValueError:
        return None
