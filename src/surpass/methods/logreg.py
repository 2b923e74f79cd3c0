"""What a linear probe of the strong model, fitted to the weak labels, says of them.

Idea: a linear probe cannot follow single wrong labels. Its predictions on its own training rows are a second opinion: use
them to drop weak labels, to replace them, or as the student itself.

    minimize mean_i BCE(x_i . w + b, y_i) + l2 ||w||^2        (no half before the penalty, b free, features as they are)

- `filter`: drop int(contamination * n) weak labels with the largest |p - y|.
- `relabel`: train on p in place of y.
- `predict`: p is the student; the strong model is not trained.

Source: EleutherAI/w2s (logistic.py, probe.py). The code's l2 is 1e-3; the blog says that about 1e-2 was best: `l2: 0.01`.
Published as worse than plain training on many datasets and better on a few.

What differs: the minimum is found (their L-BFGS starts at zero too, but may stop early); validation labels stay as they
are (they filter those too). More than two classes, which their probes do not serve, have one vector w each and compare by
the total variation sum_c |p_c - y_c| / 2. Ground truth is learned from, but never dropped or replaced, and n counts the
other rows. `l2` matters most, and since features are not normalized its right size depends on theirs. contamination 0
with `filter` is `soft`.

A small l2 leaves X'(p - y) near 0, so a linear student on the same features has the same gradient from p as from y: `relabel`
then changes nothing for it. It is for students that are finetuned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._logistic import Logistic
from surpass.methods._opinion import SecondOpinion
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Logreg(SecondOpinion):
    """Weak labels held against a linear probe that was fitted to them.

    Attributes:
        action: "filter", "relabel" or "predict".
        l2: penalty of the probe, without a half before it.
        contamination: share of the weak labels that "filter" drops.
    """

    neutral: ClassVar[dict[str, Any]] = {"action": "filter", "contamination": 0.0}

    l2: float = option(1e-3, above=0.0)

    def opinion(self, table: Values, values: Values) -> Values:
        """Return the probe's predictions of its own training rows."""
        return Logistic.fit(table, values, self.l2)(table)

    def student(self, table: Values, targets: Targets) -> Callable[[NDArray[np.float32]], Values]:
        """Return the probe fitted to the weak labels."""
        return Logistic.fit(table, targets.values, self.l2)
