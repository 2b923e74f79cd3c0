"""From what was seen to what to expect: a gain calibrated by the track record, with an interval that its surprises made.

Cross-fitted gains are noisy where ground truth is scarce, and a cheap student is not the real one. So the expected gain is a
ridge regression of the gains that came out in the record, every task weighing the same, on five standardized numbers:

    gain        the cross-fitted one, times t^2 / (t^2 + se^2), t = .05: a gain with a wide interval says little
    judged      the gain on weakly labelled rows by the judgement of the model fitted to ground truth: many rows, some bias
    lead        how far strong features on ground truth alone are above the supervisor: what there is to gain
    headroom    1 - floor: what is left to gain
    dear        1 where a probe stood in for a finetuned student

with penalty 10 (in rows). The interval is conformal: each task of the record is foretold from the others, and the half width
is the quantile of |error| / s over these, times s of the cell at hand, s^2 = c^2 + (k se)^2. k se is what the sampling noise
of this cell's own gain puts into its forecast, and c the rest: other tasks' surprises, and the noise of their test rows.

Numbers have too few tasks in the record to be calibrated by; a kind of label with fewer than FEWEST_TASKS keeps the
cross-fitted gain as it is.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from surpass.advice.evidence import LEVEL, Evidence, undefined
from surpass.advice.record import Entry, Record, Sight, shipped
from surpass.artifacts import Values
from surpass.stats import Estimate

PENALTY, TRUST = 10.0, 0.05
FEWEST_TASKS = 6


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What to expect of the real student.

    Attributes:
        gain: of the student over its supervisor.
        student: its score: the supervisor's, and the gain.
        chance: probability that the gain is above 0, were its error normal.
        surprise: the part of the gain's half width that no more rows with ground truth would take away.
        calibrated: whether the record had like cells to learn from.
        note: what a reader must know.
    """

    gain: Estimate
    student: Estimate
    chance: float
    surprise: float
    calibrated: bool
    note: str = ""


def forecast(found: Evidence, *, dear: bool = False, record: Record | None = None, level: float = LEVEL) -> Forecast:
    """Return the gain and score to expect of the real student.

    Args:
        found: what was seen.
        dear: whether the real student is finetuned, and a probe was looked at in its place.
        record: what to calibrate by; None: the shipped one. It must not hold the task at hand.
        level: of the intervals.
    """
    if not found.gain.defined:
        lost = undefined(found.gain.note, level)
        return Forecast(lost, lost, float("nan"), 0.0, False, found.gain.note)
    return foretell(sight(found), dear=dear, record=shipped() if record is None else record, level=level)


def sight(found: Evidence) -> Sight:
    """Return the numbers of defined evidence that forecasts are made of."""
    return Sight(
        target=found.target,
        n_gold=found.n_gold,
        floor=found.floor.value,
        student=found.student.value,
        gain=found.gain.value,
        gain_width=(found.gain.high - found.gain.low) / 2,
        proper=found.proper.value,
        proper_width=(found.proper.high - found.proper.low) / 2,
        gold=_number(found.gold),
        lead=_number(found.lead),
        disagreement=_number(found.disagreement),
        judged=_number(found.judged),
        slope=_number(found.slope),
    )


def _number(found: Estimate) -> float | None:
    return found.value if found.defined else None


def foretell(seen: Sight, *, dear: bool, record: Record, level: float) -> Forecast:
    """Return the forecast from the numbers of a sight; `gain_width` is at the record's own level."""
    like = record.of_kind(seen.target)
    noise = _noise(seen)
    if len(like.tasks) < FEWEST_TASKS:
        half = noise * _normal(level)
        note = f"not calibrated: the record has {len(like.tasks)} tasks of this kind of label"
        own = _score_noise(seen) * _normal(level)
        return _made(seen, seen.gain, half, own, 0.0, level=level, calibrated=False, note=note)
    line = _calibration(like)
    value, slope = line.expected(seen, dear=dear)
    quantile, wide = line.quantiles(level)
    scale = float(np.hypot(line.rest, slope * noise))
    lacking = [name for name in ("judged", "lead") if getattr(seen, name) is None]
    notes = [f"{', '.join(lacking)} not known, so taken for the record's mean"] if lacking else []
    if dear and not any(one.dear for one in like.entries):
        notes.append("the record has no finetuned student, so what finetuning adds to a probe's gain is not known")
    note = "; ".join(notes)
    student = wide * float(np.hypot(line.rest_student, _score_noise(seen)))
    return _made(seen, value, quantile * scale, student, quantile * line.rest, level=level, calibrated=True, note=note)


