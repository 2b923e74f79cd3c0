"""A study of chess whose processes are killed, from the games to the report, and engines that never answer."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chess_samples import needs_engine
from sample_stores import contents

from surpass import report
from surpass.chess import stockfish, working
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import key
from surpass.stages import stored_as
from surpass.store import Store
from surpass.study import cells
from surpass.studyfile import parse, read
from surpass.work import Node, run_stage

pytestmark = needs_engine
STUDY = """
name: killed
tasks:
  - task: chess-puzzles
    puzzles:
      corpus: chess-puzzles
      depth: 6
      margin: 0.1
      gain: -1
      start: 4
      games: {corpus: chess-games, games: 60, depth: 3, longest: 30, seed: 1}
data: {n_weak: 24, n_transfer: 24, n_val: 4, n_test: 24}
pairs:
  - weak: &small
      model: generator
      backbone:
        pretrain: &game
          corpus: {corpus: chess-games, games: 60, depth: 3, longest: 30}
          words: " ?\\\\d+\\\\.+| ?[KQRBN]| ?O-O(?:-O)?|x|[a-h][1-8]|."
          vocabulary: 400
          layers: 1
          width: 16
          heads: 2
          epochs: 8
          batch_size: 4
          lr: 1.0e-2
      precision: fp32
      epochs: 10
      lr: 5.0e-3
      batch_size: 4
      max_new_tokens: 6
    strong:
      <<: *small
      backbone: {pretrain: {<<: *game, width: 32}}
methods: [soft]
seeds: 1
"""
DRIVER = """
import logging
import sys
from pathlib import Path

from surpass import report
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.store import Store
from surpass.studyfile import read

logging.basicConfig(level=logging.INFO)  # of workers too: they load this file
if __name__ == "__main__":
    folder, store = Path(sys.argv[1]), Store.open(Path(sys.argv[1]) / "store")
    runtime = Runtime(jobs=1, checkpoint_seconds=0.0)
    made, outcomes = run(read(folder / "study.yaml"), store=store, runtime=runtime)
    report.write(results(made, outcomes, store), folder / "out")
    sys.exit(" ".join(outcome.error for outcome in outcomes if outcome.error) or 0)
"""
MOMENTS = {
    "corpus/chess-games": (working.FILE, "all"),
    "corpus/chess-puzzles": (working.FILE, "worker"),
    "pretrain": ("language.safetensors", "worker"),
    "fit": ("targets.safetensors", "all"),
}
"""By kind of stage: the file that says that some of the work is done, and who is killed then.

A stage whose worker was killed is done over in batches of half the size, lest memory was wanting, and a batch may round
otherwise. So a worker is struck where that cannot be: with the engine, and in steps that are smaller than half a batch.
"""


class Struck:
    """A study in a folder that is started again and again, and struck once in a stage of each kind."""

    def __init__(self, folder: Path, nodes: dict[str, Node]) -> None:
        self.folder, self.nodes, self.store = folder, nodes, Store.open(folder / "store")
        self.left = dict(MOMENTS)
        self.finished: dict[str, int] = {}
        (folder / "drive.py").write_text(DRIVER, encoding="utf-8")

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(self.folder / "drive.py"), str(self.folder)]
        with (self.folder / "log.txt").open("ab") as log:
            # A session of its own, so that all of it can be killed at once.
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def look(self) -> None:
        """Note when each artifact was finished; none may be lost, or written again."""
        for path in (self.folder / "store").glob("*/*/*/manifest.json"):
            if path.parts[-4] != "tmp":
                stamp = path.stat().st_mtime_ns
                assert self.finished.setdefault(str(path), stamp) == stamp
        assert all(Path(name).exists() for name in self.finished)

    def done(self, node: Node) -> bool:
        return self.store.has(stored_as(node.spec), node.key)

    def begun(self) -> Iterator[Node]:
        """Yield the stages that are to be struck and have finished a part of their work."""
        for node in self.nodes.values():
            if node.spec.kind in self.left:
                part = self.store.scratch(node.key) / MOMENTS[node.spec.kind][0]
                if part.is_file() and part.read_bytes() and not self.done(node):
                    yield node

    def strike(self, driver: subprocess.Popen[bytes], node: Node) -> None:
        """Kill, and take the moment for struck unless the stage was finished just then."""
        if MOMENTS[node.spec.kind][1] == "all":
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
        else:
            for worker in workers_of(driver.pid):
                os.kill(worker, signal.SIGKILL)
        self.look()
        if not self.done(node):
            del self.left[node.spec.kind]

    def disturb(self) -> None:
        """Start the driver and strike it or its worker until every kind of stage was struck, then let it end."""
        while True:
            driver = self.start()
            try:
                while driver.poll() is None:
                    for node in itertools.islice(self.begun(), 1):
                        self.strike(driver, node)
                    time.sleep(0.005)
            finally:
                if driver.poll() is None:
                    os.killpg(driver.pid, signal.SIGKILL)
            self.look()
            assert driver.returncode in (0, -signal.SIGKILL), self.log()
            if driver.returncode == 0:
                assert not self.left, f"it ended before these were struck: {sorted(self.left)}"
                return


def workers_of(driver: int) -> list[int]:
    """Return the process ids of a driver's workers."""
    children = Path(f"/proc/{driver}/task/{driver}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds worker processes under /proc")
