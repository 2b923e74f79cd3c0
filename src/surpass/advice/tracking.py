"""How advice has done: each task of a record is foretold from the others, and set against what came out.

The unit is the task: cells of one task share rows, so all intervals here draw tasks anew, 2,000 times, by percentiles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from surpass.advice.evidence import LEVEL, undefined
from surpass.advice.forecasting import foretell
from surpass.advice.record import Entry, Record, shipped
from surpass.stats import Estimate

RESAMPLES = 2000
FEWEST_TASKS = 5
Item = TypeVar("Item")


class Foretold(NamedTuple):
    """One cell of a record with the gain and score that were foretold from the other tasks."""

    entry: Entry
    gain: Estimate
    student: Estimate

    @property
    def held(self) -> bool:
        """Whether the gain that came out is within the interval."""
        return bool(self.gain.low <= self.entry.gain <= self.gain.high)


@dataclasses.dataclass(frozen=True)
class TrackRecord:
    """How well the gains of a record's cells were foretold, each task from the others.

    Attributes:
        cells: how many.
        tasks: of how many tasks.
        level: nominal coverage of the foretold intervals.
        correlation: rank correlation of foretold and realised gains.
        raw: that of the cross-fitted gains without calibration.
        error: mean absolute difference of foretold and realised gain.
        coverage: share of the realised gains within their intervals.
        sign: of the cells that were said to gain or to lose (interval without 0), the share that did.
        regret: score of the best supervisor's student less that of the chosen one's.
        random: the same for a supervisor drawn at random.
        decided: cells whose interval leaves 0 out.
        choices: how often there was a supervisor to choose.
    """

    cells: int
    tasks: int
    level: float
    correlation: Estimate
    raw: Estimate
    error: Estimate
    coverage: Estimate
    sign: Estimate
    regret: Estimate
    random: Estimate
    decided: int
    choices: int

    @property
    def sentence(self) -> str:
        """The record in words, to be quoted with every advice."""
        if not self.cells:
            return "There is no track record here: these are cross-fitted scores as they are."
        return (
            f"Track record: in {self.cells} trial cells over {self.tasks} tasks, each task foretold from the others, the "
            f"predicted gain had rank correlation {self.correlation} with the realised one; its {self.level:.0%} intervals "
            f"held in {self.coverage.value:.0%}; the chosen supervisor's student was {self.regret.value:.3f} below the best "
            f"one's (a random choice: {self.random.value:.3f})."
        )


def foretold(record: Record) -> tuple[Foretold, ...]:
    """Return every cell of a record with what the other tasks would have had advice say of it."""
    found = []
    for task in record.tasks:
        others = record.without(task)
        for entry in record.entries:
            if entry.task == task:
                forecast = foretell(entry.seen, dear=entry.dear, record=others, level=record.level)
                found.append(Foretold(entry, forecast.gain, forecast.student))
    return tuple(found)


@lru_cache(maxsize=4)
def track_record(record: Record | None = None) -> TrackRecord:
    """Return how well a record's cells were foretold; without cells everything is undefined."""
    record = shipped() if record is None else record
    cells = [one for one in foretold(record) if one.gain.defined]
    choices = _choices(cells)

    def over(items: Sequence[Foretold], value: Callable[[Sequence[Foretold]], float]) -> Estimate:
        return over_tasks([(one.entry.task, one) for one in items], value)

    def mean_of(rows: Sequence[tuple[str, float]]) -> Estimate:
        return over_tasks(rows, lambda held: float(np.mean(held)))

    decided = [one for one in cells if one.gain.low > 0 or one.gain.high < 0]
    return TrackRecord(
        cells=len(cells),
        tasks=len({one.entry.task for one in cells}),
        level=record.level,
        correlation=over(cells, lambda held: spearman([c.gain.value for c in held], [c.entry.gain for c in held])),
        raw=over(cells, lambda held: spearman([c.entry.seen.gain for c in held], [c.entry.gain for c in held])),
        error=mean_of([(one.entry.task, abs(one.gain.value - one.entry.gain)) for one in cells]),
        coverage=mean_of([(one.entry.task, float(one.held)) for one in cells]),
        sign=mean_of([(one.entry.task, float((one.gain.value > 0) == (one.entry.gain > 0))) for one in decided]),
        regret=mean_of([(task, best - picked) for task, picked, best, _ in choices]),
        random=mean_of([(task, best - mean) for task, _, best, mean in choices]),
        decided=len(decided),
        choices=len(choices),
    )


def _choices(cells: Sequence[Foretold]) -> list[tuple[str, float, float, float]]:
    """Return for each choice among supervisors the task, and the score of the picked, the best and a random one's student."""
    groups: dict[tuple[str, str, int], list[Foretold]] = {}
    for one in cells:
        groups.setdefault((one.entry.task, one.entry.strong, one.entry.seed), []).append(one)
    found = []
    for (task, _, _), members in groups.items():
        if len(members) > 1:
            scores = [one.entry.student for one in members]
            picked = max(members, key=lambda one: one.student.value).entry.student
            found.append((task, picked, max(scores), float(np.mean(scores))))
    return found


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the rank correlation; NaN for fewer than three cells or a constant."""
    from scipy.stats import spearmanr

    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def over_tasks(rows: Sequence[tuple[str, Item]], value: Callable[[Sequence[Item]], float]) -> Estimate:
    """Return a value of cells with its interval over tasks drawn anew."""
    groups: dict[str, list[Item]] = {}
    for task, item in rows:
        groups.setdefault(task, []).append(item)
    if len(groups) < FEWEST_TASKS:
        note = f"{len(groups)} tasks; at least {FEWEST_TASKS} are needed"
        return dataclasses.replace(undefined(note, LEVEL), method="bootstrap over tasks")
    names, rng = list(groups), np.random.default_rng(0)
    draws: NDArray[np.float64] = np.array(
        [
            value([item for place in rng.integers(len(names), size=len(names)) for item in groups[names[place]]])
            for _ in range(RESAMPLES)
        ]
    )
    draws = draws[np.isfinite(draws)]
    point = value([item for _, item in rows])
    if len(draws) < RESAMPLES / 2 or not np.isfinite(point):
        return undefined("not defined for these cells", 0.95)
    low, high = np.quantile(draws, [0.025, 0.975])
    method = f"bootstrap over {len(names)} tasks"
    return Estimate(point, float(low), float(high), 0.95, 0, len(names), method)
