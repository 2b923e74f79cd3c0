"""Spawned worker processes, as many as `jobs`: each takes a stage at a time, or fits that run together, over a pipe.

Spawned, not forked: a forked process inherits the math libraries' threads and cannot use a GPU. Each worker is pinned to a
core and keeps the backbones it loaded and the states of rows it computed, and gets the stages that need them.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Protocol

from surpass.errors import SpecError
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.stages import Fit, Stage
from surpass.store import Store
from surpass.work import Node, Outcome, halved, mates, run_stages

log = logging.getLogger(__name__)
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
        self.deadline = math.inf
        self.holds: set[str] = set()
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, setup), daemon=True)
        with _thread_environment(setup.runtime.threads):
            self.process.start()
        theirs.close()

    def send(self, nodes: Sequence[Node], tokens: int) -> None:
        self.nodes = {node.key: node for node in nodes}
        for node in nodes:
            self.holds.update(affinity(node.spec))
        self.pipe.send((list(nodes), tokens))
        self._allow()

    def _allow(self) -> None:
        """Give the stages it has their time; those that run together end together."""
        seconds = self.setup.runtime.timeout
        self.deadline = math.inf if seconds is None else time.monotonic() + seconds * len(self.nodes)

    def late(self) -> bool:
        """Return whether its stages have taken longer than they may, and nothing of them has arrived."""
        return bool(self.nodes) and time.monotonic() >= self.deadline and not self.pipe.poll()

    def receive(self) -> Outcome | None:
        """Return the outcome of one of its stages, None when the process has died."""
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            return None
        del self.nodes[outcome.key]
        self._allow()
        return outcome

    def ending(self) -> tuple[str, bool]:
        """Return how the process died, and whether it was killed outright, as the kernel does for want of memory."""
        self.process.join(5)
        code = self.process.exitcode
        return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}", code == -9

    def stop(self) -> None:
        with suppress(OSError):
            self.pipe.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():  # it may be stopped, or deaf to signals
            self.process.kill()
            self.process.join(5)


class Workers:
    """Runs stages on spawned processes; each stage whose worker dies is tried once more, alone on its worker."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = runtime.threads == 1 and len(available) >= runtime.jobs
        self._setups = [_Setup(store.address, runtime, available[i] if pinned else None) for i in range(runtime.jobs)]
        self._workers: list[_Worker] = []
        self._runtime = runtime
        self._retried: set[str] = set()
        self._again: list[tuple[Node, int]] = []
        self._needs: dict[str, tuple[str, ...]] = {}

    def room(self) -> int:
        """Return how many workers are idle or not yet started."""
        return len(self._setups) - sum(bool(worker.nodes) for worker in self._workers)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Give an idle worker the stage that gains most from what it holds and others do not, else the first one.

        Stages that gain from running together with it go along.
        """
        if len(self._workers) < len(self._setups):
            self._workers.append(_Worker(self._setups[len(self._workers)]))
        firsts: dict[tuple[str, ...], Node] = {}  # stages that need the same in memory gain the same
        for node in ready:
            if node.key not in self._needs:
                self._needs[node.key] = affinity(node.spec)
            firsts.setdefault(self._needs[node.key], node)
        pairs = [(needed, worker) for needed in firsts for worker in self._workers if not worker.nodes]
        # of equals the first, which is the plan's order
        needed, worker = max(pairs, key=lambda pair: gain(pair[0], pair[1], self._workers))
        nodes = mates(firsts[needed], ready, len(self._setups))
        self._give(worker, nodes)
        return nodes

    def _give(self, worker: _Worker, nodes: Sequence[Node], tokens: int | None = None) -> None:
        tokens = tokens or self._runtime.tokens_per_batch
        try:
            worker.send(nodes, tokens)
        except OSError:  # it died while it was idle
            self._replace(worker).send(nodes, tokens)

    def _replace(self, worker: _Worker) -> _Worker:
        """Return a fresh worker in the place of a dead one."""
        worker.stop()
        place = self._workers.index(worker)
        self._workers[place] = _Worker(self._setups[place])
        return self._workers[place]

    def wait(self) -> list[Outcome]:
        """Wait for a worker to finish a stage, die, or take longer than it may."""
        found: list[Outcome] = []
        while not found:
            busy = {worker.pipe: worker for worker in self._workers if worker.nodes}
            until = min(worker.deadline for worker in busy.values())
            for pipe in wait(list(busy), None if until == math.inf else max(0.0, until - time.monotonic())):
                worker = busy[pipe]  # type: ignore[index]  # wait returns the connections it was given
                outcome = worker.receive()
                found += [outcome] if outcome else self._buried(worker)
            for worker in [worker for worker in self._workers if worker.late()]:
                found += self._stopped(worker)
            for worker in [worker for worker in self._workers if not worker.nodes][: len(self._again)]:
                node, tokens = self._again.pop(0)
                self._give(worker, [node], tokens)
        return found

    def _buried(self, worker: _Worker) -> list[Outcome]:
        """Try a dead worker's stages again, with smaller batches if it was killed; return those that had killed another."""
        how, killed = worker.ending()
        tokens = halved(self._runtime.tokens_per_batch) if killed else self._runtime.tokens_per_batch
        text = f"the worker process ended {how} during this stage, perhaps for lack of memory. Use fewer jobs."
        return self._once_more(worker, tokens, text)

    def _stopped(self, worker: _Worker) -> list[Outcome]:
        """Kill a worker that hangs and try its stages again; return those that hung before."""
        worker.process.kill()
        text = (
            f"the stage took longer than the timeout of {self._runtime.timeout:g} s, twice. Give it more time with "
            "--timeout, or mend what it waits for: an endpoint, a file, another run that computes it."
        )
        return self._once_more(worker, self._runtime.tokens_per_batch, text)

    def _once_more(self, worker: _Worker, tokens: int, text: str) -> list[Outcome]:
        """Replace a worker, keep its stages for another try, and return the failure of those that had theirs."""
        self._replace(worker)
        self._again += [(node, tokens) for node in worker.nodes.values() if node.key not in self._retried]
        found = [Outcome(name, "failed", 0.0, text) for name in worker.nodes if name in self._retried]
        for name in worker.nodes.keys() - self._retried:
            log.warning("%s: %s It is tried once more.", name, text.partition(". ")[0].removesuffix(", twice") + ".")
        self._retried.update(worker.nodes)
        return found

    def close(self) -> None:
        """Stop every worker."""
        for worker in self._workers:
            worker.stop()
        self._workers.clear()


