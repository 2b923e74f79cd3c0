"""What a rehearsal shows before the strong run: scores on rows with ground truth that no model had seen, with intervals.

Every prediction here is out of fold: the supervisor of a row was fitted without it, and the student learned from labels of
that supervisor, on rows whose ground truth nobody read. So a score on n rows is as honest as one on n test rows, and as
noisy. What needs no ground truth, how often student and supervisor disagree, is known from more rows.

A score is the accuracy of classes and preferences, and for numbers 1 - (squared error) / (variance of the labels), the share
of explained variance, so that gains on tasks of one kind can be compared. `proper` is the gain in a proper score: half of the
Brier score, 1/2 sum_c (p_c - y_c)^2, which moves with every probability where accuracy moves with few rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values
from surpass.errors import AlignmentError, DataError
from surpass.metrics import hard
from surpass.stats import Estimate, Ratios, ratio_estimates

LEVEL = 0.9
"""Of the intervals of advice: a decision, not a claim."""
METHOD = "out of fold; bootstrap over rows"
MOST_JUDGES = 1000  # rows with ground truth that are read: an interval of +- .02 or so, at the price of their features
FEWEST = 10  # independent rows under which no interval of a mean is worth its name
_NAN = float("nan")


@dataclasses.dataclass(frozen=True, eq=False)
class Rehearsal:
    """Predictions on n rows with ground truth by models that had not seen them, and labels of m rows without.

    Attributes:
        target: "classification", "preference" or "regression".
        labels: (n,) ground truth: class index or number.
        groups: (n,) what belongs together.
        floor: (n, C) of the supervisor, probabilities or (n, 1) numbers.
        student: (n, C) of the cheap student, fitted to the supervisor's labels of other rows.
        gold: (n, C) of the cheap student fitted to ground truth of the other folds; None: not tried.
        weak_labels: (m, C) the supervisor's labels of rows whose ground truth is not known; None: there are none.
        away: (m, C) predictions on these rows by students that were fitted to others; None: not known.
        gold_away: (m, C) predictions on these rows by the models of `gold`; None: not known.
        halves: (n, C) each, of students fitted to half of the weakly labelled rows.
    """

    target: str
    labels: NDArray[Any]
    groups: tuple[str, ...]
    floor: Values
    student: Values
    gold: Values | None = None
    weak_labels: Values | None = None
    away: Values | None = None
    gold_away: Values | None = None
    halves: tuple[Values, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        given = [self.floor, self.student, *self.halves, *([] if self.gold is None else [self.gold])]
        if any(np.ndim(values) != 2 or len(values) != n for values in given) or len(self.groups) != n:
            raise AlignmentError(
                f"a rehearsal has {n} labels, {len(self.groups)} groups and predictions of shapes "
                f"{[np.shape(values) for values in given]}. Give (n, C) predictions of the same n rows."
            )
        if not all(np.isfinite(values).all() for values in given):
            raise DataError("a rehearsal's predictions are not all finite. Look at the fits that made them.")


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a rehearsal shows, as estimates; an undefined one says why.

    Attributes:
        target: the kind of label.
        n_gold: rows with ground truth.
        n_weak: rows with weak labels whose ground truth was not read.
        floor: score of the supervisor.
        student: score of the cheap student.
        gain: student - floor, by the same rows.
        proper: the gain by half the Brier score; of numbers the gain itself.
        gold: score of the cheap student fitted to ground truth of the other folds alone.
        lead: gold - floor: what the strong features can do with the supervisor's own rows.
        disagreement: share of weakly labelled rows on which a student fitted to others gives another class; of numbers the
            squared difference over the variance of the weak labels.
        judged: the gain on weakly labelled rows if ground truth were what the model fitted to ground truth says, with its
            probabilities: biased, but known from many rows.
        slope: score of the student less that of one fitted to half of the weakly labelled rows.
    """

    target: str
    n_gold: int
    n_weak: int
    floor: Estimate
    student: Estimate
    gain: Estimate
    proper: Estimate
    gold: Estimate
    lead: Estimate
    disagreement: Estimate
    judged: Estimate
    slope: Estimate


