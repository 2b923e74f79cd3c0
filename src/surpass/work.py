"""Stages, run: look up, lock, load the inputs, compute, write. Whatever goes wrong becomes an outcome, not a crash."""

from __future__ import annotations

import dataclasses
import errno
import gc
import itertools
import logging
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from typing import Any, Literal, NamedTuple, cast

from surpass.artifacts import Artifact
from surpass.computing import compute_all
from surpass.disk import remove
from surpass.errors import StoreError, SurpassError, UnwritableError, reason
from surpass.runtime import Runtime
from surpass.spec import encode
from surpass.stages import Fit, Stage, inputs_of, named_inputs, stored_as
from surpass.store import Store
from surpass.team import compute

log = logging.getLogger(__name__)
MOST = 64  # fits that run together: what a kill costs, and what keeps memory in bounds
FEWEST = 8  # fits of a group that are not worth another worker
LEAST = 64  # tokens of a batch below which want of memory has other causes
PROCESSOR = 1536  # tokens of a training batch on a processor, however many the runtime allows (models/_backbone.py)
BUDGET = ("tokens_per_batch",)  # in the memo: what is left of the batch budget after want of memory
NOT_KEPT = "the store takes nothing more, so this stage was not run"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "peft")


class Node(NamedTuple):
    """A stage to run: its spec, and the keys of the stages it takes; stages of one `group` gain from running together."""

    key: str
    spec: Stage
    inputs: tuple[str, ...]
    group: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """How a stage ended; `error` is one paragraph for a person, `trace` the traceback of an unexpected error.

    `stops` says that the store takes nothing more: no other stage of the study can be kept either.
    """

    key: str
    status: Literal["cached", "done", "failed", "skipped"]
    seconds: float
    error: str = ""
    trace: str = ""
    stops: bool = False


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
        except UnwritableError as error:
            found = [Outcome(n.key, "cached", 0.0) for n in nodes if store.has(stored_as(n.spec), n.key)]
            left = [node.key for node in nodes if node.key not in {outcome.key for outcome in found}]
            found += [Outcome(name, "failed", 0.0, str(error), stops=True) for name in left[:1]]
        except Exception as error:  # among them want of memory, which a single fit may do with
            log.info("%d fits could not run together: %s. Each runs alone.", len(nodes), error)
    yield from found
    ended, stopped = {outcome.key for outcome in found}, any(outcome.stops for outcome in found)
    for node in nodes:
        if node.key in ended:
            continue
        outcome = Outcome(node.key, "skipped", 0.0, NOT_KEPT) if stopped else run_stage(node, store, runtime)
        stopped = stopped or outcome.stops
        yield outcome


def _run_group(nodes: Sequence[Node], store: Store, runtime: Runtime) -> list[Outcome]:
    """Return the outcomes of the fits that the store has by now or that succeed; their seconds are shares of the whole."""
    with ExitStack() as locks:
        for node in sorted(nodes, key=lambda node: node.key):  # one order everywhere: no two processes block each other
            locks.enter_context(store.lock(node.key))
        start = time.perf_counter()
        cached = [
            n.key for n in nodes if store.has(stored_as(n.spec), n.key) and not store.fault(stored_as(n.spec), n.key)
        ]
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
                store.save(stored_as(node.spec), node.key, artifact, _manifest(node.spec, each, share, artifact))
                found.append(Outcome(node.key, "done", share))
    return found


def _sources(node: Node) -> list[tuple[str, str]]:
    """Return kind and key of each input of a stage."""
    return [(stored_as(item), name) for item, name in zip(inputs_of(node.spec), node.inputs, strict=True)]


def run_stage(node: Node, store: Store, runtime: Runtime) -> Outcome:
    """Compute one stage unless the store has it by now, and return how it ended."""
    kind, start = stored_as(node.spec), time.perf_counter()
    sources = _sources(node)
    try:
        with store.lock(node.key):
            if store.has(kind, node.key):
                if not (fault := store.fault(kind, node.key)):
                    return Outcome(node.key, "cached", 0.0)
                log.info("%s %s: %s. It is recomputed.", kind, node.key, fault)  # the plan has warned of it
            inputs = [store.load(*source) for source in sources]
            scratch = store.scratch(node.key)
            artifact = _within_memory(node.spec, inputs, dataclasses.replace(runtime, scratch=scratch))
            seconds = time.perf_counter() - start
            _save(store, node, artifact, _manifest(node.spec, sources, seconds, artifact), runtime)
            remove(scratch)
            return Outcome(node.key, "done", seconds)
    except SurpassError as error:
        stops = isinstance(error, UnwritableError)
        return Outcome(node.key, "failed", time.perf_counter() - start, str(error), stops=stops)
    except Exception as error:  # the boundary of a stage: the run goes on and the report shows what happened here
        text = f"{type(error).__name__}: {error}"
        if out_of_memory(error):
            text = f"out of memory, also with batches of {LEAST} tokens ({text}). Use fewer jobs, or a smaller model."
            return Outcome(node.key, "failed", time.perf_counter() - start, text)
        return Outcome(node.key, "failed", time.perf_counter() - start, text, traceback.format_exc())


def _save(store: Store, node: Node, artifact: Artifact, manifest: dict[str, Any], runtime: Runtime) -> None:
    """Keep an artifact; where memory is wanting let go what the process kept, and try once more."""
    kind = stored_as(node.spec)
    for last in (False, True):
        try:
            store.save(kind, node.key, artifact, manifest)
            return
        except Exception as error:
            if not out_of_memory(error):
                raise
            if last:
                raise StoreError(
                    f"too little memory to write {kind} {node.key} ({reason(error)}). Use fewer jobs."
                ) from error
        _let_go(runtime)


def _let_go(runtime: Runtime) -> None:
    """Free what the process keeps from stage to stage; to be called where no error holds its frames with their arrays."""
    held = {name: value for name, value in runtime.memo.items() if name == BUDGET}
    runtime.memo.clear()
    runtime.memo.update(held)
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _within_memory(spec: Stage, inputs: Sequence[Artifact], runtime: Runtime) -> Artifact:
    """Compute a stage; where memory is wanting start over with half the batch budget, which changes rounding alone."""
    while True:
        tokens = min(runtime.tokens_per_batch, runtime.memo.get(BUDGET, runtime.tokens_per_batch))
        try:
            with math_threads(runtime.threads):
                return compute(spec, inputs, dataclasses.replace(runtime, tokens_per_batch=tokens))
        except Exception as error:
            if tokens <= LEAST or not out_of_memory(error):
                raise
            less = halved(tokens, processor="CUDA" not in str(error))
            log.warning("%s: %s. It starts over with batches of %d tokens.", spec.kind, reason(error), less)
        _let_go(runtime)
        runtime.memo[BUDGET] = less


def halved(tokens: int, *, processor: bool = True) -> int:
    """Return half of what a batch took, at least `LEAST`."""
    return max(LEAST, (min(tokens, PROCESSOR) if processor else tokens) // 2)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is wanting: Python's, NumPy's, torch's on any device, or the system's."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    words = ("DefaultCPUAllocator", "can't allocate memory", "out of memory", "bad_alloc")
    said = isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    return isinstance(error, MemoryError) or said  # torch.OutOfMemoryError is a RuntimeError


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
