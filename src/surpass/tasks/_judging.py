"""How texts are judged against their targets where a task has no check of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surpass.artifacts import Values


def same(texts: Sequence[str], wanted: Sequence[str]) -> Values:
    """Return 1 where a text is the wanted one, spaces at the ends aside, else 0, (n,).

    >>> same([" yes", "no"], ["yes", "No"]).tolist()
    [1.0, 0.0]
    """
    pairs = zip(texts, wanted, strict=True)
    return np.array([str(text).strip() == str(target).strip() for text, target in pairs], dtype=np.float64)


def similarity(texts: Sequence[str], wanted: Sequence[str]) -> Values:
    """Return 1 - d / max(length) of each pair, (n,), with d its edit distance (Levenshtein 1966); ends stripped.

    Two empty texts are the same.

    >>> similarity(["kitten"], ["sitting"]).round(3).tolist()
    [0.571]
    """
    from rapidfuzz.distance import Levenshtein

    pairs = zip(texts, wanted, strict=True)
    found = [Levenshtein.normalized_similarity(str(text).strip(), str(target).strip()) for text, target in pairs]
    return np.array(found, dtype=np.float64)
