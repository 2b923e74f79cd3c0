"""What the methods that choose or relabel rows share: an order of the rows, their neighbours, and who stays.

Numbers are computed with the rows in the order of their ids, so that neither ties nor rounding can depend on the order in
which rows come; equal scores are settled by id. Rows of ground truth always stay and are never relabelled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.errors import IncompatibleError

Positions = NDArray[np.int64]


def by_id(ids: Sequence[str]) -> Positions:
    """Return the positions that sort the ids."""
    return np.argsort(np.array(ids), kind="stable").astype(np.int64)


def restored(order: Positions, values: NDArray[Any]) -> NDArray[Any]:
    """Return values computed in the given order in the order of the rows."""
    found = np.empty_like(values)
    found[order] = values
    return found


def needed(vectors: NDArray[np.float32] | None, what: str) -> Values:
    """Return vectors as float64; IncompatibleError when the method was given none."""
    if vectors is None:
        raise IncompatibleError(f"this method reads {what}, but was given none. Use models with a pretrained backbone.")
    return np.asarray(vectors, dtype=np.float64)


def nearest(table: Values, k: int, queries: Values | None = None, *, itself: bool = True) -> Positions:
    """Return the positions (m, k) of the k rows of the table nearest to each query by Euclidean distance.

    Args:
        table: (n, d).
        k: at most n rows are found, or n - 1 without the row itself.
        queries: (m, d); None: the rows of the table.
        itself: whether a row of the table counts among its own neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(table) if itself or queries is not None else len(table) - 1)
    if k == 0:
        return np.zeros((len(table) if queries is None else len(queries), 0), dtype=np.int64)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(table)
    asked = table if queries is None and itself else queries
    return np.asarray(search.kneighbors(asked, return_distance=False), dtype=np.int64)


def mean_of_nearest(table: Values, values: Values, k: int, queries: NDArray[Any]) -> Values:
    """Return the mean value (m, C) of the k rows of the table nearest to each query."""
    return np.asarray(values[nearest(table, k, np.asarray(queries, dtype=np.float64))].mean(axis=1))


def disagreement(found: Values, values: Values) -> Values:
    """Return the total variation between two sets of probabilities, (n,) in [0, 1]; |p - y| for two classes."""
    return np.asarray(np.abs(found - values).sum(axis=1) / 2)


def those(weak: Targets, keep: NDArray[np.bool_]) -> Targets:
    """Return the rows that are kept and all rows of ground truth."""
    return weak.take(np.flatnonzero(keep | weak.gold))


def worst(weak: Targets, badness: Values, n: int) -> NDArray[np.bool_]:
    """Return which rows are the n weak labels of the greatest badness."""
    found = np.zeros(len(weak.ids), dtype=bool)
    found[_ranked(weak, badness)[:n]] = True
    return found


def best(weak: Targets, score: Values, share: float, groups: NDArray[Any] | None = None) -> Targets:
    """Return the rows with the given share of the weak labels, rounded up, that has the greatest score; of each group."""
    keep = np.zeros(len(weak.ids), dtype=bool)
    ranked = _ranked(weak, score)
    marks = np.zeros(len(weak.ids), dtype=np.int64) if groups is None else groups
    for mark in np.unique(marks[ranked]):
        members = ranked[marks[ranked] == mark]
        keep[members[: int(np.ceil(share * len(members) - 1e-9))]] = True  # 0.1 * 30 is a little over 3
    return those(weak, keep)


def _ranked(weak: Targets, score: Values) -> Positions:
    """Return the positions of the weak labels, the greatest score first, equal scores by id."""
    order = by_id(weak.ids)
    ranked = order[np.argsort(-score[order], kind="stable")]
    return np.asarray(ranked[~weak.gold[ranked]])


def relabelled(weak: Targets, found: Values) -> Targets:
    """Return the rows with `found` (n, C) in place of the weak labels, and ground truth as it is."""
    return dataclasses.replace(weak, values=np.where(weak.gold[:, None], weak.values, found))