def check_sendable(specs: Sequence[Stage]) -> None:
    """Raise SpecError when stages hold objects of classes that worker processes could not import."""
    try:
        ForkingPickler.dumps(specs)  # as a worker's pipe does
    except Exception as error:  # its words differ between releases of Python
        raise SpecError(
            f"this study cannot be handed to worker processes: {error}. Define its classes at the top level of a file that "
            "they can import (a recipe, or a file beside it, whose name is no installed module's), or compute in this "
            "process: --jobs 0."
        ) from error


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


def affinity(spec: Stage) -> tuple[str, ...]:
    """Return what a worker should have in memory already to be quick at this stage: a backbone, and states of its rows."""
    model = getattr(spec, "encoder", None) or getattr(spec, "model", None)
    backbone = str(getattr(model, "backbone", ""))
    if not backbone or getattr(model, "reads_features", False):
        return ()
    return (backbone, key(spec.data)) if isinstance(spec, Fit) else (backbone,)


class Holder(Protocol):
    """Who runs stages; `holds` names what it has in memory, as `affinity` does."""

    holds: set[str]


def gain(needed: Sequence[str], one: Holder, among: Sequence[Holder]) -> int:
    """Return how much of what a stage needs in memory one of them holds, beyond what any other of them holds."""
    others = (len(other.holds.intersection(needed)) for other in among if other is not one)
    return len(one.holds.intersection(needed)) - max(others, default=0)


def _serve(pipe: Connection, setup: _Setup) -> None:
    """Run stages until the pipe closes: when the parent is gone, however it went."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and closes the pipe
    if setup.core is not None:
        os.sched_setaffinity(0, {setup.core})
    store = Store.open(setup.root)
    while True:
        try:
            nodes, tokens = pipe.recv()
            for outcome in run_stages(nodes, store, dataclasses.replace(setup.runtime, tokens_per_batch=tokens)):
                pipe.send(outcome)
        except (EOFError, OSError):
            return
