"""From what was seen to the predicted gain: calibrated by the track record, with an interval that its surprises made.

Cross-fitted gains are noisy where ground truth is scarce, and a cheap student is not the real one. So the predicted gain is a
ridge regression of the gains that came out in the record, every task weighing the same, on five standardized numbers:

    gain        the cross-fitted one, times t^2 / (t^2 + se^2), t = .05: a gain with a wide interval says little
    judged      the gain on weakly labelled rows by the judgement of the model fitted to ground truth: many rows, some bias
    lead        how far strong features on ground truth alone are above the supervisor: what there is to gain
    headroom    1 - floor: what is left to gain
    finetuned   1 where a probe stood in for a finetuned student

with penalty 10 (in rows). The interval is conformal: each task of the record is predicted from the others, and the half width
is the quantile of |error| / s over these, times s of the cell at hand, s^2 = c^2 + (k se)^2. k se is what the sampling noise
of the cross-fitted gain puts into an error, and c the rest: other tasks' surprises, and the noise of their test rows. Both
are of the record: the ones that make its errors likeliest, were they normal.

A kind of label with fewer than FEWEST_TASKS in the record, as numbers have, keeps the cross-fitted gain as it is. So does a
cell unlike any in the record, one of whose first four numbers is beyond all of theirs; c is then in its interval too.
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
MOST_NOISE = 0.75  # of the mean squared error: no record shows that all of it would go with more rows
FEWEST_TASKS = 6


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What is predicted of the real student.

    Attributes:
        gain: of the student over its supervisor.
        student: its score: the supervisor's, and the gain.
        chance: probability that the gain is above 0, were its error normal, with the spread of the LEVEL interval.
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


def forecast(
    found: Evidence, *, finetuned: bool = False, record: Record | None = None, level: float = LEVEL
) -> Forecast:
    """Return the predicted gain and score of the real student.

    Args:
        found: what was seen.
        finetuned: whether the real student is, and a probe was looked at in its place.
        record: what to calibrate by; None: the shipped one. It must not hold the task at hand.
        level: of the intervals.
    """
    if not found.gain.defined:
        lost = undefined(found.gain.note, level)
        return Forecast(lost, lost, float("nan"), 0.0, False, found.gain.note)
    return foretell(sight(found), finetuned=finetuned, record=shipped() if record is None else record, level=level)


def sight(found: Evidence) -> Sight:
    """Return the numbers of defined evidence that forecasts are made of, widths at LEVEL whatever its own level."""
    return Sight(
        target=found.target,
        n_gold=found.n_gold,
        floor=found.floor.value,
        student=found.student.value,
        gain=found.gain.value,
        gain_width=_width(found.gain),
        proper=found.proper.value,
        proper_width=_width(found.proper),
        gold=_number(found.gold),
        lead=_number(found.lead),
        disagreement=_number(found.disagreement),
        judged=_number(found.judged),
        slope=_number(found.slope),
    )


def _width(found: Estimate) -> float:
    """Return half of the interval at LEVEL; it is Student's t of the rows less one."""
    from scipy.special import stdtrit

    half, freedom = (found.high - found.low) / 2, found.examples - 1
    if found.level == LEVEL:
        return half
    return half * float(stdtrit(freedom, (1 + LEVEL) / 2) / stdtrit(freedom, (1 + found.level) / 2))


def _number(found: Estimate) -> float | None:
    return found.value if found.defined else None


