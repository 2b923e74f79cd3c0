"""What an engine wrote, read: centipawns, mates, bounds, several lines and depths."""

from __future__ import annotations

import pytest

from surpass.chess.stockfish import Line, _read

START = "info depth 3 seldepth 4 multipv 1 score {score} nodes 90 nps 9000 tbhits 0 time 1 pv e2e4 e7e5"


def read(score: str) -> Line:
    (lines,) = _read([START.format(score=score)]).values()
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("score", "win", "mate"),
    [("mate 2", 1.0, 2), ("mate -2", 0.0, -2), ("cp 0", 0.5, 0), ("cp 300", 0.751126, 0), ("cp -300", 0.248874, 0)],
)
def test_scores_are_expected_ones_of_the_side_to_move(score, win, mate):
    """By hand: 1 / (1 + exp(-0.00368208 x 300)) = 1 / (1 + 0.331347)."""
    found = read(score)
    assert (found.move, found.mate) == ("e2e4", mate)
    assert found.win == pytest.approx(win, abs=1e-6)


def test_bounds_and_what_has_no_line_are_left_out():
    written = [
        "info string NNUE evaluation using nn.nnue",
        START.format(score="cp 20"),
        START.format(score="cp 900 lowerbound"),
        START.format(score="cp -900 upperbound"),
        "info depth 4 currmove d2d4 currmovenumber 2",
    ]
    assert _read(written) == {3: (read("cp 20"),)}
    assert _read(written[2:]) == {}


def test_lines_are_ordered_by_their_place_and_depths_by_their_number():
    line = "info depth {} seldepth 4 multipv {} score cp {} nodes 90 pv {}"
    written = [line.format(*each) for each in ((10, 1, 5, "a2a3"), (9, 2, 10, "d2d4"), (9, 1, 30, "e2e4"))]
    found = _read([*written, line.format(9, 2, 20, "c2c4")])
    assert list(found) == [9, 10]
    assert [each.move for each in found[9]] == ["e2e4", "c2c4"]  # what it wrote last of a place counts
    assert found[9][0].win > found[9][1].win > 0.5
