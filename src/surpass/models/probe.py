"""A linear head on frozen, cached features of a pretrained model: solved exactly, or trained by Adam.

Features are standardized on the training rows. The head minimizes

    mean_i w_i CE(softmax(W x_i + b), y_i) + l2 / 2 * ||W||^2        (squared error for regression)

whose penalty is per row, so that `l2` means the same for any number of rows; b is free, and for two classes W is one vector,
that of the log odds. "exact" solves this convex problem with scikit-learn; "adam" follows the linear-probe study of Burns
et al. 2023 (arXiv 2312.09390, appendix D.2: Adam, lr 1e-3, batch 128, 200 epochs), on numbers brought to mean 0 and spread 1,
and serves methods with a loss of their own.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Inputs, Values
from surpass.errors import DataError
from surpass.methods.base import Need
from surpass.models.base import Encoder, Fitted, Model, Precision, Solved, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe(Model):
    """A linear head on frozen features.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`.
        layer: "middle", "last" or the number of a hidden state.
        pool: the last real token, the mean over real tokens, or both side by side.
        max_length: tokens per text; longer texts are truncated and counted.
        precision: of the backbone; "auto" is settled by `resolve`.
        solver: "exact", or "adam" for methods with their own loss.
        l2: penalty on the weights of standardized features; 0.3 had the best held-out log loss among 0.003 to 3 on
            training rows of movie-reviews (LOG.md).
        lr: of Adam.
        epochs: of Adam.
        batch_size: of Adam.
        points: readings of the watched rows while Adam trains, evenly spaced, the end included.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression"})
    reads_features: ClassVar[bool] = True

    backbone: str
    layer: str | int = "middle"
    pool: Literal["last", "mean", "last+mean"] = "last+mean"
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    solver: Literal["exact", "adam"] = "exact"
    l2: float = option(0.3, low=0.0)
    lr: float = option(1e-3, above=0.0)
    epochs: int = option(200, low=1)
    batch_size: int = option(128, low=1)
    points: int = option(5, low=1)
    digest: str = ""

    @property
    def can(self) -> frozenset[Need]:
        """Frozen features always, a method's own loss with `solver: adam`."""
        return frozenset({"features", "custom_loss"} if self.solver == "adam" else {"features"})

    def encoder(self) -> Encoder:
        """Return the features that the head reads."""
        return Encoder(
            backbone=self.backbone,
            layer=self.layer,
            pool=self.pool,
            max_length=self.max_length,
            precision=self.precision,
            digest=self.digest,
        )

    def resolve(self) -> Probe:
        """Fill the backbone's digest and the precision."""
        settled = self.encoder().resolve()
        return dataclasses.replace(self, digest=settled.digest, precision=settled.precision)

    def label(self) -> str:
        """Return the backbone's short name and the options that are not the defaults."""
        return backbone_label(self, "probe")

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        """Return the fitted head.

        Raises:
            DataError: the targets name one class only.
            StageError: the loss of Adam is no longer a number.
        """
        vectors = np.asarray(work.inputs, dtype=np.float64)
        if work.target == "classification" and (work.targets.values > 0).any(axis=0).sum() < 2:
            raise DataError(
                f"all {len(vectors)} training labels are of one class; a probe needs two. Look at the labels' source."
            )
        scale = Scale.of(vectors)
        if self.solver == "adam":
            return self._trained(work, scale, runtime)
        return self._solved(work, scale(vectors), scale)

    def _trained(self, work: Work, scale: Scale, runtime: Runtime) -> Fitted:
        """Return the head that Adam trains: on standardized numbers, or with the penalty that "exact" has for two classes."""
        import torch

        from surpass.models._head import train

        if work.target != "regression":
            both = work.targets.values.shape[1] == 2  # W_0 = -W_1 = half of the odds' vector: half of its penalty
            return train(dataclasses.replace(self, l2=2 * self.l2) if both else self, work, scale, runtime)
        values, weight = work.targets.values, work.targets.weight
        mean = np.average(values, axis=0, weights=weight)
        spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
        spread = np.where(spread > 0, spread, 1.0)
        targets = dataclasses.replace(work.targets, values=(values - mean) / spread)
        head = train(self, dataclasses.replace(work, targets=targets), scale, runtime)
        with torch.no_grad():
            head.layer.weight *= torch.tensor(spread)[:, None]
            head.layer.bias.copy_(head.layer.bias * torch.tensor(spread) + torch.tensor(mean))
        head.watched = head.watched * spread + mean
        return head

    def _solved(self, work: Work, vectors: Values, scale: Scale) -> Solved:
        n = len(vectors)
        weight = work.targets.weight
        if work.target == "regression":
            from sklearn.linear_model import Ridge

            # Ridge sums where ours takes means, over rows and columns, and has no half before the penalty.
            alpha = max(work.targets.values.size * self.l2 / 2, 1e-12)
            ridge = Ridge(alpha=alpha).fit(vectors, work.targets.values, sample_weight=weight)
            matrix, bias = np.atleast_2d(ridge.coef_).T, np.ravel(ridge.intercept_)
        else:
            matrix, bias = _logistic(vectors, work.targets.values, weight, self.l2 * n)
        head = (scale, matrix, bias, work.target)
        return Solved(head, _predict, {})


@dataclasses.dataclass(frozen=True)
class Scale:
    """Standardization by the training rows; a constant column stays 0."""

    mean: Values
    deviation: Values

    @classmethod
    def of(cls, vectors: Values) -> Scale:
        """Return the scale of the training rows."""
        deviation = vectors.std(axis=0)
        return cls(vectors.mean(axis=0), np.where(deviation > 1e-12, deviation, 1.0))

    def __call__(self, vectors: Any) -> Values:
        """Return standardized vectors (n, d)."""
        return (np.asarray(vectors, dtype=np.float64) - self.mean) / self.deviation


def _logistic(vectors: Values, values: Values, weight: Values, penalty: float) -> tuple[Values, Values]:
    """Return weights (d, C) and bias (C,) of the exact solution; each row enters once per class with its probability."""
    from sklearn.linear_model import LogisticRegression

    rows, classes = np.nonzero(values > 0)
    model = LogisticRegression(C=1 / max(penalty, 1e-12), tol=1e-6, max_iter=5000)
    model.fit(vectors[rows], classes, sample_weight=values[rows, classes] * weight[rows])
    matrix, bias = np.zeros((vectors.shape[1], values.shape[1])), np.full(values.shape[1], -np.inf)
    if len(model.classes_) == 2:  # one weight vector for two classes: the first one's logit is 0
        matrix[:, model.classes_[1]] = model.coef_[0]
        bias[model.classes_] = (0.0, model.intercept_[0])
    else:
        matrix[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return matrix, bias


def _predict(head: tuple[Scale, Values, Values, str], inputs: Inputs) -> Values:
    scale, matrix, bias, target = head
    logits = scale(inputs) @ matrix + bias
    if target == "regression":
        return np.asarray(logits)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def save_head(folder: Path, head: Any) -> None:
    """Write a head into a folder with joblib."""
    import joblib

    joblib.dump(head, folder / "model.joblib")
