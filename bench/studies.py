"""What does a study cost beside its models, and does that grow with its cells or faster?

    python bench/studies.py [--sizes 200 2000 20000] [--tests 60]

Studies of generated sentences and linear models, 200 cells a task (4 pairs, 10 methods, 5 seeds): planned on an empty store,
run in this process, replayed from the store, and reported. The last size is only planned, with every stage handed to an
executor that computes nothing. Overhead of a stage is what the run takes beyond computing, over its stages. Seconds are of
the processor, on one thread; growth is the slope of log seconds against log cells from size to size, 1 when linear.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from surpass import work
from surpass.benching import Claim
from surpass.methods.confident import Confident
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.report import write
from surpass.runner import execute, plan, run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.toy import Toy
from surpass.work import Node, Outcome

CELLS = 200
"""Cells of each task."""
PAIRS = (
    Pair(weak=Sklearn(ngrams=1), strong=Sklearn()),
    Pair(weak=Sklearn(ngrams=1), strong=Sklearn(ngrams=3)),
    Pair(weak=Sklearn(features="chars", ngrams=2), strong=Sklearn()),
    Pair(weak=Sklearn(features="chars", ngrams=2), strong=Sklearn(ngrams=3)),
)
METHODS = (Soft(), Hard(), *(Confident(share=share / 10) for share in range(2, 10)))
Result = TypeVar("Result")


class Nothing:
    """An executor that computes nothing: what is left is the runner's own work."""

    def __init__(self) -> None:
        self._started: list[Node] = []

    def room(self) -> int:
        """Return 1 when nothing is started."""
        return int(not self._started)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Take the first stage."""
        self._started = [ready[0]]
        return self._started

    def wait(self) -> list[Outcome]:
        """Say that it is done."""
        (node,), self._started = self._started, []
        return [Outcome(node.key, "done", 0.0)]

    def close(self) -> None:
        """Hold nothing."""


def study(size: int, tests: int) -> Study:
    """Return a study of about `size` cells, with as many test rows; each task has sentences of its own."""
    tasks = tuple(Toy(rows=max(400, 5 * tests) + i) for i in range(max(1, size // CELLS)))
    data = {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": tests}
    return Study(name="many-cells", tasks=tasks, pairs=PAIRS, methods=METHODS, data=data, seeds=5)  # type: ignore[arg-type]


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the processor seconds of a call, and what it returns."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def measure(sizes: Sequence[int] = (200, 2000, 20_000), *, tests: int = 60) -> dict[str, Any]:
    """Return seconds by size and step, the milliseconds of overhead per stage by size, and the growth of each step.

    All sizes but the last are run, replayed and reported; with one size, that one is.
    """
    seconds: dict[str, dict[str, float]] = {}
    stages, overhead = dict[str, int](), dict[str, float]()
    ran = sizes[:-1] or sizes
    with threadpool_limits(1):
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                one = study(size, tests)
                name = str(len(cells(one)))
                seconds[name], stages[name] = _planned(one, Path(folder))
                if size in ran:
                    more, overhead[name] = _ran(one, Path(folder))
                    seconds[name] |= more
            print(f"{name} cells, {stages[name]} stages: {_listed(seconds[name])}")
    return {
        "cells": list(seconds),
        "stages": stages,
        "seconds": seconds,
        "overhead_ms": overhead,
        "growth": _growth(seconds),
    }


def _planned(one: Study, folder: Path) -> tuple[dict[str, float], int]:
    """Return the seconds of planning on an empty store, and of running with nothing to compute; and the stages."""
    store = Store.open(folder / "empty")
    planned, made = timed(lambda: plan(one, store))
    walked, ended = timed(lambda: list(execute(made, store, Nothing())))
    assert len(ended) == len(made.nodes)
    return {"plan": planned, "schedule": walked}, len(ended)


def _ran(one: Study, folder: Path) -> tuple[dict[str, float], float]:
    """Return the seconds of running, replaying and reporting, and the milliseconds beyond computing of each stage."""
    store, inner = Store.open(folder / "store"), 0.0
    compute = work.compute

    def watched(*given: Any) -> Any:
        nonlocal inner
        taken, found = timed(lambda: compute(*given))
        inner += taken
        return found

    work.compute = watched
    try:
        ran, (_, outcomes) = timed(lambda: run(one, store=store, runtime=Runtime(jobs=0)))
    finally:
        work.compute = compute
    assert {outcome.status for outcome in outcomes} == {"done"}
    replayed, (made, ended) = timed(lambda: run(one, store=store, runtime=Runtime(jobs=0)))
    assert {outcome.status for outcome in ended} == {"cached"}
    scored, found = timed(lambda: results(made, ended, store))
    written, _ = timed(lambda: write(found, folder / "out"))
    found_seconds = {"run": ran, "replay": replayed, "results": scored, "files": written}
    return found_seconds, 1e3 * (ran - inner) / len(outcomes)


def _growth(seconds: dict[str, dict[str, float]]) -> dict[str, list[float]]:
    """Return for each step the slopes of log seconds against log cells, from size to size."""
    found: dict[str, list[float]] = {}
    for (small, before), (large, after) in zip(list(seconds.items())[:-1], list(seconds.items())[1:], strict=True):
        for step in before.keys() & after.keys():
            slope = np.log(after[step] / before[step]) / np.log(int(large) / int(small))
            found.setdefault(step, []).append(round(float(slope), 2))
    return dict(sorted(found.items()))


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{step} {taken:.2f} s" for step, taken in seconds.items())


def claims() -> list[Claim]:
    """Return the claims of this part, of a study of 2,000 cells, measured once: it takes minutes."""
    found = measure()
    name = found["cells"][1]
    seconds, growth = found["seconds"][name], found["growth"]
    report = seconds["replay"] + seconds["results"] + seconds["files"]
    listed = "; ".join(f"{step} {', '.join(map(str, slopes))}" for step, slopes in growth.items())
    note = f"growth (1 is linear) from {' to '.join(found['cells'])} cells: {listed}"
    return [
        Claim(f"planning {name} cells", "s", (seconds["plan"],), 3.0, "most", note=note),
        Claim(f"replaying {name} cells from the store", "s", (seconds["replay"],), 5.0, "most"),
        Claim(f"replaying {name} cells, report included", "s", (report,), 20.0, "most"),
        Claim("overhead of a stage", "s", (found["overhead_ms"][name] / 1000,), 0.03, "most"),
    ]


def main() -> None:
    """Print a line per size, the overhead of a stage and the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 2000, 20_000])
    parser.add_argument("--tests", type=int, default=60, help="test rows of each task")
    given = parser.parse_args()
    found = measure(given.sizes, tests=given.tests)
    for name, milliseconds in found["overhead_ms"].items():
        print(f"{name} cells: {milliseconds:.1f} ms of overhead per stage")
    for step, slopes in found["growth"].items():
        print(f"growth of {step}: {', '.join(map(str, slopes))}")


if __name__ == "__main__":
    main()
