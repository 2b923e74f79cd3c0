"""Claims of speed as ratios taken in one run: cases in turns, the spread of their ratio, and what was promised.

Every file of `bench/` that has a function `claims` is a part of `surpass bench`. A machine's speed changes from minute to
minute, so the cases of a claim run A B A B, and what counts is the ratio of neighbours.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import importlib.util
import inspect
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from surpass import presets
from surpass.errors import StageError

ORDER = ("start", "intervals", "heads", "studies", "top_layers", "generation", "limits", "same_study")
"""The parts of `surpass bench`, short ones first."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim and what was measured.

    Attributes:
        name: of the claim, a few words.
        unit: "times" (a ratio), "share" (a ratio that 1 bounds) or "s" (seconds).
        values: one for each turn.
        bound: what is promised.
        sense: whether `bound` is the least or the most.
        cases: what each case measured, by its name with unit, one for each turn.
        note: what a reader has to know beside it.
    """

    name: str
    unit: Literal["times", "share", "s"]
    values: tuple[float, ...]
    bound: float
    sense: Literal["least", "most"] = "least"
    cases: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    note: str = ""

    @property
    def middle(self) -> float:
        """The median over the turns."""
        return float(np.median(self.values))

    @property
    def holds(self) -> bool:
        """Whether the median keeps the promise."""
        return self.middle >= self.bound if self.sense == "least" else self.middle <= self.bound

    def as_json(self) -> dict[str, Any]:
        """Return the claim with its median, as plain values."""
        return {**dataclasses.asdict(self), "middle": self.middle, "holds": self.holds}

    @staticmethod
    def of_json(facts: Mapping[str, Any]) -> Claim:
        """Return the claim that `as_json` wrote."""
        known = {field.name: facts[field.name] for field in dataclasses.fields(Claim)}
        cases = {name: tuple(values) for name, values in known["cases"].items()}
        return Claim(**{**known, "values": tuple(known["values"]), "cases": cases})


def in_turns(
    cases: Mapping[str, Callable[[], float]], turns: int, *, warm: bool = True
) -> dict[str, tuple[float, ...]]:
    """Return what each case measures in each turn; `warm` runs every case once before, unmeasured."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns + warm):
        for name, measure in cases.items():
            gc.collect()
            value = measure()
            if turn >= warm:
                found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each turn."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call in this process: what else runs on the machine takes no part in it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def folder() -> Path:
    """Return the folder of the parts."""
    return presets.folder("bench")


def load(part: str | Path) -> Any:
    """Return a part, by its name or file, as a module."""
    path = Path(part) if isinstance(part, Path) else folder() / f"{part}.py"
    spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StageError(f"'{path}' is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(claims: Callable[..., list[Claim]], about: str | None) -> None:
    """Run a part from the command line: whole numbers of `claims` are options; print what was found, case by case."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, option in inspect.signature(claims).parameters.items():
        parser.add_argument(f"--{name}", type=int, default=option.default)
    for claim in claims(**vars(parser.parse_args())):
        low, high = min(claim.values), max(claim.values)
        sys.stdout.write(f"{claim.name}: {claim.middle:.3g} {claim.unit} ({low:.3g} to {high:.3g}) {claim.note}\n")
        for name, values in claim.cases.items():
            sys.stdout.write(f"  {name}: {', '.join(f'{value:.4g}' for value in values)}\n")


def measured(part: str) -> list[Claim]:
    """Return the claims of one part, measured in a new process on one core and one thread.

    Raises:
        StageError: the part ended without claims; the message has its last lines.
    """
    file = folder() / f"{part}.py"
    variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "surpass.benching", str(file)],
        env={**os.environ, **variables, "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise StageError(f"bench part '{part}' ended with exit code {done.returncode}: {last}")
    return [Claim.of_json(facts) for facts in json.loads(lines[-1])]


def _serve(file: str) -> None:
    """Print the claims of a part as one line of JSON, its own output on stderr."""
    path = Path(file)
    sys.path[:] = [place for place in sys.path if Path(place) != path.parent] + [str(path.parent)]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with contextlib.redirect_stdout(sys.stderr):
        found = [claim.as_json() for claim in load(path).claims()]
    sys.stdout.write(json.dumps(found) + "\n")


def machine() -> dict[str, Any]:
    """Return what ran the bench: processor, cores, the system, and versions."""
    from surpass.runtime import cores
    from surpass.work import versions

    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "cores": cores(), "system": platform.system(), "versions": versions()}


if __name__ == "__main__":
    _serve(sys.argv[1])
