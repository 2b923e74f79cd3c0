"""Which texts are nearly the same? Sets of character shingles are compared, as Broder (1997) did for web pages.

A text is the set of its runs of LENGTH characters, each as a 64-bit number. Runs that more than COMMON of the texts have
are left out: they are the form of a task ("Question: ...") or the words of its language, and say nothing of a copy. Of long
texts the SKETCH smallest numbers are kept (a bottom-k sketch), so that a long text takes no more time and memory to compare.
Similarity is the size of what two sets share over the size of what either has (Jaccard).

Broder (1997). On the resemblance and containment of documents. Compression and Complexity of Sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values

LENGTH = 5
SKETCH = 128
COMMON = 0.05
FEWEST = 12
"""A text with fewer shingles of its own, about three words, is too short to tell a copy from chance."""
_CHUNK = 512

Numbers = NDArray[np.int64]
_Hashes = NDArray[np.uint64]
_POWERS = np.array([0x9E3779B97F4A7C15 ** (i + 1) % 2**64 for i in range(LENGTH)], dtype=np.uint64)


class Alike(NamedTuple):
    """Pairs of texts by position, first < second, and how similar they are, in (0, 1]."""

    first: Numbers
    second: Numbers
    similarity: Values


def alike(texts: Sequence[str], *, least: float) -> Alike:
    """Return all pairs of texts whose similarity is at least `least`; 10,000 texts take a few seconds.

    >>> text = "the quick brown fox jumps over the lazy dog near the river bank"
    >>> alike([text, "an unlike text of about the same size", text.replace("lazy", "idle")], least=0.5)[:2]
    (array([0]), array([2]))
    """
    if len(texts) < 2:
        return Alike(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    table = _table(texts)
    sizes = np.asarray(table.sum(axis=1)).ravel()
    found: list[tuple[Numbers, Numbers, Values]] = []
    turned = table.T.tocsr()
    for start in range(0, len(texts), _CHUNK):
        shared = (table[start : start + _CHUNK] @ turned).tocoo()
        first, second = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        similarity = shared.data / (sizes[first] + sizes[second] - shared.data)
        kept = (first < second) & (similarity >= least)
        found.append((first[kept], second[kept], similarity[kept]))
    first, second, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return Alike(first[order], second[order], similarity[order])


def _table(texts: Sequence[str]) -> Any:  # scipy has no types
    """Return which text has which shingle, (n, shingles), without common shingles and without texts that have too few."""
    from scipy.sparse import csr_array

    held = [_shingles(text) for text in texts]
    rows = np.repeat(np.arange(len(held)), [len(one) for one in held])
    every = np.concatenate([np.zeros(0, dtype=np.uint64), *held])
    _, columns, counts = np.unique(every, return_inverse=True, return_counts=True)
    kept = counts[columns] <= max(COMMON * len(texts), 2)
    enough = np.bincount(rows[kept], minlength=len(held)) >= FEWEST
    kept &= enough[rows]
    shape = (len(held), max(len(counts), 1))
    return csr_array((np.ones(int(kept.sum())), (rows[kept], columns[kept])), shape=shape)


def _shingles(text: str) -> _Hashes:
    """Return the numbers of a text's shingles, the SKETCH smallest in ascending order."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    n = len(codes) - LENGTH + 1
    if n < 1:
        return np.zeros(0, dtype=np.uint64)
    mixed = np.zeros(n, dtype=np.uint64)
    for i, power in enumerate(_POWERS):
        mixed += codes[i : i + n] * power
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    return np.unique(mixed)[:SKETCH]
