r"""Weak labels without their lean towards a class.

Idea: a supervisor may favour a class more than the task does, and the student copies that. Take the lean out, by weights
or by moving the labels themselves.

- `weights`: each weak class gets the same total weight. With n_c labels whose most probable class is c,

      w_i proportional to n_c(i) ^ -strength

- `shift`: the labels' log odds are moved so that their mean over all rows is 0,

      y' = softmax(log y - strength * mean_j log y_j),      for two classes logit(y') = logit(y) - strength * mean logit(y)

Sources: Burns et al. 2023 (arXiv 2312.09390) rebalance classes in unbalanced tasks; `balance_batch` of EleutherAI/w2s
(loss.py, off by default) is the shift with labels kept 1e-7 away from 0 and 1.

What differs: `balance_batch` takes the mean over a batch, and with their micro-batch of 1 it makes every label 1/2; ours
is over all weak labels. More than two classes, which no source defines, shift the log odds of every pair of classes. Rows
of ground truth keep their label and weight, and do not count. Both rules suit a task whose classes are about equally
frequent, and a class of few labels gets large weights. `strength` is the only parameter: 1 balances, 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.methods._selection import by_id, relabelled
from surpass.methods.base import Given, Method
from surpass.spec import option

EDGE = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balance(Method):
    """Weak classes of equal weight, or weak labels of even mean log odds.

    Attributes:
        variant: "weights" leaves the labels, "shift" moves them.
        strength: how much of the lean is taken out.
    """

    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    variant: Literal["weights", "shift"] = "weights"
    strength: float = option(1.0, low=0.0, high=1.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return all rows, with new weights or new labels."""
        if self.strength == 0.0 or weak.gold.all():
            return weak
        if self.variant == "shift":
            return relabelled(weak, self._shifted(weak))
        return dataclasses.replace(weak, weight=self._weight(weak))

    def _weight(self, weak: Targets) -> Values:
        classes = weak.values.argmax(axis=1)
        counts = np.bincount(classes[~weak.gold], minlength=weak.values.shape[1])
        weight = np.maximum(counts, 1)[classes] ** -self.strength
        weight /= weight[~weak.gold].mean()
        weight[weak.gold] = 1.0
        return np.asarray(weight)

    def _shifted(self, weak: Targets) -> Values:
        log_y = np.log(np.clip(weak.values, EDGE, 1 - EDGE))
        order = by_id(weak.ids)
        log_y -= self.strength * log_y[order][~weak.gold[order]].mean(axis=0)
        shifted = np.exp(log_y - log_y.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
