"""Puzzles from games."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import pytest
from chess_samples import MATE_IN_ONE, SCHOLARS, START, needs_engine

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

from surpass.chess import notation
from surpass.chess.mining import Rule, epd, judged, mine
from surpass.chess.stockfish import Engine, Line
from surpass.corpora.chess_games import ChessGames
from surpass.corpora.chess_puzzles import ChessPuzzles, _unknown
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.runtime import Runtime

pytestmark = needs_engine
RULE = Rule(depth=6, margin=0.15, advantage=0.5, gain=-1.0, start=4, screen=0.5)
EASY = {"depth": 6, "gain": -1.0}


def lines(*found):
    return tuple(Line(move, win) for move, win in found)


def test_a_puzzle_has_one_clearly_best_move_and_its_difficulty():
    depths = {
        1: lines(("e2e4", 0.6), ("d2d4", 0.5)),
        2: lines(("d2d4", 0.6), ("e2e4", 0.5)),
        3: lines(("e2e4", 0.7), ("d2d4", 0.5)),
        4: lines(("e2e4", 0.75), ("d2d4", 0.55)),
    }
    found = judged(START, depths, RULE)
    assert found is not None
    assert (found.best, found.second, found.difficulty, found.ply, found.mate) == ("e4", "d4", 3, 0, 0)
    assert found.margin == pytest.approx(0.2)
    near = {**depths, 4: lines(("e2e4", 0.75), ("d2d4", 0.65))}
    lost = {**depths, 4: lines(("e2e4", 0.4), ("d2d4", 0.1))}
    forced = {**depths, 4: lines(("e2e4", 0.9))}
    assert [judged(START, each, RULE) for each in (near, lost, forced)] == [None, None, None]


def test_a_mate_that_the_game_missed_is_mined():
    with Engine() as engine:
        found = mine(engine, [*SCHOLARS, "a3"], RULE)
    assert [(each.ply, each.best, each.mate) for each in found if each.position == MATE_IN_ONE] == [(6, "Qxf7#", 1)]


def test_gain_leaves_out_what_the_opponent_did_not_give_away():
    with Engine() as engine:
        exchange = "e4 e5 Nf3 Nc6 d4 exd4 Nxd4 Nxd4 Qxd4".split()  # White takes back a knight, which gains nothing
        rule = dataclasses.replace(RULE, start=8, depth=8)
        assert [each.best for each in mine(engine, exchange, rule)] == ["Qxd4"]
        engine.clear()
        assert mine(engine, exchange, dataclasses.replace(rule, gain=0.05)) == []


@pytest.fixture(scope="module")
def games():
    return ChessGames(games=10, depth=4, seed=1).resolve().build(Runtime(jobs=2), ())


@pytest.fixture(scope="module")
def puzzles(games):
    return ChessPuzzles(**EASY).resolve().build(Runtime(jobs=2), (games,))


def test_prompts_answers_and_groups_are_those_of_the_games(games, puzzles):
    texts = dict(zip(games.ids, games.texts, strict=True))
    assert len(puzzles) > 5
    for row in puzzles.rows():
        assert texts[row["group"]].startswith(row["text"].rpartition(" ")[0])
        assert notation.fen_of(row["text"]) == row["position"]
        assert notation.legal(row["text"], row["answer"])
        assert notation.legal(row["text"], row["second"])
        assert row["margin"] >= 0.15
        assert row["win"] >= 0.5
        assert 1 <= row["difficulty"] <= 6


def test_no_position_is_there_twice(games, puzzles):
    places = [epd(position) for position in puzzles.columns["position"]]
    assert len(set(places)) == len(places)
    twice = Documents((*games.ids[:4], *(f"{name}b" for name in games.ids[:4])), games.texts[:4] * 2)
    again = ChessPuzzles(**EASY).resolve().build(Runtime(jobs=2), (twice,))
    once = [row["text"] for row in puzzles.rows() if row["group"] in games.ids[:4]]
    assert list(again.texts) == once
    assert again.facts["repeated"] == len(once) > 0


def test_no_puzzle_begins_a_game_that_models_learn(games, puzzles):
    learned = Documents(tuple(games.ids[:5]), tuple(games.texts[:5]))
    spec = ChessPuzzles(**EASY, apart=ChessGames(games=10, depth=4, seed=1, longest=40))
    found = spec.resolve().build(Runtime(jobs=2), (games, learned))
    solved = {row["id"]: f"{row['text']} {row['answer']}" for row in puzzles.rows()}
    told = {name for name, text in solved.items() if any(f"{game} ".startswith(f"{text} ") for game in learned.texts)}
    assert 0 < len(told) < len(puzzles)
    assert found.facts["known"] == len(told)
    assert set(found.ids) == set(puzzles.ids) - told
    assert spec.left_out() == spec.sources()[1:]


def test_a_puzzle_that_another_game_answers_is_left_out():
    asked = ("a/2", "1. e4 1... e5 2.", "a", "Nf3")
    goes_on, other_move = "1. e4 1... e5 2. Nf3 2...", "1. e4 1... e5 2. Nf3+ 2..."
    for text, group, kept in (
        (goes_on, "b", ["b/3"]),
        (goes_on, "a", ["a/2", "b/3"]),
        (other_move, "b", ["a/2", "b/3"]),
    ):
        assert [name for name, *_ in _unknown([asked, ("b/3", text, group, "Nc6")], ())] == kept
    assert _unknown([asked], ["1. e4 1... e5 2. Nf3"]) == []
    assert _unknown([asked], ["1. e4 1... e5 2. Nf3+ 2... Nc6", "1. d4"]) == [asked]


def test_an_illegal_game_is_counted_and_left_out(games):
    texts = (games.texts[0], "1. e4 1... e5 2. Ke8 2... Nc6", "no game at all")
    found = ChessPuzzles(**EASY).resolve().build(Runtime(), (Documents(("a", "b", "c"), texts),))
    assert found.facts["broken"] == 2
    assert set(found.groups) <= {"a"}


def test_a_stopped_corpus_is_finished_as_an_undisturbed_one(games, puzzles, tmp_path):
    half = Documents(games.ids[:5], games.texts[:5])
    ChessPuzzles(**EASY).resolve().build(Runtime(scratch=tmp_path), (half,))
    assert ChessPuzzles(**EASY).resolve().build(Runtime(scratch=tmp_path), (games,)) == puzzles


def test_no_puzzle_at_all_is_told_with_the_counts(games):
    broken = Documents(("a", "b"), (games.texts[0], "no game at all"))
    with pytest.raises(DataError, match=r"no puzzle in 2 games \(1 of them broken\).*start=1000"):
        ChessPuzzles(**{**EASY, "start": 1000}).resolve().build(Runtime(), (broken,))


@pytest.mark.slow
def test_of_200_puzzles_a_deeper_search_keeps_the_best_move_of_97_in_100():
    games = ChessGames(games=110, seed=1).resolve().build(Runtime(jobs=2), ())
    puzzles = ChessPuzzles(depth=8, gain=-1.0, screen=0.7).resolve().build(Runtime(jobs=2), (games,))
    sample = puzzles.rows()[:200]
    assert len(sample) == 200
    kept = defaultdict(list)
    with Engine() as engine:
        for row in sample:
            engine.clear()
            depths = engine.answer(row["position"], 12)
            kept[row["difficulty"]].append(notation.san(depths[12][0].move, row["position"]) == row["answer"])
    assert sum(map(sum, kept.values())) >= 194, kept
