"""Second moments of two feature tables over the same rows, by blocks of rows: what kernels need without any n x n matrix.

With X_s (n, d) and X_w (n, k) centred, the eigenvalues of K_s = X_s X_s' / n are those of G_s = X_s' X_s / n, and
products of the two kernels run through C = X_s' X_w / n. Blocks are added up once, so that leaving one out costs no pass
over the rows. A table with more columns than rows is first turned to n columns with the same kernel, so nothing exceeds
min(n, d)^2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._rows import Groups, Values, blocks_of, names_of, table

STEP = 4096  # rows turned to float64 at once


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Moments of n rows.

    Attributes:
        n: rows.
        sums: column sums of the strong features (d,) and of the weak ones (k,).
        strong: X_s' X_s (d, d), not centred.
        weak: X_w' X_w (k, k).
        cross: X_s' X_w (d, k).
    """

    n: int
    sums: tuple[Values, Values]
    strong: Values
    weak: Values
    cross: Values

    def __add__(self, other: Moments) -> Moments:
        return self._with(other, 1)

    def __sub__(self, other: Moments) -> Moments:
        return self._with(other, -1)

    def centred(self) -> tuple[Values, Values, Values]:
        """Return G_s (d, d), G_w (k, k) and C (d, k) of the centred features, divided by n."""
        one, other = (total / self.n for total in self.sums)
        return (
            self.strong / self.n - np.outer(one, one),
            self.weak / self.n - np.outer(other, other),
            self.cross / self.n - np.outer(one, other),
        )

    def turned(self, strong: Values, weak: Values) -> Moments:
        """Return the moments of the features times (d, i) and (k, j)."""
        sums = (self.sums[0] @ strong, self.sums[1] @ weak)
        grams = (strong.T @ self.strong @ strong, weak.T @ self.weak @ weak)
        return Moments(self.n, sums, *grams, strong.T @ self.cross @ weak)

    def _with(self, other: Moments, sign: int) -> Moments:
        sums = (self.sums[0] + sign * other.sums[0], self.sums[1] + sign * other.sums[1])
        return Moments(
            self.n + sign * other.n,
            sums,
            self.strong + sign * other.strong,
            self.weak + sign * other.weak,
            self.cross + sign * other.cross,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Both:
    """Moments of all rows and of each block of groups; `groups` counts these."""

    all: Moments
    blocks: tuple[Moments, ...]
    groups: int

    def turned(self, strong: Values, weak: Values) -> Both:
        """Return the moments, and those of each block, of the features times (d, i) and (k, j)."""
        return Both(
            self.all.turned(strong, weak), tuple(block.turned(strong, weak) for block in self.blocks), self.groups
        )

    def without(self) -> Iterator[Moments]:
        """Yield the moments of all rows but those of one block, block by block; none when there is one block."""
        yield from (self.all - block for block in self.blocks if len(self.blocks) > 1)


def moments(strong: npt.ArrayLike, weak: npt.ArrayLike, groups: Groups | None) -> Both:
    """Return the moments of strong (n, d) and weak (n, k) features, shifted by their means against cancellation.

    Raises:
        AlignmentError: other rows on one side.
        DataError: features that are not finite.
    """
    one = _narrow(table("strong features", strong))
    other = _narrow(table("weak features", weak, rows=len(one)))
    names = names_of(groups, len(one))
    block = blocks_of(names)
    means = one.mean(axis=0, dtype=np.float64), other.mean(axis=0, dtype=np.float64)
    parts = []
    for number in range(int(block.max()) + 1):
        rows = np.flatnonzero(block == number)
        pieces = (rows[start : start + STEP] for start in range(0, len(rows), STEP))
        added = [_of(one[piece] - means[0], other[piece] - means[1]) for piece in pieces]
        parts.append(sum(added[1:], added[0]))
    return Both(sum(parts[1:], parts[0]), tuple(parts), len(np.unique(names)))


def _of(one: Values, other: Values) -> Moments:
    return Moments(len(one), (one.sum(axis=0), other.sum(axis=0)), one.T @ one, other.T @ other, one.T @ other)


def _narrow(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return features with the same inner products and at most n columns."""
    if x.shape[1] <= x.shape[0]:
        return x
    values, vectors = np.linalg.eigh(x.astype(np.float64) @ x.T.astype(np.float64))
    return np.asarray(vectors * np.sqrt(values.clip(min=0)))
