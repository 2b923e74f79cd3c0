"""Guidance through representations: the student's state must hold what the supervisor's holds.

Idea: a supervisor's features say more than its label. A linear map from the student's pooled state has to predict
their main directions, also on rows where the label teaches little.

    loss = CE(softmax(z), y) + strength mean_k (A h - t)_k^2

h is the pooled state under the head; A, with an offset, trains along and is thrown away. t are the supervisor's
features, each column standardized over the rows to train on, projected to their at most `width` principal components,
all divided by one number so that their mean square is 1: a map that predicts nothing costs `strength`.

Source: feature distillation (FitNets, Romero et al. 2014, arXiv 1412.6550) turned from weak to strong; no
publication's settings are followed. What to know: components with less than 1e-5 of the first one's spread are left
out; a component's sign is that which makes its first large loading positive. `strength` matters most: 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.errors import IncompatibleError
from surpass.methods._selection import by_id, restored
from surpass.methods.base import Batch, Given, Method, Need, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SMALLEST_SPREAD = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Representation(Method):
    """Weak labels, and the supervisor's main feature directions read from the student's state."""

    wants: ClassVar[frozenset[Need]] = frozenset({"supervisor_features", "hidden"})
    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    width: int = option(32, low=1)
    strength: float = option(1.0, low=0.0, high=100.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with the principal components of the supervisor's features as columns."""
        if given.supervisor_features is None:
            raise IncompatibleError("method 'representation' needs features of the supervisor, and was given none.")
        order = by_id(weak.ids)  # sums then round alike in any order of rows
        columns = principal(given.supervisor_features[order], self.width)
        return dataclasses.replace(weak, columns=restored(order, columns))

    def companion(self, width: int, columns: int) -> Module | None:
        """Return the linear map from pooled state to components."""
        from torch.nn import Linear

        return Linear(width, columns)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return CE(z, y) + strength times the mean squared error of the components, of each row."""
        if batch.hidden is None or batch.companion is None:
            raise IncompatibleError("method 'representation' needs a model whose pooled state is trained.")
        missed: Tensor = batch.companion(batch.hidden.float()).float() - batch.columns
        return cross_entropy(batch.logits, batch.targets) + self.strength * missed.square().mean(dim=-1)


def principal(features: NDArray[np.float32], width: int) -> Values:
    """Return at most `width` principal components of standardized features, (n, k) to (n, w), of mean square 1.

    Features that do not vary count for nothing; where none does, the result is one column of zeros.
    """
    values = features.astype(np.float64)
    spread = values.std(axis=0)
    varies = spread > SMALLEST_SPREAD * np.abs(values).max(axis=0, initial=0.0)
    values = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    if not values.size:
        return np.zeros((len(features), 1))
    variances, loadings = np.linalg.eigh(values.T @ values)  # ascending
    count = min(width, int((variances > SMALLEST_SPREAD**2 * variances[-1]).sum()))
    kept = loadings[:, ::-1][:, :count]
    large = (np.abs(kept) >= np.abs(kept).max(axis=0) / 2).argmax(axis=0)  # not the largest: two may be alike
    found = values @ (kept * np.sign(kept[large, np.arange(kept.shape[1])]))
    return np.asarray(found / np.sqrt(np.square(found).mean()))
