"""Processes that hang, are killed or meet each other: tried again, then failed in words; nothing finished is lost."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from test_runner import contents, driver, start  # noqa: F401  # a fixture
from test_workers import Greedy, node

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.base import Given, Method
from surpass.models.sklearn import Sklearn
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.work import Node
from surpass.workers import Workers

spec = dataclasses.dataclass(frozen=True, kw_only=True)


@spec
class Hangs(Method):
    """Never ends as often as there are files in `folder`."""

    folder: str

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        for path in sorted(Path(self.folder).iterdir()):
            path.unlink()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        return weak


def hanging(folder: Path, count: int) -> Hangs:
    folder.mkdir()
    for i in range(count):
        (folder / str(i)).touch()
    return Hangs(folder=str(folder))


def prepared(study: Study, plain: Study, store: Store) -> tuple[Node, Node]:
    """Return a cached stage, and the student of a study whose inputs are there because a like study was run."""
    run(plain, store=store)
    nodes = graph(study.resolve())
    (cell,) = cells(study.resolve())
    return nodes[key(cell.data.training())], nodes[key(cell.student)]


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 9])
def test_a_stage_that_hangs_is_killed_and_tried_again_then_fails(times, small_study, store, tmp_path, caplog):
    study = small_study(methods=(hanging(tmp_path / "hangs", times),))
    known, student = prepared(study, small_study(), store)
    made = Workers(store, Runtime(jobs=1, timeout=600.0))
    try:
        made.start([known])
        assert [outcome.status for outcome in made.wait()] == ["cached"]
        (worker,) = made._workers  # it has started and loaded: its time from here on is that of the stage
        brief = dataclasses.replace(worker.setup, runtime=Runtime(jobs=1, timeout=2.0))
        worker.setup = brief
        if times > 1:
            made._setups[:] = [brief]
        made.start([student])
        with caplog.at_level("WARNING"):
            (outcome,) = made.wait()
        assert worker.process.exitcode == -signal.SIGKILL
        assert made.room() == 1
    finally:
        made.close()
    assert caplog.text.count("It is tried once more.") == 1
    if times > 1:
        assert outcome.status == "failed"
        assert "took longer than the timeout of 600 s, twice. Give it more time with --timeout" in outcome.error
    else:
        assert (outcome.status, outcome.error) == ("done", "")
        assert not list((tmp_path / "hangs").iterdir())


def test_a_timeout_that_nobody_could_hold_is_refused(small_study, store):
    wrong = [Runtime(timeout=5.0), Runtime(jobs=2, timeout=0.0), Runtime(jobs=2, timeout=float("nan"))]
    wrong += [Runtime(executor="ray", timeout=0.0), Runtime(executor="ray", timeout=float("nan"))]
    for runtime in wrong:
        with pytest.raises(
            SpecError, match=r"timeout=.* needs worker processes.* Give --jobs 1 or more, or no timeout"
        ):
            run(small_study(), store=store, runtime=runtime)
    assert not (store.root / "data").exists()


@pytest.mark.parametrize("wrong", [{"jobs": -1}, {"threads": 0}, {"executor": "Ray"}], ids=str)
def test_workers_that_cannot_be_are_refused(wrong):
    with pytest.raises(SpecError, match=r"jobs is at least 0, threads at least 1, and executor 'local' or 'ray'"):
        Runtime(**wrong)


@pytest.mark.slow
def test_a_worker_killed_for_memory_is_tried_again_with_half_the_budget(small_study, store):
    pairs = (Pair(weak=Sklearn(ngrams=1), strong=Greedy()),)
    _, student = prepared(small_study(pairs=pairs), small_study(), store)
    made = Workers(store, Runtime(jobs=1))
    try:
        made.start([student])
        assert [(outcome.status, outcome.error) for outcome in made.wait()] == [("done", "")]
    finally:
        made.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs job control")
def test_closing_ends_a_worker_that_is_stopped(small_study, store):
    made = Workers(store, Runtime(jobs=1))
    (cell,) = cells(small_study())
    made.start([node(cell.data.training())])
    (worker,) = made._workers
    os.kill(worker.process.pid, signal.SIGSTOP)
    made.close()
    assert not worker.process.is_alive()


@pytest.mark.slow
def test_two_drivers_share_a_study_of_two_hundred_stages(driver, tmp_path):  # noqa: F811
    runs = [start(driver, tmp_path / "shared", seeds=40) for _ in range(2)]
    both = [[status for status, _ in json.loads(each.communicate(timeout=500)[0].splitlines()[-1])] for each in runs]
    stages = len(both[0])
    assert stages > 200
    assert sum(found.count("done") for found in both) == stages
    assert len(contents(tmp_path / "shared")) == stages
