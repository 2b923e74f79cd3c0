"""How games and puzzles are written: the move list of Burns et al. 2023 (arXiv 2312.09390, appendix A.2), and positions.

A game is its moves in standard algebraic notation, every half-move with its number: `1. d4 1... Nf6 2. Nf3 2... d5`. A
prompt is the game so far with the number of the move to come, `... 22. Rc1 22...`; its answer is the move after a
space, ` Qxc1+`.

A position without a game cannot be written so. Its prompt is the tag that game files have for it, and the number of the
move to come: `[FEN "8/8/8/8/8/5K2/7R/5k2 w - - 0 1"] 1.`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence

import chess

TAG = '[FEN "'


def number(ply: int) -> str:
    """Return the number before a half-move, counted from 0: "1." before the first, "1..." before the second.

    >>> number(43)
    '22...'
    """
    return f"{ply // 2 + 1}.{'..' if ply % 2 else ''}"


def movetext(moves: Sequence[str]) -> str:
    """Return the move list of a game's moves, each in standard algebraic notation.

    >>> movetext(["d4", "Nf6", "Nf3"])
    '1. d4 1... Nf6 2. Nf3'
    """
    return " ".join(f"{number(ply)} {move}" for ply, move in enumerate(moves))


def prompt(moves: Sequence[str]) -> str:
    """Return the move list with the number of the move to come.

    >>> prompt(["d4"])
    '1. d4 1...'
    """
    return f"{movetext(moves)} {number(len(moves))}".lstrip()


def position_prompt(fen: str) -> str:
    """Return the prompt of a position without a game, from its Forsyth-Edwards notation."""
    board = chess.Board(fen)
    return f'{TAG}{fen}"] {number(board.ply())}'


def answer(move: str) -> str:
    """Return a move as the text that follows a prompt."""
    return f" {move}"


def moves_of(text: str) -> list[str]:
    """Return the moves of a move list or of a prompt: every word that is no number.

    >>> moves_of("1. d4 1... Nf6 2.")
    ['d4', 'Nf6']
    """
    return [word for word in text.split() if not word[0].isdigit() or not word.endswith(".")]


def sans(moves: Iterable[chess.Move], board: chess.Board | None = None) -> list[str]:
    """Return moves in standard algebraic notation, from a position, by default the first of the game."""
    board, found = chess.Board() if board is None else board.copy(), []
    for move in moves:
        found.append(board.san_and_push(move))
    return found


@functools.lru_cache(maxsize=65536)
def fen_of(text: str) -> str:
    """Return the position that a prompt asks about, in Forsyth-Edwards notation.

    Raises:
        ValueError: a move is not legal, or the text is no prompt of either form.
    """
    if text.startswith(TAG):
        return chess.Board(text[len(TAG) :].partition('"')[0]).fen()
    board = chess.Board()
    for move in moves_of(text):
        board.push_san(move)
    return board.fen()


def legal(prompted: str, text: str) -> bool:
    """Return whether a text is one legal move after a prompt, as the answers are written; marks of check may be missing."""
    board, move = chess.Board(fen_of(prompted)), text.strip().rstrip("+#")
    try:
        found = board.parse_san(move)
    except ValueError:
        return False
    return bool(found) and board.san(found).rstrip("+#") == move  # the library takes other ways of writing a move too


@functools.lru_cache(maxsize=65536)
def answers(prompted: str) -> tuple[str, ...]:
    """Return every legal move after a prompt as answers are written, in alphabetical order.

    Raises:
        ValueError: the prompt is none, see `fen_of`.

    >>> answers('[FEN "8/8/8/8/8/5K2/7R/5k2 b - - 0 31"] 31...')
    (' Ke1', ' Kg1')
    """
    board = chess.Board(fen_of(prompted))
    return tuple(sorted(sys.intern(answer(board.san(move))) for move in board.legal_moves))


def written_move(fen: str, move: str) -> str:
    """Return a move as answers are written, with the marks of check that it has, however a person wrote it.

    Raises:
        ValueError: the position is none, or the move is not legal there.
    """
    board = chess.Board(fen)
    if not (found := board.parse_san(move)):  # the library takes "--" for a move
        raise ValueError(move)
    return board.san(found)


def san(move: str, fen: str) -> str:
    """Return a move that UCI writes ("g1f3") in standard algebraic notation ("Nf3"); ValueError where it is not legal."""
    board = chess.Board(fen)
    return board.san(board.parse_uci(move))


def written_line(fen: str, first: str, second: str) -> tuple[str, str]:
    """Return the position after a first move, and a second one there in standard algebraic notation; both come as UCI.

    Raises:
        ValueError: the position is none, or a move is not legal.
    """
    board = chess.Board(fen)
    board.push_uci(first)
    return board.fen(), board.san(board.parse_uci(second))