def _made(
    seen: Sight, gain: float, half: float, student: float, surprise: float, *, level: float, calibrated: bool, note: str
) -> Forecast:
    from scipy.stats import norm

    how = "calibrated by the track record, conformal" if calibrated else "cross-fitted"
    spread = max(half / _normal(level), 1e-9)
    score = seen.floor + gain
    return Forecast(
        gain=Estimate(gain, gain - half, gain + half, level, 1, seen.n_gold, how, note),
        student=Estimate(score, score - student, min(score + student, 1.0), level, 1, seen.n_gold, how, note),
        chance=float(norm.cdf(gain / spread)),
        surprise=surprise,
        calibrated=calibrated,
        note=note,
    )


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _noise(seen: Sight) -> float:
    return seen.gain_width / _normal(LEVEL)


def _score_noise(seen: Sight) -> float:
    """Return the standard error of a share of right rows; about that of explained variance, too."""
    share = min(max(seen.student, 0.0), 1.0)
    return float(np.sqrt(share * (1 - share) / seen.n_gold))


def _features(seen: Sight, *, dear: bool) -> Values:
    """Return the five numbers; NaN where one is not known."""
    trust = TRUST**2 / (TRUST**2 + _noise(seen) ** 2)
    judged, lead = (np.nan if value is None else value for value in (seen.judged, seen.lead))
    return np.array([seen.gain * trust, judged, lead, 1 - seen.floor, float(dear)])


@dataclasses.dataclass(frozen=True, eq=False)
class _Line:
    """A fitted ridge regression."""

    mean: Values
    scale: Values
    weights: Values
    level: float

    @classmethod
    def of(cls, entries: tuple[Entry, ...]) -> _Line:
        table = np.stack([_features(one.seen, dear=one.dear) for one in entries])
        mean = np.nanmean(table, axis=0)
        table = np.where(np.isnan(table), mean, table)
        scale = table.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        mass, gains = _mass(entries), np.array([one.gain for one in entries])
        x, level = (table - mean) / scale, float(np.average(gains, weights=mass))
        square = x.T @ (x * mass[:, None]) + PENALTY * np.eye(x.shape[1])
        return cls(mean, scale, np.linalg.solve(square, x.T @ (mass * (gains - level))), level)

    def expected(self, seen: Sight, *, dear: bool) -> tuple[float, float]:
        """Return the expected gain, and how much of a change of the cross-fitted gain goes into it."""
        values = _features(seen, dear=dear)
        values = np.where(np.isnan(values), self.mean, values)
        trust = TRUST**2 / (TRUST**2 + _noise(seen) ** 2)
        value = self.level + float(((values - self.mean) / self.scale) @ self.weights)
        return value, float(self.weights[0] / self.scale[0]) * trust


def _mass(entries: tuple[Entry, ...]) -> Values:
    """Return weights of mean 1 with which every task weighs the same."""
    names = [one.task for one in entries]
    mass = np.array([1 / names.count(name) for name in names])
    return np.asarray(mass * len(mass) / mass.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class _Calibration:
    """The line of a record, and the errors of its leave-one-task-out forecasts over their scales, sorted, with weights."""

    line: _Line
    rest: float
    rest_student: float
    errors: tuple[Values, Values]
    errors_student: tuple[Values, Values]

    def expected(self, seen: Sight, *, dear: bool) -> tuple[float, float]:
        return self.line.expected(seen, dear=dear)

    def quantiles(self, level: float) -> tuple[float, float]:
        """Return the conformal quantiles of gain and student score."""
        return _quantile(*self.errors, level), _quantile(*self.errors_student, level)


def _quantile(errors: Values, mass: Values, level: float) -> float:
    """Return the smallest error that so much of the weight is at or below, one cell of weight 1 counted as beyond all."""
    share = np.cumsum(mass) / (mass.sum() + 1.0)
    return float(errors[min(int(np.searchsorted(share, level)), len(errors) - 1)])


@lru_cache(maxsize=128)
def _calibration(record: Record) -> _Calibration:
    entries = record.entries
    gaps, scores, noises = [np.zeros(len(entries)) for _ in range(3)]
    for task in record.tasks:
        line = _Line.of(record.without(task).entries)
        for i, one in enumerate(entries):
            if one.task == task:
                value, slope = line.expected(one.seen, dear=one.dear)
                gaps[i], noises[i] = abs(one.gain - value), slope * _noise(one.seen)
                scores[i] = abs(one.student - one.seen.floor - value)
    mass, own = _mass(entries), np.array([_score_noise(one.seen) for one in entries])
    rest, rest_student = _rest(gaps, noises, mass), _rest(scores, own, mass)
    found = []
    for errors, scale in ((gaps, np.hypot(rest, noises)), (scores, np.hypot(rest_student, own))):
        order = np.argsort(errors / scale)
        found.append(((errors / scale)[order], mass[order]))
    return _Calibration(_Line.of(entries), rest, rest_student, found[0], found[1])


def _rest(errors: Values, noises: Values, mass: Values) -> float:
    """Return the root of the mean square that noise leaves unexplained, at least a quarter of it."""
    whole = float(np.average(errors**2, weights=mass))
    return float(np.sqrt(max(whole - float(np.average(noises**2, weights=mass)), whole / 4, 1e-12)))
