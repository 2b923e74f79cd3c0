"""How many directions the representations of the weak and the strong model have, and how many they share.

Three quantities, each with its own meaning of dimension:

- `correlation_dimension`, Grassberger and Procaccia 1983: C(r), the share of pairs of rows closer than r, grows like r^D
  near 0. D = log(C(r2) / C(r1)) / log(r2 / r1), with r1 and r2 the distances below which NEAR = 0.1 % and 1 % of the pairs
  lie: near enough to be local, far enough to hold thousands of pairs. Invariant to scale and rotation.
- `nearest_dimension`, TwoNN of Facco et al. 2017: with r1 and r2 of a row its distances to the nearest and second nearest
  other row, D = n / sum_i log(r2_i / r1_i), the maximum likelihood for a density that is constant over both neighbours.
- `shared_dimension`, Dong et al. 2025 (arXiv 2502.05075), who call it the correlation dimension d_{s and w} of a pair:
  ||U_s' U_w||_F^2 = sum of the squared cosines between two subspaces with orthonormal bases U_s and U_w, in
  [0, min(d_s, d_w)]. In their theory the student inherits the supervisor's variance in the shared part and averages it
  away in the rest: the less is shared, the more is gained.

Assumptions and where they fail. The first two take rows as independent draws from a smooth manifold: near copies of a row
(groups, templates) pull them down, noise in every direction pulls them up to the width. Both are too low where the true
dimension is high for the number of rows (2 log10 n bounds what n rows can show over one decade; of 2,000 normal rows of
dimension 10 the first says 8.6, the second 9.7; of dimension 20 13.6 and 17.7). Compare models on the same rows; do not
read the number as a count of parameters.

The third needs a common space. Dong et al. take gradients and join the two parameter spaces by a random rotation; here
both are spaces of functions on the same n rows: U spans the principal directions (left singular vectors of the columns'
centred features) that hold `share` of the variance. The squared cosines are then squared canonical correlations. Two
subspaces of n rows share d_s d_w / (n - 1) dimensions by chance; with fewer rows than about 10 (d_s + d_w) that is no
longer little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._moments import Moments, moments
from surpass.diagnostics._rows import (
    Groups,
    Values,
    blocks_of,
    check_level,
    jackknifed,
    names_of,
    table,
    undefined,
)
from surpass.errors import SpecError
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, ratio_estimates

NEAR = (0.001, 0.01)
ROWS = 2000
"""Rows that are drawn: their 2 million distances fit in 16 MB, and more rows change the numbers little."""
SHARE = 0.95

_PAIRS = 20  # within the smaller radius, or its count is noise


class SharedDimension(NamedTuple):
    """Principal directions of either table, how many dimensions they share, and how many they would by chance."""

    strong: int
    weak: int
    shared: Estimate
    by_chance: float


def correlation_dimension(
    features: npt.ArrayLike,
    groups: Groups | None = None,
    *,
    near: tuple[float, float] = NEAR,
    rows: int = ROWS,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the correlation dimension of features (n, d) with a jackknife interval; see the module's text.

    Args:
        features: of the rows.
        groups: (n,) names; rows of a group are left out together.
        near: the shares of pairs below the two radii.
        rows: so many are drawn at random when there are more.
        level: nominal coverage.
        seed: of that draw.

    Raises:
        AlignmentError: groups of other rows.
        DataError: features that are not finite.
        SpecError: shares that are not 0 < first < second < 1, or a level outside (0, 1).
    """
    if not 0 < near[0] < near[1] < 1:
        raise SpecError(f"near={near}; allowed are two shares with 0 < first < second < 1. Leave it out for {NEAR}.")
    check_level(level)
    x, names = _drawn(features, groups, rows, seed)
    count, pairs = len(np.unique(names)), len(x) * (len(x) - 1) // 2
    if near[0] * pairs < _PAIRS:
        why = f"needs {_PAIRS} pairs within the smaller radius; {len(x)} rows have {near[0] * pairs:.1f}"
        return undefined(why, examples=count, level=level)
    distances = _distances(x)
    radii = np.quantile(distances, near)
    if not 0 < radii[0] < radii[1]:
        why = f"{100 * np.mean(distances <= radii[0]):.3g} % of the pairs are the same distance {radii[0]:.3g} apart"
        return undefined(why, examples=count, level=level)
    block = blocks_of(names)
    inside = [_by_block(distances <= radius, block) for radius in radii]
    whole = _by_block(np.ones(pairs, dtype=bool), block)
    value = _slope([held.sum() for held in inside], radii)
    rest = np.array([_slope([_left(held, b) for held in inside], radii) for b in range(len(whole))])
    return jackknifed(value, rest if len(rest) > 1 else rest[:0], groups=count, level=level, bounds=(0.0, np.inf))