def foretell(seen: Sight, *, finetuned: bool, record: Record, level: float) -> Forecast:
    """Return the forecast from the numbers of a sight, whose widths are at LEVEL."""
    like, noise, own = record.of_kind(seen.target), _noise(seen), _score_noise(seen)
    tasks, unlike = len(set(like.families.values())), _unlike(like, finetuned=finetuned)
    if tasks < FEWEST_TASKS:
        note = "; ".join((f"not calibrated: the record has {tasks} tasks of this kind of label", *unlike))
        halves = (noise * _normal(level), own * _normal(level))
        return _made(seen, seen.gain, halves, spread=noise, surprise=0.0, level=level, calibrated=False, note=note)
    line = _calibration(like)
    if strange := _beyond(seen, like):
        note = "; ".join((f"not calibrated: no cell of the record has such a {' and '.join(strange)}", *unlike))
        spread, rest = float(np.hypot(noise, line.gain.rest)), _normal(level) * line.gain.rest
        halves = (spread * _normal(level), float(np.hypot(own, line.student.rest)) * _normal(level))
        return _made(seen, seen.gain, halves, spread=spread, surprise=rest, level=level, calibrated=False, note=note)
    value, (times, times_student) = line.line.expected(seen, finetuned=finetuned), line.quantiles(level)
    scale = line.gain.scale(noise)
    return _made(
        seen,
        value,
        (times * scale, times_student * line.student.scale(own)),
        spread=line.quantiles(LEVEL)[0] * scale / _normal(LEVEL),
        surprise=times * line.gain.rest,
        level=level,
        calibrated=True,
        note="; ".join((*_notes(seen, line, like, level=level), *unlike)),
    )


def _beyond(seen: Sight, like: Record) -> list[str]:
    """Return in words which numbers of a sight are beyond those of all cells of the record."""
    found = []
    told = {"gain": "gain", "judged": "judged gain", "lead": "lead of gold labels", "floor": "floor"}
    for name in told:
        value = getattr(seen, name)
        known = [held for one in like.entries if (held := getattr(one.seen, name)) is not None]
        if value is not None and known and not min(known) <= value <= max(known):
            found.append(told[name])
    return found


def _unlike(like: Record, *, finetuned: bool) -> list[str]:
    """Return what a record without such a student cannot say of a finetuned one."""
    if not finetuned or any(one.finetuned for one in like.entries):
        return []
    return ["no finetuned cell is in the record, so what finetuning adds to a probe's gain is not known"]


def _notes(seen: Sight, line: _Calibration, like: Record, *, level: float) -> list[str]:
    lacking = [name for name in ("judged", "lead") if getattr(seen, name) is None]
    notes = [f"{', '.join(lacking)} not known, so taken for the record's mean"] if lacking else []
    if level > line.gain.most:
        cells = f"the {len(like.entries)} cells of the record know no interval of level {level:g}"
        notes.append(f"{cells}: it is drawn out from that of {line.gain.most:.2g} as if errors were normal")
    return notes


def _made(
    seen: Sight,
    gain: float,
    halves: tuple[float, float],
    *,
    spread: float,
    surprise: float,
    level: float,
    calibrated: bool,
    note: str,
) -> Forecast:
    from scipy.stats import norm

    how = "calibrated by the track record, conformal" if calibrated else "cross-fitted"
    half, student = halves
    least = -np.inf if seen.target == "regression" else 0.0
    score = min(max(seen.floor + gain, least), 1.0)
    ends = (float(score), float(max(score - student, least)), float(min(score + student, 1.0)))
    return Forecast(
        gain=Estimate(gain, gain - half, gain + half, level, 1, seen.n_gold, how, note),
        student=Estimate(*ends, level, 1, seen.n_gold, how, note),
        chance=float(norm.cdf(gain / spread)),
        surprise=surprise,
        calibrated=calibrated,
        note=note,
    )


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _noise(seen: Sight) -> float:
    """Return the standard error of the cross-fitted gain: one row's weight at least, where no rows or few differ."""
    return max(seen.gain_width / _normal(LEVEL), 1 / seen.n_gold)


def _score_noise(seen: Sight) -> float:
    """Return the standard error of a share of right rows; about that of explained variance, too."""
    share = min(max(seen.student, 0.0), 1.0)
    return float(np.sqrt(share * (1 - share) / seen.n_gold))


def _features(seen: Sight, *, finetuned: bool) -> Values:
    """Return the five numbers; NaN where one is not known."""
    trust = TRUST**2 / (TRUST**2 + _noise(seen) ** 2)
    judged, lead = (np.nan if value is None else value for value in (seen.judged, seen.lead))
    return np.array([seen.gain * trust, judged, lead, 1 - seen.floor, float(finetuned)])


