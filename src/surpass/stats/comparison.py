"""Estimates of one cell over its seeds: scores, gap, gain, PGR and agreement, all paired by test row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from surpass.metrics import Metric, metric
from surpass.stats.intervals import CEILING, FLOOR, GAIN, GAP, STUDENT, Estimate, Spread
from surpass.stats.resampling import (
    RESAMPLES,
    RESAMPLES_SLOW,
    Numbers,
    RatioRows,
    Values,
    ratio_noise,
    score_draws,
)
from surpass.stats.runs import ROLES, Run, check_settings, grouped, noisy_spread, spread_of

Pairs = Sequence[tuple[Values, Values]]
"""Labels and predictions of floor, student and ceiling."""

_CONTRASTS = np.array([FLOOR, STUDENT, CEILING])
_DIFFERENCES = np.array([GAP, GAIN])


class Comparison(NamedTuple):
    """Six estimates from the same resamples: three scores, gap = ceiling - floor, gain = student - floor, and PGR."""

    metric: str
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    gap: Estimate
    gain: Estimate
    pgr: Estimate


def compare(
    name: str, runs: Sequence[Run], *, level: float = 0.95, resamples: int | None = None, seed: int = 0
) -> Comparison:
    """Return floor, student, ceiling, gap, gain and PGR of a metric over the runs of one cell, one run per seed.

    Formulas: `surpass.stats.intervals`. The order of rows and of runs does not matter.

    Args:
        name: of a metric in `surpass.metrics.METRICS`.
        runs: one per seed; one alone gives intervals over examples only, and the notes say so.
        level: nominal coverage.
        resamples: draws of the test rows; by default RESAMPLES for means over rows, RESAMPLES_SLOW for other metrics.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        DataError: no runs, groups that do not fit the rows, or predictions that the metric cannot take.
        SpecError: a level outside (0, 1) or fewer than 100 resamples.
        UnknownNameError: no such metric.

    >>> rows = [f"row-{i}" for i in range(4)]
    >>> run = Run([1, 1, 0, 0], rows, student=[0.9, 0.8, 0.6, 0.1], floor=[0.9, 0.4, 0.6, 0.1], ceiling=[1, 1, 0, 0])
    >>> compare("accuracy", [run]).student.value
    0.75
    """
    return compare_all([name], runs, level=level, resamples=resamples, seed=seed)[name]


def compare_all(
    names: Sequence[str], runs: Sequence[Run], *, level: float = 0.95, resamples: int | None = None, seed: int = 0
) -> dict[str, Comparison]:
    """Return what `compare` returns for each of some metrics of one kind of label, by name, for little more than one costs.

    Those that are means over rows are resampled together: their numbers are those of `compare`, but for rounding.

    Raises:
        DataError, SpecError, UnknownNameError: as `compare`.
    """
    scores = {name: metric(name) for name in names}
    means = [score for score in scores.values() if score.decomposes]
    fast, slow = resamples or RESAMPLES, resamples or RESAMPLES_SLOW
    check_settings(level=level, resamples=slow if resamples is None else resamples)
    index, groups = grouped([run.groups for run in runs], [np.shape(run.labels) for run in runs])
    kinds = dict.fromkeys(score.kinds[0] for score in scores.values())
    sets = {kind: [[run.read(kind, role) for role in ROLES] for run in runs] for kind in kinds}
    found: dict[str, Comparison] = {}
    if means:
        found |= _of_means(means, sets, index, groups=groups, resamples=fast, seed=seed, level=level)
    for score in scores.values():
        if not score.decomposes:
            pairs = sets[score.kinds[0]]
            points, draws = score_draws(score, pairs, index, groups=groups, resamples=slow, seed=seed)
            found[score.name] = _comparison(score, spread_of(points, draws, _named(score), groups=groups, level=level))
    return {name: found[name] for name in names}


def _of_means(
    scores: Sequence[Metric],
    sets: Mapping[str, Sequence[Pairs]],
    index: Sequence[Numbers],
    *,
    groups: int,
    resamples: int,
    seed: int,
    level: float,
) -> dict[str, Comparison]:
    """Return the comparison of each metric that is a mean over rows, from the pairs of each run by kind of label."""
    tops = [
        np.column_stack([rows for score in scores for rows in _row_scores(score, sets[score.kinds[0]][i])])
        for i in range(len(index))
    ]
    points = np.array([np.ascontiguousarray(top.T).mean(axis=1) for top in tops])
    ones = [np.ones((len(top), 1)) for top in tops]
    noise = ratio_noise(RatioRows(tops, ones, index, groups), resamples=resamples, seed=seed)
    found = {}
    for i, score in enumerate(scores):
        own = slice(3 * i, 3 * i + 3)
        part = noise._replace(shared=noise.shared[own, own], rows=noise.rows[own, own])
        spread = noisy_spread(points[:, own], part, _named(score), groups=groups, level=level)
        found[score.name] = _comparison(score, spread)
    return found


def _row_scores(score: Metric, pairs: Pairs) -> list[Values]:
    assert score.per_row is not None  # asked for means over rows alone
    return [score.per_row(*pair) for pair in pairs]


def _named(score: Metric) -> list[str]:
    return [f"{score.name} of the {role}" for role in ROLES]


def _comparison(score: Metric, spread: Spread) -> Comparison:
    """Return the comparison of a metric from the spread of floor, student and ceiling."""
    floor, student, ceiling = spread.estimates(_CONTRASTS, bounds=score.bounds)
    gap, gain = spread.estimates(_DIFFERENCES)
    pgr = spread.pgr(higher_is_better=score.higher_is_better)
    return Comparison(score.name, floor, student, ceiling, gap, gain, pgr)
