"""What the strong model's features can fit of the labels and the weak one's cannot: the kernel quantity of Xue et al.

    K = X X' / n,   P = K (K + r I)^-1,  r = reg * trace(K) / n,      v = P_s (I - P_w) y

with X the columns' centred features of the strong (s) and the weak (w) model on the same n rows and y centred labels. P_w
y is what ridge regression on the weak features makes of y, P_s P_w y what a student on the strong features makes of that,
P_s y what the strong model makes of y itself; so v is the student's distance to the ceiling, row by row, and ||v||^2 / n
predicts the squared gap between them. The label-free norms of P_s (I - P_w) bound it for any y: ||v|| <= operator *
||y||.

Assumptions: both models are ridge regressions on fixed features (kernel regime), fitted on these rows with this y. A
tuned or finetuned model is not. With y = weak labels in place of ground truth the quantity is a stand-in that needs no
gold label. Both projections need the same rows.

Ranges: share and both norms lie in [0, 1]. 0: the weak features explain whatever the strong ones can (the same features,
reg to 0). Near 1: the strong model sees what the weak one does not, so its student cannot learn that from the weak
labels; the *smaller* the gap, the closer student and ceiling.

Fails: features with n <= d fit anything, so that all norms go to 0 with reg; reg relates to the mean eigenvalue over n,
which gets smaller as n grows; the operator norm is a worst case that a single direction decides, and is near 1 for almost
all real pairs (the Frobenius share tells pairs apart better).

Source: Xue et al. 2025 (arXiv 2502.00620); the exact norm and scale of its label-free metric were not available, so both
usual ones are given. reg 0.1 as in yuxinjinito/w2s-overlap. The linear algebra is that of the method `rp`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._moments import Moments, moments
from surpass.diagnostics._rows import Groups, Values, check_level, jackknifed, names_of, table, undefined
from surpass.errors import AlignmentError, DataError, SpecError
from surpass.methods._projection import LEAST, projected
from surpass.stats import Estimate, Ratios, ratio_estimates

REG = 0.1
FEWEST = 4  # rows
SAME = 1e-12  # labels that differ by less of the largest are constant: the rest is rounding
DENSE = 48  # columns from which Lanczos iterations find the largest eigenvalue


@dataclasses.dataclass(frozen=True, eq=False)
class Views:
    """The rows of one seed as both models see them.

    Attributes:
        strong: (n, d) frozen features of the strong model.
        labels: (n, C) probabilities or (n, k) numbers: the weak labels, or ground truth.
        groups: (n,) names; rows of a group are resampled together.
        weak: (n, k) frozen features of the supervisor; None where it has none.
    """

    strong: npt.ArrayLike
    labels: npt.ArrayLike
    groups: Groups
    weak: npt.ArrayLike | None = None


class KernelGap(NamedTuple):
    """||v||^2 / n in the labels' unit squared, and as a share of the labels' variance."""

    gap: Estimate
    share: Estimate


class KernelNorm(NamedTuple):
    """Norms of P_s (I - P_w): the largest singular value, and ||P_s (I - P_w)||_F^2 / ||P_s||_F^2."""

    operator: Estimate
    share: Estimate


def kernel_gap(
    views: Sequence[Views], *, reg: float = REG, classes: bool = True, level: float = 0.95, seed: int = 0
) -> KernelGap:
    """Return ||v||^2 / n and its share of the labels' variance, means over seeds; see the module's text.

    The interval is that of the delta method, since other rows would have other projections: with e = (I - P_w) y and q =
    P_s v, row i counts in the resamples by its influence

        v_i^2 + 2 (q_i (e_i - v_i) - (P_w q)_i e_i) - what the two ridges take of it,

    whose mean is ||v||^2 / n. It is short where d is not well below n. Of more than two classes the columns' squares are
    added and halved, which for two classes is the square of either.

    Args:
        views: one per seed, with weak features.
        reg: of the projections, as a part of the mean eigenvalue of K.
        classes: whether labels are probabilities, one column being that of the second of two classes; False for numbers,
            whose squares are added and not halved.
        level: nominal coverage.
        seed: of the draws.

    Raises:
        AlignmentError: other rows in features, labels or groups.
        DataError: no seeds, no weak features, or values that are not finite.
        SpecError: reg not above 0 or a level outside (0, 1).
    """
    _check_reg(reg)
    parts, constant = [], 0
    for view in views:
        strong, weak, labels = _checked(view)
        constant += not np.ptp(labels, axis=0).max() > SAME * np.abs(labels).max()
        halves = 2 if classes and labels.shape[1] > 1 else 1
        gap, variance = (part.sum(axis=1) / halves for part in _influences(strong, weak, labels, reg))
        tops, bottoms = np.column_stack([gap, gap]), np.column_stack([np.ones(len(gap)), variance])
        parts.append(Ratios(tops, bottoms, names_of(view.groups, len(gap))))
    found = ratio_estimates(
        parts, ("gap", "share of the labels' variance"), bounds=(0.0, np.inf), level=level, seed=seed
    )
    found[1] = dataclasses.replace(found[1], high=min(found[1].high, 1.0))
    if constant:
        why = f"the labels are constant in {constant} of {len(views)} seeds, so there is nothing to explain"
        return KernelGap(*(undefined(why, seeds=len(views), level=level) for _ in found))
    return KernelGap(*found)


def _influences(strong: Values, weak: Values, labels: Values, reg: float) -> tuple[Values, Values]:
    """Return each row's influence on ||v||^2 / n (see `kernel_gap`) and the squares of its centred labels, (n, C) each."""
    y = labels - labels.mean(axis=0)
    left = y - projected(weak, y, reg)
    v = projected(strong, left, reg)
    q = projected(strong, v, reg)
    back = projected(weak, q, reg)
    # a ridge is a part of the mean square of the features, so rows far out raise it
    ridges = _far(strong) * (q * (left - v)).mean(axis=0) - _far(weak) * (back * left).mean(axis=0)
    return v**2 + 2 * (q * (left - v) - back * left - ridges), y**2


