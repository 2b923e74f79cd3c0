"""One stage, run: look up, lock, load the inputs, compute, write. Whatever goes wrong becomes an outcome, not a crash."""

from __future__ import annotations

import dataclasses
import logging
import platform
import time
import traceback
from importlib import metadata
from typing import Any, Literal, NamedTuple

from surpass.errors import SurpassError
from surpass.runtime import Runtime
from surpass.spec import encode
from surpass.stages import Stage, compute
from surpass.store import Store

log = logging.getLogger(__name__)
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "peft")


class Task(NamedTuple):
    """What a worker is sent: a stage with its key, its inputs as (kind, key), and what it will load."""

    key: str
    spec: Stage
    inputs: tuple[tuple[str, str], ...]
    affinity: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """How a stage ended; `error` is one paragraph for a person, `trace` the traceback of an unexpected error."""

    key: str
    status: Literal["cached", "done", "failed", "skipped"]
    seconds: float
    error: str = ""
    trace: str = ""


def run_stage(task: Task, store: Store, runtime: Runtime) -> Outcome:
    """Compute one stage unless the store has it by now, and return how it ended."""
    kind, start = task.spec.kind, time.perf_counter()
    try:
        with store.lock(task.key):
            if store.has(kind, task.key):
                if not (fault := store.fault(kind, task.key)):
                    return Outcome(task.key, "cached", 0.0)
                log.warning("%s %s: %s. It is recomputed.", kind, task.key, fault)
            inputs = [store.load(*item) for item in task.inputs]
            with _threads(runtime.threads):
                artifact = compute(task.spec, inputs, runtime)
            seconds = time.perf_counter() - start
            store.save(kind, task.key, artifact, _manifest(task, seconds))
            return Outcome(task.key, "done", seconds)
    except SurpassError as error:
        return Outcome(task.key, "failed", time.perf_counter() - start, str(error))
    except MemoryError:
        text = "out of memory. Lower tokens_per_batch, use fewer jobs, or a smaller model."
        return Outcome(task.key, "failed", time.perf_counter() - start, text)
    except Exception as error:  # the boundary of a stage: the run goes on and the report shows what happened here
        text = f"{type(error).__name__}: {error}"
        return Outcome(task.key, "failed", time.perf_counter() - start, text, traceback.format_exc())


def _threads(count: int) -> Any:  # threadpoolctl's context manager, untyped
    """Return a context that limits the math libraries, so that workers never oversubscribe the cores."""
    import sys

    from threadpoolctl import threadpool_limits

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return threadpool_limits(count)


def _manifest(task: Task, seconds: float) -> dict[str, Any]:
    return {
        "spec": encode(task.spec),
        "inputs": [list(item) for item in task.inputs],
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "facts": {"python": platform.python_version(), "machine": platform.machine()},
    }


def versions() -> dict[str, str]:
    """Return the versions of surpass and the libraries that numbers depend on."""
    from surpass import __version__

    found = {"surpass": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker process needs once: the store's place, the runtime, and the core to stay on."""

    root: str
    runtime: Runtime
    core: int | None
