"""Estimates of shares sum(top) / sum(bottom) of test rows over seeds, of functions of them, and of agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.stats.intervals import Estimate, Spread
from surpass.stats.resampling import (
    RESAMPLES,
    RESAMPLES_SLOW,
    RatioRows,
    Values,
    linear_noise,
    own_variances,
    ratio_draws,
)
from surpass.stats.runs import (
    Groups,
    Run,
    check_settings,
    grouped,
    how,
    no_interval,
    noisy_spread,
    not_there,
    remark_on,
)

_PARTS = ("agreement", "agreement where the supervisor is right", "agreement where the supervisor is wrong")


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
    points, rows = _points(parts, level=level, resamples=resamples)
    weights = np.eye(len(names)) if contrasts is None else np.asarray(contrasts, dtype=np.float64)
    noise = linear_noise(rows, resamples=resamples, seed=seed)
    if noise:  # all shares exist in every draw
        return noisy_spread(points, noise, names, groups=rows.groups, level=level).estimates(weights, bounds=bounds)
    draws = ratio_draws(rows, resamples=resamples, seed=seed)
    return _each(points, draws, names, weights, groups=rows.groups, level=level, bounds=bounds)


def _each(
    points: Values,
    draws: Values,
    names: Sequence[str],
    weights: Values,
    *,
    groups: int,
    level: float,
    bounds: tuple[float, float],
) -> list[Estimate]:
    """Return each weighted sum of shares from the resamples that have its own: weights (c, q) of draws (R, k, q)."""
    (seeds, _), used = points.shape, weights != 0
    missing = (~np.isfinite(points)).sum(axis=0)
    known = np.where(missing, 0.0, points)
    finite = np.isfinite(draws)
    here = finite.all(axis=1) | (missing > 0)  # (R, q)
    kept = ~(~here).astype(np.float32).dot(used.T).astype(bool)  # (R, c)
    flat = (draws if finite.all() else np.where(finite, draws, 0.0)).reshape(-1, len(names))
    values = (flat @ weights.T).reshape(len(draws), seeds, -1)  # one product, not one for each resample
    size = np.abs(points[:, missing == 0]).max(initial=0.0) * np.abs(weights).sum(axis=1)
    shared, rows = own_variances(values, kept, size, groups=groups)
    count = kept.sum(axis=0).tolist()
    problems = tuple(
        no_interval(groups, len(draws) - held, len(draws))
        or not_there(names, np.where(uses, missing, 0).tolist(), seeds)
        for held, uses in zip(count, used, strict=True)
    )
    spread = Spread(
        means=weights @ known.mean(axis=0),
        between=np.diag((known @ weights.T).var(axis=0, ddof=1) / seeds if seeds > 1 else np.zeros(len(weights))),
        shared=np.diag(shared),
        seeds=seeds,
        groups=groups,
        level=level,
        method=how(len(draws)),
        problems=problems,
        remark=remark_on(seeds),
        rows=np.diag(rows),
    )
    found = spread.estimates(np.eye(len(weights)), bounds=bounds)
    return [replace(one, method=how(held)) for one, held in zip(found, count, strict=True)]


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
    shares, rows = _points(parts, level=level, resamples=resamples)
    drawn = ratio_draws(rows, resamples=resamples, seed=seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        points, draws = combine(shares), combine(drawn)
    return _each(points, draws, names, np.eye(len(names)), groups=rows.groups, level=level, bounds=bounds)


def _points(parts: Sequence[Ratios], *, level: float, resamples: int) -> tuple[Values, RatioRows]:
    """Return the shares of each seed (k, q), and what `ratio_draws` takes to draw them."""
    check_settings(level=level, resamples=resamples)
    index, groups = grouped([part.groups for part in parts], [(len(part.tops),) for part in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        points = np.array([part.tops.sum(axis=0) / part.bottoms.sum(axis=0) for part in parts])
    return points, RatioRows([part.tops for part in parts], [part.bottoms for part in parts], index, groups)


def _agreement_rows(run: Run) -> tuple[Values, Values]:
    """Return (n, 3) numerators and denominators: all rows, rows that the supervisor has right, and wrong."""
    right = run.answers("floor") == run.read("classification", "floor")[0]
    among = np.column_stack([np.ones(len(right)), right, ~right])
    return among * (run.answers("student") == run.answers("floor"))[:, None], among
