"""How texts are judged: by their task's check or their target, by likeness to it, and whether they are answers at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from surpass.artifacts import Rows, Values

if TYPE_CHECKING:
    from surpass.tasks.base import Task


def judge(task: Task, rows: Rows, texts: Sequence[str]) -> Values:
    """Return the scores of a text for each row of a generation task, (n, 3) in [0, 1].

    The columns are the metrics `exact_match` (`Task.right`), `edit_similarity` to the target, and `accepted`
    (`Task.accepts`).
    """
    close = similarity(texts, rows.labels.tolist())
    return np.column_stack([task.right(rows, texts), close, task.accepts(rows.inputs, texts)])


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