def test_a_study_killed_in_every_kind_of_stage_ends_as_an_undisturbed_one(tmp_path):
    """Games, puzzles, pretraining, finetuning: each is struck after some of its work, all processes at once or the worker."""
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    study = read(tmp_path / "study.yaml")
    struck = Struck(tmp_path, graph(study.resolve()))
    struck.disturb()
    calm = Store.open(tmp_path / "calm")
    made, outcomes = run(study, store=calm, runtime=Runtime())
    report.write(results(made, outcomes, calm), tmp_path / "undisturbed")
    tables = [(tmp_path / place / "results.csv").read_bytes() for place in ("out", "undisturbed")]
    assert tables[0] == tables[1]
    assert tables[0].count(b"\n") > 1
    assert contents(struck.store.root) == contents(calm.root)
    assert len(struck.finished) == len(made.nodes)
    assert struck.log().count("training goes on after step") >= 2  # in a pretraining and in a fit
    assert not list((tmp_path / "store" / "tmp").iterdir())


SICK = """#!/bin/sh
echo started >> '{starts}'
while read -r word rest; do
  case "$word" in
    uci) echo 'id name {name}'; echo uciok ;;
    isready) echo readyok ;;
    go) {how} ;;
  esac
done
"""
"""An engine that greets as the real one does and comes to grief at its first search."""
CRASHES, HANGS = "exit 3", "kill -STOP $$"
HOW = {CRASHES: "the engine ended with exit code 3", HANGS: "the engine gave no answer within 0.5 s and was stopped"}


@pytest.fixture
def sick(tmp_path, monkeypatch):
    """Return a function that puts a sick engine in the place of the sound one and returns where its starts are noted."""
    name = stockfish.identity()  # which the stages are planned with

    def make(how: str) -> Path:
        path, starts = tmp_path / "sick-engine", tmp_path / "starts"
        path.write_text(SICK.format(starts=starts, name=name, how=how))
        path.chmod(0o755)
        monkeypatch.setenv("SURPASS_STOCKFISH", str(path))
        monkeypatch.setitem(working.finished.__kwdefaults__, "timeout", 0.5)
        return starts

    return make


CHOICES = """
name: sick
tasks:
  - task: chess-choice
    puzzles: {corpus: chess-puzzles, depth: 4, gain: -1, games: {corpus: chess-games, games: 6, longest: 20, seed: 1}}
data: {n_weak: 2, n_transfer: 2, n_val: 0, n_test: 2}
pairs: [{weak: {model: sklearn, ngrams: 1}, strong: sklearn}]
seeds: 1
"""


@pytest.mark.parametrize("how", [CRASHES, HANGS], ids=["crashes", "hangs"])
def test_an_engine_that_fails_twice_fails_the_games_in_words_and_stops_what_stands_on_them(how, sick, store):
    starts = sick(how)
    made, outcomes = run(parse(yaml.safe_load(CHOICES)), store=store, runtime=Runtime())
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert made.nodes[failed.key].spec.kind == "corpus/chess-games"
    assert failed.error.startswith("game 1/0: ")
    assert HOW[how] in failed.error
    assert "So did a new engine. Run the study again, or try another version of Stockfish." in failed.error
    assert failed.trace == ""
    assert {outcome.status for outcome in outcomes} == {"failed", "skipped"}
    assert len(starts.read_text().splitlines()) >= 2


@pytest.mark.parametrize("how", [CRASHES, HANGS], ids=["crashes", "hangs"])
def test_an_engine_that_fails_as_the_supervisor_fails_the_labels(how, sick, store):
    """Games and puzzles are of the sound engine."""
    plain = yaml.safe_load(STUDY)
    plain["pairs"] = [{"weak": {"label": "engine", "depth": 2}, "strong": plain["pairs"][0]["strong"]}]
    plain["data"] = {"n_weak": 2, "n_transfer": 2, "n_val": 0, "n_test": 2}
    plain["tasks"][0]["puzzles"]["games"]["games"] = 10
    study = parse(plain).resolve()
    (cell,) = cells(study)
    label = graph(study)[key(cell.supervisor)]
    before = [node for node in graph(study).values() if node.spec.kind.startswith(("corpus", "data"))]
    assert {run_stage(node, store, Runtime()).error for node in before} == {""}
    starts = sick(how)
    failed = run_stage(label, store, Runtime())
    assert (failed.status, failed.trace) == ("failed", "")
    assert HOW[how] in failed.error
    assert len(starts.read_text().splitlines()) >= 2
