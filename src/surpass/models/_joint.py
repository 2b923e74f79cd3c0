"""Many logistic heads over one table of standardized features, solved together.

Every head minimizes, over its weights W and a free bias b,

    mean_i w_i CE(softmax(x_i W + b), y_i) + l2 / 2 * ||W||^2

with targets, weights and penalty of its own; the x_i are the same for all. So is what bounds the curvature of two classes,

    H = c X'X / n + l2 I,    c = 1/4        (Boehning 1992, doi 10.1007/BF00048682)

and, with c = 1/C for C > 4, is near it for more. With H = L L' and u = L'W a head has scores Z u, Z = X L'^-1, and a
curvature near I; so L-BFGS needs few steps, and none of the heads a factor of its own. The penalty needs no W either:
l2 ||W||^2 = ||u||^2 - c ||Z u||^2 / n. A column 1/sqrt(c) of Z carries the bias, on which this identity leaves no penalty,
since the columns of X have mean 0. Heads without a bias, whose X need no such mean, have a column of zeros there.

Heads move through a block of `WIDTH` lines, one for each column of W: one that is done makes room for the next. All products
are of whole blocks, whoever is in them, so that the bits of a head do not depend on its neighbours: which heads a run
solves together changes no number.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.special import expit

from surpass.artifacts import Values

WIDTH = 32  # a multiple of what math libraries take at once, so that no line is at an edge
MEMORY = 8  # steps that L-BFGS remembers
TOLERANCE = 3e-9  # of the gradient by u, whose norm is about 1 at the start: probabilities to about 1e-7
SLOPE = 0.1  # what the search on a line leaves of the slope at its start
LEAST_PENALTY = 1e-5  # with less, hard labels that a plane parts take more steps than scikit-learn
FEW = 4
SEARCHES = 30  # on a line; 1 to 3 are usual
STEPS = 1000  # of a head that does not converge; 10 to 60 are usual

Head = tuple[Values, Values]
"""Weights (d, C) and bias (C,); for two classes those of the first are 0."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One head: its rows of the table (k,), their targets (k, C), which sum to 1, and weights (k,), and its penalty > 0.

    The mean of its objective is over these k rows.
    """

    rows: NDArray[np.int64]
    values: Values
    weight: Values
    l2: float

    @property
    def free(self) -> int:
        """Columns of weights: one for two classes, the log odds."""
        return 1 if self.values.shape[1] == 2 else self.values.shape[1]


@dataclasses.dataclass(frozen=True)
class Table:
    """Features as the heads of one penalty see them: `z` (n, d + 1), the factor (d, d) on the way back to W, and c."""

    z: Values
    factor: Values
    curvature: float

    @classmethod
    def of(cls, vectors: Values, gram: Values, l2: float, free: int, *, bias: bool) -> Table:
        """Return the table for features (n, d), their products (d, d), a penalty and a number of columns."""
        (n, d), curvature = vectors.shape, 1 / max(4, free)
        bound = gram * (curvature / n)
        bound[np.diag_indices_from(bound)] += l2
        factor = cholesky(bound, lower=True, overwrite_a=True, check_finite=False)
        z = np.empty((n, d + 1))
        z[:, :-1] = solve_triangular(factor, vectors.T, lower=True, check_finite=False).T
        z[:, -1] = curvature**-0.5 if bias else 0.0
        return cls(z, factor, curvature)


def solve(vectors: Values, problems: Sequence[Problem], *, bias: bool = True) -> list[Head | None]:
    """Return weights and biases per head, None for one that did not converge.

    A head with less than 1 / `FEW` of the rows has a table of its own: the bound over all rows says little of its curvature.

    Args:
        vectors: (n, d), with columns of mean 0 where heads have a bias.
        problems: heads over rows of these, of any mixture of penalties and numbers of classes.
        bias: whether the heads have one; without, theirs are 0.
    """
    n, tables, found = len(vectors), dict[bytes, list[int]](), dict[int, Head | None]()
    for i, problem in enumerate(problems):
        tables.setdefault(problem.rows.tobytes() if FEW * len(problem.rows) < n else b"", []).append(i)
    for few, mine in tables.items():
        heads = [problems[i] for i in mine]
        if not few:
            found.update(zip(mine, _solve(vectors, heads, bias=bias), strict=True))
            continue
        own = vectors[heads[0].rows]
        middle, rows = own.mean(axis=0) * bias, np.arange(len(own))
        solved = _solve(own - middle, [dataclasses.replace(head, rows=rows) for head in heads], bias=bias)
        found.update((i, head and (head[0], head[1] - middle @ head[0])) for i, head in zip(mine, solved, strict=True))
    return [found[i] for i in range(len(problems))]


def _solve(vectors: Values, problems: Sequence[Problem], *, bias: bool) -> list[Head | None]:
    n, d = vectors.shape
    basis = None
    if n < d:  # heads live in the span of the rows, so coordinates in it are enough
        basis, rows = qr(vectors.T, mode="economic", check_finite=False)
        vectors = np.ascontiguousarray(rows.T)
    gram = vectors.T @ vectors
    found: list[Head | None] = [None] * len(problems)
    for l2, free in dict.fromkeys((problem.l2, problem.free) for problem in problems):
        mine = [i for i, problem in enumerate(problems) if (problem.l2, problem.free) == (l2, free)]
        heads = _Pool(Table.of(vectors, gram, l2, free, bias=bias), free).run([problems[i] for i in mine])
        for i, head in zip(mine, heads, strict=True):
            found[i] = (basis @ head[0], head[1]) if head and basis is not None else head
    return found


class _Past(NamedTuple):
    """A step taken: the move (width, d + 1), the turn of the gradient, and 1 over their product per slot."""

    move: Values
    turn: Values
    rate: Values


class _Pool:
    """The heads that are being solved: `slots` of them below each other, `free` lines each; lines left over are 0."""

    def __init__(self, table: Table, free: int) -> None:
        self.table, self.free = table, free
        width = -(-free // WIDTH) * WIDTH
        self.slots = width // free
        self.used = self.slots * free
        n, size = table.z.shape
        self.goal, self.weight, self.scores = (np.zeros((width, n)) for _ in range(3))
        self.place, self.gradient = (np.zeros((width, size)) for _ in range(2))
        self.past = collections.deque[_Past](maxlen=MEMORY)
        self.scale = np.ones(self.slots)
        self.heads: NDArray[np.int64] = np.full(self.slots, -1)
        self.steps = np.zeros(self.slots, dtype=np.int64)

    def run(self, problems: Sequence[Problem]) -> list[Head | None]:
        """Return the heads' weights and biases, in order; None for one that did not converge."""
        waiting, ended = list(range(len(problems)))[::-1], dict[int, Values | None]()
        while len(ended) < len(problems):
            for slot in np.flatnonzero(self.heads < 0)[: len(waiting)]:
                self._enter(int(slot), waiting.pop(), problems)
            self._step()
            length = np.sqrt(self._dot(self.gradient, self.gradient))
            for slot in np.flatnonzero((self.heads >= 0) & ((length <= TOLERANCE) | (self.steps >= STEPS))):
                head, place = int(self.heads[slot]), self._leave(int(slot))
                ended[head] = place if length[slot] <= TOLERANCE else None
        return self._weights([ended[i] for i in range(len(problems))])

    def _lines(self, slot: int) -> slice:
        return slice(slot * self.free, (slot + 1) * self.free)

    def _enter(self, slot: int, head: int, problems: Sequence[Problem]) -> None:
        """Place a head at u = 0. It has no gradient yet: its first step goes nowhere and yields it."""
        problem, lines = problems[head], self._lines(slot)
        self.goal[lines, problem.rows] = problem.values[:, -self.free :].T
        self.weight[lines, problem.rows] = problem.weight / len(problem.rows)
        self.heads[slot], self.steps[slot] = head, 0

    def _leave(self, slot: int) -> Values:
        """Return a head's u and clear its lines."""
        lines = self._lines(slot)
        place = self.place[lines].copy()
        for held in (self.goal, self.weight, self.scores, self.place, self.gradient):
            held[lines] = 0
        for past in self.past:
            past.move[lines] = past.turn[lines] = past.rate[slot] = 0
        self.scale[slot], self.heads[slot] = 1, -1
        return place

    def _dot(self, left: Values, right: Values) -> Values:
        """Return the scalar product per slot, (slots,)."""
        lines = (left * right).sum(axis=1)
        return np.asarray(lines[: self.used].reshape(self.slots, self.free).sum(axis=1))

    def _tall(self, numbers: Values) -> Values:
        """Return a number per slot as a number per line, (width, 1)."""
        tall = np.zeros((len(self.place), 1))
        tall[: self.used, 0] = np.repeat(numbers, self.free)
        return tall

    def _by_slot(self, lines: Values) -> Values:
        """Return the lines that slots use, (slots, free, ...)."""
        return lines[: self.used].reshape(self.slots, self.free, -1)

    def _chances(self, scores: Values) -> Values:
        """Return the probabilities, (width, n), that belong to scores."""
        if self.free == 1:
            return np.asarray(expit(scores))
        split = self._by_slot(scores)
        odds = np.exp(split - split.max(axis=1, keepdims=True))
        found = np.zeros_like(scores)
        found[: self.used] = (odds / odds.sum(axis=1, keepdims=True)).reshape(self.used, -1)
        return found

    def _step(self) -> None:
        """Move every head along its L-BFGS direction to about the minimum on that line."""
        z, pull = self.table.z, self.table.curvature / len(self.table.z)
        direction = self._direction()
        change = direction @ z.T
        taken, chances = self._search(direction, change)
        move = direction * taken
        self.place += move
        self.scores += change * taken
        gradient = (self.weight * (chances - self.goal) - pull * self.scores) @ z + self.place
        turn = gradient - self.gradient
        bend, size = self._dot(move, turn), self._dot(turn, turn)
        bent = bend > 1e-16 * size
        self.past.appendleft(_Past(move, turn, np.divide(1, bend, out=np.zeros_like(bend), where=bent)))
        self.scale = np.divide(bend, size, out=self.scale, where=bent)
        self.gradient = gradient
        self.steps += 1

    def _direction(self) -> Values:
        """Return where the two loops of L-BFGS point, newest step first; a step of rate 0 changes nothing."""
        found, shares = -self.gradient, []
        for past in self.past:
            shares.append(past.rate * self._dot(past.move, found))
            found -= past.turn * self._tall(shares[-1])
        found *= self._tall(self.scale)
        for past, share in zip(reversed(self.past), reversed(shares), strict=True):
            found += past.move * self._tall(share - past.rate * self._dot(past.turn, found))
        return found

    def _search(self, direction: Values, change: Values) -> tuple[Values, Values]:
        """Return how far to go per line, and the probabilities there: Newton on the slope, kept within a bracket."""
        pull = self.table.curvature / len(self.table.z)
        flat = self._dot(self.place, direction) - pull * self._dot(self.scores, change)
        bend = self._dot(direction, direction) - pull * self._dot(change, change)
        low, high = np.zeros(self.slots), np.full(self.slots, np.inf)
        start = np.abs(self._dot(self.gradient, direction))
        t, tall = np.ones(self.slots), self._tall(np.ones(self.slots))
        chances = self._chances(self.scores + change)
        for _ in range(SEARCHES):
            slope = flat + t * bend + self._dot(self.weight * (chances - self.goal), change)
            far = np.abs(slope) > SLOPE * start
            if not far.any():
                break
            low, high = np.where(slope < 0, t, low), np.where(slope > 0, t, high)
            curve = bend + self._curve(chances, change)
            step = t - slope / np.where(curve > 0, curve, 1.0)
            inside = (step > low) & (step < high)
            t = np.where(far, np.where(inside, step, (low + np.minimum(high, 4 * low + 1)) / 2), t)
            tall = self._tall(t)
            chances = self._chances(self.scores + change * tall)
        return tall, chances

    def _curve(self, chances: Values, change: Values) -> Values:
        """Return the second derivative of the cross entropy along the line, per slot."""
        mean = chances * change
        first = self._dot(self.weight * mean, change)
        if self.free == 1:
            return first - self._dot(self.weight * mean, mean)
        weight = self.weight[: self.used : self.free]
        return np.asarray(first - (weight * self._by_slot(mean).sum(axis=1) ** 2).sum(axis=1))

    def _weights(self, places: Sequence[Values | None]) -> list[Head | None]:
        """Return weights and biases of found u, `slots` heads to a block; two classes get a first column of zeros."""
        found: list[Head | None] = []
        for first in range(0, len(places), self.slots):
            some = places[first : first + self.slots]
            block = np.zeros_like(self.place)
            for slot, place in enumerate(some):
                block[self._lines(slot)] = 0 if place is None else place
            matrix = solve_triangular(self.table.factor, block[:, :-1].T, lower=True, trans="T", check_finite=False)
            bias = block[:, -1] / np.sqrt(self.table.curvature)
            none = ((0, 0), (1, 0)) if self.free == 1 else ((0, 0), (0, 0))
            for slot, place in enumerate(some):
                head = np.pad(np.vstack([matrix, bias])[:, self._lines(slot)], none)
                found.append(None if place is None else (head[:-1], head[-1]))
        return found
