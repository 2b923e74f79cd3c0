"""Which of several supervisors to use: the one with the smallest (error - misfit), the bound on its student's error.

The rule of Charikar, Pabbaraju & Shiragur 2024 (arXiv 2405.15116, tables 1-3), for supervisors of one strong model. It
trains a student of every supervisor first, and it needs ground truth: a supervisor's error can only be measured on
labelled rows that it was not fitted on. Here these are the test rows, as in the paper, on which students are then judged
too; so the rule meets the very noise that it is judged by, and so does the choice by error alone, which is set beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics.misfit import columns
from surpass.errors import DataError
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, Run, ratio_estimates

Values = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


class Candidate(NamedTuple):
    """One supervisor: error, misfit, error - misfit, and its student's error, as means over seeds.

    `picked` counts the seeds in which the rule takes it, `best` those in which no student is better than its own.
    """

    supervisor: Estimate
    misfit: Estimate
    bound: Estimate
    student: Estimate
    picked: int
    best: int


class Selection(NamedTuple):
    """What the rule picks among candidates, in their order.

    Attributes:
        candidates: one per supervisor.
        hits: seeds in which the rule picks a best student.
        hits_error: seeds in which the supervisor with the smallest error has a best student.
        regret: error of the picked supervisor's student - that of the best, in each seed; mean over seeds.
        regret_error: likewise when the supervisor with the smallest error is picked, whatever its misfit.
        regret_random: likewise for one picked at random, on average.
    """

    candidates: tuple[Candidate, ...]
    hits: int
    hits_error: int
    regret: Estimate
    regret_error: Estimate
    regret_random: Estimate


def select(runs: Sequence[Sequence[Run]], *, loss: str, level: float = 0.95) -> Selection:
    """Return what the rule picks in each seed, and what that costs against the best and against chance.

    Intervals take the picks and the best as given: the best of several is partly luck, so regrets lean upwards.

    Args:
        runs: for each supervisor one run per seed, on the same rows in the same order for all supervisors.
        loss: of `surpass.diagnostics.misfit.LOSSES`.
        level: nominal coverage.

    Raises:
        DataError: fewer than two supervisors, or other rows or numbers of seeds for one of them.
    """
    seeds = {len(of_one) for of_one in runs}
    if len(runs) < 2 or len(seeds) > 1 or 0 in seeds:
        raise DataError(
            f"{len(runs)} supervisors with {sorted(seeds)} runs; give at least two, with a run of each seed."
        )
    parts, places = [], []
    for of_seed in zip(*runs, strict=True):
        part, place = _part(of_seed, loss)
        parts.append(part)
        places.append(place)
    count = len(runs)
    names = [f"{what} {i + 1}" for i in range(count) for what in ("misfit", "supervisor", "student")]
    names += ["the picked student", "the student of the best supervisor", "the best student"]
    found = ratio_estimates(parts, names, _contrasts(count), level=level, resamples=RESAMPLES_SLOW)
    picked, best, hit, hit_error = (np.array(part) for part in zip(*places, strict=True))  # (k,), best (k, m)
    made = []
    for i in range(count):
        error, misfit, bound, student = found[4 * i : 4 * i + 4]
        made.append(Candidate(error, misfit, bound, student, int((picked == i).sum()), int(best[:, i].sum())))
    return Selection(tuple(made), int(hit.sum()), int(hit_error.sum()), *found[4 * count :])


def _part(of_seed: Sequence[Run], loss: str) -> tuple[Ratios, tuple[int, Marks, bool, bool]]:
    """Return one seed's columns; which supervisor the rule picks, which are best, and whether rule and error hit a best."""
    table = [columns(run, loss) for run in of_seed]
    if len({len(held[0]) for held in table}) > 1:
        raise DataError("supervisors are compared on other rows of a seed; give all of them the same rows.")
    misfit, error, student = np.array([[column.mean() for column in held] for held in table]).T
    picked, least, best = (int(np.argmin(part)) for part in (error - misfit, error, student))
    tops = np.column_stack(
        [*(column for held in table for column in held), *(table[i][2] for i in (picked, least, best))]
    )
    equals = student <= student[best] * (1 + 1e-12)  # equal but for rounding is as good
    part = Ratios(tops, np.ones((len(tops), 1)), of_seed[0].groups)
    return part, (picked, equals, bool(equals[picked]), bool(equals[least]))


def _contrasts(count: int) -> Values:
    """Return error, misfit, bound and student's error of each supervisor, then the three regrets."""
    of_one = np.array([[0, 1, 0], [1, 0, 0], [-1, 1, 0], [0, 0, 1]], dtype=np.float64)
    weights = np.zeros((4 * count + 3, 3 * count + 3))
    weights[: 4 * count, : 3 * count] = np.kron(np.eye(count), of_one)
    weights[-3, -3], weights[-2, -2] = 1, 1
    weights[-1, 2 : 3 * count : 3] = 1 / count
    weights[-3:, -1] -= 1
    return weights
