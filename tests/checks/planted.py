"""Rows, predictions and scores that tests of the guard start from: clean ones, and what plants a defect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from surpass.artifacts import Inputs, Rows, Splits
from surpass.checks import Finding
from surpass.stats import Estimate, Run

TASK = {"task": "toy"}
CELL = {"task": "toy", "split": "test", "weak": "tfidf", "strong": "bert", "method": "soft"}
WORDS = "amber brook cedar delta ember fjord grove heath inlet jetty knoll larch maple north ochre pines quartz".split()


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def one(findings: Sequence[Finding], code: str) -> Finding:
    (found,) = [finding for finding in findings if finding.code == code]
    return found


def sentence(i: int) -> str:
    rng = Random(i)
    return " ".join(rng.choices(WORDS, k=rng.randint(5, 9))) + f" {i}"


def table(
    parts: dict[str, int],
    *,
    labels: dict[str, Sequence[int]] | None = None,
    inputs: Inputs | None = None,
    groups: Sequence[str] | None = None,
    classes: int = 2,
    target: str = "classification",
) -> Splits:
    """Return splits of the given sizes with balanced labels and texts that say nothing of them."""
    n = sum(parts.values())
    ids = tuple(f"r{i}" for i in range(n))
    gold = [
        label for name, size in parts.items() for label in (labels or {}).get(name, [i % classes for i in range(size)])
    ]
    rows = Rows(
        ids,
        tuple(sentence(i) for i in range(n)) if inputs is None else inputs,
        np.array(gold),
        tuple(groups) if groups is not None else ids,
    )
    split = tuple(name for name, size in parts.items() for _ in range(size))
    return Splits(rows, split, target, tuple(f"c{i}" for i in range(classes)), {})


SIZES = {"weak": 200, "transfer": 300, "val": 60, "test": 240}


def changed(splits: Splits, **changes: Any) -> Splits:
    return dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, **changes))


def options(n: int, *, leak: str) -> Rows:
    """Return "question + one option: right?" rows; a leak writes right options as letters."""
    texts, labels = [], []
    for i in range(n):
        rng, right = Random(i), i % 2
        option = " ".join(rng.choices(WORDS, k=rng.randint(1, 5))).capitalize()
        if right and leak:
            option = rng.choice("ABCD")
        texts.append(f"{sentence(i)}?{' Answer: ' if leak != 'space' else ' '}{option}")
        labels.append(right)
    ids = tuple(map(str, range(n)))
    return Rows(ids, tuple(texts), np.array(labels), ids)


N = 400
ROWS = [f"t{i}" for i in range(N)]
GOLD = np.arange(N) % 2


def guesses(accuracy: float, seed: int, *, gold: Any = GOLD) -> Any:
    """Return probabilities (n, 2) of which exactly that share is right, as wrong in one class as in the other."""
    probs = np.where(np.eye(2)[gold].astype(bool), 0.8, 0.2)
    rng = np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(gold == label)
        wrong = rng.permutation(rows)[: round((1 - accuracy) * len(rows))]
        probs[wrong] = probs[wrong, ::-1]
    return probs


def run(seed: int = 0, *, gold: Any = GOLD, floor: Any = 0.7, student: Any = 0.8, ceiling: Any = 0.9) -> Run:
    made = [
        guesses(value, 10 * seed + i, gold=gold) if isinstance(value, float) else value
        for i, value in enumerate((student, floor, ceiling))
    ]
    return Run(gold, ROWS[: len(gold)], *made)


@dataclasses.dataclass(frozen=True)
class Line:
    floor: Estimate
    ceiling: Estimate
    gap: Estimate
    metric: str = "accuracy"
    pgr: Estimate = dataclasses.field(default_factory=lambda: estimate(0.5, 0.1))
    seeds: int = 5
    method: str = "soft"
    task: str = "toy"
    split: str = "test"
    weak: str = "tfidf"
    strong: str = "bert"
    stopping: str = "last"


def estimate(value: float, half: float, note: str = "") -> Estimate:
    return Estimate(value, value - half, value + half, 0.95, 5, 1000, "test", note)


def line(floor: float, ceiling: float, half: float = 0.02, **changes: Any) -> Line:
    gap = estimate(ceiling - floor, half)
    return Line(estimate(floor, half), estimate(ceiling, half), gap, **changes)
