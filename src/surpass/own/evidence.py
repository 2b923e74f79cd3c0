"""What can be known of a student on a person's own data: which gold rows test it, and what they say.

Rows with gold labels are cut by a hash of their text, so that equal texts stay together and the same rows test every fit:

- `test`: half of them (at most 2,000), never used for training or choosing. Their weak labels give the floor.
- `known`: the others. They choose the method, are given to the student as gold labels, or fit the supervisor.

Where (nearly) all training rows have gold labels, a fair PGR can be had: the student then sees weak labels alone, and the
ceiling is the same strong model on the same rows with gold labels. Otherwise the strong model on the known rows alone
(`gold only`) bounds the ceiling from below, and no PGR is given.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Values
from surpass.diagnostics.misfit import misfit_rows
from surpass.draws import place
from surpass.errors import DataError
from surpass.metrics import for_kind, hard
from surpass.stats import Estimate, Ratios, Run, compare, ratio_estimates

Places = NDArray[np.int64]
Marks = NDArray[np.bool_]

MOST_TEST, MOST_HELD, NEARLY_ALL = 2000, 1000, 0.95
FEW_GOLD, FEWEST_ALONE = 50, 20
CONFIDENT = 0.9
MISFITS = {
    "misfit_reverse_kl": "KL(student || labels)",
    "misfit_forward_kl": "KL(labels || student)",
    "misfit_brier": "Brier",
}
"""Names of misfits in words, the one that theory speaks of first; what each is: `surpass.diagnostics.misfit`."""


@dataclasses.dataclass(frozen=True)
class Division:
    """Places of rows: what each is for.

    Attributes:
        train: rows that a student may be fitted on.
        known: of these, the rows whose gold labels may be used.
        test: rows with gold labels and a weak label, set aside.
        held: rows with weak labels set aside where there is no gold on such rows.
        fair: whether (nearly) all of `train` have gold labels, which then serve the ceiling alone.
    """

    train: Places
    known: Places
    test: Places
    held: Places
    fair: bool


def divide(
    gold: Marks, weak: Marks, groups: Sequence[str], *, supervised: bool = False, n_gold: int | None = None
) -> Division:
    """Return what each row is for.

    Args:
        gold: (n,) rows with a gold label.
        weak: (n,) rows with a weak label; without meaning when a supervisor makes them.
        groups: (n,) names of what must not be parted.
        supervised: whether a supervisor, fitted on the `known` rows, labels the others.
        n_gold: pretend that only about so many gold labels are there: whole groups up to this many rows are `known`, up to
            half of the others `test`, and the rest serve the ceiling alone.

    Raises:
        DataError: a supervisor without gold labels to fit, or without rows to label.
    """
    places = np.arange(len(gold))
    drawn = np.array([place(group, "gold") for group in groups])
    ready = gold if supervised else gold & weak
    if not gold.any():
        if supervised:
            raise DataError("no row has a gold label to fit the supervisor on. Name another column with --gold.")
        return _untested(places, gold, weak, drawn, groups)
    known_first = _first(places[gold], drawn, groups, n_gold) if n_gold is not None else places[:0]
    left = _without(places[ready], known_first, groups)
    if n_gold is not None and 2 * len(left) < FEW_GOLD:  # no more than was asked for: half of it tests
        known_first, left = places[:0], places[ready]
    test = _first(left, -drawn, groups, min(MOST_TEST, len(left) // 2))
    if not supervised and not len(test):
        return _untested(places, gold, weak, drawn, groups)
    rest = _without(places, test, groups)
    able = rest if supervised else rest[weak[rest] | gold[rest]]
    if supervised:
        known = known_first if len(known_first) else rest[gold[rest]]
        others = _without(rest, known, groups)
        if not len(others):
            raise DataError(
                f"all {len(rest)} training rows have gold labels, so the supervisor has no rows to label. "
                "Give --n-gold to pretend that fewer are there, or leave out --supervisor."
            )
        fair = bool(gold[others].mean() >= NEARLY_ALL)
        return Division(others if fair else np.union1d(known, others), known, test, places[:0], fair=fair)
    labelled = rest[weak[rest]]
    fair = len(labelled) > 0 and bool(gold[labelled].mean() >= NEARLY_ALL)
    known = places[:0] if fair else rest[gold[rest]]
    return Division(labelled if fair else able, known, test, places[:0], fair=fair)


def _untested(places: Places, gold: Marks, weak: Marks, drawn: NDArray[Any], groups: Sequence[str]) -> Division:
    """Return the division where no row with a weak label can be tested by gold: some of them are held out instead."""
    held = _first(places[weak], drawn, groups, min(MOST_HELD, int(weak.sum()) // 10))
    train = _without(places[weak | gold], held, groups)
    return Division(train, train[gold[train]], places[:0], held, fair=False)


def _first(places: Places, order: NDArray[Any], groups: Sequence[str], n: int) -> Places:
    """Return the first n or so of the places in an order of their groups, no group parted."""
    ranked = places[np.argsort(order[places], kind="stable")]
    chosen = {groups[i] for i in ranked[: max(n, 0)]}
    return np.array([i for i in places if groups[i] in chosen], dtype=np.int64)


def _without(places: Places, taken: Places, groups: Sequence[str]) -> Places:
    """Return the places whose groups are not among the taken."""
    gone = {groups[i] for i in taken}
    return np.array([i for i in places if groups[i] not in gone], dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class Predicted:
    """Predictions (n, C) of the test rows; several seeds where there are several.

    Attributes:
        labels: (n,) gold.
        groups: (n,).
        floor: of the weak labels or the supervisor.
        student: one per seed.
        ceiling: one per seed, of the strong model on gold labels of all training rows; empty when that cannot be had.
        gold_only: one per seed, of the strong model on the known gold rows alone; empty when there are too few.
    """

    labels: Values
    groups: tuple[str, ...]
    floor: Values
    student: tuple[Values, ...]
    ceiling: tuple[Values, ...] = ()
    gold_only: tuple[Values, ...] = ()

    def runs(self) -> list[Run]:
        """Return what `surpass.checks` and `surpass.stats` read; the student stands in for a ceiling that is not known."""
        tops = self.ceiling or self.student
        return [
            Run(self.labels, self.groups, student, self.floor, top)
            for student, top in zip(self.student, tops, strict=True)
        ]


def with_gold(
    found: Predicted, *, target: str = "classification", level: float = 0.95
) -> dict[str, dict[str, Estimate]]:
    """Return by metric the estimates that the test rows allow.

    `floor`, `student`, `gain` (student - floor) always; `ceiling`, `gap` and `pgr` when there is a ceiling; `gold_only` and
    `over_gold_only` (student - gold only) when there is such a model.
    """
    told: dict[str, dict[str, Estimate]] = {}
    for name in for_kind(target):
        one = compare(name, found.runs(), level=level)
        told[name] = {"floor": one.floor, "student": one.student, "gain": one.gain}
        if found.ceiling:
            told[name] |= {"ceiling": one.ceiling, "gap": one.gap, "pgr": one.pgr}
        if found.gold_only:
            pairs = zip(found.student, found.gold_only, strict=True)
            other = compare(name, [Run(found.labels, found.groups, s, g, s) for s, g in pairs], level=level)
            told[name] |= {"gold_only": other.floor, "over_gold_only": other.gain}
    return told


def without_gold(
    weak: Values, students: Sequence[Values], groups: Sequence[str], *, level: float = 0.95
) -> dict[str, Estimate]:
    """Return what held-out weak labels (n, C) say of students fitted on others, which is not whether they are right.

    `agreement`: share of rows to which student and weak label give one class; `confident_disagreement`: share of the rows
    with a weak label of probability .9 or more that the student sees otherwise; then the misfits of `surpass.diagnostics`,
    with the labels for supervisor. A KL that a label, or a student, of probability 0 leaves without end is undefined.
    """
    parts = []
    for student in students:
        same = hard(student) == hard(weak)
        sure = weak.max(axis=1) >= CONFIDENT
        ones = np.ones(len(weak))
        misfits = [misfit_rows(student, weak, loss=name.removeprefix("misfit_")) for name in MISFITS]
        tops = np.column_stack([same, ~same & sure, *misfits]).astype(np.float64)
        parts.append(Ratios(tops, np.column_stack([ones, sure, *[ones] * len(misfits)]), groups))
    names = ("agreement", "confident_disagreement", *MISFITS)
    most = dict.fromkeys(names, 1.0) | {"misfit_reverse_kl": math.inf, "misfit_forward_kl": math.inf}
    most["misfit_brier"] = 1.0 if weak.shape[1] == 2 else 2.0
    made = {high: ratio_estimates(parts, names, bounds=(0.0, high), level=level) for high in set(most.values())}
    found = {name: made[most[name]][i] for i, name in enumerate(names)}
    for name, (first, second) in {
        "misfit_reverse_kl": (students, [weak]),
        "misfit_forward_kl": ([weak], students),
    }.items():
        if count := max(_without_end(one, other) for one in first for other in second):
            note = f"it has no end on {count:,} of {len(weak):,} rows, where one says 0 and the other does not"
            found[name] = dataclasses.replace(found[name], value=math.nan, low=math.nan, high=math.nan, note=note)
    return found


def _without_end(first: Values, second: Values) -> int:
    """Return the rows on which KL(first || second) is infinite."""
    return int(((first > 0) & (second <= 0)).any(axis=1).sum())


def as_json(estimates: Mapping[str, Any]) -> dict[str, Any]:
    """Return estimates as plain data; numbers that are not defined become null."""
    return {
        name: as_json(value) if isinstance(value, Mapping) else {
            field: None if isinstance(number, float) and not math.isfinite(number) else number
            for field, number in dataclasses.asdict(value).items()
        }
        for name, value in estimates.items()
    }  # fmt: skip


def from_json(data: Mapping[str, Any]) -> Estimate:
    """Return the estimate that `as_json` wrote."""
    numbers: dict[str, Any] = {name: math.nan if value is None else value for name, value in data.items()}
    return Estimate(**numbers)
