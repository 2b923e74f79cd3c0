"""The engine: what it answers, and what happens where it is missing, dies or hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chess_samples import MATE_IN_ONE, MATED, MIDDLE, START, needs_engine

from surpass.chess import stockfish
from surpass.chess.stockfish import Engine
from surpass.chess.working import FILE, finished
from surpass.errors import StageError
from surpass.runtime import Runtime

pytestmark = needs_engine


@pytest.fixture
def engine():
    with Engine() as running:
        yield running


def test_a_mate_is_found_and_the_rival_is_worse(engine):
    depths = engine.answer(MATE_IN_ONE, 4, lines=2)
    assert set(depths) == {1, 2, 3, 4}
    best, second = depths[4]
    assert (best.move, best.mate, best.win) == ("h5f7", 1, 1.0)
    assert second.win < 1.0


def test_no_legal_move_has_no_lines(engine):
    assert engine.answer(MATED, 3) == {}


def test_a_cleared_engine_answers_as_a_new_one(engine):
    new = engine.answer(MIDDLE, 7, lines=3)
    for position in (START, MATE_IN_ONE):
        engine.answer(position, 8)
    engine.clear()
    assert engine.answer(MIDDLE, 7, lines=3) == new
    assert new[7][0].win >= new[7][1].win >= new[7][2].win


def test_where_it_is_missing_the_install_line_is_told(monkeypatch):
    monkeypatch.setenv("SURPASS_STOCKFISH", "/nowhere/stockfish")
    assert "SURPASS_STOCKFISH='/nowhere/stockfish' is no program" in (stockfish.lacking() or "")
    monkeypatch.setenv("SURPASS_STOCKFISH", "")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(stockfish, "USUAL", "/nowhere/stockfish")
    with pytest.raises(StageError, match="apt-get install stockfish"):
        Engine()


def test_another_program_is_no_engine():
    with pytest.raises(StageError, match="does not answer as a chess engine"):
        Engine("/bin/true")
    with pytest.raises(StageError, match=r"gave no answer within 0.5 s"):
        Engine("/bin/cat", timeout=0.05)


def _answers(engine):
    return [list(line) for line in engine.answer(MIDDLE, 6, lines=2)[6]]


def _struck(with_signal, times):
    left = [times]

    def work(engine):
        if left[0]:
            left[0] -= 1
            os.kill(engine.process.pid, with_signal)
        return _answers(engine)

    return work


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGSTOP])
def test_an_engine_that_dies_or_hangs_is_replaced_and_the_result_is_the_same(engine, with_signal):
    found = finished({"whole": _answers, "struck": _struck(with_signal, 1)}, Runtime(), timeout=1.0)
    assert found["struck"] == found["whole"] == _answers(engine)


@pytest.mark.parametrize(
    ("with_signal", "how"),
    [(signal.SIGKILL, "ended with exit code -9"), (signal.SIGSTOP, "gave no answer within 0.5 s and was stopped")],
)
def test_two_failures_fail_the_stage_and_name_the_position(with_signal, how):
    with pytest.raises(StageError, match=re.escape(f"game 7: the engine {how} at {MIDDLE}.")):
        finished({"game 7": _struck(with_signal, 2)}, Runtime(), timeout=0.5)


def test_what_was_finished_before_a_stop_is_not_done_again(tmp_path):
    done = []

    def work(name):
        def piece(engine):
            done.append(name)
            return [name, engine.answer(MATE_IN_ONE, 1)[1][0].move]

        return piece

    names = ["a", "b", "c"]
    whole = finished({name: work(name) for name in names}, Runtime(scratch=tmp_path, jobs=2))
    kept = (tmp_path / FILE).read_text().splitlines(keepends=True)
    (tmp_path / FILE).write_text(kept[0] + kept[1][:9])  # it was killed while it wrote the second
    done.clear()
    assert finished({name: work(name) for name in names}, Runtime(scratch=tmp_path)) == whole
    assert sorted(done) == ["b", "c"]
    assert list(whole) == names


@pytest.mark.parametrize(
    "tail",
    [b'["b", [', b'["b", 2]', b"\0" * 40 + b"\n", b'"b"\n', b"\xff\xfe\n"],
    ids=["half", "end", "nul", "other", "bytes"],
)
def test_what_a_kill_or_a_disk_left_behind_whole_work_is_cut_off_and_the_whole_is_not_written_again(tmp_path, tail):
    work = {name: lambda engine, name=name: f"fresh {name}" for name in "abc"}
    file = tmp_path / FILE
    file.write_bytes(b'["a", "kept"]\n' + tail)
    assert finished(work, Runtime(scratch=tmp_path)) == {"a": "kept", "b": "fresh b", "c": "fresh c"}
    assert file.read_text() == '["a", "kept"]\n["b", "fresh b"]\n["c", "fresh c"]\n'
    os.utime(file, (1, 1))
    assert finished(work, Runtime(scratch=tmp_path))["c"] == "fresh c"
    assert file.stat().st_mtime == 1


def test_another_engine_than_was_planned_with_is_refused():
    with pytest.raises(StageError, match="planned with Stockfish 3, but here is Stockfish"):
        finished({"a": _answers}, Runtime(), planned="Stockfish 3")


def test_no_engine_outlives_a_killed_process():
    code = "from surpass.chess.stockfish import Engine; e = Engine(); print(e.process.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        engine = int(run.stdout.readline())
        run.kill()
    for _ in range(100):
        if not _alive(engine):
            break
        time.sleep(0.1)
    assert not _alive(engine)


def _alive(process):
    """Return whether a process runs; one that ended may wait for its parent to ask how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
