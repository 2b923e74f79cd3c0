"""How far the probabilities of supervisor, student and ceiling can be believed.

A model is calibrated when, among rows on which it is 80 % sure, 80 % are right. Confidence is the probability of the top
class; the binned curve and the expected calibration error share the bins of the metric `ece` (Guo et al. 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.metrics import BINS, checked_predictions, confidence_bins, hard
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, Run, compare_all, ratio_estimates

ROLES = ("floor", "student", "ceiling")


class ReliabilityBin(NamedTuple):
    """The rows whose confidence lies in (low, high]: how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


class Calibration(NamedTuple):
    """Calibration of one role (floor, student or ceiling) over all seeds; `curve` leaves empty bins out.

    `overconfidence` is mean confidence - accuracy: above 0 the model is surer than it is right.
    """

    role: str
    ece: Estimate
    brier: Estimate
    confidence: Estimate
    overconfidence: Estimate
    curve: tuple[ReliabilityBin, ...]


def reliability(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> tuple[ReliabilityBin, ...]:
    """Return the filled ones of 15 bins of equal width, ascending, of labels (n,) and probabilities (n, C).

    Raises:
        DataError: as `surpass.metrics.checked_predictions`.

    >>> [(found.rows, found.accuracy) for found in reliability([1, 1, 0], [0.9, 0.9, 0.9])]
    [(3, 0.6666666666666666)]
    """
    gold, probs = checked_predictions("classification", labels, predictions)
    confidence, right = probs.max(axis=1), hard(probs) == gold
    places = confidence_bins(confidence)
    found = []
    for place in np.unique(places):
        rows = places == place
        means = float(confidence[rows].mean()), float(right[rows].mean())
        found.append(ReliabilityBin(float(place / BINS), float((place + 1) / BINS), int(rows.sum()), *means))
    return tuple(found)


def calibration(
    runs: Sequence[Run],
    *,
    known: Mapping[str, Sequence[Estimate]] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Calibration, ...]:
    """Return the calibration of floor, student and ceiling: means over seeds with intervals, curves of all seeds together.

    Args:
        runs: one per seed; classes, not numbers.
        known: scores of the three roles by metric, if `compare` was asked already; `ece` and `brier` are made where missing.
        level: nominal coverage.
        seed: of the draws.

    Raises:
        DataError: no runs, or predictions that are no probabilities.
        SpecError: a level outside (0, 1).
    """
    scored = dict(known or {})
    missing = [name for name in ("ece", "brier") if name not in scored]
    for name, one in compare_all(missing, runs, level=level, seed=seed).items() if missing else ():
        scored[name] = (one.floor, one.student, one.ceiling)
    names = [f"{what} of the {role}" for role in ROLES for what in ("confidence", "overconfidence")]
    parts = [_ratios(run) for run in runs]
    numbers = ratio_estimates(parts, names, level=level, resamples=RESAMPLES_SLOW, seed=seed)
    labels = np.concatenate([np.asarray(run.labels) for run in runs])
    found = []
    for i, role in enumerate(ROLES):
        probs = np.concatenate([np.asarray(getattr(run, role), dtype=np.float64) for run in runs])
        confidence, over = numbers[2 * i : 2 * i + 2]
        curve = reliability(labels, probs)
        found.append(Calibration(role, scored["ece"][i], scored["brier"][i], confidence, over, curve))
    return tuple(found)


def _ratios(run: Run) -> Ratios:
    columns = []
    for role in ROLES:
        labels, probs = run.read("classification", role)
        confidence = probs.max(axis=1)
        columns += [confidence, confidence - (run.answers(role) == labels)]
    return Ratios(np.column_stack(columns), np.ones((len(columns[0]), 1)), run.groups)
