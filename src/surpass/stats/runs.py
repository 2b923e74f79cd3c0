"""What comparisons take: the predictions of one seed on its test rows; and what all of them ask of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from surpass.errors import DataError, SpecError
from surpass.metrics import checked_predictions, hard
from surpass.stats.intervals import Spread
from surpass.stats.resampling import Noise, Numbers, Values, noise_of, numbered_groups

Groups = Sequence[str] | npt.NDArray[np.generic]

ROLES = ("floor", "student", "ceiling")


@dataclass(frozen=True, eq=False)
class Run:
    """Predictions of one seed on its test rows.

    Attributes:
        labels: gold labels (n,).
        groups: name of the group of each row, (n,): what must be resampled together (question, passage, or the row id).
            The same name in two runs means the same group.
        student: predictions (n, C), or (n,) for regression.
        floor: predictions of the supervisor, same shape.
        ceiling: predictions of the strong model fitted on ground truth, same shape.
    """

    labels: npt.ArrayLike
    groups: Groups
    student: npt.ArrayLike
    floor: npt.ArrayLike
    ceiling: npt.ArrayLike

    def read(self, kind: str, role: str) -> tuple[Values, Values]:
        """Return labels and the predictions of a role as metrics of a kind of label take them, checked once.

        Raises:
            DataError: as `surpass.metrics.checked_predictions`.
        """
        if (kind, role) not in self._read:
            self._read[kind, role] = checked_predictions(kind, self.labels, getattr(self, role))
        return self._read[kind, role]

    def answers(self, role: str) -> npt.NDArray[np.int64]:
        """Return the most probable class that a role gives each row, (n,); see `surpass.metrics.hard`."""
        if role not in self._answers:
            self._answers[role] = hard(self.read("classification", role)[1])
        return self._answers[role]

    @cached_property
    def _answers(self) -> dict[str, npt.NDArray[np.int64]]:
        return {}

    @cached_property
    def _read(self) -> dict[tuple[str, str], tuple[Values, Values]]:
        return {}


def check_settings(*, level: float, resamples: int) -> None:
    """Raise a SpecError for a level or a number of resamples that makes no interval."""
    if not 0 < level < 1:
        raise SpecError(f"level={level}; allowed are numbers between 0 and 1, both left out. Use 0.95.")
    if resamples < 100:
        raise SpecError(f"resamples={resamples}; an interval needs at least 100. Leave it out for the default.")


def grouped(groups: Sequence[Groups], shapes: Sequence[tuple[int, ...]]) -> tuple[list[Numbers], int]:
    """Return `numbered_groups` after checking that they fit the shape of each run's labels."""
    if not groups:
        raise DataError("there are no runs; an estimate needs at least one seed. Look for seeds that failed.")
    for position, (held, shape) in enumerate(zip(groups, shapes, strict=True)):
        found = held.shape if isinstance(held, np.ndarray) else (len(held),)
        if found != shape or 0 in shape:
            raise DataError(
                f"run {position} has groups of shape {found} for labels of shape {shape}; "
                "both must be (n,) with n >= 1. Pass the name of each test row's group."
            )
    return numbered_groups(groups)


def spread_of(points: Values, draws: Values, names: Sequence[str], *, groups: int, level: float) -> Spread:
    """Return means (q,) of points (k, q) over seeds with their covariances; scores that are NaN become problems."""
    missing = np.isnan(points).any(axis=0)
    noise = noise_of(np.where(missing, 0.0, draws) if missing.any() else draws, groups=groups)
    return noisy_spread(points, noise, names, groups=groups, level=level)


def noisy_spread(points: Values, noise: Noise, names: Sequence[str], *, groups: int, level: float) -> Spread:
    """Return `spread_of` the draws that made the noise, in which scores that are NaN in `points` are a constant."""
    seeds, quantities = points.shape
    missing = np.isnan(points).sum(axis=0)
    common = no_interval(groups, noise.drawn - noise.kept, noise.drawn)
    problems = tuple(
        common or not_there([name], [count], seeds) for name, count in zip(names, missing.tolist(), strict=True)
    )
    zero = np.zeros((quantities, quantities))
    known = np.where(missing, 0.0, points)
    means = known.mean(axis=0)
    centred = known - means
    return Spread(
        means=means,
        between=zero if seeds == 1 else centred.T @ centred / (seeds - 1) / seeds,
        shared=zero if common else noise.shared,
        seeds=seeds,
        groups=groups,
        level=level,
        method=how(noise.kept),
        problems=problems,
        remark=remark_on(seeds),
        rows=zero if common else noise.rows,
    )


def how(resamples: int) -> str:
    """Return how an interval is made, in words."""
    return f"t over seeds and {resamples} bootstrap resamples of test rows"


def remark_on(seeds: int) -> str:
    """Return what has to be said of every interval from so many seeds."""
    return "interval covers examples only: one seed says nothing about others" if seeds == 1 else ""


def no_interval(groups: int, lost: int, drawn: int) -> str:
    """Return why there is no interval, or "": too few examples, or a score that most resamples do not have."""
    if groups < 2:
        return f"needs at least two examples, got {groups}"
    few = f"no interval: a score does not exist in {lost} of {drawn} resamples of the test rows"
    return few if 2 * lost > drawn else ""


def not_there(names: Sequence[str], missing: Sequence[int], seeds: int) -> str:
    """Return which of some scores is the first that does not exist in all seeds, or ""."""
    lacking = (f"{name} does not exist in {n} of {seeds} seeds" for name, n in zip(names, missing, strict=True) if n)
    return next(lacking, "")
