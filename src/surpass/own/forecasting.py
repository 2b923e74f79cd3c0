"""The student that the strong model will be, from its cheap stand-in and the track record of earlier forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from surpass.advice import Rehearsal, evidence, forecast, track_record, verdict
from surpass.advice.record import shipped
from surpass.artifacts import Values
from surpass.own.crossfit import Crossfit
from surpass.own.evidence import Places, as_json


def foretold(
    rows: Crossfit,
    judges: Places,
    *,
    weak: Values,
    student: Values,
    half: Values,
    alone: Values,
    dear: bool,
    level: float,
) -> dict[str, Any]:
    """Return the gain and score to expect of the real student, the answer they give, and how forecasts like this one did.

    Args:
        rows: what was cross-fitted.
        judges: (k,) places of the gold rows that judge.
        weak: (n, C) labels, NaN where there are none.
        student: (n, C) out-of-fold predictions of the cheap student.
        half: of the cheap student on half of the rows.
        alone: of the cheap model on gold labels alone.
        dear: whether the real student is another than the cheap one.
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
    seen, record = evidence(rehearsal), shipped()  # at the record's own level, which forecasts are scaled from
    found = forecast(seen, dear=dear, record=record, level=level)
    answer = verdict(found, seen)
    return {
        **as_json({"gain": found.gain, "student": found.student}),
        "chance": found.chance,
        "calibrated": found.calibrated,
        "note": found.note,
        "answer": answer.answer,
        "judges_needed": answer.labels,
        "record": track_record(record).sentence,
    }
