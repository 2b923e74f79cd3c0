"""Games that the engine plays against itself, each drawn by its number alone.

The two sides of a game differ in how far they look ahead and in how often they slip, that is play any legal move
whatever. So games differ, sides blunder, and what follows a blunder is where puzzles are. The engine's own `Skill
Level` serves the same end, but draws from the clock: it plays no game twice.
"""

from __future__ import annotations

import dataclasses
import math
from random import Random

import chess

from surpass.chess.stockfish import Engine, Line

OPENING_DEPTH, OPENING_LINES = 2, 8
OPENING_NOISE = 0.02
DECIDED, PATIENCE = 0.95, 6
"""Expected score above which a side counts as winning, and for how many half-moves before the other gives up."""


@dataclasses.dataclass(frozen=True)
class Play:
    """How games are played.

    Attributes:
        depth: each side looks 1 to so many half-moves ahead, drawn for every game.
        slips: a side's chance of playing any legal move is drawn for every game: none, half of this, or this.
        opening: half-moves at the start, at most: as many as are drawn, half of it at least, are chosen by chance among
            the eight best at depth 2, in proportion to exp(expected score / 0.02), so that games part early.
        longest: half-moves after which a game ends undecided.
    """

    depth: int
    slips: float
    opening: int
    longest: int


def play(engine: Engine, how: Play, seed: str) -> tuple[list[str], str]:
    """Return the moves of one game in standard algebraic notation, and its result as game files write it.

    It ends by the rules, or when one side has been losing for 6 half-moves and gives up; in a quarter of the games nobody
    does. The result "*" says that it reached `longest` first.

    Args:
        engine: cleared.
        how: depths, slips and lengths.
        seed: the game's own; equal ones give equal games.
    """
    rng, board, moves = Random(seed), chess.Board(), list[str]()
    sides = [(rng.randint(1, how.depth), how.slips * rng.choice((0.0, 0.5, 1.0))) for _ in range(2)]
    opening, gives_up, decided = rng.randint(how.opening // 2, how.opening), rng.random() < 0.75, 0
    while len(moves) < how.longest and not _over(board):
        depth, slips = sides[len(moves) % 2]
        if len(moves) < opening:
            best = drawn(_last(engine.answer(board.fen(), OPENING_DEPTH, lines=OPENING_LINES)), OPENING_NOISE, rng)
        elif rng.random() < slips:
            moves.append(board.san_and_push(rng.choice(sorted(board.legal_moves, key=chess.Move.uci))))
            continue
        else:
            best = _last(engine.answer(board.fen(), depth))[0]
        moves.append(board.san_and_push(chess.Move.from_uci(best.move)))
        decided = decided + 1 if abs(best.win - 0.5) > DECIDED - 0.5 else 0
        if gives_up and decided == PATIENCE:
            return moves, "1-0" if (best.win > 0.5) == (board.turn == chess.BLACK) else "0-1"
    outcome = board.outcome()
    return moves, outcome.result() if outcome else "1/2-1/2" if _over(board) else "*"


def drawn(lines: tuple[Line, ...], noise: float, rng: Random) -> Line:
    """Return one of the lines, drawn in proportion to exp(expected score / noise)."""
    return rng.choices(lines, weights=[math.exp((line.win - lines[0].win) / noise) for line in lines])[0]


def _last(depths: dict[int, tuple[Line, ...]]) -> tuple[Line, ...]:
    return depths[max(depths)]


def _over(board: chess.Board) -> bool:
    """Return whether a game has ended; repetitions and 50 moves without progress count without a claim."""
    if board.halfmove_clock >= 100 or (board.halfmove_clock >= 8 and board.is_repetition(3)):
        return True
    return board.is_insufficient_material() or not any(board.generate_legal_moves())
