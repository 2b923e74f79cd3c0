"""Scores under resampled test rows: whole groups get multinomial weights, the same for all seeds and predictors.

For R resamples, k seeds, G groups and q quantities (floor, student, ceiling) every function here returns draws
(R, k, q). A group's weight applies to all its rows in every seed, so what predictors and seeds share stays shared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from surpass.metrics import Metric

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

RESAMPLES = 10_000
"""Resamples for a metric that is a mean over rows, where 10,000 groups and 5 seeds take under a second."""
RESAMPLES_SLOW = 1_000
"""Resamples for other metrics, each a pass over all rows; a standard error is then known to about 2 %."""

_BLOCK = 1 << 19  # weights held at once: 4 MB, near the processor's cache
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
        yield _counts(groups, min(size, resamples - start), rng).astype(np.float64)


def _counts(groups: int, resamples: int, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    found = np.empty((resamples, groups), dtype=np.uint16)
    for row in found:
        row[:] = np.bincount(rng.integers(groups, size=groups), minlength=groups)
    return found


@lru_cache(maxsize=4)
def _kept_counts(groups: int, resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """Return all counts, kept because every cell of a study asks for those of its test rows again and again."""
    return _counts(groups, resamples, np.random.default_rng(seed))


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
    sums = np.concatenate([top.reshape(groups, -1), bottom.reshape(groups, -1)], axis=1)
    columns = top[0].size
    draws = []
    for weights in group_weights(groups, resamples, seed, rows=0):
        product = weights @ sums
        over = product[:, :columns].reshape(-1, *top.shape[1:])
        under = product[:, columns:].reshape(-1, *bottom.shape[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            draws.append(over / under)
    return np.concatenate(draws)


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
    for name, places in missing.items():
        s, q = places[0]
        found = _one_score(metric, sets[s][q], index[s], groups=groups, resamples=resamples, seed=seed)
        for s, q in places:
            draws[:, s, q] = found
        if len(_held) >= _HELD:
            _held.pop(next(iter(_held)))
        _held[name] = found
    return draws


_held: dict[tuple[object, ...], Values] = {}
"""Draws of predictors that other cells compare with too: a supervisor, a ceiling, a baseline."""


def _digest(values: npt.NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes() + str(values.shape).encode(), digest_size=16).digest()


def _one_score(
    metric: Metric, pair: tuple[Values, Values], number: Numbers, *, groups: int, resamples: int, seed: int
) -> Values:
    found = []
    for weights in group_weights(groups, resamples, seed, rows=len(number)):
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(metric.values(*pair, weights[:, number]))
    return np.concatenate(found)


def shared_covariance(draws: Values, *, groups: int) -> Values:
    """Return the covariance under resampled rows that two seeds share, (q, q), from finite draws (R, k, q).

    That is the covariance between the draws of two different seeds, averaged over all pairs of seeds; with one seed its
    own covariance. The factor G/(G - 1) undoes the bootstrap's division by G.
    """
    count, seeds, quantities = draws.shape
    centred = draws - draws.mean(axis=0)
    mean = centred.mean(axis=1)
    shared = mean.T @ mean
    if seeds > 1:
        flat = centred.reshape(-1, quantities)
        shared = (shared * seeds**2 - flat.T @ flat) / (seeds * (seeds - 1))
    return np.asarray(shared / count * groups / (groups - 1))


def mean_covariance(draws: Values, *, groups: int) -> Values:
    """Return the covariance of the means over seeds under resampled rows, (q, q), from finite draws (R, k, q)."""
    means = draws.mean(axis=1)
    centred = means - means.mean(axis=0)
    return np.asarray(centred.T @ centred / len(draws) * groups / (groups - 1))
