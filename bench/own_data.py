"""How long does `surpass fit` take for 5,000 film reviews with three noisy votes and 300 gold labels?

    python bench/own_data.py [--repeats 2] [--rows 5000]

Votes are right in 85, 75 and 65 % of rows, a tenth is missing. Needs `surpass assets fetch vader-ratings smollm2-135m`. A
line per run: seconds on the clock, the largest of its steps, and accuracies on the gold rows set aside.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from surpass.tasks.movie_reviews import MovieReviews

RIGHT, GOLD = (0.85, 0.75, 0.65), 300
NAMES = ("neg", "pos")


def table(path: Path, rows: int) -> None:
    """Write the table."""
    rng = np.random.default_rng(0)
    examples = [one for one in MovieReviews().examples() if one is not None]
    chosen = [examples[i] for i in rng.permutation(len(examples))[:rows]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", *(f"v{k + 1}" for k in range(len(RIGHT))), "label"])
        for i, one in enumerate(chosen):
            votes = [one.label if rng.random() < right else 1 - one.label for right in RIGHT]
            cells = ["" if rng.random() < 0.1 else NAMES[vote] for vote in votes]
            writer.writerow([one.input, *cells, NAMES[one.label] if i < GOLD else ""])


def main() -> None:
    """Print a line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rows", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.csv"
        table(path, given.rows)
        labels = [word for k in range(len(RIGHT)) for word in ("--weak-label", f"v{k + 1}")]
        words = ["--text", "text", *labels, "--gold", "label", "--strong", "package:smollm2-135m", "--method", "auto"]
        for run in range(given.repeats):
            out = Path(folder) / f"model-{run}"
            start = time.perf_counter()
            command = [sys.executable, "-m", "surpass", "fit", str(path), *words, "--out", str(out), "--quiet"]
            subprocess.run(command, check=True)
            taken = time.perf_counter() - start
            facts = json.loads((out / "surpass.json").read_text(encoding="utf-8"))
            step, longest = max(facts["seconds"].items(), key=lambda item: item[1])
            right = facts["evidence"]["metrics"]["accuracy"]
            scores = ", ".join(f"{role} {right[role]['value']:.3f}" for role in ("floor", "student"))
            print(f"run {run + 1}: {taken:.0f} s ({step}: {longest:.0f} s); {scores}")


if __name__ == "__main__":
    main()
