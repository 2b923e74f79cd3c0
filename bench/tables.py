"""How fast are a person's tables read, and how much memory does it take?

    python bench/tables.py [--rows 1000000] [--formats csv jsonl parquet]

Writes a table of generated rows (an id, a text of about 100 characters, a label) with one bad line in the text formats. Each
job then runs in a process of its own: only decoding lines (the limit for text), reading the rows, sampling 20,000 of them by
the hash of their content, and scoring all of them with a student that costs nothing, which also writes a table. A line per
job: rows a second, and by how much the peak memory of the process grew above what its imports take.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

JOBS = ("lines", "rows", "sample", "score")


def write(path: Path, rows: int) -> None:
    """Write the table; the line in the middle of a text file is bad."""
    words = "some words of a review that goes on for a while and says, in the end, that the film was"
    made = ({"id": str(i), "text": f"{words} {i % 977}", "label": "ny"[i % 2]} for i in range(rows))
    if path.suffix == ".parquet":
        from surpass.tables.writing import writing

        with writing(path, ("id", "text", "label")) as out:
            for row in made:
                out.write([row])
        return
    with path.open("w") as file:
        if path.suffix == ".csv":
            file.write("id,text,label\n")
        for i, row in enumerate(made):
            good = json.dumps(row) if path.suffix == ".jsonl" else f'{row["id"]},"{row["text"]}",{row["label"]}'
            file.write(f"{good if i != rows // 2 else 'broken'}\n")


def job(name: str, path: Path) -> None:
    """Do one job and print rows, seconds, bad lines and megabytes."""
    from surpass.own.predicting import predictions, score
    from surpass.tables import open_table, sample

    if path.suffix == ".parquet":
        import pyarrow.parquet  # noqa: F401  # its import is not what is measured
    table = open_table(str(path))
    before, start = peak(), time.perf_counter()
    if name == "lines":
        with path.open(encoding="utf-8", newline="") as file:
            rows = sum(1 for _ in file)
    elif name == "rows":
        rows = sum(1 for _ in table.rows())
    elif name == "sample":
        sample(table, 20_000, lambda row: row["label"] == "y")
        rows = table.size_hint() if table.unit == "row" else 0
    else:
        out = path.with_name(f"scored{path.suffix}")
        answers = predictions(lambda texts: np.full((len(texts), 2), 0.5), ("n", "y"))
        rows = score(answers, table, out, texts=("text",)).rows
        out.unlink()
    print(rows or 0, time.perf_counter() - start, table.bad_count, peak() - before)


def peak() -> float:
    """Return the largest memory that this process ever held, MB; `getrusage` would count the process that started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        job(given.job, given.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.formats:
            path = Path(folder) / f"rows.{kind}"
            write(path, given.rows)
            print(f"{kind}: {given.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB")
            for name in JOBS[kind == "parquet" :]:
                words = [sys.executable, __file__, "--job", name, "--file", str(path)]
                told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
                seconds, bad, grown = float(told[1]), int(told[2]), float(told[3])
                speed = given.rows / seconds
                print(f"  {name:8}{speed:12,.0f} rows/s{seconds:8.1f} s{grown:8.1f} MB more memory, {bad} bad lines")
            path.unlink()


if __name__ == "__main__":
    main()
