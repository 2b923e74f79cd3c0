"""How advice has done: each task of a record is predicted from the others, and set against what came out.

The unit is the task, with others of its rows: what shares rows is not independent, so all intervals here draw tasks anew,
2,000 times, by percentiles, and a task is predicted from tasks of other rows alone. Of a share of none or all, which no such
draw changes, the interval is the exact one (Clopper & Pearson 1934) of as many tasks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from surpass.advice.evidence import undefined
from surpass.advice.forecasting import FEWEST_TASKS, foretell
from surpass.advice.record import Entry, Record, shipped
from surpass.metrics import METRICS
from surpass.stats import Estimate

RESAMPLES, LEVEL = 2000, 0.95
Item = TypeVar("Item")


class Foretold(NamedTuple):
    """One cell of a record with the gain and score that were predicted from the other tasks."""

    entry: Entry
    gain: Estimate
    student: Estimate

    @property
    def held(self) -> bool:
        """Whether the gain that came out is within the interval."""
        return bool(self.gain.low <= self.entry.gain <= self.gain.high)


@dataclasses.dataclass(frozen=True)
class TrackRecord:
    """How well the gains of a record's cells were predicted, each task from the others.

    Attributes:
        cells: how many.
        tasks: of how many tasks.
        families: of how many tasks of different rows.
        level: nominal coverage of the intervals of the predicted gains.
        correlation: rank correlation of predicted and realised gains.
        of_classes: the same of the cells of classes and preferences alone, without those of numbers.
        raw: that of the cross-fitted gains without calibration.
        error: mean absolute difference of predicted and realised gain.
        coverage: share of the realised gains within their intervals.
        sign: of the cells that were said to gain or to lose (interval without 0), the share that did.
        regret: score of the best supervisor's student less that of the chosen one's.
        random: the same for a supervisor drawn at random.
        decided: cells whose interval leaves 0 out.
        choices: how often there was a supervisor to choose.
        finetuned: cells whose student was finetuned, so that a probe stood in for it.
        finetuned_error: mean absolute difference of predicted and realised gain of these; NaN where there are none.
        finetuned_held: how many of these gains were within their intervals.
    """

    cells: int
    tasks: int
    families: int
    level: float
    correlation: Estimate
    of_classes: Estimate
    raw: Estimate
    error: Estimate
    coverage: Estimate
    sign: Estimate
    regret: Estimate
    random: Estimate
    decided: int
    choices: int
    finetuned: int
    finetuned_error: float
    finetuned_held: int

    @property
    def sentence(self) -> str:
        """The record in words, to be quoted with every advice."""
        if not self.cells:
            return "There is no track record here: these are cross-fitted scores as they are."
        if self.families < FEWEST_TASKS:
            apart = "" if self.families == self.tasks else f" ({self.families} of different rows)"
            cells = f"{self.cells} trial cells over {self.tasks} tasks{apart}"
            return (
                f"Track record: {cells}, fewer than {FEWEST_TASKS}: too few tasks to calibrate a predicted gain by, or to "
                "say how good such advice is."
            )
        chosen = (
            f"the chosen supervisor's student was {self.regret.value:.3f} below the best one's (a random choice: "
            f"{self.random.value:.3f})"
            if self.regret.defined
            else "too few tasks had supervisors to choose from"
        )
        return (
            f"Track record: in {self.cells} trial cells over {self.tasks} tasks, each task predicted from the others, the "
            f"predicted gain had rank correlation {self.correlation} with the realised one (without numbers "
            f"{self.of_classes}); its {self.level:.0%} intervals held in {self.coverage.value:.0%}; {chosen}.{self._probes}"
        )

    @property
    def _probes(self) -> str:
        if not self.finetuned:
            return ""
        held = f"held in {self.finetuned_held} of {self.finetuned}"
        return f" Of these, with a finetuned student: mean error {self.finetuned_error:.3f}, intervals {held}."


def foretold(record: Record) -> tuple[Foretold, ...]:
    """Return every cell of a record with what the other tasks would have had advice say of it."""
    found = []
    for task in record.tasks:
        others = record.without(task)
        for entry in record.entries:
            if entry.task == task:
                forecast = foretell(entry.seen, finetuned=entry.finetuned, record=others, level=record.level)
                found.append(Foretold(entry, forecast.gain, forecast.student))
    return tuple(found)


@lru_cache(maxsize=4)
def track_record(record: Record | None = None) -> TrackRecord:
    """Return how well a record's cells were predicted; without cells everything is undefined."""
    record = shipped() if record is None else record
    cells = [one for one in foretold(record) if one.gain.defined]
    choices, families = _choices(cells), record.families

    probes = [one for one in cells if one.entry.finetuned]
    classes = [one for one in cells if one.entry.seen.target != "regression"]

    def over(items: Sequence[Foretold], value: Callable[[Sequence[Foretold]], float]) -> Estimate:
        return over_tasks([(families[one.entry.task], one) for one in items], value)

    def mean_of(rows: Sequence[tuple[str, float]]) -> Estimate:
        return over_tasks([(families[task], one) for task, one in rows], lambda held: float(np.mean(held)))

    def share(rows: Sequence[tuple[str, bool]]) -> Estimate:
        return share_over_tasks([(families[task], one) for task, one in rows])

    decided = [one for one in cells if one.gain.low > 0 or one.gain.high < 0]
    return TrackRecord(
        cells=len(cells),
        tasks=len({one.entry.task for one in cells}),
        families=len({families[one.entry.task] for one in cells}),
        level=record.level,
        correlation=over(cells, lambda held: _rank([one.gain.value for one in held], held)),
        of_classes=over(classes, lambda held: _rank([one.gain.value for one in held], held)),
        raw=over(cells, lambda held: _rank([one.entry.seen.gain for one in held], held)),
        error=mean_of([(one.entry.task, abs(one.gain.value - one.entry.gain)) for one in cells]),
        coverage=share([(one.entry.task, one.held) for one in cells]),
        sign=share([(one.entry.task, (one.gain.value > 0) == (one.entry.gain > 0)) for one in decided]),
        regret=mean_of([(task, best - picked) for task, picked, best, _ in choices]),
        random=mean_of([(task, best - mean) for task, _, best, mean in choices]),
        decided=len(decided),
        choices=len(choices),
        finetuned=len(probes),
        finetuned_error=float(np.mean([abs(one.gain.value - one.entry.gain) for one in probes]))
        if probes
        else math.nan,
        finetuned_held=sum(one.held for one in probes),
    )


