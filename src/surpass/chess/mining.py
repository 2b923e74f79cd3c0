"""Puzzles from games: positions where one move is clearly best, and it keeps or gains an advantage.

Every position of a game is looked at shallowly first, its two best moves compared; where they are far apart it is
looked at again, at depth, by an engine that has forgotten the game. Difficulty is the shallowest depth from which on
the engine's first choice is the best move.

A puzzle may ask for more than one best move: that the opponent's last move was a mistake, which is what puzzle sites look
for and what leaves out recaptures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import chess

from surpass.chess.notation import san
from surpass.chess.stockfish import Depths, Engine

SCREEN = 2
"""Depth of the first look."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """What counts as a puzzle.

    Attributes:
        depth: of the deep look, in half-moves.
        margin: least difference of expected score between the best move and the second best, in (0, 1].
        advantage: least expected score of the best move, in [0, 1].
        gain: least expected score that the opponent's last move gave away, as the first look sees it, in [-1, 1]; -1:
            it may have been a good one.
        start: half-moves of a game before the first position that is looked at.
        screen: part of margin and advantage that the first look has to see, in [0, 1]. What it does not see is difficult, and
            lost.
    """

    depth: int
    margin: float
    advantage: float
    gain: float
    start: int
    screen: float


@dataclasses.dataclass(frozen=True)
class Puzzle:
    """A position with one clearly best move.

    Attributes:
        ply: half-moves played before it.
        position: in Forsyth-Edwards notation.
        best: the move, in standard algebraic notation.
        second: the second best.
        difficulty: the shallowest depth from which on the engine's first choice is the best move.
        margin: expected score of the best move less that of the second.
        win: expected score of the best move.
        mate: moves until the mate that it leads to; 0: none is seen.
    """

    ply: int
    position: str
    best: str
    second: str
    difficulty: int
    margin: float
    win: float
    mate: int


def epd(position: str) -> str:
    """Return board, side to move, castling and en passant of a position, without its counts of moves.

    >>> epd("8/8/8/8/8/5K2/7R/5k2 w - - 3 44")
    '8/8/8/8/8/5K2/7R/5k2 w - -'
    """
    return " ".join(position.split()[:4])


def mine(engine: Engine, moves: Sequence[str], rule: Rule) -> list[Puzzle]:
    """Return the puzzles among the positions of a game.

    Args:
        engine: cleared.
        moves: of the game, in standard algebraic notation.
        rule: what counts.
    """
    board, near, before = chess.Board(), list[str](), 0.5
    for ply, move in enumerate(moves):
        if ply >= rule.start - 1:
            position = board.fen()
            seen = engine.answer(position, SCREEN, lines=2)
            win = seen[max(seen)][0].win
            if ply >= rule.start and win + before - 1 >= rule.gain and far_apart(seen, rule, rule.screen):
                near.append(position)
            before = win
        board.push_san(move)
    found = []
    for position in near:
        engine.clear()
        if puzzle := judged(position, engine.answer(position, rule.depth, lines=2), rule):
            found.append(puzzle)
    return found


def far_apart(depths: Depths, rule: Rule, part: float = 1.0) -> bool:
    """Return whether at the last depth the best move exceeds the second by a part of the margin, and holds an advantage."""
    lines = depths[max(depths)]
    if len(lines) < 2:  # one legal move is no riddle
        return False
    return lines[0].win >= part * rule.advantage and lines[0].win - lines[1].win >= part * rule.margin


def judged(position: str, depths: Depths, rule: Rule) -> Puzzle | None:
    """Return the puzzle that a position is by what the engine found at every depth, or None."""
    if not far_apart(depths, rule):
        return None
    best, second = depths[max(depths)][:2]
    first, other = (san(line.move, position) for line in (best, second))
    ply, mate = chess.Board(position).ply(), max(best.mate, 0)
    return Puzzle(ply, position, first, other, difficulty(depths), best.win - second.win, best.win, mate)


def difficulty(depths: Depths) -> int:
    """Return the shallowest depth from which on the engine's first choice is that of the last."""
    best = depths[max(depths)][0].move
    return max((depth for depth in depths if depths[depth][0].move != best), default=0) + 1
