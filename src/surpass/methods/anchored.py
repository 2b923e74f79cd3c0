"""Anchoring to the pretrained model: learn the weak labels without leaving what the strong model said before.

Idea: finetuning on weak labels overwrites what the strong model knew. Its own zero-shot prediction holds it back.

    loss = CE(softmax(z), y) + strength KL(q || p),   q the pretrained model's zero-shot probabilities

The divergence has the pretrained model in its first slot, so the student must keep every class that it thought
possible. Up to a constant, loss = (1 + strength) CE(softmax(z), (y + strength q) / (1 + strength)): labels mixed with
zero-shot ones, with larger steps where the optimizer minds the scale of a loss.

Source: the idea of Representation Anchoring (arXiv 2605.25629), which penalises the drift of the representation; this
is its counterpart on predictions, and follows no publication's equation. All rows are anchored, those with ground
truth too. Any number of classes. `strength` matters most: 0 is `soft`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError
from surpass.methods.base import Batch, Given, Method, Need, cross_entropy
from surpass.spec import option

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anchored(Method):
    """Weak labels, with the pretrained model's own prediction as an anchor."""

    wants: ClassVar[frozenset[Need]] = frozenset({"pretrained"})
    neutral: ClassVar[dict[str, Any]] = {"strength": 0.0}

    strength: float = option(0.5, low=0.0, high=100.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the labels with the zero-shot probabilities as columns, (n, C)."""
        if given.pretrained is None:
            raise IncompatibleError("method 'anchored' needs zero-shot predictions of its model, and was given none.")
        return dataclasses.replace(weak, columns=given.pretrained)

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return CE(z, y) + strength KL(q || p) of each row."""
        import torch

        drift = cross_entropy(batch.logits, batch.columns) + torch.xlogy(batch.columns, batch.columns).sum(dim=-1)
        return cross_entropy(batch.logits, batch.targets) + self.strength * drift
