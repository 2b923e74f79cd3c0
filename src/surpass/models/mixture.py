"""A convex combination of k logistic heads on frozen features, vectors or images: a student class that is nearly convex.

    p(x) = sum_h a_h softmax(W_h x + b_h),     a = softmax(v)

The theory of misfit asks for a convex set of students: whatever lies between two of them is one too. Logistic heads are no
such set, since probabilities between those of two heads belong to no head. Their mixtures are: a mixture of one with j and
one with k heads is one with j + k heads. The more heads, the closer they come to the convex hull of one head.

Source: Mulgund & Pabbaraju 2025 (arXiv 2501.19105) and the released code of their vision experiments: AdamW, lr 1e-3, weight
decay 0.1 on the weights of the heads alone, batches of 256, a fifth of the training rows held out, the epoch with the least
loss on them kept. What differs: features are centred and divided by one number, so that the same learning rate serves
features of any size. The loss is the method's: `soft` is their forward cross-entropy, `{method: kl, direction: reverse}` the
KL divergence with the student in the first slot for which the theory speaks. Ground truth is fitted by cross-entropy.

Held-out rows are training rows, drawn by the seed one by one (rows of one group may stand on both sides): a student's are
weakly labelled, and no ground truth decides where it stops.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Array, Inputs
from surpass.errors import DataError
from surpass.methods.base import Need
from surpass.models._pixels import numbers
from surpass.models._pretrain import Backbone
from surpass.models.base import Fitted, Model, Precision, TextEncoder, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option, options_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture(Model):
    """A mixture of logistic heads.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`; empty: the rows are vectors or
            images themselves.
        layer: "middle", "last" or the number of a hidden state.
        pool: the last real token, the mean over real tokens, or both side by side.
        max_length: tokens per text; longer texts are truncated and counted.
        precision: of the backbone; "auto" is settled by `resolve`.
        shrink: images are averaged over blocks of `shrink` x `shrink` pixels first.
        heads: k; 1 is a logistic head.
        lr: of AdamW.
        weight_decay: of the heads' weights; biases and the mixing weights have none.
        epochs: passes over the training rows that are not held out.
        batch_size: rows of a step.
        held_out: share of the training rows on which the best epoch is chosen; 0 keeps the last epoch.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    targets: ClassVar[frozenset[str]] = frozenset({"classification"})

    backbone: Backbone = ""
    layer: str | int = "middle"
    pool: Literal["last", "mean", "last+mean"] = "last+mean"
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    shrink: int = option(1, low=1)
    heads: int = option(10, low=1)
    lr: float = option(1e-3, above=0.0)
    weight_decay: float = option(0.1, low=0.0)
    epochs: int = option(30, low=1)
    batch_size: int = option(256, low=1)
    held_out: float = option(0.2, low=0.0, high=0.9)
    digest: str = ""

    @property
    def inputs(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Texts with a backbone, else numbers."""
        return frozenset({"text", "pair"} if self.backbone else {"vector", "image"})

    @property
    def reads_features(self) -> bool:  # type: ignore[override]
        """Whether the heads are on frozen features."""
        return bool(self.backbone)

    @property
    def can(self) -> frozenset[Need]:
        """A method's own loss always, frozen features with a backbone."""
        return frozenset({"features", "custom_loss"} if self.backbone else {"custom_loss"})

    def encoder(self) -> TextEncoder | None:
        """Return the features that the heads read."""
        if not self.backbone:
            return None
        return TextEncoder.of(self)

    def resolve(self) -> Mixture:
        """Fill the backbone's digest and the precision."""
        encoder = self.encoder()
        if encoder is None:
            return self
        settled = encoder.resolve()
        return dataclasses.replace(self, backbone=settled.backbone, digest=settled.digest, precision=settled.precision)

    def label(self) -> str:
        """Return the backbone's short name, how many heads, and the options that are not the defaults."""
        plain, how = dataclasses.replace(self, heads=Mixture.heads), f"mixture of {self.heads}"
        if self.backbone:
            return backbone_label(plain, how)
        options = options_of(plain)
        return f"{how}({', '.join(options)})" if options else how

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        """Return the fitted mixture.

        Raises:
            DataError: all targets are of one class, or too few rows to hold some out.
            IncompatibleError: `shrink` does not divide the image.
            StageError: the loss is no longer a number.
        """
        from surpass.models._mixture import train

        values = work.targets.values
        if (values > 0).any(axis=0).sum() < 2:
            raise DataError(
                f"all {len(values)} training labels are of one class; a mixture needs two. Look at the labels' source."
            )
        reference = self.read(work.inputs if work.reference is None else work.reference)
        return train(self, work, Scale.of(reference))

    def read(self, inputs: Inputs) -> Array:
        """Return rows as numbers, (n, d)."""
        return numbers(np.asarray(inputs), self.shrink)


@dataclasses.dataclass(frozen=True)
class Scale:
    """Features minus their mean, divided by the root of their mean variance: distances keep their proportions."""

    mean: Array
    deviation: float

    @classmethod
    def of(cls, vectors: Array) -> Scale:
        """Return the scale of the rows of the training split, (n, d)."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        spread = float(np.sqrt(vectors.var(axis=0, dtype=np.float64).mean()))
        return cls(mean, spread if spread > 0 else 1.0)

    def __call__(self, vectors: Array) -> Any:
        """Return scaled vectors, (n, d) float32."""
        return ((vectors - self.mean) / self.deviation).astype(np.float32)
