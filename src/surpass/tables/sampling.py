"""A sample of a table that does not depend on the order of its rows."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable

from surpass.tables.base import Row, Table


def sample(table: Table, n: int, keep: Callable[[Row], bool] = lambda row: False) -> list[tuple[int, Row]]:
    """Return number and cells of at most n rows, chosen by a hash of their content.

    Rows that `keep` holds for come first and go before the others; within each of the two, the order is that of the hashes.
    A smaller sample is therefore the beginning of a larger one, whatever the order of the file. At most n rows are held.
    """
    held: list[tuple[tuple[bool, int, int], Row]] = []  # a heap whose root is the row that goes first
    for number, row in table.rows():
        order = (bool(keep(row)), -_place(row), -number)
        if len(held) < n:
            heapq.heappush(held, (order, row))
        elif n and order > held[0][0]:
            heapq.heapreplace(held, (order, row))
    return [(-number, row) for (_, _, number), row in sorted(held, key=lambda item: item[0], reverse=True)]


def _place(row: Row) -> int:
    """Return a number that depends on the row's content alone."""
    written = json.dumps(row, sort_keys=True, default=str).encode()
    return int.from_bytes(hashlib.blake2b(written, digest_size=8).digest(), "big")