def _choices(cells: Sequence[Foretold]) -> list[tuple[str, float, float, float]]:
    """Return for each choice among supervisors the task, and the score of the picked, the best and a random one's student."""
    groups: dict[tuple[str, str, str, int, int], list[Foretold]] = {}
    for one in cells:
        cell = one.entry
        groups.setdefault((cell.task, cell.strong, cell.method, cell.seed, cell.seen.n_gold), []).append(one)
    found = []
    for (task, *_), members in groups.items():
        if len(members) > 1:
            scores = [one.entry.student for one in members]
            picked = max(members, key=lambda one: one.student.value).entry.student
            found.append((task, picked, max(scores), float(np.mean(scores))))
    return found


def _rank(gains: Sequence[float], cells: Sequence[Foretold]) -> float:
    """Return the rank correlation of gains with those that came out; NaN where one of them is the same in all cells."""
    return METRICS["rank_correlation"].value([one.entry.gain for one in cells], gains)


def over_tasks(rows: Sequence[tuple[str, Item]], value: Callable[[Sequence[Item]], float]) -> Estimate:
    """Return a value of cells with its interval over tasks, or families of them, drawn anew."""
    groups: dict[str, list[Item]] = {}
    for task, item in rows:
        groups.setdefault(task, []).append(item)
    if len(groups) < FEWEST_TASKS:
        note = f"{len(groups)} tasks of different rows; at least {FEWEST_TASKS} are needed"
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
        return undefined("not defined for these cells", LEVEL)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    method = f"bootstrap over {len(names)} tasks"
    return Estimate(point, float(low), float(high), LEVEL, 0, len(names), method)


def share_over_tasks(rows: Sequence[tuple[str, bool]]) -> Estimate:
    """Return a share of cells with its interval over tasks; of none or all of them the exact one, were tasks the cells."""
    from scipy.special import betaincinv

    found = over_tasks([(task, float(one)) for task, one in rows], lambda held: float(np.mean(held)))
    if not found.defined or 0 < found.value < 1:
        return found
    n, right = found.examples, found.value == 1
    ends = (float(betaincinv(n, 1, (1 - LEVEL) / 2)), 1.0) if right else (0.0, float(betaincinv(1, n, (1 + LEVEL) / 2)))
    return dataclasses.replace(found, low=ends[0], high=ends[1], method=f"Clopper & Pearson (1934) over {n} tasks")
