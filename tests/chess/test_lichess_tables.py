"""Tables of lichess.org that lack what others have: games, ratings, whole games."""

from __future__ import annotations

import json

import pytest
from chess_samples import needs_chess

from surpass.corpora.lichess_puzzles import LichessPuzzles
from surpass.errors import DataError
from surpass.runtime import Runtime
from surpass.splits import Data, make_splits
from surpass.tasks.chess_puzzles import ChessPuzzles

pytestmark = needs_chess
BEFORE = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 3 3"
LONG = "1. e4 1... e5 2. Qh5 2... Nc6 3. Bc4 3... Nf6 4."
SHORT = "1. e4 1... e5 2. Qh5 2..."
OTHER = "1. f3 1... e5 2. g4 2..."


def read(path, text):
    path.write_text(text)
    return LichessPuzzles(path=str(path)).resolve().build(Runtime(), ())


def listed(path, *pairs):
    return read(path, "".join(json.dumps({"ctx": text, "target": f" {move}"}) + "\n" for text, move in pairs))


def test_puzzles_without_a_game_are_groups_of_their_own(tmp_path):
    found = read(tmp_path / "own.csv", f"FEN,Moves\n{BEFORE},g8f6 h5f7\n{BEFORE},g7g6 h5f3\n")
    assert len(set(found.groups)) == len(found) == 2
    assert "" not in found.groups


def test_the_first_puzzles_are_read_and_no_more(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(f"FEN,Moves\n{BEFORE},g8f6 h5f7\n{BEFORE},a8a1 h5f7\n{BEFORE},g7g6 h5f3\n")
    for puzzles, rows, found in ((0, 3, 2), (1, 1, 1), (2, 2, 1), (3, 3, 2)):
        read = LichessPuzzles(path=str(path), puzzles=puzzles).resolve().build(Runtime(), ())
        assert (read.facts["read"], len(read)) == (rows, found)


def test_a_table_that_changed_since_planning_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(f"FEN,Moves\n{BEFORE},g8f6 h5f7\n")
    planned = LichessPuzzles(path=str(path)).resolve()
    path.write_text(f"FEN,Moves\n{BEFORE},g7g6 h5f3\n")
    with pytest.raises(DataError, match=r"own.csv' is not what it was when the study was planned"):
        planned.build(Runtime(), ())


def test_puzzles_of_one_game_are_one_group_however_short(tmp_path):
    found = listed(tmp_path / "a.jsonl", (LONG, "Qxf7#"), (OTHER, "Qh4#"), (SHORT, "Nc6"))
    groups = dict(zip(found.texts, found.groups, strict=True))
    assert groups[LONG] == groups[SHORT] != groups[OTHER]


@pytest.mark.parametrize("options", [{"hardest": 4}, {"hard": 5}])
def test_puzzles_without_a_difficulty_are_not_cut_by_it(tmp_path, options):
    found = listed(tmp_path / "a.jsonl", (LONG, "Qxf7#"), (OTHER, "Qh4#"))
    assert set(found.columns["difficulty"]) == {None}
    task = ChessPuzzles(puzzles=LichessPuzzles(path="a.jsonl"), **options)
    with pytest.raises(DataError, match=r"no difficulty\. Leave out `hardest` and `hard`"):
        make_splits(Data(task=task, n_weak=1, n_transfer=1, n_val=0, n_test=1), (found,))


@pytest.mark.parametrize("written", ["Qh4", "Qh4+", "Qh4#"])
def test_answers_are_written_as_candidates_are(tmp_path, written):
    found = listed(tmp_path / "a.jsonl", (OTHER, written), (SHORT, "--"))
    assert list(found.columns["answer"]) == ["Qh4#"]
    assert found.facts["broken"] == 1  # a null move is none
    assert " Qh4#" in ChessPuzzles(puzzles=LichessPuzzles(path="a.jsonl")).candidates(found.texts[0])
