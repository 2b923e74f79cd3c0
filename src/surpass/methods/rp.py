"""Rows whose weak label says something that the strong model can express and the weak one cannot.

Idea: project the weak labels out of what the supervisor's features explain, then onto what the strong features explain.
Rows that carry much of what is left are those the student can learn something new from.

    K = X X' / n,   P = K (K + r I)^-1,  r = reg * trace(K) / n,      v = P_s (I - P_w) y,      score_i = |v_i|

with X the columns' centred features of the strong (s) and the weak (w) backbone, y the centred weak labels. The top
`share` of the scores is kept.

Sources: the quantity is that of Xue et al. 2025 (arXiv 2502.00620), where ||v||^2 predicts the gap between student and
ceiling; its use per row, reg 0.1 and the top half are from yuxinjinito/w2s-overlap (representation_projection.py), whose
text leaves open whether high or low scores should stay: `keep: low` is the other end.

What differs: nothing for two classes. More, which the source does not define, have a column of y each and the score
||v_i|| / sqrt 2, which is |v_i| for two. Ground truth is part of y and of the kernels, and always stays. The sums run
over the d features rather than n x n kernels when d < n, which is the same matrix. `share` and `keep` matter most; share
1 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.methods._projection import unexplained
from surpass.methods._selection import best, by_id, needed, restored
from surpass.methods.base import Given, Method, Need
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rp(Method):
    """Weak labels of the largest (or smallest) projection gap.

    Attributes:
        share: of the weak labels that stay.
        keep: which end of the scores stays.
        reg: of the projections, as a part of the mean eigenvalue of K.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features", "supervisor_features"})
    neutral: ClassVar[dict[str, Any]] = {"share": 1.0}

    share: float = option(0.5, above=0.0, high=1.0)
    keep: Literal["high", "low"] = "high"
    reg: float = option(0.1, above=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows at the end of the scores that is kept."""
        order = by_id(weak.ids)
        strong = needed(given.features, "frozen features of the strong model")[order]
        supervisor = needed(given.supervisor_features, "frozen features of the supervisor")[order]
        score = gap(strong, supervisor, weak.values[order], self.reg)
        return best(weak, restored(order, score if self.keep == "high" else -score), self.share)


def gap(strong: Values, supervisor: Values, values: Values, reg: float) -> Values:
    """Return the score of each row, (n,), for strong (n, d) and supervisor (n, k) features and labels (n, C)."""
    v = unexplained(strong, supervisor, values, reg)
    return np.asarray(np.sqrt((v**2).sum(axis=1) / 2))
