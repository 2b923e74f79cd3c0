"""A linear head on frozen, cached features of a pretrained model: solved exactly, or trained by Adam.

Features are standardized on all rows of the training split, whichever of them a method keeps: so the heads of all methods
read the same numbers. The head minimizes

    mean_i w_i CE(softmax(W x_i + b), y_i) + l2 / 2 * ||W||^2        (squared error for regression)

whose penalty is per row, so that `l2` means the same for any number of rows; b is free, and for two classes W is one vector,
that of the log odds. "exact" solves this convex problem, for all heads over the same rows at once (`_joint.py`); "adam"
follows the linear-probe study of Burns et al. 2023 (arXiv 2312.09390, appendix D.2: Adam, lr 1e-3, batch 128, 200 epochs),
on numbers brought to mean 0 and spread 1, and serves methods with a loss of their own.

A preference's features are differences of its candidates, and its head is the score of one candidate (`_preference.py`):
W is one vector, there is no bias, and features are divided by their root mean square about 0, so that swapped candidates
have swapped probabilities whichever of the two were called the first in training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Inputs, Values
from surpass.errors import DataError
from surpass.methods.base import Need
from surpass.models._pretrain import Backbone
from surpass.models.base import Fitted, Model, Precision, Quantization, Solved, TextEncoder, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe(Model):
    """A linear head on frozen features.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`.
        layer: "middle", "last" or the number of a hidden state.
        pool: the last real token, the mean over real tokens, or both side by side.
        max_length: tokens per text; longer texts are truncated and counted.
        precision: of the backbone; "auto" is settled by `resolve`.
        quantization: "8bit" or "4bit" loads the backbone so, by bitsandbytes; none as its files are.
        solver: "exact", or "adam" for methods with their own loss.
        l2: penalty on the weights of standardized features; 0.3 had the best held-out log loss among 0.003 to 3 on
            training rows of movie-reviews (LOG.md).
        lr: of Adam.
        epochs: of Adam.
        batch_size: of Adam.
        points: readings of the watched rows while Adam trains, evenly spaced, the end included.
        first: read only this many features, the first ones; None reads all (a supervisor whose errors a student can
            simulate: Burns et al. 2023, appendix E.1).
        digest: identity of the backbone's files, filled by `resolve`.
    """

    version: ClassVar[int] = 2
    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression", "preference"})
    reads_features: ClassVar[bool] = True

    backbone: Backbone
    layer: str | int = "middle"
    pool: Literal["last", "mean", "last+mean"] = "last+mean"
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    quantization: Quantization = None
    solver: Literal["exact", "adam"] = "exact"
    l2: float = option(0.3, low=0.0)
    lr: float = option(1e-3, above=0.0)
    epochs: int = option(200, low=1)
    batch_size: int = option(128, low=1)
    points: int = option(5, low=1)
    first: int | None = option(None, low=1)
    digest: str = ""

    @property
    def together(self) -> bool:
        """Heads that are solved exactly are solved together."""
        return self.solver == "exact"

    @property
    def can(self) -> frozenset[Need]:
        """Frozen features always, a method's own loss with `solver: adam`."""
        return frozenset({"features", "custom_loss"} if self.solver == "adam" else {"features"})

    def encoder(self) -> TextEncoder:
        """Return the features that the head reads."""
        return TextEncoder.of(self)

    def resolve(self) -> Probe:
        """Fill the backbone's digest and the precision."""
        settled = self.encoder().resolve()
        return dataclasses.replace(self, backbone=settled.backbone, digest=settled.digest, precision=settled.precision)

    def label(self) -> str:
        """Return the backbone's short name and the options that are not the defaults."""
        return backbone_label(self, "probe")

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        """Return the fitted head.

        Raises:
            DataError: the targets name one class only, or there are fewer features than `first`.
            StageError: the loss of Adam is no longer a number.
        """
        (found,) = self.fit_all([(self, work)], runtime)
        if isinstance(found, Exception):
            raise found
        return found

    @classmethod
    def fit_all(cls, jobs: Iterable[tuple[Self, Work]], runtime: Runtime) -> list[Fitted | Exception]:
        """Return the fitted head of each job, or its error; the bits of a head do not depend on the other jobs."""
        found: dict[int, Fitted | Exception] = {}
        tables: dict[tuple[int | None, bool], _Table] = {}
        for i, (probe, work) in enumerate(jobs):
            try:
                key = probe.first, work.target == "preference"
                if key not in tables:
                    tables[key] = _Table.of(work, probe.first)
                table = tables[key]
                table.check(work)
                if probe.solver == "adam":
                    found[i] = probe._trained(work, table.scale, runtime)
                elif work.target == "regression":
                    found[i] = _ridge(table, work, probe.l2)
                else:
                    table.waiting[i] = _Logistic.of(work, probe.l2)
            except Exception as error:  # one job's error; whoever gave the jobs decides what becomes of it
                found[i] = error
        for table in tables.values():
            found.update(table.solved())
        return [found[i] for i in sorted(found)]

    def _trained(self, work: Work, scale: Scale, runtime: Runtime) -> Fitted:
        """Return the head that Adam trains: on standardized numbers, or with the penalty that "exact" has for two classes."""
        import torch

        from surpass.models._head import train

        if work.target != "regression":
            # Of two classes W_0 = -W_1 = half of the odds' vector: half of its penalty. A preference has that vector alone.
            both = work.target == "classification" and work.targets.values.shape[1] == 2
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


@dataclasses.dataclass(frozen=True)
class Scale:
    """Standardization of the first columns by the rows of the training split; a constant column stays 0.

    A preference's differences keep their mean: `mean` is 0, and `deviation` that from 0.
    """

    mean: Values
    deviation: Values

    @classmethod
    def of(cls, vectors: Values, *, centred: bool = True) -> Scale:
        """Return the scale of the training rows."""
        mean = vectors.mean(axis=0) if centred else np.zeros(vectors.shape[1])
        deviation = vectors.std(axis=0) if centred else np.sqrt(np.square(vectors).mean(axis=0))
        return cls(mean, np.where(deviation > 1e-12, deviation, 1.0))

    def __call__(self, vectors: Any) -> Values:
        """Return standardized vectors, (n, as many columns as the scale has)."""
        return (np.asarray(vectors[:, : len(self.mean)], dtype=np.float64) - self.mean) / self.deviation


@dataclasses.dataclass(frozen=True)
class _Logistic:
    """One head to be solved: its rows of the table (k,), targets (k, c) over the `present` classes, and weights (k,)."""

    rows: NDArray[np.int64]
    values: Values
    weight: Values
    l2: float
    present: NDArray[np.int64]
    classes: int

    @classmethod
    def of(cls, work: Work, l2: float) -> _Logistic:
        """Return the head of a work; rows of weight 0 are left out, and classes that no row left has, but of preferences.

        Raises:
            DataError: there are fewer than two classes.
        """
        values, weight = work.targets.values, work.targets.weight
        used = weight > 0
        preference = work.target == "preference"  # a score learns from labels that all name the first candidate, too
        present = np.flatnonzero((values[used] > 0).any(axis=0) | preference)
        if len(present) < 2:
            raise _one_class(values)
        rows = np.arange(len(values)) if work.reference is None or work.kept is None else work.kept
        share = used.mean()  # the mean of the objective is over the rows left
        return cls(rows[used], values[used][:, present], weight[used] * share, l2, present, values.shape[1])


@dataclasses.dataclass(frozen=True)
class _Table:
    """The rows that heads share, standardized, and the heads that wait to be solved, by number of the job."""

    reference: Any
    scale: Scale
    vectors: Values
    bias: bool
    waiting: dict[int, _Logistic]

    @classmethod
    def of(cls, work: Work, first: int | None) -> _Table:
        """Return the table of a work's first columns."""
        reference = np.asarray(work.inputs if work.reference is None else work.reference)
        if first is not None and first > reference.shape[1]:
            raise DataError(f"first={first}, but the features have {reference.shape[1]} columns. Lower it.")
        bias = work.target != "preference"
        scale = Scale.of(np.asarray(reference[:, :first], dtype=np.float64), centred=bias)
        return cls(reference, scale, scale(reference), bias, {})

    def check(self, work: Work) -> None:
        """Refuse labels of one class, and work over other rows than the table's."""
        values = work.targets.values
        if work.target == "classification" and (values > 0).any(axis=0).sum() < 2:
            raise _one_class(values)
        reference = work.inputs if work.reference is None else work.reference
        if reference is not self.reference and not np.array_equal(np.asarray(reference), self.reference):
            raise ValueError("probes that are fitted together must have the same rows as `reference`")

    def solved(self) -> dict[int, Fitted]:
        """Return the heads that were waiting; scikit-learn solves those that the joint solver cannot."""
        from surpass.models._joint import LEAST_PENALTY, Problem, solve

        able = {i: head for i, head in self.waiting.items() if head.l2 >= LEAST_PENALTY}
        problems = [Problem(head.rows, head.values, head.weight, head.l2) for head in able.values()]
        jointly = dict(zip(able, solve(self.vectors, problems, bias=self.bias), strict=True))
        found: dict[int, Fitted] = {}
        for i, head in self.waiting.items():
            matrix, bias = np.zeros((self.vectors.shape[1], head.classes)), np.full(head.classes, -np.inf)
            matrix[:, head.present], bias[head.present] = jointly.get(i) or self._alone(head)
            found[i] = Solved((self.scale, matrix, bias, "classification"), _predict, {})
        return found

    def _alone(self, head: _Logistic) -> tuple[Values, Values]:
        vectors = self.vectors[head.rows]
        if self.bias:
            return _logistic(vectors, head)
        from surpass.models._linear import score

        weights = score(vectors, head.values, head.weight, head.l2)
        return np.stack([np.zeros_like(weights), weights], axis=1), np.zeros(2)


def _one_class(values: Values) -> DataError:
    return DataError(
        f"all {len(values)} training labels are of one class; a probe needs two. Look at the labels' source."
    )


def _ridge(table: _Table, work: Work, l2: float) -> Solved:
    from sklearn.linear_model import Ridge

    values, weight = work.targets.values, work.targets.weight
    # Ridge sums where ours takes means, over rows and columns, and has no half before the penalty.
    ridge = Ridge(alpha=max(values.size * l2 / 2, 1e-12)).fit(table.scale(work.inputs), values, sample_weight=weight)
    matrix, bias = np.atleast_2d(ridge.coef_).T, np.ravel(ridge.intercept_)
    return Solved((table.scale, matrix, bias, work.target), _predict, {})


def _logistic(vectors: Values, head: _Logistic) -> tuple[Values, Values]:
    """Return weights (d, c) and bias (c,) by scikit-learn; each row enters once per class with its probability."""
    from sklearn.linear_model import LogisticRegression

    rows, classes = np.nonzero(head.values > 0)
    model = LogisticRegression(C=1 / max(head.l2 * len(vectors), 1e-12), tol=1e-6, max_iter=5000)
    model.fit(vectors[rows], classes, sample_weight=head.values[rows, classes] * head.weight[rows])
    if len(model.classes_) == 2:  # one weight vector for two classes: the first one's logit is 0
        zero = np.zeros((vectors.shape[1], 1))
        return np.hstack([zero, model.coef_.T]), np.array([0.0, model.intercept_[0]])
    return model.coef_.T, model.intercept_


def _predict(head: tuple[Scale, Values, Values, str], inputs: Inputs) -> Values:
    scale, matrix, bias, target = head
    folded = matrix / scale.deviation[:, None]  # on the head, which is smaller than the inputs
    logits = np.asarray(inputs)[:, : len(folded)].astype(np.float64) @ folded + (bias - scale.mean @ folded)
    if target == "regression":
        return np.asarray(logits)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def save_head(folder: Path, head: Any) -> None:
    """Write a head into a folder with skops."""
    from surpass.models import _skops

    _skops.keep(folder, head)
