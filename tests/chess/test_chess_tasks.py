"""Tasks of chess: which rows they make, how they are cut, and what counts as right."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from chess_samples import needs_engine

pytest.importorskip("chess", reason="python-chess is not installed: pip install 'surpass[chess]'")

from surpass import assets
from surpass.chess.mining import epd
from surpass.chess.notation import san
from surpass.chess.stockfish import Engine as Running
from surpass.chess.working import FILE
from surpass.computing import compute
from surpass.corpora.chess_games import ChessGames
from surpass.corpora.chess_mates import BEYOND, ChessMates
from surpass.corpora.chess_puzzles import ChessPuzzles as Mined
from surpass.corpora.lichess_puzzles import LichessPuzzles
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.labels.engine import Engine
from surpass.registry import TASKS
from surpass.runtime import Runtime
from surpass.splits import Data, make_splits
from surpass.stages import Label
from surpass.tasks._judging import judge
from surpass.tasks.chess_choice import ChessChoice
from surpass.tasks.chess_puzzles import ChessPuzzles

FEN = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4"
PROMPT = "1. e4 1... e5 2. Qh5 2... Nc6 3. Bc4 3... Nf6 4."
SIZES = {"n_weak": 10, "n_transfer": 10, "n_val": 0, "n_test": 8}


@pytest.fixture(scope="module")
def puzzles():
    games = ChessGames(games=16, depth=3, seed=1).resolve().build(Runtime(jobs=2), ())
    return Mined(depth=5, gain=-1.0, margin=0.1).resolve().build(Runtime(jobs=2), (games,))


def made_up(n):
    """Return n puzzles of n/2 games, of difficulties 1 to 10, whose texts are no chess."""
    ids = tuple(f"{i // 2}/{i}" for i in range(n))
    columns = {"answer": [f"N{i}" for i in range(n)], "position": ids, "difficulty": [i % 10 + 1 for i in range(n)]}
    return Documents(ids, tuple(f"1. a{i}" for i in range(n)), tuple(name.split("/")[0] for name in ids), {}, columns)


def test_a_corpus_without_puzzles_is_told_while_planning():
    from surpass.corpora.files import Files

    told = "has no column 'answer': it has result, half_moves. Give a corpus of puzzles"
    assert told in str(ChessPuzzles(puzzles=ChessGames()).problem())
    assert "it has texts alone" in str(ChessPuzzles(mates=Files(path="a.txt")).problem())
    assert "no column 'second'" in str(ChessChoice(puzzles=LichessPuzzles(path="a.csv")).problem())
    with pytest.raises(DataError, match="corpus 'chess-puzzles' has no column 'answer'"):
        list(ChessPuzzles().rows_from((Documents(("a",), ("1. e4",)),)))


@needs_engine
def test_no_game_and_no_position_is_in_two_splits(puzzles):
    splits = make_splits(Data(task=ChessPuzzles(), **SIZES), (puzzles,))
    positions = dict(zip(puzzles.ids, map(epd, puzzles.columns["position"]), strict=True))
    games, places = {}, {}
    for name, split, group in zip(splits.rows.ids, splits.split, splits.rows.groups, strict=True):
        assert games.setdefault(group, split) == split
        assert places.setdefault(positions[name], split) == split
    assert splits.target == "generation"
    assert len(splits.part("weak")) == 10


@needs_engine
def test_answers_are_right_and_accepted_and_rivals_only_accepted(puzzles):
    task = ChessPuzzles()
    splits = make_splits(Data(task=task, **SIZES), (puzzles,))
    rows, second = splits.rows, dict(zip(puzzles.ids, puzzles.columns["second"], strict=True))
    found = judge(task, rows, rows.labels.tolist())
    assert np.array_equal(found, np.ones_like(found))
    rivals = judge(task, rows, [f" {second[name]}" for name in rows.ids])
    assert (rivals[:, 0].sum(), rivals[:, 2].mean()) == (0, 1)
    nonsense = judge(task, rows, [" Kz9"] * len(rows))
    assert nonsense[:, [0, 2]].sum() == 0


def test_easy_puzzles_train_and_hard_ones_are_a_shifted_test_of_other_games():
    task = ChessPuzzles(hardest=3, hard=8)
    splits = make_splits(Data(task=task, **{**SIZES, "n_test": 20}), (made_up(400),))
    difficulty = {f"{i // 2}/{i}": i % 10 + 1 for i in range(400)}
    seen = {name: {difficulty[row] for row in splits.part(name).ids} for name in splits.names()}
    assert seen["weak"] | seen["transfer"] <= {1, 2, 3}
    assert seen["shift:hard"] <= {8, 9, 10}
    assert max(seen["test"]) <= 7
    assert min(len(seen["test"]), len(seen["shift:hard"])) > 1
    training = set(splits.part("weak", "transfer").groups)
    assert not training & set(splits.part("test", "shift:hard").groups)
    assert not set(splits.part("shift:hard").groups) & set(splits.part("val", "test").groups)


def test_the_form_with_positions_tags_them():
    row = {"id": "a", "text": PROMPT, "group": "g", "answer": "Qxf7#", "position": FEN, "difficulty": 1}
    moves, position = (ChessPuzzles(form=form).example(row, Random(0)) for form in ("moves", "position"))
    assert (moves.input, moves.label) == (PROMPT, " Qxf7#")
    assert (position.input, position.label) == (f'[FEN "{FEN}"] 4.', " Qxf7#")


def test_the_candidates_of_a_puzzle_are_its_legal_moves_in_either_form():
    for row in ChessPuzzles.sample:
        found = []
        for form in ("moves", "position"):
            task = ChessPuzzles(form=form)
            example = task.example(row, Random(0))
            found.append(task.candidates(example.input))
            assert example.label in found[-1]
            assert task.accepts((example.input,) * len(found[-1]), found[-1]).all()
        assert found[0] == found[1]
    assert ChessPuzzles().knows_candidates
    assert not ChessChoice().knows_candidates


def test_a_choice_points_to_the_best_move_in_half_of_the_rows_and_its_text_is_that_of_eleutherai():
    task = ChessChoice()
    rows = [dict(task.sample[0], id=str(i)) for i in range(400)]
    found = list(task.examples(rows))
    text = found[0].input
    assert text.startswith("Find the best move. Previous moves:\n1. f3 1... e5 2. g4 2...\n\n1) ")
    for example in found:
        *_, first, second, pointed = example.input.splitlines()
        named = {"A: 1": first, "A: 2": second}[pointed].partition(" ")[2]
        assert example.label == (named == "Qh4#")
    assert 0.4 < np.mean([example.label for example in found]) < 0.6
    assert 0.4 < np.mean(["1) Qh4#" in example.input for example in found]) < 0.6
    assert list(task.examples(task.sample))[2] is None  # no rival is known


@needs_engine
def test_the_engine_labels_moves_with_their_shares(puzzles):
    splits = make_splits(Data(task=ChessPuzzles(), **SIZES), (puzzles,))
    weak = Engine().resolve().compute(splits, ())
    strong = Engine(depth=8).resolve().compute(splits, ())
    right = [np.mean(each.texts[:, 0] == splits.rows.labels) for each in (weak, strong)]
    assert min(right) > 0.7
    assert ((weak.values > 0.25) & (weak.values <= 1)).all()  # the best of four
    erring = Engine(errs=True, noise=1.0).resolve().compute(splits, ())
    assert np.mean(erring.texts[:, 0] == splits.rows.labels) < right[0]
    assert ChessPuzzles().accepts(splits.rows.inputs, erring.texts[:, 0].tolist()).all()
    again = Engine(errs=True, noise=1.0).resolve().compute(splits, ())
    assert (again.texts == erring.texts).all()


@needs_engine
def test_engine_labels_go_on_from_what_a_stopped_stage_finished(puzzles, tmp_path):
    data = Data(task=ChessPuzzles(), **SIZES)
    halves = [make_splits(half, (puzzles,)) for half in (data.training(), data.evaluation())]
    stage, runtime = Label(data=data, source=Engine().resolve()), Runtime(scratch=tmp_path / "scratch", jobs=2)
    whole = compute(stage, halves, runtime)
    file = runtime.scratch / FILE
    done = file.read_text().splitlines(keepends=True)
    assert len(done) == len(whole.ids) == 28
    name = json.loads(done[0])[0]
    file.write_text(json.dumps([name, [["a move that was kept", 1.0]]]) + "\n" + done[1] + done[2][:9])
    again = compute(stage, halves, runtime)
    wanted = [
        " a move that was kept" if each == name else text
        for each, text in zip(whole.ids, whole.texts[:, 0], strict=True)
    ]
    assert again.texts[:, 0].tolist() == wanted
    assert len(file.read_text().splitlines()) == 28


@needs_engine
def test_the_engine_refuses_what_is_no_chess():
    splits = make_splits(Data(task=ChessPuzzles(), **SIZES), (made_up(100),))
    assert "reads chess positions, but row" in (Engine().lacks(splits) or "")
    with pytest.raises(DataError, match=r"Give prompts such as '1\. e4"):
        Engine().resolve().compute(splits, ())


def test_lichess_tables_are_read_in_both_forms(tmp_path):
    own = tmp_path / "puzzles.csv"
    before = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 3 3"
    own.write_text(
        "PuzzleId,FEN,Moves,Rating,GameUrl\n"
        f"a,{before},g8f6 h5f7,600,https://lichess.org/xyz/black#6\n"
        f"b,{before},g8f6 h5f7,600,https://lichess.org/abc#6\n"
        f"c,{before},g8f6 a1a8,700,https://lichess.org/abc#6\n"
        "d,no position,g8f6 h5f7,700,\n"
    )
    found = LichessPuzzles(path=str(own)).resolve().build(Runtime(), ())
    assert found.texts == (f'[FEN "{FEN}"] 4.',)
    assert (found.groups, found.columns["answer"]) == (("https://lichess.org/xyz",), ("Qxf7#",))
    assert found.columns["difficulty"] == (600.0,)
    assert {"read": 4, "broken": 2, "repeated": 1}.items() <= found.facts.items()

    listed = tmp_path / "puzzles.jsonl"
    listed.write_text(
        f'{{"id": 1, "ctx": "{PROMPT}", "target": " Qxf7#"}}\n{{"id": 2, "ctx": "1.", "target": " Ke2"}}\n'
    )
    found = LichessPuzzles(path=str(listed)).resolve().build(Runtime(), ())
    assert (found.texts, found.columns["position"]) == ((PROMPT,), (FEN,))

    other = tmp_path / "other.csv"
    other.write_text("text,label\na,b\n")
    with pytest.raises(DataError, match="It needs columns FEN and Moves, or ctx and target"):
        LichessPuzzles(path=str(other)).resolve().build(Runtime(), ())


def _in_time(engine, position, mate):
    """Return the two best moves by a search two half-moves deeper than the corpus has; None: it does not mate in time."""
    engine.clear()
    depths = engine.answer(position, 2 * mate + BEYOND + 2, lines=2)
    return [san(line.move, position) if 0 < line.mate <= mate else None for line in depths[max(depths)]]


@needs_engine
@pytest.mark.assets
@pytest.mark.slow
def test_a_mate_is_kept_by_its_answer_alone(monkeypatch):
    from surpass.corpora import chess_mates

    every = chess_mates._positions(assets.folder(chess_mates.ASSET))
    begins = "r2qrb2/p1pn1Qp1/", "rq3rk1/1p1bpp1p/"  # a mate in three and no mate in two; two moves that mate in four
    longer, double = (next(each for each in every if each[1][0].startswith(rank)) for rank in begins)
    given = [*every[::80], longer, double]
    monkeypatch.setattr(chess_mates, "_positions", lambda folder: given)
    mates = ChessMates().resolve().build(Runtime(jobs=2), ())
    assert {"read": 14, "positions": 12, "unconfirmed": 1, "several": 1}.items() <= mates.facts.items()
    with Running() as engine:
        for row in mates.rows():
            first, second = _in_time(engine, row["position"], row["mate"])
            assert (first, second) == (row["answer"], None)
        (position, _, mate), (other, one, longest) = longer[1], double[1]
        assert _in_time(engine, position, mate) == [None, None]
        both = _in_time(engine, other, longest)
        assert one in both
        assert None not in both
    assert not {position, other} & set(mates.columns["position"])
    task = ChessPuzzles(mates=ChessMates())
    splits = make_splits(Data(task=task, **{**SIZES, "n_test": 10}), (made_up(100), mates))
    held = splits.part("shift:mates")
    assert len(held) == 10
    assert all(text.startswith('[FEN "') for text in held.inputs)
    assert task.accepts(held.inputs, held.labels.tolist()).all()


def test_the_tasks_are_found_by_name():
    assert {"chess-puzzles", "chess-choice"} <= set(TASKS.names())
