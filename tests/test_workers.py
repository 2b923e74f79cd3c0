"""Worker processes: they die, and the run goes on."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.methods.base import Given, Method
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.stages import Stage
from surpass.study import cells
from surpass.work import PROCESSOR, Node, Outcome
from surpass.workers import THREAD_VARIABLES, Workers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deadly(Method):
    """Kills its process as often as there are names in `folder`."""

    folder: str

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        for path in sorted(Path(self.folder).iterdir()):
            path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return weak


@dataclasses.dataclass(frozen=True, kw_only=True)
class Greedy(Sklearn):
    """Is killed, as the kernel does for want of memory, unless batches are small."""

    def fit(self, work: Any, runtime: Runtime) -> Any:
        if runtime.tokens_per_batch >= PROCESSOR:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(work, runtime)


def deaths(folder: Path, count: int) -> Deadly:
    folder.mkdir()
    for i in range(count):
        (folder / str(i)).touch()
    return Deadly(folder=str(folder))


def by_key(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.key: outcome for outcome in outcomes}


@pytest.mark.slow
def test_a_stage_whose_worker_is_killed_is_tried_again(small_study, store, tmp_path):
    study = small_study(methods=(Soft(), deaths(tmp_path / "once", 1)))
    made, outcomes = run(study, store=store, runtime=Runtime(jobs=2))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len(outcomes) == len(made.nodes)
    soft, deadly = (store.load("fit", key(cell.student)) for cell in cells(made.study))
    assert np.array_equal(soft.values, deadly.values)


@pytest.mark.slow
def test_a_stage_that_kills_two_workers_fails_and_the_rest_goes_on(small_study, store, tmp_path):
    study = small_study(methods=(deaths(tmp_path / "ever", 9), Soft()))
    made, outcomes = run(study, store=store, runtime=Runtime(jobs=1))
    deadly, soft = (by_key(outcomes)[key(cell.student)] for cell in cells(made.study))
    assert soft.status == "done"
    assert deadly.status == "failed"
    assert "the worker process ended by signal 9 during this stage" in deadly.error
    assert len(list((tmp_path / "ever").iterdir())) == 7


@pytest.fixture
def workers(store):
    made = Workers(store, Runtime(jobs=1))
    yield made
    made.close()


def node(spec: Stage) -> Node:
    return Node(key(spec), spec, ())


def test_a_worker_that_died_while_idle_is_replaced(workers, small_study, store):
    (cell,) = cells(small_study())
    workers.start([node(cell.data.training())])
    assert workers.room() == 0
    assert [outcome.status for outcome in workers.wait()] == ["done"]
    (idle,) = workers._workers
    idle.process.kill()
    idle.process.join()
    workers.start([node(cell.data.evaluation())])
    assert [outcome.status for outcome in workers.wait()] == ["done"]
    assert workers.room() == 1
    assert store.has("data", key(cell.data.evaluation()))


def test_closing_leaves_no_process(workers, small_study):
    (cell,) = cells(small_study())
    workers.start([node(cell.data.training())])
    (worker,) = workers._workers
    workers.close()
    assert not worker.process.is_alive()


@pytest.mark.parametrize("seed", range(5))
def test_an_idle_worker_gets_the_stage_that_gains_most_by_it(seed, store, monkeypatch):
    """Against the definition, over every stage and every idle worker."""
    monkeypatch.setattr("surpass.workers.affinity", lambda spec: spec)
    rng = np.random.default_rng(seed)

    def words() -> tuple[str, ...]:
        return tuple(f"{name}{rng.integers(2)}" for name in "ab"[: rng.integers(3)])

    ready: list[Any] = [Node(str(i), words(), ()) for i in range(12)]  # type: ignore[arg-type]
    made = Workers(store, Runtime(jobs=4))
    made._workers[:] = [SimpleNamespace(nodes=i < 2, holds=set(words())) for i in range(4)]  # type: ignore[list-item]
    given: list[Any] = []
    monkeypatch.setattr(made, "_give", lambda worker, nodes: given.append((nodes[0], worker)))

    def advantage(pair: Any) -> int:
        counts = {id(worker): len(worker.holds & set(pair[0].spec)) for worker in made._workers}
        own = counts.pop(id(pair[1]))
        return own - max(counts.values())

    made.start(ready)
    assert given == [max(((node, w) for node in ready for w in made._workers[2:]), key=advantage)]


def test_the_math_threads_of_this_process_stay_as_they_are(workers, small_study, monkeypatch):
    monkeypatch.setenv(THREAD_VARIABLES[0], "7")
    monkeypatch.delenv(THREAD_VARIABLES[1], raising=False)
    (cell,) = cells(small_study())
    workers.start([node(cell.data.training())])
    assert os.environ[THREAD_VARIABLES[0]] == "7"
    assert THREAD_VARIABLES[1] not in os.environ


def test_a_runtime_travels_without_its_memory():
    runtime = Runtime(jobs=2, memo={"backbone": object()})
    again = pickle.loads(pickle.dumps(runtime))
    assert again == Runtime(jobs=2)
    assert again.memo == {}
