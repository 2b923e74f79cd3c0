"""How games end: a scripted engine plays what leads there, and says who wins."""

from __future__ import annotations

import pytest

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

import chess

from surpass.chess.playing import PATIENCE, Play, _over, play
from surpass.chess.stockfish import Line

SEEDS = [f"0/{i}" for i in range(40)]
SHUFFLE = "g1f3 g8f6 f3g1 f6g8"
STALEMATE = (
    "e2e3 a7a5 d1h5 a8a6 h5a5 h7h5 h2h4 a6h6 a5c7 f7f6 c7d7 e8f7 d7b7 d8d3 b7b8 d3h7 b8c8 f7g6 c8e6"  # Sam Loyd's
)


class Scripted:
    """Plays given moves one after the other, then wanders, and has a given expected score for White.

    To wander is to come to positions that were not there before, with no capture and no move of a pawn.
    """

    def __init__(self, moves: str = "", *, white: float = 0.5, until: int = 0) -> None:
        """White's score is even before half-move `until`."""
        self.moves, self.white, self.until = moves.split(), white, until
        self.seen: set[str] = set()

    def answer(self, position: str, depth: int, *, lines: int = 1) -> dict[int, tuple[Line, ...]]:
        board = chess.Board(position)
        ply = board.ply()
        move = self.moves[ply] if ply < len(self.moves) else self.wandering(board)
        white = self.white if ply >= self.until else 0.5
        return {depth: (Line(move, white if board.turn else 1 - white),)}

    def wandering(self, board: chess.Board) -> str:
        self.seen.add(board.epd())
        for move in sorted(board.legal_moves, key=chess.Move.uci):
            after = board.copy(stack=False)
            after.push(move)
            if not board.is_zeroing(move) and after.epd() not in self.seen:
                return move.uci()
        raise AssertionError(f"nowhere to wander from {board.fen()}")


def ends(engine: Scripted, longest: int = 160, seed: str = "0/0") -> tuple[int, str]:
    """Return the half-moves and the result of a game without slips and without a drawn opening."""
    moves, result = play(engine, Play(depth=2, slips=0.0, opening=0, longest=longest), seed)
    return len(moves), result


@pytest.mark.parametrize(("white", "result"), [(0.96, "1-0"), (0.04, "0-1")])
@pytest.mark.parametrize("until", [0, 1, 4])
def test_who_loses_for_six_half_moves_gives_up_in_some_games(white, result, until):
    """Whoever has the move then."""
    found = [ends(Scripted(white=white, until=until), 12, seed) for seed in SEEDS]
    assert set(found) == {(until + PATIENCE, result), (12, "*")}


def test_three_of_four_games_are_given_up():
    found = [ends(Scripted(white=1.0), PATIENCE + 1, f"0/{i}") for i in range(400)]
    share = sum(result == "1-0" for _, result in found) / len(found)
    assert abs(share - 0.75) < 4 * (0.75 * 0.25 / len(found)) ** 0.5


def test_nobody_gives_up_who_may_still_win_or_whose_chances_came_back():
    assert {ends(Scripted(white=0.94), 12, seed) for seed in SEEDS} == {(12, "*")}

    class Wavering(Scripted):
        def answer(self, position: str, depth: int, *, lines: int = 1) -> dict[int, tuple[Line, ...]]:
            self.white = 0.5 if chess.Board(position).ply() % PATIENCE == PATIENCE - 1 else 1.0
            return super().answer(position, depth, lines=lines)

    assert {ends(Wavering(), 20, seed) for seed in SEEDS} == {(20, "*")}


def test_a_mate_wins_and_a_stalemate_is_a_draw():
    assert ends(Scripted("f2f3 e7e5 g2g4 d8h4")) == (4, "0-1")
    assert ends(Scripted("e2e4 f7f6 d2d4 g7g5 d1h5")) == (5, "1-0")
    assert ends(Scripted(STALEMATE)) == (19, "1/2-1/2")


def test_the_third_time_a_position_is_there_is_a_draw_without_a_claim():
    assert ends(Scripted(" ".join([SHUFFLE] * 9))) == (8, "1/2-1/2")


def test_a_hundred_half_moves_without_progress_are_a_draw_without_a_claim():
    assert ends(Scripted()) == (100, "1/2-1/2")


def test_kings_alone_are_a_draw():
    alone = chess.Board("8/8/8/8/8/5K2/8/5k2 w - - 0 1")
    assert _over(alone)
    assert not _over(chess.Board("8/8/8/8/8/5K2/7R/5k2 w - - 0 1"))


def test_a_game_that_is_too_long_is_undecided():
    assert [ends(Scripted(), longest) for longest in (1, 7)] == [(1, "*"), (7, "*")]
