"""Spawned worker processes, one per core group or device: each takes one stage at a time over a pipe.

Spawned, not forked: a forked process inherits the math libraries' threads and cannot use a GPU. Each worker is pinned to a
core and keeps the backbones it loaded and the states of rows it computed, and gets the stages that need them.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from surpass.runtime import Runtime, cores
from surpass.store import Store
from surpass.work import Job, Outcome, Task, run_stage

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class _Worker:
    """One process with its pipe and the task it has, if any."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.task: Task | None = None
        self.holds: set[str] = set()
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, job), daemon=True)
        with _thread_environment(job.runtime.threads):
            self.process.start()
        theirs.close()

    def send(self, task: Task) -> None:
        self.task = task
        self.holds.update(task.affinity)
        self.pipe.send(task)

    def held(self, task: Task) -> int:
        """Return how much of what the task needs in memory this worker has loaded before."""
        return len(self.holds.intersection(task.affinity))

    def receive(self) -> Outcome:
        """Return the outcome, or how the process died."""
        if self.task is None:
            raise RuntimeError("a worker without a task has sent something")
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            code = self.process.exitcode
            how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
            text = f"the worker process ended {how} during this stage, perhaps for lack of memory. Use fewer jobs."
            outcome = Outcome(self.task.key, "failed", 0.0, text)
        self.task = None
        return outcome

    def stop(self) -> None:
        with suppress(OSError):
            self.pipe.close()
        self.process.terminate()
        self.process.join(5)


class Workers:
    """Runs tasks on spawned processes; a task whose worker dies is tried once more on a fresh one."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = runtime.threads == 1 and len(available) >= runtime.jobs
        self._jobs = [
            Job(str(store.root), runtime, available[i] if pinned else None) for i in range(runtime.jobs or cores())
        ]
        self._workers: list[_Worker] = []
        self._retried: set[str] = set()

    def room(self) -> int:
        """Return how many workers are idle or not yet started."""
        return len(self._jobs) - sum(worker.task is not None for worker in self._workers)

    def start(self, ready: Sequence[Task]) -> Task:
        """Give an idle worker the task that gains most from what it holds and others do not; else the first task."""
        if len(self._workers) < len(self._jobs):
            self._workers.append(_Worker(self._jobs[len(self._workers)]))
        idle = [worker for worker in self._workers if worker.task is None]
        pairs = [(task, worker) for task in ready for worker in idle]
        task, worker = max(pairs, key=lambda pair: self._advantage(*pair))  # of equals the first: the plan's order
        try:
            worker.send(task)
        except OSError:  # it died while it was idle
            self._replace(worker).send(task)
        return task

    def _advantage(self, task: Task, worker: _Worker) -> int:
        return worker.held(task) - max((other.held(task) for other in self._workers if other is not worker), default=0)

    def _replace(self, worker: _Worker) -> _Worker:
        """Return a fresh worker in the place of a dead one."""
        worker.stop()
        fresh = _Worker(worker.job)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def wait(self) -> list[Outcome]:
        """Wait for a worker to finish or die."""
        busy = {worker.pipe: worker for worker in self._workers if worker.task is not None}
        found: list[Outcome] = []
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]  # wait returns the connections it was given
            task = worker.task
            outcome = worker.receive()
            if not worker.process.is_alive() and task is not None:
                replacement = self._replace(worker)
                if outcome.status == "failed" and task.key not in self._retried:
                    self._retried.add(task.key)
                    replacement.send(task)
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


def _serve(pipe: Connection, job: Job) -> None:
    """Run tasks until the pipe closes: when the parent is gone, however it went."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and closes the pipe
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    store = Store.open(job.root)
    while True:
        try:
            task: Task = pipe.recv()
            outcome = run_stage(task, store, job.runtime)
            pipe.send(outcome)
        except (EOFError, OSError):
            return
