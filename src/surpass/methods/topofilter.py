"""Weak labels that hang together in the strong model's features.

Idea: right labels form one connected mass of each class in feature space; labels that lie apart from the mass, or
contradict their surroundings within it, are suspect.

1. Draw an edge from each row to its k_cc nearest other rows. For each class keep the edges that leave rows of that weak
   class, and of these the largest strongly connected component. C is the union over classes.
2. Within C, d_i = |y_i - mean y of the k_zeta nearest others in C|. Drop the m rows of the largest d, with m = max(0,
   round(contamination * n) - dropped by step 1).

- `filter`: train on what is left.
- `relabel`: train on p in place of y.
- `predict`: p is the student; the strong model is not trained.

    p(x) = mean of y over the k_zeta rows of C nearest to x (step 2 does not enter)

Source: EleutherAI/w2s (topo.py, after Wu et al. 2020, "A Topological Filter for Learning with Label Noise", arXiv
2012.04835), with k_cc and k_zeta 50, contamination 0.1, Euclidean distance, features as they are. Quirks kept: a row's
edges go to rows of any class; step 1 may drop any number of rows (over 10 % on 7 datasets) and step 2 then drops
none; relabelling lets a row of C count among its own neighbours, as the filter does not.

What differs: validation labels stay as they are; a class that no label names adds nothing to C, and of components of
equal size the one with the smallest id is taken (theirs takes the first found, possibly a single row of another class).
More than two classes, which the source does not define, have a graph each, and d is the total variation sum_c |..| / 2.
Ground truth belongs to C wherever it lies, is never dropped or replaced, and n counts the other rows. k_cc matters most:
small values cut classes to pieces. No setting equals `soft`, since step 1 has no dial.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._opinion import SecondOpinion
from surpass.methods._selection import (
    Positions,
    disagreement,
    mean_of_nearest,
    nearest,
    relabelled,
    restored,
    those,
    worst,
)
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topofilter(SecondOpinion):
    """Weak labels in the largest connected mass of their class.

    Attributes:
        action: "filter", "relabel" or "predict".
        k_cc: neighbours to which a row has edges; at most as many as there are others.
        k_zeta: neighbours a label is held against; at most as many as there are.
        contamination: share of the weak labels that "filter" drops, unless the components already cost more.
    """

    k_cc: int = option(50, low=1)
    k_zeta: int = option(50, low=1)

    def judged(self, weak: Targets, order: Positions, table: Values) -> Targets:
        """Return the weak labels of C without those that contradict their neighbours, or with the neighbours' labels."""
        values = weak.values[order]
        core = self._core(weak.take(order), table)
        if self.action == "relabel":
            found = mean_of_nearest(table[core], values[core], self.k_zeta, table)
            return relabelled(weak, restored(order, found))
        badness = np.full(len(core), -1.0)
        near = nearest(table[core], self.k_zeta, itself=False)
        badness[core] = disagreement(values[core][near].mean(axis=1), values[core]) if near.shape[1] else 0.0
        more = round(self.contamination * int((~weak.gold).sum())) - int((~core).sum())
        suspect = worst(weak, restored(order, badness), max(0, more))
        return those(weak, restored(order, core) & ~suspect)

    def student(self, table: Values, targets: Targets) -> Callable[[NDArray[np.float32]], Values]:
        """Return the mean label of the k_zeta rows of C nearest to each row."""
        core = self._core(targets, table)
        return partial(mean_of_nearest, table[core], targets.values[core], self.k_zeta)

    def _core(self, weak: Targets, table: Values) -> NDArray[np.bool_]:
        """Return which rows, given in the order of their ids, are in C, (n,)."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        n = len(weak.ids)
        near = nearest(table, self.k_cc, itself=False)
        classes = weak.values.argmax(axis=1)
        core = weak.gold.copy()
        for c in np.unique(classes):
            rows = np.flatnonzero(classes == c)
            edges = (np.repeat(rows, near.shape[1]), near[rows].ravel())
            graph = csr_array((np.ones(len(edges[0])), edges), shape=(n, n))
            _, component = connected_components(graph, directed=True, connection="strong")
            # rows of other classes have no edges, so they are components of their own
            marks, first, sizes = np.unique(component[rows], return_index=True, return_counts=True)
            largest = np.flatnonzero(sizes == sizes.max())
            core[rows[component[rows] == marks[largest[first[largest].argmin()]]]] = True
        return core
