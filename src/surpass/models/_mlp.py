"""Linear heads on a frozen representation, one for each task that its rows are numbered by, all solved together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Array, Inputs, Values
from surpass.errors import DataError, StageError
from surpass.models._learning import AdamW

ROUNDING = 1e-5
"""Features are stored with 7 digits: what of a nearly collinear representation is smaller is noise, and a head that fits
labels with it is off by thousands on other rows."""


class Heads(NamedTuple):
    """Linear heads: the numbers of their tasks (t,), ascending, weights (t, d, k) and biases (t, k).

    `numbered`: whether the first column of the vectors is the number of the task; otherwise there is one head.
    """

    numbers: Values
    weights: Values
    biases: Values
    numbered: bool


class Rows(NamedTuple):
    """Rows to fit: vectors (n, d), values (n, k), weights (n,) and the place of each row's head (n,) among t tasks."""

    vectors: Values
    values: Values
    weight: Values
    place: NDArray[np.int64]
    numbers: Values


def rows_of(inputs: Inputs, values: Values, weight: Values, *, numbered: bool) -> Rows:
    """Return rows with their heads' places, those of weight 0 left out."""
    vectors, used = np.asarray(inputs), weight > 0
    vectors, values, weight = vectors[used], values[used], weight[used]
    if not numbered:
        return Rows(vectors.astype(np.float64), values, weight, np.zeros(len(vectors), dtype=np.int64), np.zeros(1))
    numbers, place = np.unique(vectors[:, 0], return_inverse=True)
    return Rows(vectors[:, 1:].astype(np.float64), values, weight, place.ravel(), numbers.astype(np.float64))


def exact(rows: Rows, *, l2: float, numbered: bool) -> Heads:
    """Return the heads that minimize mean w (xW + b - y)^2 + l2 / 2 ||W||^2, each on its own rows.

    x is divided by its standard deviation over the rows of all heads, so that a penalty is felt by numbers which vary in
    few rows of a head. Of several minima (l2 = 0, fewer rows than numbers) it is the smallest, and directions that are
    below `ROUNDING` of the largest are left out.
    """
    share = rows.weight / rows.weight.sum()
    deviation = np.sqrt(share @ (rows.vectors - share @ rows.vectors) ** 2)
    deviation = np.where(deviation > 1e-12, deviation, np.inf)  # a constant number has weight 0
    pairs = [_solved(rows, np.flatnonzero(rows.place == i), deviation, l2) for i in range(len(rows.numbers))]
    weights, biases = (np.stack(part) for part in zip(*pairs, strict=True))
    return Heads(rows.numbers, weights, biases, numbered)


def _solved(rows: Rows, own: NDArray[np.int64], deviation: Values, l2: float) -> tuple[Values, Values]:
    x, y = rows.vectors[own], rows.values[own]
    share = rows.weight[own] / rows.weight[own].sum()
    middle, level = share @ x, share @ y
    root = np.sqrt(share)[:, None]
    left, right = root * (x - middle) / deviation, root * (y - level)
    if l2:
        # The mean is over rows and columns, as torch's and the probe's is, so the penalty counts once a column.
        left = np.vstack([left, np.sqrt(l2 * y.shape[1] / 2) * np.eye(x.shape[1])])
        right = np.vstack([right, np.zeros((x.shape[1], y.shape[1]))])
    matrix = np.linalg.lstsq(left, right, rcond=ROUNDING)[0] / deviation[:, None]
    return matrix, level - middle @ matrix


class Steps(NamedTuple):
    """AdamW's settings for the heads."""

    lr: float
    epochs: int
    batch_size: int


def stepped(rows: Rows, steps: Steps, rng: np.random.Generator, *, numbered: bool) -> tuple[Heads, float]:
    """Return the heads that AdamW reaches, a batch of independent problems at each step, and the mean loss of the last epoch.

    Heads begin as torch draws them and see their rows in the order of one shuffle an epoch; a task with fewer rows than
    another waits for it.

    Raises:
        StageError: the loss is no number.
    """
    x, y, weight = _stacked(rows)
    tasks, wide, columns = x.shape[1], x.shape[2], y.shape[2]
    bound = 1 / np.sqrt(wide)
    flat = rng.uniform(-bound, bound, (tasks, wide + 1, columns)).astype(np.float32)
    optimizer, gradient, loss = AdamW(flat, lr=steps.lr), np.empty_like(flat), 0.0
    for epoch in range(steps.epochs):
        order = rng.permutation(len(x))
        mixed, wanted, share = x[order], y[order], weight[order]
        total = 0.0
        for start in range(0, len(x), steps.batch_size):
            batch = slice(start, start + steps.batch_size)
            inputs = mixed[batch].transpose(1, 0, 2)  # (t, b, d)
            error = inputs @ flat[:, :-1]
            error += flat[:, -1:]
            error -= wanted[batch].transpose(1, 0, 2)
            pull = error * share[batch].T[:, :, None]
            total += float(np.vdot(pull, error))
            pull *= 2 / (pull.shape[1] * columns)
            np.matmul(inputs.transpose(0, 2, 1), pull, out=gradient[:, :-1])
            pull.sum(axis=1, out=gradient[:, -1])
            optimizer.step(gradient)
        loss = total / (len(x) * tasks * columns)
        if not np.isfinite(loss):
            raise StageError(f"the loss of the heads is {loss} after {epoch + 1} epochs. Lower lr={steps.lr:g}.")
    found: Values = flat.astype(np.float64)
    return Heads(rows.numbers, found[:, :-1], found[:, -1], numbered), loss


def _stacked(rows: Rows) -> tuple[Array, Array, Array]:
    """Return vectors (m, t, d), values (m, t, k) and weights (m, t) of the tasks side by side; missing rows weigh 0."""
    counts = np.bincount(rows.place, minlength=len(rows.numbers))
    order = np.argsort(rows.place, kind="stable")
    nth = np.empty(len(order), dtype=np.int64)
    nth[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (int(counts.max()), len(counts))
    x, y = (np.zeros((*shape, part.shape[1]), dtype=np.float32) for part in (rows.vectors, rows.values))
    weight = np.zeros(shape, dtype=np.float32)
    x[nth, rows.place], y[nth, rows.place], weight[nth, rows.place] = rows.vectors, rows.values, rows.weight
    return x, y, weight


def predicted(heads: Heads, inputs: Inputs) -> Values:
    """Return (n, k) numbers.

    Raises:
        DataError: rows of a task that no head was fitted to.
    """
    vectors = np.asarray(inputs)
    if not heads.numbered:
        return np.asarray(vectors.astype(np.float64) @ heads.weights[0] + heads.biases[0])
    found = np.empty((len(vectors), heads.biases.shape[1]))
    numbers, place = np.unique(vectors[:, 0], return_inverse=True)
    if unknown := sorted(set(numbers.tolist()) - set(heads.numbers.tolist())):
        raise DataError(
            f"model 'mlp': no head was fitted to task {unknown[0]:g}, one of {len(unknown)} without training rows. "
            "Raise n_weak and n_transfer, or lower the number of tasks."
        )
    for i, number in enumerate(numbers):
        head, own = int(np.searchsorted(heads.numbers, number)), np.flatnonzero(place.ravel() == i)
        found[own] = vectors[own, 1:].astype(np.float64) @ heads.weights[head] + heads.biases[head]
    return found
