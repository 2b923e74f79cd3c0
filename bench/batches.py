"""What do batches side by side, math threads and packed rows do to SmolLM2-135M on a processor?

    python bench/batches.py [--rows 800] [--repeats 2]

Film review snippets, in turns: features with one lane, two lanes, and one lane of two math threads; then LoRA on the two
top layers (lower layers known) with padded batches and with packed ones. Milliseconds a row on the clock,
then the ratio of the medians. Needs `surpass assets fetch vader-ratings smollm2-135m`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from surpass.methods.soft import Soft
from surpass.models import _backbone
from surpass.models.base import TextEncoder
from surpass.models.hf import HF
from surpass.own.fitting import Pool, one_hot
from surpass.runtime import Runtime
from surpass.tasks.movie_reviews import MovieReviews

BACKBONE = "package:smollm2-135m"


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes on the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(cases: dict[str, Callable[[], object]], rows: int, repeats: int) -> None:
    """Run the cases in turns and print their medians and how they stand to the first."""
    for work in cases.values():
        work()  # loads the model and compiles kernels
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, work in cases.items():
            taken[name].append(1000 * seconds(work) / rows)
    first = float(np.median(next(iter(taken.values()))))
    for name, times in taken.items():
        middle = float(np.median(times))
        print(f"{name:36} {middle:6.1f} ms a row ({min(times):.1f} to {max(times):.1f}), {first / middle:.2f} times")


def features(texts: tuple[str, ...], lanes: int, threads: int) -> Callable[[], object]:
    """Return a call that reads the features of all texts."""
    encoder, runtime = TextEncoder(backbone=BACKBONE).resolve(), Runtime(threads=lanes)

    def work() -> None:
        torch.set_num_threads(threads)
        encoder.encode(texts, runtime)
        torch.set_num_threads(1)

    return work


def training(texts: tuple[str, ...], longest: int) -> Callable[[], object]:
    """Return a call that trains on all texts whose lower layers have run."""
    model = HF(backbone=BACKBONE, tune="lora", layers=2, lr=2e-3, epochs=1, batch_size=16, points=1).resolve()
    runtime = Runtime()
    pool = Pool(texts, ("0", "1"), runtime)
    backbone = _backbone.load(model.backbone, model.digest, model.precision, runtime)
    values = one_hot(np.arange(len(texts)) % 2, 2)

    def work() -> None:
        backbone.packs = longest
        pool.fit(model, Soft(), np.arange(len(texts)), values)

    return work


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    examples = [one for one in MovieReviews().examples() if one is not None]
    places = np.random.default_rng(0).permutation(len(examples))[: given.rows]
    texts = tuple(str(examples[i].input) for i in places)
    settings = {"one lane": (1, 1), "two lanes": (2, 1), "one lane of two math threads": (1, 2)}
    in_turns({f"features, {name}": features(texts, *s) for name, s in settings.items()}, given.rows, given.repeats)
    cases = {"training, padded": training(texts, 0), "training, packed": training(texts, 1 << 30)}
    in_turns(cases, given.rows, given.repeats)


if __name__ == "__main__":
    main()
