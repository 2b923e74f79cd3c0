"""Several supervisors as one: the mean of their probabilities, or their vote."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.errors import SpecError
from surpass.labels.base import LabelSource
from surpass.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ensemble(LabelSource):
    """The members' labels combined; members are fits or other label sources over the same data.

    Attributes:
        members: two or more fits (or, in a study file, models, each fitted on the `weak` rows).
        combine: "mean" averages probabilities; "vote" gives each class its share of the members' decisions.
    """

    members: tuple[Spec, ...]
    combine: Literal["mean", "vote"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.members) < 2:
            raise SpecError(f"label 'ensemble': members has {len(self.members)} entries; two or more are needed.")

    def sources(self) -> tuple[Spec, ...]:
        """Return the members."""
        return self.members

    def compute(self, splits: Splits, sources: Sequence[Predictions]) -> Predictions:
        """Return the combined labels, joined by row id, for the rows that every member knows."""
        held = set(splits.rows.ids).intersection(*(member.ids for member in sources))
        rows = [i for i, name in enumerate(splits.rows.ids) if name in held]
        ids, split = (tuple(column[i] for i in rows) for column in (splits.rows.ids, splits.split))
        stacked = np.stack([member.on(ids) for member in sources])
        if self.combine == "vote" and splits.target == "classification":
            stacked = np.eye(stacked.shape[2])[stacked.argmax(axis=2)]
        return Predictions(ids, split, stacked.mean(axis=0))
