"""Scores under resampled test rows: whole groups get multinomial weights, the same for all seeds and predictors.

For R resamples, k seeds, G groups and q quantities (floor, student, ceiling) draws are (R, k, q). A group's weight applies
to all its rows in every seed, so what predictors and seeds share stays shared.

Means over rows whose groups are of one size are linear in the weights. Their covariance over the resamples is then that of
the weights between the sums of the groups, and no draw is made: a study asks for it a thousand times with the same weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

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
_ROUNDING = 1e-14  # of one draw, as a share of it
_SQUARE = 2048  # groups up to which the covariance of their weights is kept: 32 MB


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


class RatioRows(NamedTuple):
    """Rows of which shares sum(top) / sum(bottom) are drawn, one array for each of k runs.

    Attributes:
        tops: (n, q) numerators.
        bottoms: (n, q) denominators, or (n, 1) when all quantities share them.
        number: (n,) the group of each row.
        groups: G, the groups of all runs.
    """

    tops: Sequence[Values]
    bottoms: Sequence[Values]
    number: Sequence[Numbers]
    groups: int


def ratio_draws(rows: RatioRows, *, resamples: int, seed: int) -> Values:
    """Return draws (R, k, q) of sum(w x top) / sum(w x bottom), the weighted means of scores that are means over rows.

    Rows are summed within groups first, so a resample costs one product with k(q + 1) columns whatever n is.
    """
    groups = rows.groups
    top, bottom = (_sums(parts, rows.number, groups) for parts in (rows.tops, rows.bottoms))
    bottom = np.broadcast_to(bottom, top.shape).reshape(groups, -1)
    top = top.reshape(groups, -1)
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
    return draws.reshape(resamples, len(rows.tops), -1)


def _sums(parts: Sequence[Values], index: Sequence[Numbers], groups: int) -> Values:
    """Return the sums within groups of the columns of each run, (G, k, q)."""
    return np.stack([_group_sums(*one, groups) for one in zip(parts, index, strict=True)], axis=1)


def _group_sums(part: Values, number: Numbers, groups: int) -> Values:
    if len(number) == groups and np.bincount(number, minlength=groups).all():  # each row is a group by itself
        found = np.empty(part.shape)
        found[number] = part
        return found
    return np.column_stack([np.bincount(number, weights=column, minlength=groups) for column in part.T])


class Noise(NamedTuple):
    """What resampled rows do to scores: covariances as `covariances` returns them, from `kept` of `drawn` resamples."""

    shared: Values
    rows: Values
    kept: int
    drawn: int


def noise_of(draws: Values, *, groups: int) -> Noise:
    """Return the noise of draws (R, k, q), of which those in which a score does not exist are left out."""
    count, _, quantities = draws.shape
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(np.ones(count) @ draws.reshape(count, -1)).all()
    kept = draws if whole else draws[np.isfinite(draws).all(axis=(1, 2))]
    if groups < 2 or not len(kept):
        nothing = np.zeros((quantities, quantities))
        return Noise(nothing, nothing, len(kept), count)
    return Noise(*covariances(kept, groups=groups), len(kept), count)


def ratio_noise(rows: RatioRows, *, resamples: int, seed: int) -> Noise:
    """Return the noise of the draws that `ratio_draws` returns, which are not made where that can be known without."""
    if found := linear_noise(rows, resamples=resamples, seed=seed):
        return found
    return noise_of(ratio_draws(rows, resamples=resamples, seed=seed), groups=rows.groups)


def linear_noise(rows: RatioRows, *, resamples: int, seed: int) -> Noise | None:
    """Return `ratio_noise` of means over rows in groups of one size; None for others, and for very many groups."""
    tops, bottoms, index, groups = rows
    if not 2 <= groups <= _SQUARE or groups * resamples > _KEPT:
        return None
    counts = [np.bincount(number, minlength=groups) for number in index]
    if not all(part[0].all() and (part == part[0]).all() for part in (*counts, *bottoms)):
        return None
    size = np.array([count[0] * bottom[0] for count, bottom in zip(counts, bottoms, strict=True)])
    means = _sums(tops, index, groups) / size
    means -= means.mean(axis=0)  # a constant is the same in every resample: exactly so, not but for rounding
    weights, seeds = _kept_square(groups, resamples, seed), len(tops)
    whole = means.mean(axis=1)
    of_seeds = sum(means[:, s].T @ (weights @ means[:, s]) for s in range(seeds))
    parts = _parted(whole.T @ weights @ whole, np.asarray(of_seeds), seeds, 1 / (groups * (groups - 1)))
    return Noise(*parts, resamples, resamples)


@lru_cache(maxsize=4)
def _kept_square(groups: int, resamples: int, seed: int) -> Values:
    """Return the covariance of the groups' weights over the resamples, (G, G); float32 holds sums of counts exactly."""
    counts = _kept_counts(groups, resamples, seed).astype(np.float32)
    means = np.ones(resamples, dtype=np.float32) @ counts / np.float64(resamples)
    return np.asarray((counts.T @ counts) / np.float64(resamples) - np.outer(means, means))


