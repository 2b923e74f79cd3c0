"""Do the diagnostics of one large run fit in a minute and in 4 GiB?

    python bench/diagnostics.py [--rows 20000] [--strong 1152] [--weak 384] [--seeds 1] [--threads 2] [--out FILE.json]

The run is made up: two classes, features of both models that share a part, and predictions of supervisor, student and
ceiling at five readings. One line per diagnostic: its seconds on the clock and of the processors, and the peak of the
process's memory while it ran, with the features in it. The JSON has the same numbers and their sums; diagnostics over
features that do not depend on the seed run once, the others take all seeds at once.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from surpass import diagnostics as of
from surpass.stats import Run

READINGS = 5


class Made(NamedTuple):
    """One seed of the made-up run."""

    strong: np.ndarray
    weak: np.ndarray
    run: Run
    readings: np.ndarray
    groups: np.ndarray


def made(rows: int, strong: int, weak: int, seed: int) -> Made:
    """Return features with falling strengths that share 30 directions, and predictions that follow them."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 30)).astype(np.float32)
    tables = []
    for columns in (strong, weak):
        strengths = (np.arange(1, columns + 1) ** -0.7).astype(np.float32)
        own = rng.normal(size=(rows, columns)).astype(np.float32) * strengths
        tables.append(own + 0.2 * shared @ rng.normal(size=(30, columns)).astype(np.float32))
    truth = 2 * shared[:, 0] + shared[:, 1]
    labels = (truth > 0).astype(int)

    def probabilities(noise: float) -> np.ndarray:
        odds = 2 * (truth + noise * rng.normal(size=rows))
        return np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)

    floor, student, ceiling = (probabilities(noise) for noise in (2.0, 1.0, 0.5))
    groups = np.array([f"group {i // 2}" for i in range(rows)])
    ways = np.linspace(0, 1, READINGS)[:, None, None]
    readings = 0.5 * (1 - ways) + student * ways
    return Made(*tables, Run(labels, groups, student, floor, ceiling), readings, groups)


def jobs(seeds: list[Made]) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    one, runs = seeds[0], [seed.run for seed in seeds]
    views = [of.Views(strong=s.strong, labels=s.run.floor, groups=s.groups, weak=s.weak) for s in seeds]
    places = [of.Neighbourhood(s.run.labels, s.run.floor, s.run.student, s.strong, s.groups) for s in seeds]
    right = [np.asarray(run.floor).argmax(axis=1) == run.labels for run in runs]
    taught = [
        of.Training(range(1, READINGS + 1), s.readings, s.run.floor, np.stack([r, ~r], axis=1), s.groups)
        for s, r in zip(seeds, right, strict=True)
    ]
    return {
        "error similarity": lambda: of.error_similarity(runs),
        "errors by confidence": lambda: of.error_shares(runs),
        "calibration": lambda: of.calibration(runs),
        "misfit": lambda: of.misfits(runs, of.losses_for("classification")),
        "kernel gap": lambda: of.kernel_gap(views),
        "kernel norm": lambda: of.kernel_norm(one.strong, one.weak, one.groups),
        "overlap density": lambda: of.overlap_density(views),
        "correlation dimension, strong": lambda: of.correlation_dimension(one.strong, one.groups),
        "correlation dimension, weak": lambda: of.correlation_dimension(one.weak, one.groups),
        "nearest dimension, strong": lambda: of.nearest_dimension(one.strong, one.groups),
        "nearest dimension, weak": lambda: of.nearest_dimension(one.weak, one.groups),
        "shared dimension": lambda: of.shared_dimension(one.strong, one.weak, one.groups),
        "expansion": lambda: of.expansion(places),
        "learning speed": lambda: of.learning_speed(taught, ["right", "wrong"]),
    }


def peak() -> float:
    """Return the process's peak memory in MiB since `forget`, or since it started where the system cannot forget."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def forget() -> None:
    """Start the peak again from the memory in use (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def measure(rows: int, strong: int, weak: int, seeds: int) -> dict[str, Any]:
    """Return seconds and peak memory of each diagnostic, and the sum and the largest of them."""
    every = [made(rows, strong, weak, seed) for seed in range(seeds)]
    found: dict[str, Any] = {"rows": rows, "strong": strong, "weak": weak, "seeds": seeds, "diagnostics": {}}
    for name, job in jobs(every).items():
        forget()
        start, used = time.perf_counter(), time.process_time()
        job()
        seconds, used = time.perf_counter() - start, time.process_time() - used
        line = {"seconds": round(seconds, 2), "processor_seconds": round(used, 2), "peak_mib": round(peak())}
        found["diagnostics"][name] = line
        print(f"{name:32s} {seconds:6.2f} s {used:6.2f} s of processors {peak():7.0f} MiB", flush=True)
    lines = found["diagnostics"].values()
    for clock in ("seconds", "processor_seconds"):
        found[clock] = round(sum(line[clock] for line in lines), 2)
    found["peak_mib"] = max(line["peak_mib"] for line in lines)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"rows": 20_000, "strong": 1152, "weak": 384, "seeds": 1, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with threadpool_limits(given.threads):
        found = measure(given.rows, given.strong, given.weak, given.seeds)
    print(f"all: {found['seconds']:.1f} s, {found['processor_seconds']:.1f} s of processors, {found['peak_mib']} MiB")
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
