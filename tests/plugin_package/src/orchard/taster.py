"""A person who tastes the fruit and is sometimes wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.labels.base import LabelSource, gold_values
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taster(LabelSource):
    """Ground truth, replaced by the next class where the taster errs.

    Attributes:
        errors: share of wrong labels.
    """

    errors: float = option(0.2, low=0.0, high=1.0)

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the labels; whether a row's is wrong depends on its id alone."""
        gold = gold_values(splits)
        wrong = np.array([Random(f"taster/{name}").random() < self.errors for name in splits.rows.ids])
        values = np.where(wrong[:, None], np.roll(gold, 1, axis=1), gold)
        return Predictions(splits.rows.ids, splits.split, values)