def _far(features: Values) -> Values:
    """Return the squared distance of each row to the mean over its own mean, (n, 1); 1 for constant features."""
    squares = ((features - features.mean(axis=0)) ** 2).sum(axis=1, keepdims=True)
    middle = squares.mean()
    return np.asarray(squares / middle if middle > LEAST else np.ones_like(squares))


def kernel_norm(
    strong: npt.ArrayLike,
    weak: npt.ArrayLike,
    groups: Groups | None = None,
    *,
    reg: float = REG,
    level: float = 0.95,
) -> KernelNorm:
    """Return the label-free norms of P_s (I - P_w) with jackknife intervals; see the module's text.

    With G = X' X / n = L L', C = X_s' X_w / n, A = (G + r I)^-1 and H = C (A_w + r_w A_w^2) C' the nonzero eigenvalues of
    M M', M = P_s (I - P_w), are those of the d x d matrix L_s' A_s (G_s - H) A_s L_s, the largest by Lanczos iterations, and

        ||P_s||_F^2 = ||I - r A_s||_F^2,    ||M||_F^2 = ||P_s||_F^2 - trace((A_s - r A_s^2) H)

    so time is that of d^3 and memory that of d^2 whatever n is.

    Args:
        strong: (n, d) features.
        weak: (n, k) features of the same rows.
        groups: (n,) names; without them each row is its own group.
        reg: of the projections, as a part of the mean eigenvalue of K.
        level: nominal coverage.

    Raises:
        AlignmentError: other rows on one side.
        DataError: features that are not finite.
        SpecError: reg not above 0 or a level outside (0, 1).
    """
    _check_reg(reg)
    check_level(level)
    both = moments(strong, weak, groups)
    if both.all.n < FEWEST:
        why = f"needs at least {FEWEST} rows, got {both.all.n}"
        return KernelNorm(*(undefined(why, examples=both.groups, level=level) for _ in range(2)))
    value = _norms(both.all, reg)
    if not np.isfinite(value).all():
        why = "the strong features are constant, so that they project on nothing"
        return KernelNorm(*(undefined(why, examples=both.groups, level=level) for _ in range(2)))
    rest = np.array([_norms(left, reg) for left in both.without()]).reshape(-1, 2)
    made = [
        jackknifed(float(value[i]), rest[:, i], groups=both.groups, level=level, bounds=(0.0, 1.0)) for i in range(2)
    ]
    return KernelNorm(*made)


def _norms(held: Moments, reg: float) -> Values:
    """Return the largest singular value and the share, (2,); NaN for constant strong features."""
    strong, weak, cross = held.centred()
    if not np.trace(strong) > LEAST:
        return np.full(2, np.nan)
    ridge = [reg * np.trace(gram) / held.n + LEAST for gram in (strong, weak)]
    a, b = (np.linalg.inv(gram + r * np.eye(len(gram))) for gram, r in zip((strong, weak), ridge, strict=True))
    seen = cross @ (b + ridge[1] * b @ b)  # H = seen C'
    whole = float(((np.eye(len(a)) - ridge[0] * a) ** 2).sum())
    solved = a @ cross
    explained = float((solved * seen).sum() - ridge[0] * (solved * (a @ seen)).sum())
    return np.array([_largest(strong, a, seen, cross), max(whole - explained, 0.0) / whole])


def _largest(strong: Values, a: Values, seen: Values, cross: Values) -> float:
    """Return the square root of the largest eigenvalue of L' A (G - seen C') A L."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    width = len(strong)
    jitter = 1e-13 * float(np.trace(strong)) * np.eye(width)  # of features with fewer directions than columns
    lower = np.linalg.cholesky(strong + jitter)

    def times(x: Values) -> Values:
        y = a @ (lower @ x)
        return np.asarray(lower.T @ (a @ (strong @ y - seen @ (cross.T @ y))))

    if width < DENSE:
        top = np.linalg.eigvalsh(times(np.eye(width)))[-1]
    else:
        start = np.random.default_rng(0).normal(size=width)
        square = LinearOperator((width, width), matvec=times, dtype=np.float64)
        top = eigsh(square, k=1, v0=start, which="LA", tol=1e-8, return_eigenvectors=False)[0]
    return float(np.sqrt(max(top, 0.0)))


def _checked(view: Views) -> tuple[Values, Values, Values]:
    if view.weak is None:
        raise DataError("the supervisor has no features; the kernel gap needs both models'. Use a frozen backbone.")
    strong = table("strong features", view.strong)
    weak = table("weak features", view.weak, rows=len(strong))
    labels = np.asarray(view.labels, dtype=np.float64)
    labels = labels[:, None] if labels.ndim == 1 else labels
    if labels.ndim != 2 or len(labels) != len(strong):
        raise AlignmentError(f"labels have shape {labels.shape} for {len(strong)} rows. Join them by row id first.")
    if not np.isfinite(labels).all():
        raise DataError("labels hold values that are not finite. Drop these rows, or the run that made them.")
    return strong.astype(np.float64), weak.astype(np.float64), labels


def _check_reg(reg: float) -> None:
    if not 0 < reg < np.inf:
        raise SpecError(f"reg={reg}; allowed are numbers above 0. Leave it out for {REG}.")
