"""Scores under resampled test rows: whole groups get multinomial weights, the same for all seeds and predictors.

For R resamples, k seeds, G groups and q quantities (floor, student, ceiling) every function here returns draws
(R, k, q). A group's weight applies to all its rows in every seed, so what predictors and seeds share stays shared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from surpass.metrics import Metric

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

RESAMPLES = 10_000
"""Resamples for a metric that is a mean over rows, where 10,000 groups and 5 seeds take under a second."""
RESAMPLES_SLOW = 1_000
"""Resamples for other metrics, each a pass over all rows; a standard error is then known to about 2 %."""

_BLOCK = 1 << 17  # weights held at once: 1 MB, within the processor's cache; four times as many took twice as long
_KEPT = 1 << 24  # counts kept from call to call: 32 MB
_HELD = 4096  # draws of single predictors kept from call to call: 8 KB each for RESAMPLES_SLOW


def numbered_groups(groups: Sequence[Sequence[str] | npt.NDArray[np.generic]]) -> tuple[list[Numbers], int]:
    """Return for each run the number of each row's group, counted by sorted name over all runs, and their count.

    >>> numbered_groups([["b", "a"], ["c", "a"]])
    ([array([1, 0]), array([2, 0])], 3)
    """
    # a group may be named by its whole text, of which an array of strings would hold every row as wide as the longest
    names = [[str(name) for name in (part.tolist() if isinstance(part, np.ndarray) else part)] for part in groups]
    known = {name: i for i, name in enumerate(sorted({name for part in names for name in part}))}
    return [np.array([known[name] for name in part], dtype=np.int64) for part in names], len(known)


def group_weights(groups: int, resamples: int, seed: int, *, rows: int) -> Iterator[Values]:
    """Yield blocks (B, G) of multinomial counts, R rows in all; `rows` bounds the block when weights spread to rows.

    Counting G uniform draws is the multinomial itself, and 8 times faster than `rng.multinomial`.
    """
    size = max(1, _BLOCK // max(groups, rows))
    if groups * resamples <= _KEPT:
        counts = _kept_counts(groups, resamples, seed)
        yield from (counts[start : start + size].astype(np.float64) for start in range(0, resamples, size))
        return
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, size):
        yield _counted(np.empty((min(size, resamples - start), groups)), rng)


def _counted(found: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:  # Any: of floats or whole numbers
    """Return an array (R, G) filled with counts."""
    groups = found.shape[1]
    for row in found:
        row[:] = np.bincount(rng.integers(groups, size=groups), minlength=groups)
    return found


@lru_cache(maxsize=4)
def _kept_counts(groups: int, resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """Return all counts, kept because every cell of a study asks for those of its test rows again and again.

    Columns are contiguous: scores are sorted, gathered and summed group by group.
    """
    return np.asfortranarray(_counted(np.empty((resamples, groups), dtype=np.uint16), np.random.default_rng(seed)))


def ratio_draws(
    tops: Sequence[Values],
    bottoms: Sequence[Values],
    index: Sequence[Numbers],
    *,
    groups: int,
    resamples: int,
    seed: int,
) -> Values:
    """Return draws of sum(w x top) / sum(w x bottom), the weighted means of scores that are means over rows.

    Rows are summed within groups first, so a resample costs one product with k(q + 1) columns whatever n is.

    Args:
        tops: for each run (n, q).
        bottoms: for each run (n, q), or (n, 1) when all quantities share it.
        index: for each run the group of each row.
        groups: G.
        resamples: R.
        seed: of the draws.
    """
    top = np.stack([_group_sums(part, number, groups) for part, number in zip(tops, index, strict=True)], axis=1)
    bottom = np.stack([_group_sums(part, number, groups) for part, number in zip(bottoms, index, strict=True)], axis=1)
    top, bottom = top.reshape(groups, -1), np.broadcast_to(bottom, top.shape).reshape(groups, -1)
    alike = bool((bottom == bottom[0]).all())  # groups of one size: every resample has the same number of rows
    sums = top if alike else np.concatenate([top, bottom], axis=1)
    columns, start = top.shape[1], 0
    draws = np.empty((resamples, columns))
    for weights in group_weights(groups, resamples, seed, rows=0):
        product = weights @ sums
        under = groups * bottom[0] if alike else product[:, columns:]
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(product[:, :columns], under, out=draws[start : start + len(weights)])
        start += len(weights)
    return draws.reshape(resamples, len(tops), -1)


def _group_sums(values: Values, number: Numbers, groups: int) -> Values:
    return np.column_stack([np.bincount(number, weights=column, minlength=groups) for column in values.T])


def score_draws(
    metric: Metric,
    sets: Sequence[Sequence[tuple[Values, Values]]],
    index: Sequence[Numbers],
    *,
    groups: int,
    resamples: int,
    seed: int,
) -> Values:
    """Return draws of a metric that is no mean over rows; NaN where it does not exist (one class drawn).

    `sets` holds for each run q pairs of labels and predictions, as `Metric.checked` returns them.
    """
    draws = np.empty((resamples, len(sets), len(sets[0])))
    missing: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for s, (pairs, number) in enumerate(zip(sets, index, strict=True)):
        for q, pair in enumerate(pairs):
            name = (metric.name, groups, resamples, seed, *(_digest(item) for item in (*pair, number)))
            if name in _held:
                draws[:, s, q] = _held[name]
            else:
                missing.setdefault(name, []).append((s, q))
    if missing:
        first = [places[0] for places in missing.values()]
        found = _scores_drawn(
            metric, [sets[s][q] for s, q in first], [index[s] for s, _ in first], groups, resamples, seed
        )
        for (name, places), drawn in zip(missing.items(), found.T, strict=True):
            for s, q in places:
                draws[:, s, q] = drawn
            if len(_held) >= _HELD:
                _held.pop(next(iter(_held)))
            _held[name] = drawn.copy()
    return draws


_held: dict[tuple[object, ...], Values] = {}
"""Draws of predictors that other cells compare with too: a supervisor, a ceiling, a baseline."""


def _digest(values: npt.NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes() + str(values.shape).encode(), digest_size=16).digest()


def _scores_drawn(
    metric: Metric,
    pairs: Sequence[tuple[Values, Values]],
    index: Sequence[Numbers],
    groups: int,
    resamples: int,
    seed: int,
) -> Values:
    """Return the draws of each of p predictors, (R, p); a block of weights is made once for all of them."""
    found = []
    for weights in group_weights(groups, resamples, seed, rows=max(map(len, index))):
        spread: dict[bytes, Values] = {}  # runs of one study mostly have the same rows
        block = np.empty((len(weights), len(pairs)))
        for i, (pair, number) in enumerate(zip(pairs, index, strict=True)):
            name = number.tobytes()
            if name not in spread:
                spread = {name: weights.T[number].T}
            with np.errstate(invalid="ignore", divide="ignore"):
                block[:, i] = metric.values(*pair, spread[name])
        found.append(block)
    return np.concatenate(found)


def covariances(draws: Values, *, groups: int) -> tuple[Values, Values]:
    """Return two covariances under resampled rows, each (q, q), from finite draws (R, k, q).

    The first is what two seeds share: the covariance between the draws of two different seeds, averaged over all pairs of
    seeds; with one seed its own. The second is that of the means over seeds. The factor G/(G - 1) undoes the bootstrap's
    division by G.
    """
    count, seeds, quantities = draws.shape
    centred = draws - draws.mean(axis=0)
    mean = sum(centred[:, s] for s in range(seeds)) / seeds  # four times as fast as `centred.mean(axis=1)`
    of_mean = mean.T @ mean
    shared = of_mean
    if seeds > 1:
        flat = centred.reshape(-1, quantities)
        shared = (of_mean * seeds**2 - flat.T @ flat) / (seeds * (seeds - 1))
    scale = groups / (groups - 1) / count
    return np.asarray(shared * scale), np.asarray(of_mean * scale)
