"""How much longer do many heads over one feature table take than one, and do they agree with scikit-learn?

    python bench/heads.py [--heads 200] [--rows 2000] [--columns 1152] [--repeats 5] [--compared 8]

Heads are methods x seeds x penalties: soft labels, hard labels, and hard labels of the half that is most certain; five
penalties from 0.03 to 3. Features are random, with directions of very different strength, and standardized by the probe.
Times are of the processor, on one thread, many and one in turns; a line per turn, then the median of the ratios with the
smallest and the largest, and the largest difference to scikit-learn's probabilities for new rows.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from surpass.artifacts import Targets
from surpass.benching import Claim, ratios
from surpass.methods.soft import Soft
from surpass.models import _joint  # noqa: F401  # its import is not what is measured
from surpass.models.base import Fitted, Work
from surpass.models.probe import Probe, Scale
from surpass.runtime import Runtime

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
METHODS = ("soft", "hard", "certain half")
NEW_ROWS = 300
MOST = 10.0  # times one head, promised for 200


class Found(NamedTuple):
    """Processor seconds of all heads and of one, per turn, and the largest difference to scikit-learn."""

    many: list[float]
    one: list[float]
    difference: float


def table(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    strengths = np.arange(1, columns + 1) ** -0.7
    mixed = rng.normal(size=(rows, columns)) * strengths @ np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    return mixed.astype(np.float32)


def heads(vectors: np.ndarray, count: int, rng: np.random.Generator) -> list[tuple[Probe, Work]]:
    """Return probes with their work; each group of fifteen shares one set of weak labels."""
    n, d = vectors.shape
    found: list[tuple[Probe, Work]] = []
    while len(found) < count:
        odds = vectors @ rng.normal(size=d) / vectors.std() / np.sqrt(d) + rng.normal(size=n)
        soft = np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)
        for method in METHODS:
            values = soft if method == "soft" else np.eye(2)[soft.argmax(axis=1)]
            kept = np.sort(np.argsort(-np.abs(odds))[: n // 2]) if method == "certain half" else np.arange(n)
            targets = Targets.of([str(i) for i in kept], values[kept])
            work = Work(
                inputs=vectors[kept],
                targets=targets,
                watch=vectors[:0],
                target="classification",
                classes=2,
                method=Soft(),
                seed=0,
                reference=vectors,
                kept=kept,
            )
            found += [(Probe(backbone="path:none", precision="fp32", l2=l2), work) for l2 in PENALTIES]
    return found[:count]


def solved(jobs: list[tuple[Probe, Work]]) -> tuple[float, list[Fitted]]:
    start = time.process_time()
    found = Probe.fit_all(jobs, Runtime(device="cpu"))
    seconds = time.process_time() - start
    for head in found:
        if isinstance(head, Exception):
            raise head
    return seconds, [head for head in found if not isinstance(head, Exception)]


def by_scikit_learn(job: tuple[Probe, Work], new: np.ndarray) -> tuple[float, np.ndarray]:
    """Return processor seconds and the probabilities for new rows."""
    from sklearn.linear_model import LogisticRegression

    probe, work = job
    scale = Scale.of(np.asarray(work.reference, dtype=np.float64))
    start = time.process_time()
    x, targets = scale(work.inputs), work.targets
    rows, classes = np.nonzero(targets.values > 0)
    model = LogisticRegression(C=1 / (probe.l2 * len(x)), tol=1e-10, max_iter=20000)
    model.fit(x[rows], classes, sample_weight=targets.values[rows, classes] * targets.weight[rows])
    return time.process_time() - start, model.predict_proba(scale(new))


def measure(count: int, rows: int, columns: int, repeats: int, compared: int) -> Found:
    rng = np.random.default_rng(0)
    every = table(rows + NEW_ROWS, columns, rng)
    vectors, new = every[:rows], every[rows:]
    jobs = heads(vectors, count, rng)
    many, one, single = [], [], []
    fitted: list[Fitted] = []
    solved(jobs[:1])  # what the first call alone costs
    for turn in range(repeats):
        seconds, fitted = solved(jobs)
        many.append(seconds)
        one.append(solved([jobs[(turn * 7) % count]])[0])
        print(
            f"turn {turn + 1}: {count} heads {many[-1]:.2f} s, one head {one[-1]:.3f} s, ratio {many[-1] / one[-1]:.1f}"
        )
    difference = 0.0
    for i in np.linspace(0, count - 1, compared).astype(int):
        seconds, wanted = by_scikit_learn(jobs[i], new)
        single.append(seconds)
        difference = max(difference, float(np.abs(fitted[i].predict(new) - wanted).max()))
    print(f"one head by scikit-learn at tol 1e-10: {np.median(single):.2f} s (median of {compared})")
    return Found(many, one, difference)


def claims() -> list[Claim]:
    """Return the claims of this part."""
    with threadpool_limits(1):
        found = measure(200, 20_000, 1152, repeats=2, compared=1)
    note = f"largest difference to scikit-learn's probabilities {found.difference:.0e}"
    cases = {"200 heads, s": tuple(found.many), "one head, s": tuple(found.one)}
    times = ratios(found.many, found.one)
    return [Claim("200 heads over one, 20,000 x 1,152 features", "times", times, MOST, "most", cases, note)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"heads": 200, "rows": 2000, "columns": 1152, "repeats": 5, "compared": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with threadpool_limits(1):
        found = measure(given.heads, given.rows, given.columns, given.repeats, given.compared)
    ratios = np.array(found.many) / np.array(found.one)
    print(f"{given.heads} heads take {np.median(ratios):.1f} times one head ({ratios.min():.1f} to {ratios.max():.1f})")
    print(f"largest difference to scikit-learn's probabilities: {found.difference:.1e}")


if __name__ == "__main__":
    main()
