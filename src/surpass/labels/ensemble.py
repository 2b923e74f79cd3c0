"""Several supervisors as one: the mean of their probabilities, its geometric kin, or their vote."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from surpass.artifacts import Predictions, Splits, Values
from surpass.errors import IncompatibleError, SpecError
from surpass.labels._rows import common
from surpass.labels.base import LabelSource
from surpass.runtime import Runtime
from surpass.spec import Spec

SMALLEST = 1e-7
"""What a probability of 0 counts as in a geometric mean: no member has a veto."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ensemble(LabelSource):
    """The members' labels combined; members are fits or other label sources over the same data.

    Attributes:
        members: two or more fits (or, in a study file, models, each fitted on the `weak` rows).
        combine: "mean" averages probabilities, or numbers; "vote" gives each class its share of the members' decisions;
            "log_mean" takes the geometric mean of probabilities, scaled to sum to 1, with zeros read as 1e-7.
        weights: one per member, none below 0, brought to sum 1; empty: all alike.
    """

    members: tuple[Spec, ...]
    combine: Literal["mean", "vote", "log_mean"] = "mean"
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.members) < 2:
            raise SpecError(f"label 'ensemble': members has {len(self.members)} entries; two or more are needed.")
        if self.weights and (len(self.weights) != len(self.members) or min(self.weights) < 0 or not sum(self.weights)):
            raise SpecError(
                f"label 'ensemble': weights={list(self.weights)} for {len(self.members)} members. Give one per member, "
                "none below 0 and one above."
            )

    @property
    def targets(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Numbers have a mean, but no vote."""
        return LabelSource.targets if self.combine == "mean" else frozenset({"classification"})

    def sources(self) -> tuple[Spec, ...]:
        """Return the members."""
        return self.members

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the combined labels, joined by row id, for the rows that every member knows.

        A row is marked as ground truth where it is for every member.

        Raises:
            IncompatibleError: numbers are to be combined by anything but their mean.
        """
        if splits.target not in self.targets:
            raise IncompatibleError(
                f"label 'ensemble': combine='{self.combine}' is for classes, but the labels are {splits.target}. "
                "Use combine: mean."
            )
        known = common(splits, sources)
        ids = known.rows.ids
        values = self.combined(np.stack([member.on(ids) for member in sources]))
        gold = np.all([member.gold_on(ids) for member in sources], axis=0)
        return Predictions(ids, known.split, values, gold=gold)

    def combined(self, stacked: Values) -> Values:
        """Return the labels (n, C) that stand for those of M members, (M, n, C)."""
        weights = self.weights or None
        if self.combine == "vote":
            stacked = np.eye(stacked.shape[2])[stacked.argmax(axis=2)]
        if self.combine == "log_mean":
            values = np.exp(np.average(np.log(np.maximum(stacked, SMALLEST)), axis=0, weights=weights))
            return np.asarray(values / values.sum(axis=1, keepdims=True))
        return np.asarray(np.average(stacked, axis=0, weights=weights))
