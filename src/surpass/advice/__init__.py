"""Advice before the strong run is paid for: what it will gain, from its training rows alone, and how such advice has done."""

from surpass.advice.advising import Advice, StudyAdvice, advise_study
from surpass.advice.deciding import Verdict, verdict
from surpass.advice.evidence import LEVEL, Evidence, Rehearsal, evidence
from surpass.advice.forecasting import Forecast, forecast
from surpass.advice.tracking import TrackRecord, track_record
from surpass.advice.trial import TrialResult, run_trial

__all__ = [
    "LEVEL",
    "Advice",
    "Evidence",
    "Forecast",
    "Rehearsal",
    "StudyAdvice",
    "TrackRecord",
    "TrialResult",
    "Verdict",
    "advise_study",
    "evidence",
    "forecast",
    "run_trial",
    "track_record",
    "verdict",
]
