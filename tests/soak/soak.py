"""A study of 2,000 stages under random SIGKILLs of its driver and workers, against the same study undisturbed.

    python tests/soak/soak.py --minutes 30

Every round runs the study in a store of its own; killed drivers are started again with the same command. It ends well when
each round has results.csv and every payload byte of the undisturbed run, and no artifact that was finished at a kill was
touched afterwards.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

STUDY = """
name: soak
tasks: [{{task: toy, rows: 400}}]
data: {{n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}}
pairs:
  - {{weak: {{model: sklearn, ngrams: 1}}, strong: sklearn}}
  - {{weak: {{model: sklearn, ngrams: 3}}, strong: sklearn}}
methods: [soft, hard, balance]
seeds: {seeds}
"""
STAGES_OF_A_SEED = 12  # rows, two supervisors, ceilings, six students
LONGEST_PAUSE = 6.0  # seconds between a driver's first finished stage and the kill


@dataclasses.dataclass
class Run:
    """One study in one folder, as often started as it takes."""

    folder: Path
    jobs: int
    starts: int = 0
    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    finished: dict[str, int] = dataclasses.field(default_factory=dict)
    rewritten: int = 0

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        command = [sys.executable, "-m", "surpass", "run", "study.yaml", "--jobs", str(self.jobs), "--quiet"]
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [*command, "--store", "store", "--out", "out"], cwd=self.folder, stdout=log, stderr=log
            )

    def look(self) -> int:
        """Note when each artifact was finished, count those touched after that, and return how many there are."""
        for path in (self.folder / "store").glob("*/*/*/manifest.json"):
            if path.parts[-4] == "tmp":
                continue
            stamp = path.stat().st_mtime_ns
            if self.finished.setdefault(str(path), stamp) != stamp:
                self.rewritten += 1
        self.rewritten += sum(not Path(name).exists() for name in self.finished)
        return len(self.finished)


def workers_of(driver: int) -> list[int]:
    """Return the process ids of a driver's workers."""
    try:
        children = Path(f"/proc/{driver}/task/{driver}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def disturb(run: Run, total: int, until: float, moments: random.Random) -> None:
    """Start the driver again and again, and kill it or one of its workers, until every stage is finished."""
    while run.look() < total and time.monotonic() < until:
        before, process = len(run.finished), run.start()
        while process.poll() is None and run.look() == before:
            time.sleep(0.05)  # a driver gets to finish a stage, or nothing would ever end
        while process.poll() is None and run.look() < total and time.monotonic() < until:
            time.sleep(moments.uniform(0.2, LONGEST_PAUSE))
            workers = workers_of(process.pid)
            if workers and moments.random() < 0.6:
                kill(moments.choice(workers), "worker", run)
            elif process.poll() is None:
                kill(process.pid, "driver", run)
                process.wait()
        if process.poll() is None:
            process.wait()


def kill(pid: int, what: str, run: Run) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        run.kills[what] += 1
    except ProcessLookupError:
        pass


def finish(run: Run) -> None:
    """Start the driver until it ends well: a stage whose worker was killed twice has failed, and is tried anew."""
    for _ in range(5):
        if run.start().wait() == 0:
            return
    sys.exit(f"the study does not end well; see {run.folder / 'log.txt'}")


def payload(store: Path) -> dict[str, dict[str, str]]:
    """Return the checksums of every artifact's files, each read again from the disk."""
    from surpass.store import Store

    opened, found = Store.open(store, create=False), {}
    for kind, name in opened.find(""):
        if fault := opened.fault(kind, name):
            sys.exit(f"{kind} {name} in {store}: {fault}")
        files = (opened.manifest(kind, name) or {})["files"]
        found[f"{kind} {name}"] = {file: fact["sha256"] for file, fact in files.items()}
    return found


def new_run(folder: Path, seeds: int, jobs: int) -> Run:
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY.format(seeds=seeds), encoding="utf-8")
    return Run(folder, jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--stages", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments, seeds = random.Random(options.seed), -(-options.stages // STAGES_OF_A_SEED)
    with tempfile.TemporaryDirectory(prefix="surpass-soak-") as place:
        root = Path(place)
        calm, start = new_run(root / "undisturbed", seeds, options.jobs), time.monotonic()
        finish(calm)
        wanted, table = payload(calm.folder / "store"), (calm.out / "results.csv").read_bytes()
        calm_seconds, start = time.monotonic() - start, time.monotonic()
        until, runs = start + 60 * options.minutes, list[Run]()
        while time.monotonic() < until:
            runs.append(run := new_run(root / f"round-{len(runs) + 1}", seeds, options.jobs))
            disturb(run, len(wanted), until, moments)
            finish(run)
            run.look()
            if payload(run.folder / "store") != wanted or (run.out / "results.csv").read_bytes() != table:
                sys.exit(f"round {len(runs)}: results or artifacts differ from the undisturbed run")
            if run.rewritten:
                sys.exit(f"round {len(runs)}: {run.rewritten} finished artifacts were lost or written again")
            print(f"round {len(runs)}: {dict(run.kills)}, {run.starts} starts, all equal", file=sys.stderr, flush=True)
        kills = sum((run.kills for run in runs), Counter())
        told = {
            "stages": len(wanted),
            "rows": sum(1 for _ in csv.reader(table.decode().splitlines())) - 1,
            "rounds": len(runs),
            "minutes": round((time.monotonic() - start) / 60, 1),
            "driver_kills": kills["driver"],
            "worker_kills": kills["worker"],
            "starts": sum(run.starts for run in runs),
            "undisturbed_seconds": round(calm_seconds, 1),
            "finished_artifacts_lost": 0,
            "equal": True,
        }
        print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
