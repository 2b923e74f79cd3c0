"""Boards of the report: the moves that were wanted and written, as arrows."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

from surpass.artifacts import Rows
from surpass.tasks.chess_puzzles import ChessPuzzles

PROMPT = "1. f3 1... e5 2. g4 2..."


NAMES = {"#882020": "red", "#15781B": "green"}  # as python-chess draws them


def colours(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    lines = root.iter("{http://www.w3.org/2000/svg}line")
    return [NAMES[line.attrib["stroke"]] for line in lines if "arrow" in line.attrib.get("class", "")]


@pytest.mark.parametrize(
    ("supervisor", "student", "wanted"),
    [
        (" Nc6", " Qh4#", ["red", "green"]),
        (" Nc6", " Nf6", ["red", "red", "green"]),
        (" Ke5", "", ["green"]),  # neither is a legal move
        (" Nc6", " Nc6", ["red", "green"]),
    ],
)
def test_each_legal_move_is_an_arrow(supervisor, student, wanted):
    texts = {"target": " Qh4#", "supervisor": supervisor, "student": student}
    assert colours(ChessPuzzles().drawing(PROMPT, texts)) == wanted


def test_a_model_that_goes_on_with_the_game_is_judged_by_its_first_move():
    rows = Rows(("1",) * 3, (PROMPT,) * 3, np.array([" Qh4#"] * 3, dtype=object), ("1",) * 3)
    texts = (" Qh4# 3. e4 3...", " Nc6 3. Qh4#", "")
    assert ChessPuzzles().right(rows, texts).tolist() == [1.0, 0.0, 0.0]
    assert ChessPuzzles().accepts(rows.inputs, texts).tolist() == [True, True, False]


def test_what_is_no_position_has_no_board():
    assert ChessPuzzles().drawing("no game", {"target": " Qh4#"}) == ""