def score_draws(
    metric: Metric,
    sets: Sequence[Sequence[tuple[Values, Values]]],
    index: Sequence[Numbers],
    *,
    groups: int,
    resamples: int,
    seed: int,
) -> tuple[Values, Values]:
    """Return scores (k, q) of a metric that is no mean over rows, and draws; NaN where one does not exist (one class drawn).

    `sets` holds for each run q pairs of labels and predictions, as `Metric.checked` returns them.
    """
    points, draws = np.empty((len(sets), len(sets[0]))), np.empty((resamples, len(sets), len(sets[0])))
    missing: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for s, (pairs, number) in enumerate(zip(sets, index, strict=True)):
        for q, pair in enumerate(pairs):
            name: tuple[object, ...] = (metric.name, groups, resamples, seed, _digest(*pair, number))
            if name in _held:
                points[s, q], draws[:, s, q] = _held[name]
            else:
                missing.setdefault(name, []).append((s, q))
    if missing:
        first = [places[0] for places in missing.values()]
        found = _scores_drawn(
            metric, [sets[s][q] for s, q in first], [index[s] for s, _ in first], groups, resamples, seed
        )
        for (name, places), (s, q), drawn in zip(missing.items(), first, found.T, strict=True):
            value = metric.known(*sets[s][q])
            for s, q in places:
                points[s, q], draws[:, s, q] = value, drawn
            if len(_held) >= _HELD:
                _held.pop(next(iter(_held)))
            _held[name] = value, drawn.copy()
    return points, draws


_held: dict[tuple[object, ...], tuple[float, Values]] = {}
"""Scores and draws of predictors that other cells compare with too: a supervisor, a ceiling, a baseline."""


def _digest(*arrays: npt.NDArray[np.generic]) -> bytes:
    parts = (part for values in arrays for part in (values.tobytes(), str(values.shape).encode()))
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


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
    centred = draws - _summed(draws) / count
    mean = _over_seeds(centred) / seeds
    each = centred.reshape(-1, quantities)
    return _parted(mean.T @ mean, each.T @ each, seeds, groups / (groups - 1) / count)


def own_variances(draws: Values, kept: npt.NDArray[np.bool_], size: Values, *, groups: int) -> tuple[Values, Values]:
    """Return the diagonals of `covariances` (q,), each quantity from the draws (R, k, q) that `kept` (R, q) says it has.

    Draws that differ by no more than the rounding of numbers of a `size` (q,) are the same.
    """
    if groups < 2:
        return np.zeros(draws.shape[2]), np.zeros(draws.shape[2])
    _, seeds, quantities = draws.shape
    count = kept.sum(axis=0).clip(min=1)
    there = kept[:, None].astype(np.float64)
    centred = draws * there
    centred = (centred - _summed(centred) / count) * there
    mean = _over_seeds(centred) / seeds
    of_mean, of_seeds = _summed(mean**2), _summed(centred**2).reshape(seeds, quantities).sum(axis=0)
    of_mean, of_seeds = (np.where(sums > count * (_ROUNDING * size) ** 2, sums, 0.0) for sums in (of_mean, of_seeds))
    return _parted(of_mean, of_seeds, seeds, groups / (groups - 1) / count)


def _summed(draws: Values) -> Values:
    """Return the sum over resamples: a product is faster than `sum` along the long axis."""
    return (np.ones(len(draws)) @ draws.reshape(len(draws), -1)).reshape(draws.shape[1:])


def _over_seeds(draws: Values) -> Values:
    """Return the sum over seeds of draws (R, k, q), (R, q); fast as above."""
    _, seeds, quantities = draws.shape
    return np.asarray(draws.reshape(len(draws), -1) @ np.tile(np.eye(quantities), (seeds, 1)))


def _parted(of_mean: Values, of_seeds: Values, seeds: int, scale: float | Values) -> tuple[Values, Values]:
    """Return `covariances` from the sums of squares (q, q) of the mean over seeds, and of every seed added up."""
    shared = of_mean if seeds == 1 else (of_mean * seeds**2 - of_seeds) / (seeds * (seeds - 1))
    return np.asarray(shared * scale), np.asarray(of_mean * scale)
