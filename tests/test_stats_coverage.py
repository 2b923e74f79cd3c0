"""Intervals of simulated studies hold the true value in 93 to 97 % of studies at nominal 95 %.

Student, floor and ceiling are right on a row when skill + seed effect + ease of the row + noise is above 0, all normal, so
the true accuracy is Phi(skill / sqrt(1 + var(seed effect) + var(ease))). Half of the variance of the seed effects
and of the rows' ease is common to the three models. A coverage is known to .005 from 2,000 studies.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from surpass.stats import Run, compare

STUDIES = 2_000
RESAMPLES = 100  # of the test rows; 10 % noise of a variance costs .002 of coverage
SKILLS = np.array([0.4, 0.8, 1.4])  # floor, student, ceiling: accuracies of .6 to .9


def effects(rng, size, scale):
    """Effects (size, 3) of which half the variance is common to floor, student and ceiling."""
    return scale * np.sqrt(0.5) * (rng.normal(size=(size, 1)) + rng.normal(size=(size, 3)))


def latent(rng, *, seeds, rows, seed_scale, row_scale, same_rows, group):
    """Yield for each seed the names of its rows' groups and its latent scores (rows, 3)."""
    groups = (rows if same_rows else rows * seeds) // group
    ease = np.repeat(effects(rng, groups, row_scale), group, axis=0)
    for seed, shift in enumerate(effects(rng, seeds, seed_scale)):
        mine = np.arange(rows) + (0 if same_rows else seed * rows)
        yield mine // group, SKILLS + shift + ease[mine] + rng.normal(size=(rows, 3))


def coverage(truth, metric, make_run, *, seed, **setting):
    """Return the share of studies whose intervals hold the truth: student, gain and PGR (of the defined ones)."""
    rng = np.random.default_rng(seed)
    floor, student, ceiling = truth
    true = np.array([student, student - floor, (student - floor) / (ceiling - floor)])
    held = np.zeros((STUDIES, 3))
    defined = np.zeros(STUDIES, dtype=bool)
    for i in range(STUDIES):
        runs = [make_run(rng, names, scores) for names, scores in latent(rng, **setting)]
        found = compare(metric, runs, resamples=RESAMPLES, seed=i)
        estimates = (found.student, found.gain, found.pgr)
        held[i] = [estimate.low <= value <= estimate.high for estimate, value in zip(estimates, true, strict=True)]
        defined[i] = found.pgr.defined
    assert defined.mean() > 0.95  # the setting has a clear gap
    return np.array([held[:, 0].mean(), held[:, 1].mean(), held[defined, 2].mean()])


def right_or_wrong(rng, names, scores):
    floor, student, ceiling = np.where(scores.T > 0, 0.9, 0.1)
    return Run(np.ones(len(scores)), names, student, floor, ceiling)


def two_classes(rng, names, scores):
    labels = rng.integers(2, size=len(scores))
    floor, student, ceiling = 1 / (1 + np.exp(-scores.T * (2 * labels - 1)))
    return Run(labels, names, student, floor, ceiling)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "rows", "seed_scale", "row_scale", "same_rows", "group"),
    [
        pytest.param(1, 300, 0.0, 1.0, True, 1, id="one seed, examples only"),
        pytest.param(3, 300, 0.0, 1.0, True, 1, id="3 seeds that differ by noise only"),
        pytest.param(3, 500, 0.1, 1.0, True, 1, id="3 seeds that differ by 3 points"),
        pytest.param(3, 300, 0.1, 1.0, False, 1, id="3 seeds, each with rows of its own"),
        pytest.param(5, 300, 0.15, 0.5, True, 1, id="5 seeds that differ by 5 points"),
        pytest.param(5, 400, 0.1, 1.0, True, 4, id="5 seeds, 4 rows to a question"),
        pytest.param(10, 300, 0.15, 1.0, True, 1, id="10 seeds that differ by 4 points"),
    ],
)
def test_accuracy_intervals_cover(seeds, rows, seed_scale, row_scale, same_rows, group):
    setting = {"seeds": seeds, "rows": rows, "seed_scale": seed_scale, "row_scale": row_scale}
    truth = norm.cdf(SKILLS / np.sqrt(1 + seed_scale**2 + row_scale**2))
    shares = coverage(truth, "accuracy", right_or_wrong, seed=1, same_rows=same_rows, group=group, **setting)
    assert (shares >= 0.93).all(), shares
    assert (shares <= 0.97).all(), shares


@pytest.mark.slow
def test_auroc_intervals_cover():
    setting = {"seeds": 1, "rows": 200, "seed_scale": 0.0, "row_scale": 1.0, "same_rows": True, "group": 1}
    truth = norm.cdf(2 * SKILLS / np.sqrt(2 + 2))  # positive and negative scores are 2 x skill apart, variance 2 each
    shares = coverage(truth, "auroc", two_classes, seed=1, **setting)
    assert (shares >= 0.93).all(), shares
    assert (shares <= 0.97).all(), shares
