"""Two methods on the same test rows and seeds: the difference of their scores and of their PGRs, with intervals.

For each seed the row scores of floor, ceiling and both students are resampled together (`surpass.stats.resampling`) and the
variance of the mean over seeds has the parts that `surpass.stats.intervals` gives it. The difference itself is one of the
resampled quantities, so what both students owe to the rows and to the seed (the same supervisor, the same training rows)
cancels before any variance is taken.

    difference = s (A - B)                  s = 1, or -1 for a metric of which less is better: positive is always better
    difference of PGRs = (A - B)/(C - F)    by Fieller, undefined when the interval of the gap C - F contains 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from surpass.errors import DataError
from surpass.metrics import Metric, metric
from surpass.stats.intervals import Estimate, Spread
from surpass.stats.resampling import (
    RESAMPLES,
    RESAMPLES_SLOW,
    Numbers,
    RatioRows,
    Values,
    ratio_noise,
    score_draws,
)
from surpass.stats.runs import Run, check_settings, grouped, noisy_spread, spread_of

Outcome = Literal["win", "tie", "loss", "undefined"]

_FLOOR, _CEILING, _DIFFERENCE, _STUDENT, _BASELINE = np.eye(5)


class Difference(NamedTuple):
    """A method against a baseline: both scores, their difference (positive: the method is better), that of their PGRs."""

    metric: str
    student: Estimate
    baseline: Estimate
    difference: Estimate
    pgr: Estimate

    @property
    def outcome(self) -> Outcome:
        """A win or loss when the difference's interval leaves 0 out, else a tie."""
        return outcome(self.difference)


def outcome(difference: Estimate) -> Outcome:
    """Return "win" or "loss" when the interval leaves 0 out, "tie" when it holds 0, "undefined" without an interval."""
    if not difference.defined:
        return "undefined"
    if difference.low > 0:
        return "win"
    return "loss" if difference.high < 0 else "tie"


def paired_difference(
    name: str,
    pairs: Sequence[tuple[Run, Run]],
    *,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
) -> Difference:
    """Return how much better a method's student is than a baseline's, over seeds that both have.

    Exchanging method and baseline changes the signs and nothing else. Floor and ceiling are the baseline's.

    Args:
        name: of a metric in `surpass.metrics.METRICS`.
        pairs: for each seed the method's run and the baseline's, on the same rows in the same order.
        level: nominal coverage.
        resamples: draws of the test rows, as in `compare`.
        seed: of the draws.

    Raises:
        DataError: no pairs, runs of a pair on different rows, or predictions that the metric cannot take.
        SpecError: a level outside (0, 1) or fewer than 100 resamples.
        UnknownNameError: no such metric.

    >>> rows = [f"row-{i}" for i in range(4)]
    >>> weak, strong = [0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]
    >>> method = Run([1, 1, 0, 0], rows, student=[0.9, 0.8, 0.6, 0.1], floor=weak, ceiling=strong)
    >>> baseline = Run([1, 1, 0, 0], rows, student=weak, floor=weak, ceiling=strong)
    >>> paired_difference("accuracy", [(method, baseline)]).difference.value
    0.25
    """
    score = metric(name)
    if resamples is None:
        resamples = RESAMPLES if score.decomposes else RESAMPLES_SLOW
    check_settings(level=level, resamples=resamples)
    _check_pairs(pairs)
    index, groups = grouped([run.groups for run, _ in pairs], [np.shape(run.labels) for run, _ in pairs])
    spread = _spread(score, pairs, index, groups=groups, resamples=resamples, seed=seed, level=level)
    sign = 1.0 if score.higher_is_better else -1.0
    pgr = spread.pgr(higher_is_better=score.higher_is_better, gain=_DIFFERENCE, gap=_CEILING - _FLOOR)
    student, other = (spread.estimate(role, bounds=score.bounds) for role in (_STUDENT, _BASELINE))
    return Difference(name, student, other, spread.estimate(sign * _DIFFERENCE), _told(pgr, pairs))


def _spread(
    score: Metric,
    pairs: Sequence[tuple[Run, Run]],
    index: Sequence[Numbers],
    *,
    groups: int,
    resamples: int,
    seed: int,
    level: float,
) -> Spread:
    """Return the spread of floor, ceiling, difference, method and baseline."""
    whose = ("of the floor", "of the ceiling", "difference", "of the method", "of the baseline")
    names = [f"{score.name} {part}" for part in whose]
    roles = ("floor", "ceiling", "student")
    sets = []
    for method, baseline in pairs:
        floor, ceiling, other = (baseline.read(score.kinds[0], role) for role in roles)
        sets.append([floor, ceiling, method.read(score.kinds[0], "student"), other])
    if score.per_row is None:
        scores, drawn = score_draws(score, sets, index, groups=groups, resamples=resamples, seed=seed)
        return spread_of(_with_difference(scores), _with_difference(drawn), names, groups=groups, level=level)
    points = _with_difference(np.array([[score.known(*one) for one in four] for four in sets]))
    tops = [_with_difference(np.column_stack([score.per_row(*one) for one in four])) for four in sets]
    ones = [np.ones((len(top), 1)) for top in tops]
    noise = ratio_noise(RatioRows(tops, ones, index, groups), resamples=resamples, seed=seed)
    return noisy_spread(points, noise, names, groups=groups, level=level)


def _with_difference(scores: Values) -> Values:
    """Return scores (..., 4) of floor, ceiling, method and baseline with method - baseline before the last two, (..., 5)."""
    difference = scores[..., 2:3] - scores[..., 3:4]
    return np.concatenate([scores[..., :2], difference, scores[..., 2:]], axis=-1)


def _check_pairs(pairs: Sequence[tuple[Run, Run]]) -> None:
    for position, (method, baseline) in enumerate(pairs):
        if not (_equal(method.labels, baseline.labels) and _equal(method.groups, baseline.groups)):
            raise DataError(
                f"pair {position} has other test rows for the method ({np.size(method.labels)} rows) than for the baseline "
                f"({np.size(baseline.labels)} rows); both must be the same rows in the same order. Pair runs of one seed."
            )


def _told(pgr: Estimate, pairs: Sequence[tuple[Run, Run]]) -> Estimate:
    """Return the difference of PGRs with a note when the two methods do not share floor and ceiling."""
    if all(_equal(a.floor, b.floor) and _equal(a.ceiling, b.ceiling) for a, b in pairs):
        return pgr
    note = "method and baseline have different floors or ceilings; the gap is the baseline's"
    return replace(pgr, note="; ".join(filter(None, (pgr.note, note))))


def _equal(one: object, other: object) -> bool:
    return one is other or np.array_equal(np.asarray(one), np.asarray(other))
