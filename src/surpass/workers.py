"""Spawned worker processes, as many as `jobs`: each takes one stage at a time over a pipe.

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
from surpass.work import Node, Outcome, run_stage

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class _Setup:
    """What a worker process needs once: the store's place, the runtime, and the core to stay on."""

    root: str
    runtime: Runtime
    core: int | None


class _Worker:
    """One process with its pipe and the stage it has, if any."""

    def __init__(self, setup: _Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self.setup = setup
        self.node: Node | None = None
        self.holds: set[str] = set()
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, setup), daemon=True)
        with _thread_environment(setup.runtime.threads):
            self.process.start()
        theirs.close()

    def send(self, node: Node) -> None:
        self.node = node
        self.holds.update(_affinity(node.spec))
        self.pipe.send(node)

    def held(self, node: Node) -> int:
        """Return how much of what the stage needs in memory this worker has loaded before."""
        return len(self.holds.intersection(_affinity(node.spec)))

    def receive(self) -> Outcome:
        """Return the outcome, or how the process died."""
        if self.node is None:
            raise RuntimeError("a worker without a stage has sent something")
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            code = self.process.exitcode
            how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
            text = f"the worker process ended {how} during this stage, perhaps for lack of memory. Use fewer jobs."
            outcome = Outcome(self.node.key, "failed", 0.0, text)
        self.node = None
        return outcome

    def stop(self) -> None:
        with suppress(OSError):
            self.pipe.close()
        self.process.terminate()
        self.process.join(5)


class Workers:
    """Runs stages on spawned processes; a stage whose worker dies is tried once more on a fresh one."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = runtime.threads == 1 and len(available) >= runtime.jobs
        self._setups = [_Setup(str(store.root), runtime, available[i] if pinned else None) for i in range(runtime.jobs)]
        self._workers: list[_Worker] = []
        self._retried: set[str] = set()

    def room(self) -> int:
        """Return how many workers are idle or not yet started."""
        return len(self._setups) - sum(worker.node is not None for worker in self._workers)

    def start(self, ready: Sequence[Node]) -> Node:
        """Give an idle worker the stage that gains most from what it holds and others do not; else the first one."""
        if len(self._workers) < len(self._setups):
            self._workers.append(_Worker(self._setups[len(self._workers)]))
        idle = [worker for worker in self._workers if worker.node is None]
        pairs = [(node, worker) for node in ready for worker in idle]
        node, worker = max(pairs, key=lambda pair: self._advantage(*pair))  # of equals the first: the plan's order
        try:
            worker.send(node)
        except OSError:  # it died while it was idle
            self._replace(worker).send(node)
        return node

    def _advantage(self, node: Node, worker: _Worker) -> int:
        return worker.held(node) - max((other.held(node) for other in self._workers if other is not worker), default=0)

    def _replace(self, worker: _Worker) -> _Worker:
        """Return a fresh worker in the place of a dead one."""
        worker.stop()
        fresh = _Worker(worker.setup)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def wait(self) -> list[Outcome]:
        """Wait for a worker to finish or die."""
        busy = {worker.pipe: worker for worker in self._workers if worker.node is not None}
        found: list[Outcome] = []
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]  # wait returns the connections it was given
            node = worker.node
            outcome = worker.receive()
            if not worker.process.is_alive() and node is not None:
                replacement = self._replace(worker)
                if outcome.status == "failed" and node.key not in self._retried:
                    self._retried.add(node.key)
                    replacement.send(node)
                    continue
            found.append(outcome)
        return found if found else self.wait()

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
            node: Node = pipe.recv()
            outcome = run_stage(node, store, setup.runtime)
            pipe.send(outcome)
        except (EOFError, OSError):
            return
