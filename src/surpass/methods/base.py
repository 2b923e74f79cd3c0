"""What a method is: two hooks between weak labels and a student."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets
from surpass.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Need = Literal["features", "custom_loss"]


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a loss sees: one micro-batch of b rows, within an optimizer step over B rows.

    The loss of a row may depend on the whole step (a quantile of the student's own predictions), never on how the step
    was cut into micro-batches, so that memory settings cannot change a number.

    Attributes:
        logits: (b, C) of the student, with gradient.
        targets: (b, C) probabilities, or (b, k) numbers for regression.
        gold: (b,) True where the target is ground truth.
        hidden: (b, d) pooled hidden state under the head, with gradient; None for models without one.
        rows: (b,) positions of these rows within the step.
        step_probs: (B, C) the student's probabilities for the whole step, detached.
        step_targets: (B, C) targets of the whole step.
        recent_probs: (up to B, C) probabilities of the training rows just before this step, oldest first, detached;
            predictions made while evaluating never enter.
        step: optimizer steps taken before this one.
    """

    logits: Tensor
    targets: Tensor
    gold: Tensor
    hidden: Tensor | None
    rows: Tensor
    step_probs: Tensor
    step_targets: Tensor
    recent_probs: Tensor
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method(Spec):
    """How weak labels become a student.

    `prepare` filters, relabels, reweights or calibrates before training and returns targets for all or some of the rows,
    in order. `loss` holds what needs gradients; a method that overrides it serves gradient-trained students only, which
    is checked while planning. A chain of models is a spec, not a method.
    """

    family: ClassVar[str] = "method"
    wants: ClassVar[frozenset[Need]] = frozenset()
    targets: ClassVar[frozenset[str]] = frozenset({"classification"})

    @property
    def needs(self) -> frozenset[Need]:
        """What a model must offer for this method: its own `wants`, and `custom_loss` when `loss` is overridden."""
        custom: frozenset[Need] = frozenset({"custom_loss"}) if type(self).loss is not Method.loss else frozenset()
        return self.wants | custom

    @property
    def batch_statistics(self) -> bool:
        """Whether the loss reads `step_probs` or `recent_probs`, which then cost a second forward pass if the step is cut."""
        return False

    def prepare(self, weak: Targets, *, features: NDArray[np.float32] | None, rng: np.random.Generator) -> Targets:
        """Return the targets to fit, made from the weak labels.

        Args:
            weak: the labels of the rows to train on.
            features: (n, d) frozen features of the same rows, when the method's `wants` has "features".
            rng: the only source of randomness.
        """
        return weak

    def loss(self, batch: Batch, progress: float) -> Tensor:
        """Return the loss of each row, (b,); the trainer weighs the rows and takes the mean over the step.

        Args:
            batch: see Batch.
            progress: share of training done before this step, in [0, 1).
        """
        return cross_entropy(batch.logits, batch.targets)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return CE(logits, targets) of each row, (b,), for targets that are probabilities."""
    from torch.nn.functional import log_softmax

    return -(targets * log_softmax(logits.float(), dim=-1)).sum(dim=-1)