@dataclasses.dataclass(frozen=True, eq=False)
class _Line:
    """A fitted ridge regression."""

    mean: Values
    scale: Values
    weights: Values
    level: float

    @classmethod
    def of(cls, entries: tuple[Entry, ...]) -> _Line:
        table = np.stack([_features(one.seen, finetuned=one.finetuned) for one in entries])
        mean = np.nanmean(table, axis=0)
        table = np.where(np.isnan(table), mean, table)
        scale = table.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        mass, gains = _mass(entries), np.array([one.gain for one in entries])
        x, level = (table - mean) / scale, float(np.average(gains, weights=mass))
        square = x.T @ (x * mass[:, None]) + PENALTY * np.eye(x.shape[1])
        return cls(mean, scale, np.linalg.solve(square, x.T @ (mass * (gains - level))), level)

    def expected(self, seen: Sight, *, finetuned: bool) -> float:
        """Return the predicted gain."""
        values = _features(seen, finetuned=finetuned)
        values = np.where(np.isnan(values), self.mean, values)
        return self.level + float(((values - self.mean) / self.scale) @ self.weights)


def _mass(entries: tuple[Entry, ...]) -> Values:
    """Return weights of mean 1 with which every task weighs the same."""
    names = [one.task for one in entries]
    mass = np.array([1 / names.count(name) for name in names])
    return np.asarray(mass * len(mass) / mass.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class _Errors:
    """How wrong a record's leave-one-task-out forecasts are: the scale of an error by its noise, and the errors over theirs.

    Attributes:
        rest: c of the scale, see the head of this module.
        times: k of the scale.
        ratios: (n,) errors over their scales, sorted.
        mass: (n,) their weights.
    """

    rest: float
    times: float
    ratios: Values
    mass: Values

    @classmethod
    def of(cls, errors: Values, noises: Values, mass: Values) -> _Errors:
        square, noise = errors**2, noises**2
        whole, mean = (max(float(np.average(values, weights=mass)), 1e-12) for values in (square, noise))
        shares = np.linspace(0, MOST_NOISE, 31)[:, None]
        table = whole * (1 - shares + shares * noise / mean)
        likely = -np.average(np.log(table) + square / table, weights=mass, axis=1)
        share = float(shares[int(likely.argmax()), 0])
        rest, times = np.sqrt(whole * (1 - share)), np.sqrt(whole * share / mean)
        ratios = errors / np.hypot(rest, times * noises)
        order = np.argsort(ratios)
        return cls(float(rest), float(times), ratios[order], mass[order])

    def scale(self, noise: float) -> float:
        """Return how wrong a forecast of such noise may be."""
        return float(np.hypot(self.rest, self.times * noise))

    @property
    def most(self) -> float:
        """The highest level that the cells know an interval of: one cell of weight 1 is counted as beyond all."""
        return float(self.mass.sum() / (self.mass.sum() + 1.0))

    def quantile(self, level: float) -> float:
        """Return the smallest ratio that so much of the weight is at or below; beyond `most` as of a normal's tail."""
        if level > self.most:
            return float(self.ratios[-1]) * _normal(level) / _normal(self.most)
        share = np.cumsum(self.mass) / (self.mass.sum() + 1.0)
        return float(self.ratios[min(int(np.searchsorted(share, level)), len(share) - 1)])


@dataclasses.dataclass(frozen=True, eq=False)
class _Calibration:
    """The line of a record, and how wrong its forecasts of gain and student score are."""

    line: _Line
    gain: _Errors
    student: _Errors

    def quantiles(self, level: float) -> tuple[float, float]:
        """Return the conformal quantiles of gain and student score."""
        return self.gain.quantile(level), self.student.quantile(level)


@lru_cache(maxsize=128)
def _calibration(record: Record) -> _Calibration:
    entries = record.entries
    lines = {task: _Line.of(record.without(task).entries) for task in record.tasks}
    values = np.array([lines[one.task].expected(one.seen, finetuned=one.finetuned) for one in entries])
    gains, scores = (np.array([getattr(one, name) for one in entries]) for name in ("gain", "student"))
    floors, noises = np.array([one.seen.floor for one in entries]), np.array([_noise(one.seen) for one in entries])
    own, mass = np.array([_score_noise(one.seen) for one in entries]), _mass(entries)
    return _Calibration(
        line=_Line.of(entries),
        gain=_Errors.of(np.abs(gains - values), noises, mass),
        student=_Errors.of(np.abs(scores - floors - values), own, mass),
    )
