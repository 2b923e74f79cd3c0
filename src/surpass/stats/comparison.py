"""Estimates of one cell over its seeds: scores, gap, gain, PGR and agreement, all paired by test row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.errors import DataError, SpecError
from surpass.metrics import Metric, checked_predictions, hard, metric
from surpass.stats.intervals import CEILING, FLOOR, GAIN, GAP, STUDENT, Estimate, Spread
from surpass.stats.resampling import (
    RESAMPLES,
    RESAMPLES_SLOW,
    Numbers,
    Values,
    covariances,
    numbered_groups,
    ratio_draws,
    score_draws,
)

Groups = Sequence[str] | npt.NDArray[np.generic]

_ROLES = ("floor", "student", "ceiling")
_PARTS = ("agreement", "agreement where the supervisor is right", "agreement where the supervisor is wrong")


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


class Comparison(NamedTuple):
    """Six estimates from the same resamples: three scores, gap = ceiling - floor, gain = student - floor, and PGR."""

    metric: str
    floor: Estimate
    student: Estimate
    ceiling: Estimate
    gap: Estimate
    gain: Estimate
    pgr: Estimate


class Ratios(NamedTuple):
    """Shares sum(top) / sum(bottom) over the test rows of one seed: numerators (n, q), denominators (n, q), groups (n,)."""

    tops: Values
    bottoms: Values
    groups: Groups


class AgreementEstimate(NamedTuple):
    """Agreement of student and supervisor: overall, and where the supervisor is right and wrong."""

    overall: Estimate
    where_right: Estimate
    where_wrong: Estimate


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
    sets = {kind: [_checked(kind, run) for run in runs] for kind in kinds}
    found: dict[str, Comparison] = {}
    if means:
        tops = [
            np.column_stack([rows for m in means for rows in _row_scores(m, sets[m.kinds[0]][i])])
            for i in range(len(runs))
        ]
        points = np.array([[column.mean() for column in np.ascontiguousarray(top.T)] for top in tops])
        bottoms = [np.ones((len(top), 1)) for top in tops]
        draws = ratio_draws(tops, bottoms, index, groups=groups, resamples=fast, seed=seed)
        found |= _comparisons(means, points, draws, groups=groups, level=level)
    for score in scores.values():
        if not score.decomposes:
            pairs = sets[score.kinds[0]]
            points = np.array([[score.known(*pair) for pair in of_run] for of_run in pairs])
            draws = score_draws(score, pairs, index, groups=groups, resamples=slow, seed=seed)
            found |= _comparisons([score], points, draws, groups=groups, level=level)
    return {name: found[name] for name in names}


def _checked(kind: str, run: Run) -> list[tuple[Values, Values]]:
    """Return labels and predictions of floor, student and ceiling as metrics take them."""
    return [checked_predictions(kind, run.labels, getattr(run, role)) for role in _ROLES]


def _row_scores(score: Metric, pairs: Sequence[tuple[Values, Values]]) -> list[Values]:
    assert score.per_row is not None  # asked for means over rows alone
    return [score.per_row(*pair) for pair in pairs]


def _comparisons(
    scores: Sequence[Metric], points: Values, draws: Values, *, groups: int, level: float
) -> dict[str, Comparison]:
    """Return the comparison of each metric from the points (k, 3 m) and draws (R, k, 3 m) of all of them."""
    names = [f"{score.name} of the {role}" for score in scores for role in _ROLES]
    spread = spread_of(points, draws, names, groups=groups, level=level)
    found = {}
    for i, score in enumerate(scores):
        here = np.eye(len(scores))[i]
        floor, student, ceiling, gap, gain = (np.kron(here, part) for part in (FLOOR, STUDENT, CEILING, GAP, GAIN))
        low, middle, high = spread.estimates(np.array([floor, student, ceiling]), bounds=score.bounds)
        apart, gained = spread.estimates(np.array([gap, gain]))
        pgr = spread.pgr(higher_is_better=score.higher_is_better, gain=gain, gap=gap)
        found[score.name] = Comparison(score.name, low, middle, high, apart, gained, pgr)
    return found


def agreement_estimate(
    runs: Sequence[Run], *, level: float = 0.95, resamples: int = RESAMPLES_SLOW, seed: int = 0
) -> AgreementEstimate:
    """Return the agreement of student and supervisor (the floor's predictions) as means over runs, with intervals.

    For classes, not for regression. Arguments and errors as in `compare`; definition: `surpass.metrics.agreement`.
    """
    parts = [Ratios(*_agreement_rows(run), run.groups) for run in runs]
    found = ratio_estimates(parts, _PARTS, bounds=(0.0, 1.0), level=level, resamples=resamples, seed=seed)
    return AgreementEstimate(*found)


def ratio_estimates(
    parts: Sequence[Ratios],
    names: Sequence[str],
    contrasts: npt.ArrayLike | None = None,
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Estimate]:
    """Return means over seeds of shares sum(top) / sum(bottom), such as means over some of the rows, with intervals.

    A share that does not exist in a seed (its bottom is 0) is undefined and says so; it costs the others nothing.

    Args:
        parts: one per seed.
        names: what each of the q shares is, for notes.
        contrasts: (c, q) weights of the shares in each estimate; by default each share by itself.
        bounds: the lowest and highest possible value of an estimate.
        level: nominal coverage.
        resamples: draws of the test rows.
        seed: of the draws.

    Raises:
        DataError, SpecError: as `compare`.

    >>> part = Ratios(np.array([[1.0], [0.0], [1.0], [1.0]]), np.ones((4, 1)), list("abcd"))
    >>> ratio_estimates([part], ["share"])[0].value
    0.75
    """
    points, draws, groups = _shares(parts, level=level, resamples=resamples, seed=seed)
    weights = np.eye(len(names)) if contrasts is None else np.asarray(contrasts, dtype=np.float64)
    sound = np.asarray(np.isfinite(points).all(axis=0) & np.isfinite(draws).all(axis=(0, 1)))
    kept = [name for name, good in zip(names, sound, strict=True) if good]
    common = spread_of(points[:, sound], draws[:, :, sound], kept, groups=groups, level=level)
    always = common.estimates(weights[:, sound], bounds=bounds)  # one spread serves all shares that exist in every draw
    found = []
    for weight, estimate in zip(weights, always, strict=True):
        used = np.flatnonzero(weight)
        if sound[used].all():
            found.append(estimate)
            continue
        named = [name for name, share in zip(names, weight, strict=True) if share]
        spread = spread_of(points[:, used], draws[:, :, used], named, groups=groups, level=level)
        found.append(spread.estimate(weight[used], bounds=bounds))
    return found


def combined_estimates(
    parts: Sequence[Ratios],
    names: Sequence[str],
    combine: Callable[[Values], Values],
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
) -> list[Estimate]:
    """Return means over seeds of functions of shares, with intervals: the functions of the resampled shares.

    Args:
        parts: one per seed, with q shares.
        names: what each of the c functions is, for notes.
        combine: from shares (..., q) to functions (..., c); NaN where a function does not exist.
        bounds: the lowest and highest possible value of an estimate.
        level: nominal coverage.
        resamples: draws of the test rows.
        seed: of the draws.

    Raises:
        DataError, SpecError: as `compare`.

    >>> part = Ratios(np.array([[1.0], [0.0], [1.0], [1.0]]), np.ones((4, 1)), list("abcd"))
    >>> combined_estimates([part], ["odds"], lambda share: share / (1 - share))[0].value
    3.0
    """
    shares, drawn, groups = _shares(parts, level=level, resamples=resamples, seed=seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        points, draws = combine(shares), combine(drawn)
    points, draws = (np.where(np.isfinite(values), values, np.nan) for values in (points, draws))
    found = []
    for i, name in enumerate(names):
        spread = spread_of(points[:, [i]], draws[:, :, [i]], [name], groups=groups, level=level)
        found.append(spread.estimate(np.ones(1), bounds=bounds))
    return found


def _shares(parts: Sequence[Ratios], *, level: float, resamples: int, seed: int) -> tuple[Values, Values, int]:
    """Return the shares of each seed (k, q), their draws (R, k, q) and the number of groups."""
    check_settings(level=level, resamples=resamples)
    index, groups = grouped([part.groups for part in parts], [(len(part.tops),) for part in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        points = np.array([part.tops.sum(axis=0) / part.bottoms.sum(axis=0) for part in parts])
    tops, bottoms = [part.tops for part in parts], [part.bottoms for part in parts]
    return points, ratio_draws(tops, bottoms, index, groups=groups, resamples=resamples, seed=seed), groups


def _agreement_rows(run: Run) -> tuple[Values, Values]:
    """Return (n, 3) numerators and denominators: all rows, rows that the supervisor has right, and wrong."""
    labels, student = checked_predictions("classification", run.labels, run.student)
    supervisor = hard(checked_predictions("classification", run.labels, run.floor)[1])
    right = supervisor == labels
    among = np.column_stack([np.ones_like(labels), right, ~right])
    return among * (hard(student) == supervisor)[:, None], among


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
    seeds, quantities = points.shape
    missing = np.isnan(points).sum(axis=0)
    finite = np.where(missing, 0.0, draws) if missing.any() else draws
    if not np.isfinite(finite).all():
        finite = finite[np.isfinite(finite).all(axis=(1, 2))]
    lost = len(draws) - len(finite)
    common, remark = "", "interval covers examples only: one seed says nothing about others" if seeds == 1 else ""
    if groups < 2:
        common = f"needs at least two examples, got {groups}"
    elif 2 * lost > len(draws):
        common = f"no interval: a score does not exist in {lost} of {len(draws)} resamples of the test rows"
    problems = tuple(
        common or (f"{name} does not exist in {count} of {seeds} seeds" if count else "")
        for name, count in zip(names, missing, strict=True)
    )
    zero = np.zeros((quantities, quantities))
    known = np.where(missing, 0.0, points)
    centred = known - known.mean(axis=0)
    shared, rows = (zero, zero) if common else covariances(finite, groups=groups)
    return Spread(
        means=known.mean(axis=0),
        between=zero if seeds == 1 else centred.T @ centred / (seeds - 1) / seeds,
        shared=shared,
        seeds=seeds,
        groups=groups,
        level=level,
        method=f"t over seeds and {len(finite)} bootstrap resamples of test rows",
        problems=problems,
        remark=remark,
        rows=rows,
    )
