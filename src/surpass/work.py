"""One stage, run: look up, lock, load the inputs, compute, write. Whatever goes wrong becomes an outcome, not a crash."""

from __future__ import annotations

import logging
import platform
import time
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Literal, NamedTuple

from surpass.computing import compute
from surpass.errors import SurpassError
from surpass.runtime import Runtime
from surpass.spec import encode
from surpass.stages import Stage, inputs_of
from surpass.store import Store

log = logging.getLogger(__name__)
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "peft")


class Node(NamedTuple):
    """A stage to run: its spec, and the keys of the stages it takes."""

    key: str
    spec: Stage
    inputs: tuple[str, ...]


class Outcome(NamedTuple):
    """How a stage ended; `error` is one paragraph for a person, `trace` the traceback of an unexpected error."""

    key: str
    status: Literal["cached", "done", "failed", "skipped"]
    seconds: float
    error: str = ""
    trace: str = ""


def run_stage(node: Node, store: Store, runtime: Runtime) -> Outcome:
    """Compute one stage unless the store has it by now, and return how it ended."""
    kind, start = node.spec.kind, time.perf_counter()
    sources = [(item.kind, name) for item, name in zip(inputs_of(node.spec), node.inputs, strict=True)]
    try:
        with store.lock(node.key):
            if store.has(kind, node.key):
                if not (fault := store.fault(kind, node.key)):
                    return Outcome(node.key, "cached", 0.0)
                log.info("%s %s: %s. It is recomputed.", kind, node.key, fault)  # the plan has warned of it
            inputs = [store.load(*source) for source in sources]
            with _threads(runtime.threads):
                artifact = compute(node.spec, inputs, runtime)
            seconds = time.perf_counter() - start
            store.save(kind, node.key, artifact, _manifest(node.spec, sources, seconds))
            return Outcome(node.key, "done", seconds)
    except SurpassError as error:
        return Outcome(node.key, "failed", time.perf_counter() - start, str(error))
    except MemoryError:
        text = "out of memory. Lower tokens_per_batch, use fewer jobs, or a smaller model."
        return Outcome(node.key, "failed", time.perf_counter() - start, text)
    except Exception as error:  # the boundary of a stage: the run goes on and the report shows what happened here
        text = f"{type(error).__name__}: {error}"
        return Outcome(node.key, "failed", time.perf_counter() - start, text, traceback.format_exc())


def _threads(count: int) -> Any:  # threadpoolctl's context manager, untyped
    """Return a context that limits the math libraries, so that workers never oversubscribe the cores."""
    import sys

    from threadpoolctl import threadpool_limits

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return threadpool_limits(count)


def _manifest(spec: Stage, sources: Sequence[tuple[str, str]], seconds: float) -> dict[str, Any]:
    return {
        "spec": encode(spec),
        "inputs": [list(source) for source in sources],
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "facts": {"machine": platform.machine()},
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
