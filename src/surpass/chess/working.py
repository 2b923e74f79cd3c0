"""Many pieces of work for the engine, side by side, each done once however often the whole is stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from surpass.chess.stockfish import TIMEOUT, Engine, EngineFailure
from surpass.errors import StageError
from surpass.runtime import Runtime

Json = Any  # JSON has no finite type in Python's type language
Work = Callable[[Engine], Json]
FILE = "done.jsonl"


def finished(
    work: Mapping[str, Work], runtime: Runtime, *, planned: str = "", timeout: float = TIMEOUT
) -> dict[str, Json]:
    """Return the result of every piece of work by its name, in the order of `work`.

    What is done is kept in the folder `runtime.scratch`, if there is one, and found there when the same work is started
    again. Every piece begins with a cleared engine. One in which the engine dies or hangs is done once more, from its
    beginning, by a new engine, so that its result is the same.

    Args:
        work: by name; results are what JSON can hold.
        runtime: as many engines run side by side as it has jobs or threads.
        planned: name and version of the engine that the results are to be of; empty: any.
        timeout: seconds that the engine may think about one position.

    Raises:
        StageError: another engine is here, or one failed twice at a piece; it names the piece and the position.
    """
    if runtime.scratch is None:
        results = dict(_done(work, runtime, planned, timeout))
    else:
        runtime.scratch.mkdir(parents=True, exist_ok=True)
        file = runtime.scratch / FILE
        results = _kept(file)
        left = {name: piece for name, piece in work.items() if name not in results}
        with file.open("a", encoding="utf-8") as written:
            for name, result in _done(left, runtime, planned, timeout):
                results[name] = result
                written.write(json.dumps([name, result]) + "\n")
                written.flush()
    return {name: results[name] for name in work}


def _kept(file: Path) -> dict[str, Json]:
    """Return what an earlier run finished: every whole line, whatever stands before it.

    A line that a disk damaged costs its own piece of work; what comes after the last whole line, such as one that the run
    was stopped at, is cut off. Nothing is written again: a kill here may not cost what an earlier one left.
    """
    if not file.is_file():
        return {}
    found: dict[str, Json] = {}
    held, place, end = file.read_bytes(), 0, 0
    for line in held.splitlines(keepends=True):
        place += len(line)
        try:
            name, result = json.loads(line)
            whole = isinstance(name, str) and line.endswith(b"\n")
        except (TypeError, ValueError):  # also where it is no pair, or no UTF-8
            continue
        if whole:
            found[name], end = result, place
    if end < len(held):
        os.truncate(file, end)
    return found


def _done(work: Mapping[str, Work], runtime: Runtime, planned: str, timeout: float) -> Iterator[tuple[str, Json]]:
    """Yield name and result of every piece."""
    held, engines = threading.local(), list[Engine]()

    def once(name: str) -> Json:
        if getattr(held, "engine", None) is None:
            held.engine = Engine(timeout=timeout, cores=_cores(runtime))
            engines.append(held.engine)
            if planned and held.engine.name != planned:
                raise StageError(
                    f"the study was planned with {planned}, but here is {held.engine.name}. Install the same version on "
                    "every machine, or run the study again."
                )
        try:
            held.engine.clear()
            return work[name](held.engine)
        except EngineFailure:
            held.engine.close()
            held.engine = None
            raise

    def twice(name: str) -> tuple[str, Json]:
        try:
            return name, once(name)
        except EngineFailure:
            pass  # outside the clause, so that a second failure does not bring the first one's frames along
        try:
            return name, once(name)
        except EngineFailure as error:
            raise StageError(
                f"{name}: {error} So did a new engine. Run the study again, or try another version of Stockfish."
            ) from error

    with ThreadPoolExecutor(max(1, runtime.jobs, runtime.threads)) as pool:
        try:
            for future in [pool.submit(twice, name) for name in work]:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for engine in engines:
                engine.close()


def _cores(runtime: Runtime) -> Collection[int]:
    """Return the cores that an engine may use: a worker process keeps to one, but its engines have all of the study's."""
    if runtime.executor != "local" or multiprocessing.parent_process() is None or not hasattr(os, "sched_getaffinity"):
        return ()
    return os.sched_getaffinity(os.getppid())