def evidence(rehearsal: Rehearsal, *, level: float = LEVEL) -> Evidence:
    """Return what a rehearsal shows.

    Args:
        rehearsal: out-of-fold predictions.
        level: of the intervals.

    Raises:
        DataError: numbers that are all the same, of which nothing can be explained.
    """
    r, n = rehearsal, len(rehearsal.labels)
    known = {"floor": r.floor, "student": r.student, "gold": r.gold}
    columns = {name: row_scores(r, values) for name, values in known.items() if values is not None}
    if r.halves:
        columns["half"] = np.mean([row_scores(r, values) for values in r.halves], axis=0)
    columns["floor proper"], columns["student proper"] = (row_scores(r, v, proper=True) for v in (r.floor, r.student))
    wanted: dict[str, dict[str, float]] = {
        "floor": {"floor": 1},
        "student": {"student": 1},
        "gain": {"student": 1, "floor": -1},
        "proper": {"student proper": 1, "floor proper": -1},
        "gold": {"gold": 1},
        "lead": {"gold": 1, "floor": -1},
        "slope": {"student": 1, "half": -1},
    }
    found = means(columns, wanted, r.groups, level=level)
    return Evidence(
        target=r.target,
        n_gold=n,
        n_weak=0 if r.weak_labels is None else len(r.weak_labels),
        disagreement=_over_weak(r, _differing, level),
        judged=_over_weak(r, _judged, level),
        **found,
    )


def means(
    columns: dict[str, Values], wanted: dict[str, dict[str, float]], groups: tuple[str, ...], *, level: float
) -> dict[str, Estimate]:
    """Return weighted sums of means over rows with intervals; one whose columns are not there is undefined.

    Args:
        columns: (n,) scores of each row, by name.
        wanted: for each estimate the weights of the columns.
        groups: (n,) of the rows.
        level: of the intervals.
    """
    examples = len(set(groups))
    absent = {name: [column for column in weights if column not in columns] for name, weights in wanted.items()}
    few = f"{examples} independent rows with ground truth; at least {FEWEST} are needed" if examples < FEWEST else ""
    notes = {name: few or (f"{lacking[0]} was not tried" if lacking else "") for name, lacking in absent.items()}
    able = [name for name in wanted if not notes[name]]
    names = list(columns)
    found: dict[str, Estimate] = {}
    if able:
        table = np.column_stack([columns[name] for name in names])
        contrasts = [[wanted[name].get(column, 0.0) for column in names] for name in able]
        parts = [Ratios(table, np.ones((len(table), 1)), groups)]
        made = ratio_estimates(parts, names, contrasts, level=level)
        found = {name: dataclasses.replace(one, note="", method=METHOD) for name, one in zip(able, made, strict=True)}
    return {name: found.get(name) or undefined(notes[name], level) for name in wanted}


def row_scores(rehearsal: Rehearsal, values: Values, *, proper: bool = False) -> Values:
    """Return the score of each row, (n,), whose mean is the score; see the head of this module.

    Raises:
        DataError: the ground truth is one number throughout, so that there is no variance to explain.
    """
    labels = np.asarray(rehearsal.labels)
    if rehearsal.target == "regression":
        spread = float(np.var(labels))
        if spread <= 0:
            raise DataError(
                "all rows with ground truth have the same number, so nothing can be explained. Give others."
            )
        return np.asarray(1.0 - (values[:, 0] - labels) ** 2 / spread)
    if proper:
        return np.asarray(-0.5 * ((values - np.eye(values.shape[1])[labels]) ** 2).sum(axis=1))
    return np.asarray(hard(values) == labels, dtype=np.float64)


def _over_weak(r: Rehearsal, score: Callable[[Rehearsal], Values | None], level: float) -> Estimate:
    """Return the mean of a score over the weakly labelled rows; undefined where models or labels for it are lacking."""
    rows = score(r)
    if rows is None:
        return undefined("weakly labelled rows have no predictions by models that were fitted to others", level)
    if not np.isfinite(rows).all():
        return undefined("all weak labels are the same number", level)
    names = tuple(map(str, range(len(rows))))
    return means({"rows": rows}, {"found": {"rows": 1}}, names, level=level)["found"]


def _differing(r: Rehearsal) -> Values | None:
    if r.weak_labels is None or r.away is None:
        return None
    if r.target == "regression":
        spread = float(np.var(r.weak_labels))
        return np.mean((r.away - r.weak_labels) ** 2, axis=1) / spread if spread > 0 else np.full(len(r.away), _NAN)
    return np.asarray(hard(r.away) != hard(r.weak_labels), dtype=np.float64)


def _judged(r: Rehearsal) -> Values | None:
    if r.weak_labels is None or r.away is None or r.gold_away is None:
        return None
    if r.target == "regression":
        spread = float(np.var(r.labels))
        nearer = (r.weak_labels - r.gold_away) ** 2 - (r.away - r.gold_away) ** 2
        return np.asarray(nearer.mean(axis=1) / spread)
    rows = np.arange(len(r.away))
    return np.asarray(r.gold_away[rows, hard(r.away)] - r.gold_away[rows, hard(r.weak_labels)], dtype=np.float64)


def undefined(note: str, level: float) -> Estimate:
    """Return an estimate that is not known, and why."""
    return Estimate(_NAN, _NAN, _NAN, level, 0, 0, METHOD, note)
