"""The predicted gain of the strong model, from its cheap stand-in and the track record of earlier predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from surpass.advice import Forecast, Rehearsal, evidence, forecast, track_record
from surpass.advice.buying import GoldCurve
from surpass.artifacts import Values
from surpass.own.crossfit import Crossfit
from surpass.own.evidence import Places, as_json


def predicted(
    rows: Crossfit,
    judges: Places,
    *,
    weak: Values,
    student: Values,
    half: Values,
    alone: Values,
    finetuned: bool,
    level: float,
) -> Forecast:
    """Return the predicted gain and score of the real student.

    Args:
        rows: what was cross-fitted.
        judges: (k,) places of the gold rows that judge.
        weak: (n, C) labels, NaN where there are none.
        student: (n, C) out-of-fold predictions of the cheap student.
        half: of the cheap student on half of the rows.
        alone: of the cheap model on gold labels alone.
        finetuned: whether the real student is, and the cheap one a probe.
        level: of the intervals.
    """
    away = np.flatnonzero(np.isfinite(weak).all(axis=1) & ~np.isfinite(rows.gold))
    rehearsal = Rehearsal(
        target=rows.pool.target,
        labels=rows.gold[judges].astype(np.int64),
        groups=tuple(rows.groups[i] for i in judges),
        floor=weak[judges],
        student=student[judges],
        gold=alone[judges],
        weak_labels=weak[away] if len(away) else None,
        away=student[away] if len(away) else None,
        gold_away=alone[away] if len(away) else None,
        halves=(half[judges],),
    )
    seen = evidence(rehearsal)  # at the record's own level, which forecasts are scaled from
    return forecast(seen, finetuned=finetuned, level=level)


def plain_curve(curve: GoldCurve) -> dict[str, Any]:
    """Return gold labels alone as plain data."""
    points = [{"gold": one.gold, **as_json({"score": one.score})} for one in curve.points]
    ends = as_json({"over_student": curve.over_student, "equals": curve.equals})
    return {"points": points, "held": curve.held, **ends}


def plain_forecast(made: Forecast) -> dict[str, Any]:
    """Return the predicted gain as plain data, with how such predictions did."""
    numbers = as_json({"gain": made.gain, "student": made.student})
    others = {"chance": made.chance, "calibrated": made.calibrated, "note": made.note}
    return numbers | others | {"record": track_record().sentence}
