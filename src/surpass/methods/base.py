"""What a method is: hooks between weak labels and a student."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module

Need = Literal["features", "custom_loss", "hidden", "pretrained", "supervisor_features", "members", "gold", "accepted"]
"""What a method may ask of the student's model (the first four), of what labels the rows, or of the task (the last)."""

FROM_LABELS: frozenset[Need] = frozenset({"supervisor_features", "members", "gold"})
FROM_TASK: frozenset[Need] = frozenset({"accepted"})


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The m rows with ground truth that the supervisor was fitted on.

    Attributes:
        ids: the rows.
        gold: (m, C) one-hot ground truth.
        supervisor_features: (m, k) frozen features of the supervisor's backbone.
    """

    ids: tuple[str, ...]
    gold: Values
    supervisor_features: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Given:
    """What `prepare` is given beside the weak labels, for the same n rows; None unless the method's `wants` names it.

    Attributes:
        features: (n, d) frozen features of the strong backbone.
        supervisor_features: (n, k) frozen features of the supervisor's backbone.
        labelled: the supervisor's own training rows; comes with "supervisor_features".
        members: (M, n, C) labels of an ensemble's members.
        pretrained: (n, C) zero-shot predictions of the strong model.
        accepted: (n, k) which of the weak texts could be an answer at all; see `Task.accepts`.
    """

    features: NDArray[np.float32] | None = None
    supervisor_features: NDArray[np.float32] | None = None
    labelled: Labelled | None = None
    members: Values | None = None
    pretrained: Values | None = None
    accepted: NDArray[np.bool_] | None = None


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
        step_gold: (B,) True where they are ground truth.
        recent_probs: (up to B, C) probabilities of the training rows just before this step, oldest first, detached;
            predictions made while evaluating never enter.
        step: optimizer steps taken before this one.
        columns: (b, k) what `prepare` wrote into the targets' columns.
        companion: what the method's `companion` made, training along; None for most.
    """

    logits: Tensor
    targets: Tensor
    gold: Tensor
    hidden: Tensor | None
    rows: Tensor
    step_probs: Tensor
    step_targets: Tensor
    step_gold: Tensor
    recent_probs: Tensor
    step: int
    columns: Tensor
    companion: Module | None = None


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
    most_classes: ClassVar[int | None] = None
    neutral: ClassVar[dict[str, Any]] = {}
    """Options at which the method is `soft`: the contract suite checks that it then trains as `soft` does."""

    @property
    def needs(self) -> frozenset[Need]:
        """What the method asks for: its own `wants`, and `custom_loss` when `loss` is overridden."""
        custom: frozenset[Need] = frozenset({"custom_loss"}) if type(self).loss is not Method.loss else frozenset()
        return self.wants | custom

    @property
    def batch_statistics(self) -> bool:
        """Whether the loss reads `step_probs` or `recent_probs`, which then cost a second forward pass if the step is cut."""
        return False

    @property
    def solves(self) -> bool:
        """Whether the method is the student itself: `solve` on frozen features takes the place of the strong model."""
        return False

    def sources(self) -> tuple[Spec, ...]:
        """Return the fits or label sources whose labels `prepare` takes as `members`; empty: those of an ensemble."""
        return ()

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the targets to fit, made from the weak labels.

        Args:
            weak: the labels of the rows to train on.
            given: features and other facts of the same rows, as far as `wants` asks for them.
            rng: the only source of randomness.
        """
        return weak

    def solve(self, targets: Targets, features: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Values]:
        """Return a predictor (m, d) -> (m, C) made of the prepared targets and their features; see `solves`."""
        raise NotImplementedError

    def companion(self, width: int, columns: int) -> Module | None:
        """Return what the loss trains beside the model, or None; it is built from the seed and not kept.

        Args:
            width: of the pooled hidden state.
            columns: how many `Targets.columns` the prepared labels have.
        """
        return None

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
