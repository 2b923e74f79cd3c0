"""A person's table for tests: made-up reviews whose words tell their class, with noisy votes and some gold labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import tiny

NAMES = ("bad", "good")


def rows(
    n: int = 300, *, gold: int = 120, accuracies: tuple[float, ...] = (0.85, 0.75, 0.7), seed: int = 0
) -> list[dict[str, Any]]:
    """Return n rows with a text, votes v1, v2, ... of which a tenth is missing, the class and, in some rows, a gold label."""
    texts, labels = tiny.texts(n, seed=seed)
    rng = np.random.default_rng(seed)
    known = set(rng.permutation(n)[:gold].tolist())
    found = []
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        votes = {}
        for j, accuracy in enumerate(accuracies, 1):
            vote = label if rng.random() < accuracy else 1 - label
            votes[f"v{j}"] = "" if len(accuracies) > 1 and rng.random() < 0.1 else NAMES[vote]
        found.append({"text": text, **votes, "label": NAMES[label] if i in known else "", "truth": NAMES[label]})
    return found


def write(path: Path, held: list[dict[str, Any]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(held[0]))
        writer.writeheader()
        writer.writerows(held)
    return path
