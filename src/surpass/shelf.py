"""The artifacts of a study, each read once, and the cells they make up: student, ceiling and supervisor on the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.artifacts import Predictions, Rows, Splits, Values, positions
from surpass.errors import DataError, StoreError
from surpass.labels.base import gold_texts, gold_values
from surpass.labels.gold import Gold
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Fit, Stage, label_stage, stored_as
from surpass.stats import Run
from surpass.stopping import RULES, choose, point_scores, wanted_of
from surpass.store import Store
from surpass.study import Cell
from surpass.tasks._judging import judge, same

RIGHT = 0.5
"""A text whose score is above this is right."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A student or ceiling of one seed with the labels it was trained on, as one-hot or soft values by row id."""

    fit: Fit
    predictions: Predictions
    labels: Predictions

    def knows_val(self, splits: Splits) -> bool:
        """Whether there are validation rows and all of them have labels: a file of labels may lack them."""
        val = splits.part("val").ids
        return bool(val) and set(self.labels.ids).issuperset(val)

    def point(self, rule: str, splits: Splits, test: Rows, gold: Values) -> int:
        """Return the point of training that a rule reads; "weak_val" needs labelled validation rows."""
        if rule == "last" or len(self.predictions.steps) == 1:
            return -1
        if rule == "oracle":
            return choose(self.scores(test, gold, splits.target))
        val = splits.part("val").ids
        return choose(point_scores(self.predictions, val, wanted_of(self.labels, val), splits.target))

    def scores(self, test: Rows, gold: Values, target: str) -> Values:
        """Return how well each point of training meets the ground truth of test rows; texts are judged by the task."""
        if target != "generation":
            return point_scores(self.predictions, test.ids, gold, target)
        task, points = self.fit.data.task, range(len(self.predictions.steps))
        return np.array([task.right(test, self.predictions.texts_at(point, test.ids)).mean() for point in points])


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """The artifacts of one cell that finished; `tests` keeps what `test` returns, for all cells of the same rows.

    `runs` is its shelf's way to make a run; see `run_of`.
    """

    cell: Cell
    splits: Splits
    supervisor: Predictions
    ceiling: Trained
    student: Trained
    tests: dict[str, tuple[Rows, Values]]
    runs: Callable[[Scored, str, str], Run]

    def test(self, split: str) -> tuple[Rows, Values]:
        """Return the rows of a test split with their ground truth as values."""
        if split not in self.tests:
            rows = self.splits.part(split)
            gold = gold_values(dataclasses.replace(self.splits, rows=rows, split=(split,) * len(rows)))
            self.tests[split] = rows, gold
        return self.tests[split]


Seeds = Sequence[Scored]
"""The cells of one task, pair and route that finished, one per seed."""


class _Known(NamedTuple):
    """The rows of some cells, their ground truth, and the test rows that were asked for."""

    splits: Splits
    gold: Predictions
    tests: dict[str, tuple[Rows, Values]]


class Shelf:
    """Artifacts of a study, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, Any] = {}
        self._rows: dict[str, _Known] = {}
        self._runs = lru_cache(maxsize=512)(_run)  # one task's: its tables, tests and plots ask for the same ones

    def get(self, stage: Stage) -> Any:
        """Return a stage's artifact; StoreError when it is not there."""
        name = key(stage)
        if name not in self._held:
            self._held[name] = self._store.load(stored_as(stage), name)
        return self._held[name]

    def scored(self, cell: Cell) -> Scored | None:
        """Return the cell's artifacts, or None when one of its stages did not finish."""
        try:
            known = self._known(cell.data)
            ceiling = self._trained(cell.ceiling, known)
            students = [self._trained(fit, known) for fit in cell.students]
            supervisor = self.get(cell.supervisor)
            student = students[_best(students, supervisor, known.splits)]
            return Scored(cell, known.splits, supervisor, ceiling, student, known.tests, self._runs)
        except StoreError:
            return None

    def _known(self, data: Data) -> _Known:
        """Return the rows of a cell, which many cells share."""
        name = key(data)
        if name not in self._rows:
            splits = Splits.joined((self.get(data.training()), self.get(data.evaluation())))
            gold = Predictions(splits.rows.ids, splits.split, gold_values(splits), texts=gold_texts(splits))
            self._rows[name] = _Known(splits, gold, {})
        return self._rows[name]

    def _trained(self, fit: Fit, known: _Known) -> Trained:
        labels = known.gold if isinstance(fit.labels, Gold) else self.get(label_stage(fit.labels, fit.data))
        return Trained(fit, self.get(fit), labels)


def _best(students: Sequence[Trained], supervisor: Predictions, splits: Splits) -> int:
    """Return the setting whose student agrees best with the supervisor on validation rows; of equals the first.

    In a chain each setting has a teacher of its own, which says little: a student may agree best with a bad one.

    Raises:
        DataError: validation rows lack a label, as a file may leave them out.
    """
    if len(students) == 1:
        return 0
    val = splits.part("val")
    if lacking := len(set(val.ids).difference(supervisor.ids)):
        raise DataError(
            f"{len(students)} settings are tried and one is chosen by validation rows, but {lacking} of {len(val)} have "
            "no weak label. Label them too, or leave out `try`."
        )
    wanted = wanted_of(supervisor, val.ids)
    return choose(np.array([point_scores(s.predictions, val.ids, wanted, splits.target)[-1] for s in students]))


