r"""Rows in which what the supervisor knows and what only the strong model knows meet.

Idea: some rows are easy (the supervisor's features settle them), some hard (only the strong model's do), and some both.
The student learns the hard features from the overlap, whose weak labels are right and whose strong features look like
those of hard rows.

1. Confidence (C max y - 1) / (C - 1), which is 2 |p - 1/2| for two classes; one change point of the sorted values cuts
   off the hard rows.
2. The others are scored by their largest similarity to a hard row in the strong features; a second change point: at or
   above it a row is overlap, below it is easy. `_partition` says how a change point is found.

- `cosine`: similarity max |cos|; a row at the first threshold is hard (their experiment script).
- `inner`: similarity max x . x'; a row at the first threshold is not hard (their data-selection module).
- `aar`: no partition. Keep the top `share` of each weak class by the sum of four z-scores: probability of the hard weak
  label by an out-of-fold logistic regression on the strong features; mean agreement sum_c y_c y'_c with the k nearest
  others; density, minus the mean distance to these; and a bump exp(-((H - h) / (h / 2))^2 / 2) of the label's entropy H
  around h = ln(C) / 2.

Sources: Shin et al. 2024 (arXiv 2412.03881) and SprocketLab/datacentric_w2s, which train on overlap rows in shares from 0
to 1; `keep: overlap` is share 1. `aar`: "overlap density" in Anthropic's automated weak-to-strong report of 2026, PGR
0.75 on chat preferences; its code and constants are not public, so k, the width of the bump and the regression's l2 are
ours.

What differs: more than two classes, which no source defines (the formulas above, which equal theirs for two). Ground
truth stays and takes no part in either cut. When no row is hard, or all are, none is overlap. `keep` and the share of
rows that the two cuts leave matter most: look at `trained_on` in the results. `aar` with share 1 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.methods._logistic import out_of_fold
from surpass.methods._partition import confidence, partition
from surpass.methods._selection import best, by_id, nearest, needed, restored, those
from surpass.methods.base import Given, Method, Need
from surpass.spec import option

AAR_FOLDS = 5
AAR_L2 = 0.15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap(Method):
    """Rows that are easy for the supervisor and like the hard ones for the student.

    Attributes:
        variant: how overlap is found; see the module's text.
        keep: of "cosine" and "inner": the overlap alone, or all rows but the hard ones.
        share: of "aar": the part of each weak class that is kept.
        k: of "aar": neighbours.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features"})
    neutral: ClassVar[dict[str, Any]] = {"variant": "aar", "share": 1.0}

    variant: Literal["cosine", "inner", "aar"] = "cosine"
    keep: Literal["overlap", "overlap+easy"] = "overlap"
    share: float = option(0.5, above=0.0, high=1.0)
    k: int = option(50, low=1)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows that the variant keeps."""
        order = by_id(weak.ids)
        table = needed(given.features, "frozen features of the strong model")[order]
        if self.variant == "aar":
            score = self._density(weak.values[order], table, [weak.ids[i] for i in order])
            return best(weak, restored(order, score), self.share, weak.values.argmax(axis=1))
        labels = ~weak.gold[order]
        hard, overlap = partition(confidence(weak.values[order][labels]), table[labels], self.variant)
        kept = np.zeros(len(order), dtype=bool)
        kept[labels] = overlap if self.keep == "overlap" else ~hard
        return those(weak, restored(order, kept))

    def _density(self, values: Values, table: Values, ids: list[str]) -> Values:
        """Return the score of "aar", (n,), for rows in the order of their ids."""
        classes = values.argmax(axis=1)
        hard = np.eye(values.shape[1])[classes]
        fitted = out_of_fold(table, hard, ids, AAR_FOLDS, AAR_L2)[np.arange(len(classes)), classes]
        agreement, density = np.zeros(len(classes)), np.zeros(len(classes))
        near = nearest(table, self.k, itself=False)
        if near.shape[1]:
            for row, others in enumerate(near):
                agreement[row] = (values[others] @ values[row]).mean()
                density[row] = -np.sqrt(((table[others] - table[row]) ** 2).sum(axis=1)).mean()
        positive = np.where(values > 0, values, 1.0)
        entropy = -(positive * np.log(positive)).sum(axis=1)
        middle = np.log(values.shape[1]) / 2
        bump = np.exp(-(((entropy - middle) / (middle / 2)) ** 2) / 2)
        return _z(fitted) + _z(agreement) + _z(density) + _z(bump)


def _z(score: Values) -> Values:
    deviation = float(score.std())
    return (score - score.mean()) / deviation if deviation > 1e-12 else np.zeros_like(score)
