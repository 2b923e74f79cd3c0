"""What label sources share: the rows that all of their sources know, and how many a share of them is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from surpass.artifacts import Predictions, Splits


def common(splits: Splits, sources: Sequence[Predictions]) -> Splits:
    """Return the splits with the rows that every source knows, in their order: a student knows no weak rows."""
    held = set(splits.rows.ids).intersection(*(source.ids for source in sources))
    rows = np.array([i for i, name in enumerate(splits.rows.ids) if name in held], dtype=np.int64)
    return dataclasses.replace(splits, rows=splits.rows.take(rows), split=tuple(splits.split[i] for i in rows))


def rounded(share: float, rows: int) -> int:
    """Return the number of rows nearest to a share of them; a half goes up, so that a larger share is never fewer."""
    return int(np.floor(share * rows + 0.5))


def domains_there(domains: Iterable[str], option: str) -> str:
    """Return which domains rows have, as the sentence that ends a complaint about one they lack."""
    there = ", ".join(sorted({*domains} - {""}))
    return f"The domains are {there}." if there else f"The task's rows have no domains; leave `{option}` out."
