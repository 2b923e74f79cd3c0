"""Spawned worker processes, as many as `jobs`: each takes a stage at a time, or fits that run together, over a pipe.

Spawned, not forked: a forked process inherits the math libraries' threads and cannot use a GPU. Each worker is pinned to a
core and keeps the backbones it loaded and the states of rows it computed, and gets the stages that need them.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from surpass.runtime import Runtime
from surpass.spec import key
from surpass.stages import Fit, Stage
from surpass.store import Store
from surpass.work import Node, Outcome, mates, run_stages

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class _Setup:
    """What a worker process needs once: the store's place, the runtime, and the core to stay on."""

    root: str
    runtime: Runtime
    core: int | None


class _Worker:
    """One process with its pipe and the stages it has, if any."""

    def __init__(self, setup: _Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self.setup = setup
        self.nodes: dict[str, Node] = {}
        self.holds: set[str] = set()
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, setup), daemon=True)
        with _thread_environment(setup.runtime.threads):
            self.process.start()
        theirs.close()

    def send(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.key: node for node in nodes}
        for node in nodes:
            self.holds.update(_affinity(node.spec))
        self.pipe.send(list(nodes))

    def held(self, node: Node) -> int:
        """Return how much of what the stage needs in memory this worker has loaded before."""
        return len(self.holds.intersection(_affinity(node.spec)))

    def receive(self) -> Outcome | None:
        """Return the outcome of one of its stages, None when the process has died."""
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            return None
        del self.nodes[outcome.key]
        return outcome

    def ending(self) -> str:
        """Return how the process died."""
        self.process.join(5)
        code = self.process.exitcode
        return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"

    def stop(self) -> None:
        with suppress(OSError):
            self.pipe.close()
        self.process.terminate()
        self.process.join(5)


class Workers:
    """Runs stages on spawned processes; each stage whose worker dies is tried once more, alone on its worker."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = runtime.threads == 1 and len(available) >= runtime.jobs
        self._setups = [_Setup(str(store.root), runtime, available[i] if pinned else None) for i in range(runtime.jobs)]
        self._workers: list[_Worker] = []
        self._retried: set[str] = set()
        self._again: list[Node] = []

    def room(self) -> int:
        """Return how many workers are idle or not yet started."""
        return len(self._setups) - sum(bool(worker.nodes) for worker in self._workers)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Give an idle worker the stage that gains most from what it holds and others do not, else the first one.

        Stages that gain from running together with it go along.
        """
        if len(self._workers) < len(self._setups):
            self._workers.append(_Worker(self._setups[len(self._workers)]))
        pairs = [(node, worker) for node in ready for worker in self._workers if not worker.nodes]
        node, worker = max(pairs, key=lambda pair: self._advantage(*pair))  # of equals the first: the plan's order
        nodes = mates(node, ready, len(self._setups))
        self._give(worker, nodes)
        return nodes

    def _give(self, worker: _Worker, nodes: Sequence[Node]) -> None:
        try:
            worker.send(nodes)
        except OSError:  # it died while it was idle
            self._replace(worker).send(nodes)

    def _advantage(self, node: Node, worker: _Worker) -> int:
        return worker.held(node) - max((other.held(node) for other in self._workers if other is not worker), default=0)

    def _replace(self, worker: _Worker) -> _Worker:
        """Return a fresh worker in the place of a dead one."""
        worker.stop()
        fresh = _Worker(worker.setup)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def wait(self) -> list[Outcome]:
        """Wait for a worker to finish a stage or die."""
        found: list[Outcome] = []
        while not found:
            busy = {worker.pipe: worker for worker in self._workers if worker.nodes}
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]  # wait returns the connections it was given
                outcome = worker.receive()
                found += [outcome] if outcome else self._buried(worker)
            for worker in [worker for worker in self._workers if not worker.nodes][: len(self._again)]:
                self._give(worker, [self._again.pop(0)])
        return found

    def _buried(self, worker: _Worker) -> list[Outcome]:
        """Replace a dead worker; return the outcomes of stages that it had and that had killed another one before."""
        text = (
            f"the worker process ended {worker.ending()} during this stage, perhaps for lack of memory. Use fewer jobs."
        )
        self._replace(worker)
        self._again += [node for node in worker.nodes.values() if node.key not in self._retried]
        found = [Outcome(name, "failed", 0.0, text) for name in worker.nodes if name in self._retried]
        self._retried.update(worker.nodes)
        return found

    def close(self) -> None:
        """Stop every worker."""
        for worker in self._workers:
            worker.stop()
        self._workers.clear()


@contextmanager
def _thread_environment(threads: int) -> Iterator[None]:
    """Set the variables that math libraries read when they load; a spawned process inherits them."""
    before = {name: os.environ.get(name) for name in (*THREAD_VARIABLES, "TOKENIZERS_PARALLELISM")}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _affinity(spec: Stage) -> tuple[str, ...]:
    """Return what a worker should have in memory already to be quick at this stage: a backbone, and states of its rows."""
    model = getattr(spec, "encoder", None) or getattr(spec, "model", None)
    backbone = str(getattr(model, "backbone", ""))
    if not backbone or getattr(model, "reads_features", False):
        return ()
    return (backbone, key(spec.data)) if isinstance(spec, Fit) else (backbone,)


def _serve(pipe: Connection, setup: _Setup) -> None:
    """Run stages until the pipe closes: when the parent is gone, however it went."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and closes the pipe
    if setup.core is not None:
        os.sched_setaffinity(0, {setup.core})
    store = Store.open(setup.root)
    while True:
        try:
            nodes: list[Node] = pipe.recv()
            for outcome in run_stages(nodes, store, setup.runtime):
                pipe.send(outcome)
        except (EOFError, OSError):
            return
