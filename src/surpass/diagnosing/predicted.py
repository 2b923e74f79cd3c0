"""Diagnostics of predictions: misfit, agreement, likeness of errors, calibration and speed of learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from surpass.artifacts import Rows, Values
from surpass.diagnosing.evidence import Evidence
from surpass.diagnosing.measure import CLASSES, NUMBERS, TEXTS, Found, Measure
from surpass.diagnostics import (
    Outputs,
    Training,
    calibration,
    error_similarity,
    learning_speed,
    losses_for,
    predicted_gain,
)
from surpass.metrics import hard
from surpass.stats import Ratios, ratio_estimates
from surpass.tasks._judging import same

Seeds = Sequence[Evidence]

_NO_CLASSES = "it compares classes, which {target} does not have"
_TAUGHT = ("right weak labels", "wrong weak labels")


def _misfit(seeds: Seeds, level: float) -> Iterator[Found]:
    outputs = [_outputs(one, one.transfer) for one in seeds]
    for loss in losses_for(seeds[0].target):
        yield Found(loss, predicted_gain(outputs, loss=loss, level=level))


def _outputs(one: Evidence, rows: Rows) -> Outputs:
    student, supervisor = one.student(rows), one.supervisor(rows)
    if one.target == "regression":
        student, supervisor = student[:, 0], supervisor[:, 0]
    return Outputs(student, supervisor, rows.groups)


def _agreement(seeds: Seeds, level: float) -> Iterator[Found]:
    parts = []
    for one in seeds:
        rows = one.transfer
        if one.target == "generation":
            alike = same(*one.texts(rows))
        else:
            alike = hard(one.student(rows)) == hard(one.supervisor(rows))
        parts.append(Ratios(alike[:, None].astype(np.float64), np.ones((len(rows), 1)), rows.groups))
    [found] = ratio_estimates(parts, ["agreement"], bounds=(0.0, 1.0), level=level)
    yield Found("agreement", found)


def _likeness(seeds: Seeds, level: float) -> Iterator[Found]:
    found = error_similarity([one.test() for one in seeds], level=level)
    yield Found("similarity", found.kappa, _PAIRS[0])


def _likeness_of_ceiling(seeds: Seeds, level: float) -> Iterator[Found]:
    found = error_similarity([one.test() for one in seeds], first="ceiling", level=level)
    yield Found("similarity", found.kappa, _PAIRS[1])


def _calibration(seeds: Seeds, level: float) -> Iterator[Found]:
    for found in calibration([one.test() for one in seeds], level=level):
        if found.role != "ceiling":
            part = "supervisor" if found.role == "floor" else found.role
            yield Found("ece", found.ece, part)
            yield Found("overconfidence", found.overconfidence, part)


def _speed(seeds: Seeds, level: float) -> Iterator[Found]:
    for found in learning_speed([_training(one) for one in seeds], _TAUGHT, level=level):
        for quantity in ("area", "half", "last"):
            yield Found(quantity, getattr(found, quantity), found.name)


def _training(one: Evidence) -> Training:
    rows = one.scored.splits.part("test")
    predictions, weak = one.scored.student.predictions, one.supervisor(rows)
    right = hard(weak) == rows.labels
    return Training(
        predictions.steps, _watched(predictions.steps, one, rows), weak, np.column_stack([right, ~right]), rows.groups
    )


def _watched(steps: Sequence[int], one: Evidence, rows: Rows) -> Values:
    """Return the student's predictions of the test rows at every reading of its training, (p, n, C)."""
    return np.stack([one.scored.student.predictions.at(i, rows.ids) for i in range(len(steps))])


_PAIRS = ("student and supervisor", "ceiling and supervisor")
_TESTED: dict[str, Any] = {"rows": "test", "gold": True, "targets": CLASSES, "why_not": _NO_CLASSES}

MEASURES = (
    Measure("misfit", losses_for("classification"), _misfit, targets=CLASSES),
    Measure("misfit", losses_for("regression"), _misfit, targets=NUMBERS),
    Measure("agreement", ("agreement",), _agreement, targets=CLASSES | TEXTS, why_not=_NO_CLASSES),
    Measure("similarity", ("similarity",), _likeness, part=_PAIRS[0], **_TESTED),
    Measure("similarity", ("similarity",), _likeness_of_ceiling, "pair", part=_PAIRS[1], **_TESTED),
    Measure("calibration", ("ece", "overconfidence"), _calibration, **_TESTED),
    Measure("speed", ("area", "half", "last"), _speed, **_TESTED),
)
