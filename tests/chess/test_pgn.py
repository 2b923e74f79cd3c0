"""Games of a file: what is read, and what is left out and counted."""

from __future__ import annotations

import logging

import pytest
from chess_samples import needs_chess

from surpass.corpora.pgn import Pgn
from surpass.errors import DataError
from surpass.runtime import Runtime

pytestmark = needs_chess

WHOLE = '[WhiteElo "1900"]\n[BlackElo "1850"]\n[Result "0-1"]\n\n1. f3 {a comment} e5 2. g4 (2. e4 Nc6) Qh4# 0-1\n\n'
ILLEGAL = '[White "a"]\n\n1. e4 e5 2. Ke8 Nc6 *\n\n'
BROKEN = '[White "b"]\n\n1. e4 e5 2. N?9xx?? Nc6 3. Bc4 *\n\n'
EMPTY = '[White "c"]\n\n*\n\n'
PLACED = '[FEN "8/8/8/8/8/5K2/7R/5k2 w - - 0 1"]\n[SetUp "1"]\n\n1. Rh1# 1-0\n\n'
VARIANT = '[Variant "Atomic"]\n\n1. e4 e5 *\n\n'
UNRATED = "1. d4 d5 2. c4 *\n\n"


def built(path, **options):
    return Pgn(path=str(path), **options).resolve().build(Runtime(), ())


def test_broken_and_illegal_games_are_counted_left_out_and_told(tmp_path, caplog):
    file = tmp_path / "games.pgn"
    file.write_text(WHOLE + ILLEGAL + BROKEN + EMPTY + PLACED + VARIANT + UNRATED + WHOLE)
    with caplog.at_level(logging.WARNING):
        found = built(file)
    assert found.texts == ("1. f3 1... e5 2. g4 2... Qh4#", "1. d4 1... d5 2. c4")
    assert found.columns["result"] == ("0-1", "*")
    counts = {"read": 8, "broken": 2, "empty": 1, "other_start": 2, "low_rating": 0, "repeated": 1, "games": 2}
    assert counts.items() <= found.facts.items()
    assert "2 of 8 games are broken or illegal" in caplog.text
    assert len(caplog.records) == 1  # the library's own log keeps still


@pytest.mark.parametrize(
    "movetext",
    [
        *("1. e2e4 e7e5 2. foo", "1. e4 e5 2. Zz9 Nc6", "1. e4 e5 2. N\0f3"),
        *("1. e4 e5 2. \u2658f3", "1. e4 -- 2. d4", "1. e4 (1. d4 e5"),
    ],
)
def test_a_game_with_what_is_not_understood_is_broken(tmp_path, movetext):
    file = tmp_path / "games.pgn"
    file.write_text(f"{UNRATED}{movetext} *\n\n{UNRATED.replace('c4', 'Nf3')}")
    found = built(file)
    assert found.facts["read"] == 3
    assert found.facts["broken"] == 1
    assert len(found) == 2


def games(count):
    """Return the first moves of so many games, no two alike."""
    first = [*"abcdefgh"]
    pairs = [(f"{a}{n}", f"{b}{m}") for a in first for n in (3, 4) for b in first for m in (5, 6)]
    return [f"1. {white} {black}" for white, black in pairs[:count]]


@pytest.mark.parametrize("closed", [False, True], ids=["no comment follows", "comments follow"])
@pytest.mark.parametrize("place", [0, 41, 99])
def test_a_comment_without_an_end_costs_its_game_alone(tmp_path, place, closed):
    file, moves = tmp_path / "games.pgn", games(100)
    said = [f"{each} {'{usual}' * closed} 1-0" for each in moves]
    said[place] = f"{moves[place]} {{ no end 1-0"
    heads = [f'[Event "{i}"]\n[Result "1-0"]' for i in range(100)]
    file.write_text("\n".join(f"{head}\n\n{text}\n" for head, text in zip(heads, said, strict=True)))
    found = built(file)
    assert {"read": 100, "broken": 1, "games": 99}.items() <= found.facts.items()
    wanted = [each.replace(" ", " 1... ").replace("1. 1... ", "1. ") for each in moves]
    assert list(found.texts) == [*wanted[:place], *wanted[place + 1 :]]


@pytest.mark.parametrize("before", ["\ufeff\n", "\n\n", "% by hand\n\n", "; by hand\n\n"])
def test_what_stands_before_the_first_game_is_no_game(tmp_path, before):
    file = tmp_path / "games.pgn"
    file.write_text(f'{before}[Event "a"]\n\n[Event "b"]\n\n1. e4 e5 *\n', encoding="utf-8")
    assert {"read": 2, "empty": 1, "broken": 0, "games": 1}.items() <= built(file).facts.items()


def test_everything_that_a_game_may_have_is_understood(tmp_path):
    file = tmp_path / "games.pgn"
    moves = "1.e4! {of (two;\n%lines} d5 $14 ; rest\n%escaped\n2. exd5 (2. e5 (2. Nc3) f5 3. exf6 e.p.) 2... Qxd5?! "
    moves += "3. Nc3 Qe5+ 4 Be2 Qxe2+ "
    file.write_text(f'\ufeff[Event "x"]\n\n{moves}5. Qxe2 Nf6 6. Nf3 e6 7. O-O Be7 8. Re1 0-0 1/2-1/2\n')
    found = built(file)
    assert found.facts["broken"] == 0
    assert found.texts[0].endswith("7. O-O 7... Be7 8. Re1 8... O-O")


def test_games_below_a_rating_are_left_out(tmp_path):
    file = tmp_path / "games.pgn"
    file.write_text(WHOLE + UNRATED)
    assert built(file, rating=1800).texts == ("1. f3 1... e5 2. g4 2... Qh4#",)
    with pytest.raises(DataError, match="position, or lower `rating`, which is 1900"):
        built(file, rating=1900)


def test_at_most_so_many_games_are_taken(tmp_path):
    file = tmp_path / "games.pgn"
    file.write_text(UNRATED + WHOLE)
    assert len(built(file, games=1)) == 1


def test_a_file_without_games_is_refused(tmp_path):
    file = tmp_path / "games.pgn"
    file.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataError, match=r"holds no game that can serve .*from the usual first position\.$"):
        built(file)
    file.write_text("")
    with pytest.raises(DataError, match="nothing was read"):
        built(file)


def test_a_changed_file_and_a_missing_one_are_refused(tmp_path):
    file = tmp_path / "games.pgn"
    file.write_text(UNRATED)
    spec = Pgn(path=str(file)).resolve()
    file.write_text(WHOLE)
    with pytest.raises(DataError, match="not what it was when the study was planned"):
        spec.build(Runtime(), ())
    assert "gone.pgn" in (Pgn(path=str(tmp_path / "gone.pgn")).problem() or "")