def nearest_dimension(
    features: npt.ArrayLike,
    groups: Groups | None = None,
    *,
    rows: int = ROWS,
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
) -> Estimate:
    """Return the TwoNN dimension of features (n, d); see the module's text. Rows whose nearest is a copy are left out.

    The interval resamples the rows' log ratios by group and takes their neighbours as given. Rows that are each other's
    neighbours are alike, so it is short: of 500 normal rows in 2 or 5 dimensions, nominal 95 % covered the mean of such
    estimates in 83 and 82 %.

    Args:
        features: of the rows.
        groups: (n,) names.
        rows: so many are drawn at random when there are more.
        level: nominal coverage.
        resamples: draws of the rows.
        seed: of both draws.

    Raises:
        AlignmentError: groups of other rows.
        DataError: features that are not finite.
        SpecError: a level outside (0, 1).
    """
    from scipy.spatial.distance import squareform

    check_level(level)
    x, names = _drawn(features, groups, rows, seed)
    if len(x) < 3:
        return undefined(f"needs at least 3 rows, got {len(x)}", examples=len(x), level=level)
    square = squareform(_distances(x))
    np.fill_diagonal(square, np.inf)
    one, two = np.partition(square, 1, axis=1)[:, :2].T
    kept = one > 0
    if not (kept & (two > one)).any():
        why = "no row has two other rows at different distances above 0"
        return undefined(why, examples=len(x), level=level)
    ratio = np.log(two[kept] / one[kept])[:, None]
    part = Ratios(np.ones_like(ratio), ratio, names[kept])
    (found,) = ratio_estimates([part], ["dimension"], bounds=(0.0, np.inf), level=level, resamples=resamples, seed=seed)
    return found


def shared_dimension(
    strong: npt.ArrayLike,
    weak: npt.ArrayLike,
    groups: Groups | None = None,
    *,
    share: float = SHARE,
    level: float = 0.95,
) -> SharedDimension:
    """Return how many dimensions the principal subspaces of both feature tables share; see the module's text.

    Args:
        strong: (n, d) features.
        weak: (n, k) features of the same rows.
        groups: (n,) names; rows of a group are left out together.
        share: of the variance that the principal directions hold.
        level: nominal coverage of the jackknife interval, in which the principal directions are held fixed.

    Raises:
        AlignmentError: other rows on one side.
        DataError: features that are not finite.
        SpecError: a share or a level outside (0, 1).
    """
    if not 0 < share < 1:
        raise SpecError(f"share={share}; allowed are numbers between 0 and 1, both left out. Use {SHARE}.")
    check_level(level)
    both = moments(strong, weak, groups)
    grams = both.all.centred()[:2]
    counts = (_directions(grams[0], share), _directions(grams[1], share))
    by_chance = counts[0] * counts[1] / max(both.all.n - 1, 1)
    if 0 in counts:
        which = "strong" if counts[0] == 0 else "weak"
        return SharedDimension(
            counts[0],
            counts[1],
            undefined(f"the {which} features are constant", examples=both.groups, level=level),
            by_chance,
        )
    if sum(counts) >= both.all.n:
        why = f"{counts[0]} + {counts[1]} directions among {both.all.n} rows always meet; it needs more rows"
        return SharedDimension(counts[0], counts[1], undefined(why, examples=both.groups, level=level), by_chance)
    turned = both.turned(*(_leading(gram, count) for gram, count in zip(grams, counts, strict=True)))
    rest = np.array([_shared(left) for left in turned.without()])
    made = jackknifed(_shared(turned.all), rest, groups=both.groups, level=level, bounds=(0.0, float(min(counts))))
    return SharedDimension(counts[0], counts[1], made, by_chance)


def _drawn(
    features: npt.ArrayLike, groups: Groups | None, rows: int, seed: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.str_]]:
    if rows < 3:
        raise SpecError(f"rows={rows}; allowed are whole numbers from 3. Leave it out for {ROWS:,}.")
    x = table("features", features)
    names = names_of(groups, len(x))
    if len(x) <= rows:
        return x, names
    chosen = np.sort(np.random.default_rng(seed).choice(len(x), size=rows, replace=False))
    return x[chosen], names[chosen]


def _distances(x: npt.NDArray[np.floating]) -> Values:
    """Return the distances of all pairs in the order of `np.triu_indices`; exactly 0 for copies."""
    from scipy.spatial.distance import pdist

    return np.asarray(pdist(x.astype(np.float64)))


def _by_block(pairs: npt.NDArray[np.bool_], block: npt.NDArray[np.int64]) -> Values:
    """Return how many of the marked pairs lie between two blocks (b, b), each pair once."""
    blocks = int(block.max()) + 1
    one, other = np.triu_indices(len(block), 1)
    codes = block[one[pairs]] * blocks + block[other[pairs]]
    return np.bincount(codes, minlength=blocks**2).reshape(blocks, blocks).astype(np.float64)


def _left(between: Values, b: int) -> float:
    """Return the pairs without those of block b."""
    return float(between.sum() - between[b].sum() - between[:, b].sum() + between[b, b])


def _slope(inside: Sequence[float], radii: Values) -> float:
    """Return the dimension from the pairs within two radii; not finite where one has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(np.float64(inside[1]) / inside[0]) / np.log(radii[1] / radii[0]))


def _directions(gram: Values, share: float) -> int:
    """Return the fewest principal directions that hold the share of the variance; 0 for none."""
    values = np.linalg.eigvalsh(gram)[::-1].clip(min=0)
    if not values.sum() > 1e-12:
        return 0
    return int(np.searchsorted(np.cumsum(values) / values.sum(), share) + 1)


def _leading(gram: Values, count: int) -> Values:
    """Return the leading principal directions (d, count), scaled so that each has variance 1."""
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(vectors[:, -count:] / np.sqrt(values[-count:].clip(min=1e-300)))


def _shared(held: Moments) -> float:
    """Return ||U_s' U_w||_F^2 for bases U of what the features span: the trace of G_s^-1 C G_w^-1 C'."""
    strong, weak, cross = held.centred()
    return float((np.linalg.solve(strong, cross) * np.linalg.solve(weak, cross.T).T).sum())
