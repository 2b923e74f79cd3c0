"""Stages, run: look up, lock, load the inputs, compute, write. Whatever goes wrong becomes an outcome, not a crash."""

from __future__ import annotations

import itertools
import logging
import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from typing import Any, Literal, NamedTuple, cast

from surpass.artifacts import Artifact
from surpass.computing import compute, compute_all
from surpass.errors import SurpassError
from surpass.runtime import Runtime
from surpass.spec import encode
from surpass.stages import Fit, Stage, inputs_of, named_inputs
from surpass.store import Store

log = logging.getLogger(__name__)
MOST = 64  # fits that run together: what a kill costs, and what keeps memory in bounds
FEWEST = 8  # fits of a group that are not worth another worker
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "peft")


class Node(NamedTuple):
    """A stage to run: its spec, and the keys of the stages it takes; stages of one `group` gain from running together."""

    key: str
    spec: Stage
    inputs: tuple[str, ...]
    group: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """How a stage ended; `error` is one paragraph for a person, `trace` the traceback of an unexpected error."""

    key: str
    status: Literal["cached", "done", "failed", "skipped"]
    seconds: float
    error: str = ""
    trace: str = ""


def group_of(spec: Stage, inputs: Sequence[str]) -> tuple[str, ...]:
    """Return what fits that are fitted together have in common: model family, rows and features. Empty: runs alone."""
    if not isinstance(spec, Fit) or not spec.model.together or spec.method.solves or spec.reprobe:
        return ()
    shared = [name for (use, _), name in zip(named_inputs(spec), inputs, strict=True) if use in ("data", "features")]
    return (spec.model.kind, spec.train_split, str(spec.part), spec.domain, *shared)


def mates(first: Node, ready: Sequence[Node], workers: int) -> list[Node]:
    """Return the stages to run together with a ready one, itself first: its group's, shared out among the workers."""
    if not first.group:
        return [first]
    others = [node for node in ready if node.group == first.group and node.key != first.key]
    share = -(-(len(others) + 1) // workers)
    return [first, *others][: min(MOST, max(FEWEST, share))]


def run_stages(nodes: Sequence[Node], store: Store, runtime: Runtime) -> Iterator[Outcome]:
    """Run stages and yield how each ended: those of a group together, and alone whatever fails there."""
    found: list[Outcome] = []
    if len(nodes) > 1:
        try:
            found = _run_group(nodes, store, runtime)
        except Exception as error:  # among them want of memory, which a single fit may do with
            log.info("%d fits could not run together: %s. Each runs alone.", len(nodes), error)
    yield from found
    ended = {outcome.key for outcome in found}
    for node in nodes:
        if node.key not in ended:
            yield run_stage(node, store, runtime)


def _run_group(nodes: Sequence[Node], store: Store, runtime: Runtime) -> list[Outcome]:
    """Return the outcomes of the fits that the store has by now or that succeed; their seconds are shares of the whole."""
    with ExitStack() as locks:
        for node in sorted(nodes, key=lambda node: node.key):  # one order everywhere: no two processes block each other
            locks.enter_context(store.lock(node.key))
        start = time.perf_counter()
        cached = [n.key for n in nodes if store.has(n.spec.kind, n.key) and not store.fault(n.spec.kind, n.key)]
        missing = [node for node in nodes if node.key not in cached]
        found = [Outcome(name, "cached", 0.0) for name in cached]
        if not missing:
            return found
        sources = [_sources(node) for node in missing]
        loaded = {source: store.load(*source) for source in dict.fromkeys(itertools.chain(*sources))}
        inputs = [[loaded[source] for source in each] for each in sources]
        with math_threads(runtime.threads):
            made = compute_all([cast(Fit, node.spec) for node in missing], inputs, runtime)
        share = (time.perf_counter() - start) / len(missing)
        for node, each, artifact in zip(missing, sources, made, strict=True):
            if artifact is not None:
                store.save(node.spec.kind, node.key, artifact, _manifest(node.spec, each, share, artifact))
                found.append(Outcome(node.key, "done", share))
    return found


def _sources(node: Node) -> list[tuple[str, str]]:
    """Return kind and key of each input of a stage."""
    return [(item.kind, name) for item, name in zip(inputs_of(node.spec), node.inputs, strict=True)]


def run_stage(node: Node, store: Store, runtime: Runtime) -> Outcome:
    """Compute one stage unless the store has it by now, and return how it ended."""
    kind, start = node.spec.kind, time.perf_counter()
    sources = _sources(node)
    try:
        with store.lock(node.key):
            if store.has(kind, node.key):
                if not (fault := store.fault(kind, node.key)):
                    return Outcome(node.key, "cached", 0.0)
                log.info("%s %s: %s. It is recomputed.", kind, node.key, fault)  # the plan has warned of it
            inputs = [store.load(*source) for source in sources]
            with math_threads(runtime.threads):
                artifact = compute(node.spec, inputs, runtime)
            seconds = time.perf_counter() - start
            store.save(kind, node.key, artifact, _manifest(node.spec, sources, seconds, artifact))
            return Outcome(node.key, "done", seconds)
    except SurpassError as error:
        return Outcome(node.key, "failed", time.perf_counter() - start, str(error))
    except MemoryError:
        text = "out of memory. Lower tokens_per_batch, use fewer jobs, or a smaller model."
        return Outcome(node.key, "failed", time.perf_counter() - start, text)
    except Exception as error:  # the boundary of a stage: the run goes on and the report shows what happened here
        text = f"{type(error).__name__}: {error}"
        return Outcome(node.key, "failed", time.perf_counter() - start, text, traceback.format_exc())


def math_threads(count: int) -> Any:  # threadpoolctl's context manager, untyped
    """Return a context that limits the math libraries, so that workers never oversubscribe the cores."""
    import sys

    from threadpoolctl import threadpool_limits

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return threadpool_limits(count)


def _manifest(spec: Stage, sources: Sequence[tuple[str, str]], seconds: float, artifact: Artifact) -> dict[str, Any]:
    return {
        "spec": encode(spec),
        "inputs": [list(source) for source in sources],
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "facts": {"machine": platform.machine(), **artifact.facts},
    }


@cache
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
