"""AdaBoost's weights on the rows of a fit, from the errors of the fits before it. Label source `boost` is made of such fits.

Idea: rows that earlier fits got wrong weigh more, so the next fit looks at them; fits with fewer errors get a larger say.

    e_t = sum_i w_i 1[f_t(x_i) != y_i] / sum_i w_i
    a_t = log((1 - e_t) / e_t) + log(C - 1)
    w_i <- w_i exp(a_t 1[f_t(x_i) != y_i])

Source: SAMME (Zhu, Zou, Rosset & Hastie 2009, Multi-class AdaBoost), which is AdaBoost for C = 2; proposed for weak
supervisors by EnsemW2S (arXiv 2410.04571), whose a_t is half of this: the same vote and, as it also lowers the weight of
right rows, the same weights once scaled. e_t is clipped to [1 / 2n, 1 - 1 / 2n], half a row, so that a fit without errors
has a finite say; a fit no better than chance, e_t >= 1 - 1/C, has none and changes no weight.

What differs: EnsemW2S's released code (Aakriti05/weak-to-strong) takes e_t from rows held out, unweighted; here it is the
weighted error on the fit's own rows, as in AdaBoost. It has no parameter of its own: `rounds` is `boost`'s.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.methods.base import Given, Method, Need
from surpass.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Boosted(Method):
    """Labels as they are, weighted by AdaBoost; made by label source `boost`, and of no use by itself.

    Attributes:
        before: the fit of the round before, whose own method knows those before it.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"members"})

    before: Spec

    def sources(self) -> tuple[Spec, ...]:
        """Return the fits of all earlier rounds, the first one first."""
        method: Any = getattr(self.before, "method", None)  # a fit's; its class stands in a layer above
        return (*(method.sources() if method else ()), self.before)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with the weights that the earlier rounds leave."""
        if given.members is None:
            raise ValueError("method 'boosted' needs the labels of earlier rounds")
        _, weight = self.votes(given.members, weak.values, weak.weight)
        return dataclasses.replace(weak, weight=weight)

    @staticmethod
    def votes(members: Values, labels: Values, weight: Values) -> tuple[Values, Values]:
        """Return what each round's vote counts, (M,), and the weight of each row after the last, (n,) with mean 1.

        Args:
            members: labels of the rounds, (M, n, C).
            labels: what they were fitted to, (n, C).
            weight: of the rows in the first round, (n,).
        """
        n, classes = labels.shape
        votes, weight = np.zeros(len(members)), weight / weight.mean()
        for t, member in enumerate(members):
            wrong = member.argmax(axis=1) != labels.argmax(axis=1)
            error = np.clip(np.average(wrong, weights=weight), 1 / (2 * n), 1 - 1 / (2 * n))
            votes[t] = max(0.0, np.log((1 - error) / error) + np.log(classes - 1))
            weight = weight * np.exp(votes[t] * wrong)
            weight = weight / weight.mean()
        return votes, weight
