"""How long do the intervals of PGR take, against a plain bootstrap of rows in NumPy?

    python bench/intervals.py [--rows 10000] [--seeds 5] [--resamples 10000] [--repeats 5]

Both resample seeds and rows of floor, student and ceiling; the plain loop draws 200 times and is scaled up. Processor time
on one thread, in turns; a line per turn, then the median of seconds and of the ratio, with the smallest and the largest.
"""

from __future__ import annotations

import argparse

import numpy as np
from threadpoolctl import threadpool_limits

from surpass.benching import Claim, in_turns, processor_seconds, ratios
from surpass.stats import Run, compare

PLAIN = 200


def made_up(seeds: int, rows: int) -> list[Run]:
    """Return runs whose supervisor, student and ceiling are right in 70, 80 and 90 % of rows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=rows)
    names = [str(i) for i in range(rows)]

    def role(accuracy: float) -> np.ndarray:
        return np.where(rng.random(rows) < accuracy, labels, 1 - labels).astype(float)

    return [Run(labels, names, floor=role(0.7), student=role(0.8), ceiling=role(0.9)) for _ in range(seeds)]


def plain(runs: list[Run]) -> None:
    """Draw seeds and rows anew and compute PGR, as a script would."""
    rng = np.random.default_rng(0)
    right = np.array([[np.asarray(x) == run.labels for x in (run.floor, run.student, run.ceiling)] for run in runs])
    for _ in range(PLAIN):
        seeds = rng.integers(len(runs), size=len(runs))
        rows = rng.integers(right.shape[2], size=right.shape[2])
        floor, student, ceiling = right[seeds][:, :, rows].mean(axis=(0, 2))
        _ = (student - floor) / (ceiling - floor)


def claims(turns: int = 3) -> list[Claim]:
    """Return the claims of this part."""
    runs = made_up(5, 10_000)
    found = in_turns(
        {
            "surpass": lambda: processor_seconds(lambda: compare("accuracy", runs, resamples=10_000)),
            "plain bootstrap": lambda: processor_seconds(lambda: plain(runs)) * 10_000 / PLAIN,
        },
        turns,
    )
    cases = {f"{name}, s": values for name, values in found.items()}
    note = f"{np.median(ratios(found['plain bootstrap'], found['surpass'])):.0f} times a plain bootstrap of rows"
    return [Claim("10,000 resamples of PGR, 5 x 10,000 rows", "s", found["surpass"], 1.0, "most", cases, note)]


def main() -> None:
    """Print a line per turn and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 10_000), ("seeds", 5), ("resamples", 10_000), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    runs, turns = made_up(given.seeds, given.rows), []
    with threadpool_limits(1):
        compare("accuracy", runs, resamples=100)
        for turn in range(given.repeats):
            ours = processor_seconds(lambda: compare("accuracy", runs, resamples=given.resamples))
            theirs = processor_seconds(lambda: plain(runs)) * given.resamples / PLAIN
            turns.append((ours, theirs / ours))
            print(f"turn {turn + 1}: {ours:.2f} s, plain bootstrap {theirs:.1f} s, {theirs / ours:.0f} times")
    times, ratios = np.array(turns).T
    print(f"seconds {np.median(times):.2f} ({times.min():.2f} to {times.max():.2f})")
    print(f"plain / ours {np.median(ratios):.0f} ({ratios.min():.0f} to {ratios.max():.0f})")


if __name__ == "__main__":
    main()
