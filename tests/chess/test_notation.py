"""How games and puzzles are written."""

from __future__ import annotations

from random import Random

import pytest
from chess_samples import FOOLS_MATE, SCHOLARS
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

import chess

from surpass.chess import notation


def test_the_form_is_that_of_the_paper():
    moves = ["d4", "Nf6", "Nf3", "d5"]
    assert notation.movetext(moves) == "1. d4 1... Nf6 2. Nf3 2... d5"
    assert notation.prompt(moves[:3]) == "1. d4 1... Nf6 2. Nf3 2..."
    assert notation.prompt(moves) == "1. d4 1... Nf6 2. Nf3 2... d5 3."
    assert notation.prompt([]) == "1."
    assert notation.prompt([]) + notation.answer("d4") == "1. d4"


@given(st.integers(0, 10**6), st.integers(0, 60))
def test_a_written_game_is_read_back(seed, length):
    board, rng, moves = chess.Board(), Random(seed), []
    while len(moves) < length and not board.is_game_over():
        moves.append(board.san_and_push(rng.choice(list(board.legal_moves))))
    prompt = notation.prompt(moves)
    assert notation.moves_of(prompt) == moves
    assert notation.fen_of(prompt) == board.fen()
    for move in list(board.legal_moves)[:3]:
        assert notation.legal(prompt, notation.answer(board.san(move)))
    assert set(notation.answers(prompt)) == {f" {board.san(move)}" for move in board.legal_moves}


def test_a_position_without_a_game_has_a_prompt_too():
    fen = "8/8/8/8/8/5K2/7R/5k2 b - - 0 31"
    assert notation.position_prompt(fen) == f'[FEN "{fen}"] 31...'
    assert notation.fen_of(notation.position_prompt(fen)) == fen


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        (" Qxf7#", True),
        (" Qxf7", True),  # marks of check may be missing
        ("Nf3", True),
        ("Ngf3", False),  # not as the answers are written
        ("g1f3", False),
        ("--", False),
        ("O-O", False),
        ("Nf3 Nf6", False),
        ("", False),
    ],
)
def test_a_text_is_legal_if_it_is_one_move_as_the_answers_are(text, legal):
    assert notation.legal(notation.prompt(SCHOLARS), text) is legal


def test_the_answers_are_all_legal_moves_as_they_are_written():
    found = notation.answers(notation.prompt(SCHOLARS))
    assert list(found) == sorted(set(found))
    assert len(found) == 43
    assert {" Qxf7#", " Bxf7+", " Ne2", " Nf3", " Ke2", " a4"} <= {*found}
    assert not {" Qxf7", " O-O", " Nge2"} & {*found}
    assert notation.answers(notation.position_prompt("7k/P7/8/8/8/8/8/K7 w - - 0 1"))[-4:] == (
        " a8=B", " a8=N", " a8=Q+", " a8=R+"
    )  # fmt: skip
    assert notation.answers(notation.prompt(notation.moves_of(FOOLS_MATE))) == ()


def test_what_is_no_game_is_refused():
    with pytest.raises(ValueError, match="illegal san"):
        notation.fen_of("1. e4 1... e5 2. Ke8 2...")
    assert notation.moves_of(FOOLS_MATE) == ["f3", "e5", "g4", "Qh4#"]
