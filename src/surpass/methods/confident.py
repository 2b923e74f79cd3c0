"""Only the weak labels of which the supervisor is sure.

Idea: a supervisor is right more often where it is sure, so train on those rows alone.

    keep row i when max_c y_ic >= threshold,    or when it is among the top share of its weak class by max_c y_ic

Sources: thresholding in Burns et al. 2023 (arXiv 2312.09390, appendix B), which kept the top 5 to 20 % of each class and
found that it helps only for weak labels near 60 % accuracy; safety-research/automated-w2s-research, baseline
`train_only_on_confident_labels`, which keeps p > 0.75 or p < 0.25; keven980716/weak-to-strong-deception has 0.75 too.

What differs: a row at the threshold is kept; the share of a class is rounded up, so that no class vanishes; for more than
two classes the same rule reads the largest probability, and by default the threshold is half way from chance, 1/C, to 1, as
0.75 is for two (ten classes at 0.75 may keep no row). Of texts the most probable one is read, half way is 1/2, and all rows
are one class. Rows of ground truth stay. The threshold (or share) is the only
parameter; threshold 0 and share 1 are `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods._selection import best, those
from surpass.methods.base import Given, Method
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confident(Method):
    """Weak labels that are sure enough; give a threshold or a share.

    Attributes:
        threshold: least probability of the weak class or text; (1 + 1/C) / 2 when neither option is given, 0.75 for two
            classes, 0.5 for texts.
        share: of each weak class, the surest of which are kept.
    """

    version: ClassVar[int] = 2  # 1 had 0.75 for any number of classes
    neutral: ClassVar[dict[str, Any]] = {"threshold": 0.0, "share": None}
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "generation"})

    threshold: float | None = option(None, low=0.0, high=1.0)
    share: float | None = option(None, above=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and self.share is not None:
            raise SpecError(
                f"method 'confident': threshold={self.threshold:g} and share={self.share:g} are both given. "
                "They are two rules: leave one out."
            )

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows whose weak label is sure enough."""
        confidence = weak.values.max(axis=1)
        if self.share is not None:
            return best(weak, confidence, self.share, None if weak.texts is not None else weak.values.argmax(axis=1))
        halfway = 0.5 if weak.texts is not None else (1 + 1 / weak.values.shape[1]) / 2
        return those(weak, confidence >= (halfway if self.threshold is None else self.threshold))
