"""Ground truth: what supervisors and ceilings are fitted to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

from surpass.artifacts import Predictions, Splits
from surpass.labels.base import LabelSource, as_predictions, gold_values
from surpass.runtime import Runtime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gold(LabelSource):
    """Ground truth of the `weak` rows (a supervisor's) or of the `transfer` rows (a ceiling's).

    Attributes:
        split: the rows that a model is fitted on with these labels.
    """

    targets: ClassVar[frozenset[str]] = LabelSource.targets | {"generation"}

    split: Literal["weak", "transfer"] = "transfer"

    @property
    def train_split(self) -> str:
        """The split whose ground truth this is."""
        return self.split

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the task's own labels: classes one-hot."""
        return as_predictions(splits, gold_values(splits), what="ground truth")
