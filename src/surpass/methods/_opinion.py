"""What kNN, logistic regression and TopoFilter share: a second opinion of the weak labels, from frozen features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._selection import Positions, by_id, disagreement, needed, relabelled, restored, those, worst
from surpass.methods.base import Given, Method, Need
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondOpinion(Method):
    """Base of the methods that hold weak labels against what frozen features say of the rows.

    Attributes:
        action: "filter" drops the worst weak labels, "relabel" replaces them, "predict" takes the opinion as the student.
        contamination: share of the weak labels that "filter" drops.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features"})

    action: Literal["filter", "relabel", "predict"] = "filter"
    contamination: float = option(0.1, low=0.0, high=1.0)

    @property
    def solves(self) -> bool:
        """Whether the opinion is the student."""
        return self.action == "predict"

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the weak labels filtered, relabelled or, for "predict", as they are."""
        if self.solves:
            return weak
        order = by_id(weak.ids)
        return self.judged(weak, order, needed(given.features, "frozen features of the strong model")[order])

    def judged(self, weak: Targets, order: Positions, table: Values) -> Targets:
        """Return the weak labels filtered or relabelled.

        Args:
            weak: the weak labels.
            order: positions (n,) that sort them by id.
            table: (n, d) features, in the order of the ids.
        """
        found = restored(order, self.opinion(table, weak.values[order]))
        if self.action == "relabel":
            return relabelled(weak, found)
        n = int(self.contamination * int((~weak.gold).sum()))
        return those(weak, ~worst(weak, disagreement(found, weak.values), n))

    def opinion(self, table: Values, values: Values) -> Values:
        """Return what features (n, d) with labels (n, C) say of these very rows, (n, C)."""
        raise NotImplementedError

    def solve(self, targets: Targets, features: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Values]:
        """Return the opinion of any rows as a function of their features."""
        order = by_id(targets.ids)
        return self.student(np.asarray(features, dtype=np.float64)[order], targets.take(order))

    def student(self, table: Values, targets: Targets) -> Callable[[NDArray[np.float32]], Values]:
        """Return the predictor that "predict" asks for, from features and labels in the order of the ids."""
        raise NotImplementedError