def names(cell: Cell) -> dict[str, str]:
    """Return what tables call the cell's parts."""
    weak = cell.supervisor.label() if isinstance(cell.supervisor, Fit) else cell.supervisor.source.label()
    return {
        "task": cell.task.label(),
        "weak": weak,
        "strong": cell.pair.strong.label(),
        "method": cell.route.label(),
    }


def scored_splits(scored: Scored) -> list[str]:
    """Return the splits with ground truth that the supervisor labelled in full: `test` and shifted tests."""
    known, names = set(scored.supervisor.ids), scored.splits.names()
    shifts = [name for name in names if name.startswith("shift:") and known.issuperset(scored.splits.part(name).ids)]
    return [name for name in names if name == "test" or name in shifts]


def rules(scored: Scored) -> list[str]:
    """Return the stopping rules that differ for a cell: a model without steps is read at its end alone."""
    if len(scored.student.predictions.steps) == 1:
        return ["last"]
    return [rule for rule in RULES if rule != "weak_val" or scored.student.knows_val(scored.splits)]


def run_of(scored: Scored, split: str, rule: str) -> Run:
    """Return a seed's test rows as the statistics take them; floor is read at the end, whose labels were given.

    A rule that the cell does not have (see `rules`) reads student and ceiling at their end.
    """
    return scored.runs(scored, split, rule)


def _run(scored: Scored, split: str, rule: str) -> Run:
    test, _ = scored.test(split)
    if scored.splits.target == "generation":
        texts = (sides(scored, split, rule)[role] for role in ("student", "floor", "ceiling"))
        judged = [judge(scored.cell.task, test, found) for found in texts]
        return Run(np.ones(len(test)), test.groups, *judged)
    student, ceiling = (
        trained.predictions.at(_point(scored, trained, split, rule), test.ids)
        for trained in (scored.student, scored.ceiling)
    )
    floor = scored.supervisor.on(test.ids)
    if scored.splits.target == "regression":
        student, ceiling, floor = student[:, 0], ceiling[:, 0], floor[:, 0]
    return Run(test.labels, test.groups, student, floor, ceiling)


def _point(scored: Scored, trained: Trained, split: str, rule: str) -> int:
    """Return the point of training that a rule reads; one that the cell does not have reads the end."""
    return trained.point(rule if rule in rules(scored) else "last", scored.splits, *scored.test(split))


def sides(scored: Scored, split: str, rule: str) -> dict[str, tuple[str, ...]]:
    """Return the texts of `floor`, `student` and `ceiling` for the rows of a test split of a generation task."""
    ids = scored.test(split)[0].ids
    found = {"floor": scored.supervisor.texts_at(-1, ids)}
    for role, trained in (("student", scored.student), ("ceiling", scored.ceiling)):
        found[role] = trained.predictions.texts_at(_point(scored, trained, split, rule), ids)
    return found


def agreement_run(scored: Scored, split: str, rule: str) -> Run:
    """Return a run in which student and supervisor agree where their classes are the same, or their texts.

    Of texts there are two classes: those that the supervisor has right, and wrong; another text is of the other one.
    """
    if scored.splits.target != "generation":
        return run_of(scored, split, rule)
    test, texts = scored.test(split)[0], sides(scored, split, rule)
    right = np.asarray(run_of(scored, split, rule).floor)[:, 0] > RIGHT
    alike = right == (same(texts["student"], texts["floor"]) == 1)
    return Run(np.ones(len(test)), test.groups, alike * 1.0, right * 1.0, np.ones(len(test)))


def shared_runs(members: Sequence[Seeds], rule: str) -> list[list[Run]]:
    """Return for each member its runs on the seeds and in-domain test rows that all have; nothing when there are none."""
    of_seed = [{one.cell.seed: one for one in member} for member in members]
    found: list[list[Run]] = [[] for _ in members]
    for seed in of_seed[0]:
        if not all(seed in held for held in of_seed):
            continue
        tests = [held[seed].test("test")[0].ids for held in of_seed]
        alike = all(test == tests[0] for test in tests)
        ids = sorted(set(tests[0]).intersection(*tests[1:]))
        for runs, held, test in zip(found, of_seed, tests, strict=True):
            run = run_of(held[seed], "test", rule)
            if ids:
                runs.append(run if alike else taken(run, positions(test, ids, what="these test rows")))
    return found if found[0] else []


def taken(run: Run, rows: npt.NDArray[np.int64]) -> Run:
    """Return a run on some of its rows, by position."""
    groups = [run.groups[i] for i in rows]  # a list: names may be long texts, which an array would pad to the longest
    labels, student, floor, ceiling = (
        np.asarray(part)[rows] for part in (run.labels, run.student, run.floor, run.ceiling)
    )
    return Run(labels, groups, student, floor, ceiling)
