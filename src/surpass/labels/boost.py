"""A boosted supervisor: each round fits the weak model to ground truth anew, with weight on what earlier rounds got wrong.

    F(x) = sum_t a_t f_t(x) / sum_t a_t,   a_t = log((1 - e_t) / e_t) + log(C - 1)

with e_t the weighted error of round t on the `weak` rows; method `boosted` has the weights, the clipping of e_t and the
sources. f_t(x) are probabilities, as EnsemW2S (arXiv 2410.04571; repository Aakriti05/weak-to-strong) adds them for classes,
or with `combine: vote` decisions, as in SAMME.

When it is sensible: errors are measured on the rows the round was fitted on, so a model that fits these without error has no
errors to learn from, and all rounds are alike. Boost models that stay wrong on their own rows: few features (`first` of a
probe), single words, strong penalties.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.labels._rows import common
from surpass.labels.base import LabelSource, gold_values
from surpass.registry import METHODS
from surpass.runtime import Runtime
from surpass.spec import Spec, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Boost(LabelSource):
    """The labels of AdaBoost over a weak model.

    Attributes:
        model: the model; once bound to a study, the fit of the last round, whose method knows those before it.
        rounds: how many times it is fitted; EnsemW2S has 10.
        combine: "mean" weighs probabilities, "vote" decisions.
    """

    targets: ClassVar[frozenset[str]] = frozenset({"classification"})

    model: Spec
    rounds: int = option(10, low=2, high=50)
    combine: Literal["mean", "vote"] = "mean"

    def sources(self) -> tuple[Spec, ...]:
        """Return the fits of all rounds, in order; before they are bound, the model as often as there are rounds."""
        method: Any = getattr(self.model, "method", None)  # a fit's; its class stands in a layer above
        return (self.model,) * self.rounds if method is None else (*method.sources(), self.model)

    def bind(self, fit: Callable[..., Spec]) -> Self:
        """Return this source with the fit of the last round, through which the others are reached."""
        boosted, last = METHODS.get("boosted"), fit(self.model)
        for _ in range(self.rounds - 1):
            last = fit(self.model, method=boosted(before=last))
        return dataclasses.replace(self, model=last)

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the weighted labels for the rows that every round knows; were all worse than chance, all count alike."""
        known, weak = common(splits, sources), splits.part("weak")
        gold = gold_values(dataclasses.replace(splits, rows=weak, split=("weak",) * len(weak)))
        own = np.stack([one.on(weak.ids) for one in sources])
        votes, _ = METHODS.get("boosted").votes(own, gold, np.ones(len(weak)))
        if not votes.any():
            votes = np.ones(len(sources))
        stacked = np.stack([one.on(known.rows.ids) for one in sources])
        if self.combine == "vote":
            stacked = np.eye(stacked.shape[2])[stacked.argmax(axis=2)]
        values = np.tensordot(votes / votes.sum(), stacked, axes=1)
        return Predictions(known.rows.ids, known.split, values)
