"""Games of the engine against itself."""

from __future__ import annotations

import pytest
from chess_samples import needs_engine

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

import chess

from surpass.chess.notation import moves_of
from surpass.chess.playing import Play, play
from surpass.chess.stockfish import Engine
from surpass.corpora.chess_games import ChessGames
from surpass.runtime import Runtime

pytestmark = needs_engine
HOW = Play(depth=2, slips=0.2, opening=6, longest=80)


@pytest.fixture(scope="module")
def games():
    return ChessGames(games=12, depth=2, longest=80).resolve().build(Runtime(jobs=2), ())


def test_equal_seeds_play_equal_games_whatever_the_engine_did_before():
    with Engine() as engine:
        first, other = play(engine, HOW, "0/1"), (engine.clear(), play(engine, HOW, "0/2"))[1]
        engine.clear()
        assert play(engine, HOW, "0/1") == first != other


def test_games_are_legal_and_their_results_are_those_of_the_rules(games):
    for text, result in zip(games.texts, games.columns["result"], strict=True):
        board = chess.Board()
        for move in moves_of(text):
            board.push_san(move)
        if outcome := board.outcome():
            assert result == outcome.result()
        assert result in ("1-0", "0-1", "1/2-1/2", "*")
    assert len(set(games.texts)) == 12


def test_a_larger_corpus_begins_with_the_smaller_one(games):
    fewer = ChessGames(games=3, depth=2, longest=80).resolve().build(Runtime(), ())
    assert fewer.texts == games.texts[:3]
    assert fewer.ids == ("0/0", "0/1", "0/2")


def test_another_seed_plays_other_games(games):
    other = ChessGames(games=3, depth=2, longest=80, seed=1).resolve().build(Runtime(), ())
    assert not set(other.texts) & set(games.texts)
    assert not set(other.ids) & set(games.ids)


def test_the_engine_is_part_of_the_spec():
    assert ChessGames().resolve().fingerprint.startswith("Stockfish")
