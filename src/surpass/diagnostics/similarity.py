"""How much alike two models err, beyond what their accuracy makes them: chance-adjusted probabilistic agreement (CAPA).

Two good models agree because both are right. CAPA takes that out: with p1, p2 the probabilities of two models on n rows
with C classes and a1, a2 their mean probability of the true class,

    observed = mean_i sum_c p1_i(c) p2_i(c)
    expected = a1 a2 + (1 - a1)(1 - a2) / (C - 1)
    kappa_p  = (observed - expected) / (1 - expected)

`expected` is the agreement of two independent models with these accuracies whose errors fall evenly on the other classes.

Source: Goel et al. 2025 (arXiv 2502.04313), section 2; there a student gains less the more its errors are like its
supervisor's. The formula was checked against the authors' released code (lm-sim).

Range and reading: at most 1, reached by two copies of one model that gives probabilities 0 and 1 and errs somewhere; a
copy of a model with softer probabilities has less than 1, because two draws from the same soft prediction can differ. 0:
independent errors. Below 0 (with two classes not below -1): they err on different rows.

Fails: undefined when both models are always right and sure (expected = 1). Rows whose difficulty varies make models look
alike although neither knows of the other; classes that attract errors (imbalance) do too, since `expected` spreads them
evenly. Temperature matters: calibrate before comparing pairs whose sharpness differs, or look at `only_top=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from surpass.diagnostics._rows import Values, undefined
from surpass.errors import DataError
from surpass.metrics import hard
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, Run, combined_estimates

Role = Literal["student", "floor", "ceiling"]


class Similarity(NamedTuple):
    """CAPA of two models with the agreement that was observed and the one expected by chance."""

    kappa: Estimate
    observed: Estimate
    expected: Estimate


def error_similarity(
    runs: Sequence[Run],
    *,
    first: Role = "student",
    second: Role = "floor",
    only_top: bool = False,
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
) -> Similarity:
    """Return CAPA between two roles of the runs (`floor` is the supervisor) on labelled rows; see the module's text.

    Args:
        runs: one per seed; classes, not numbers.
        first: one of the two models.
        second: the other.
        only_top: count the top class alone, as if each model were sure of it: the discrete form.
        level: nominal coverage.
        resamples: draws of the test rows.
        seed: of the draws.

    Raises:
        DataError: no runs, or predictions that are no probabilities.
        SpecError: a level outside (0, 1) or fewer than 100 resamples.

    >>> rows, right, wrong = list("abcd"), [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]
    >>> run = Run([0, 0, 1, 1], rows, student=wrong, floor=wrong, ceiling=right)
    >>> error_similarity([run]).kappa.value
    1.0
    """
    parts = [_ratios(run, (first, second), only_top) for run in runs]
    names = ("error similarity", "observed agreement", "agreement by chance")

    def combine(shares: Values) -> Values:
        observed, one, other, spread = np.moveaxis(shares, -1, 0)
        expected = one * other + (1 - one) * (1 - other) * spread
        # 1 - expected is rounding, not chance, when both are always right
        kappa = np.where(1 - expected > 1e-9, (observed - expected) / (1 - expected), np.nan)
        return np.stack([kappa, observed, expected], axis=-1)

    found = combined_estimates(parts, names, combine, level=level, resamples=resamples, seed=seed)
    if np.isnan(found[0].value) and found[2].value > 1 - 1e-9:
        why = "both models are always right and sure, so there are no errors to compare"
        found[0] = undefined(why, seeds=len(runs), examples=found[0].examples, level=level)
    return Similarity(*found)


def _ratios(run: Run, roles: tuple[Role, Role], only_top: bool) -> Ratios:
    """Return the agreement, both probabilities of the true class and 1 / (C - 1) of each row, (n, 4)."""
    probs = []
    for role in roles:
        labels, given = run.read("classification", role)
        probs.append(np.eye(given.shape[1])[hard(given).astype(int)] if only_top else given)
    classes = [given.shape[1] for given in probs]
    if classes[0] != classes[1]:
        raise DataError(
            f"{roles[0]} has {classes[0]} classes and {roles[1]} {classes[1]}; both must have the same. "
            "Pass predictions on the same task."
        )
    true = [given[np.arange(len(labels)), labels.astype(int)] for given in probs]
    spread = np.full(len(labels), 1 / (classes[0] - 1))
    tops = np.column_stack([(probs[0] * probs[1]).sum(axis=1), *true, spread])
    return Ratios(tops, np.ones_like(tops), run.groups)
