"""`surpass fit`: from a person's table to a model folder, with what is known of the student."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Facts, Values
from surpass.errors import DataError, SpecError
from surpass.models.base import Model
from surpass.own import parts, saving
from surpass.own.choosing import MOST_ROWS, Choice, choose, unchosen
from surpass.own.crowd import Combine, combined
from surpass.own.evidence import (
    FEWEST_ALONE,
    Division,
    Places,
    Predicted,
    as_json,
    divide,
    with_gold,
    without_gold,
)
from surpass.own.fitting import Pool, Student, one_hot
from surpass.own.guarding import findings, splits_of
from surpass.own.notes import basis, labels_told, notes, request_facts, rests_on, row_counts
from surpass.own.reading import Own, Wanted, read
from surpass.runtime import Runtime
from surpass.spec import encode, name_of
from surpass.tables import Table, open_table
from surpass.work import versions

Tell = Callable[[float | None, str], None]
"""Called with the share of the step that is done (None: not known) and what is being done."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for.

    Attributes:
        source: path of the table, or hub:...
        wanted: its columns.
        out: the model folder to write.
        strong, method, supervisor: as `WeakToStrongClassifier` takes them.
        n_gold: pretend that only so many gold labels are there.
        combine: how several weak columns become one label.
        seeds: fits of the student, and of what it is compared with; the first is kept.
        seed: the first seed.
        level: of the intervals.
        strict: bad lines are errors.
        encoding: of a text file.
        overwrite: replace a model folder that is there.
        runtime: speed, place and noise.
    """

    source: str
    wanted: Wanted
    out: Path
    strong: Any
    method: Any = parts.AUTO
    supervisor: Any = None
    n_gold: int | None = None
    combine: Combine = "mean"
    seeds: int = 1
    seed: int = 0
    level: float = 0.95
    strict: bool = False
    encoding: str = "utf-8"
    overwrite: bool = False
    runtime: Runtime = dataclasses.field(default_factory=Runtime)


@dataclasses.dataclass
class Clock:
    """Tells what is being done, and remembers how long each step took."""

    tell: Tell
    taken: dict[str, float] = dataclasses.field(default_factory=dict)
    since: float = 0.0
    step: str = ""

    def __call__(self, step: str) -> None:
        """Begin a step, which ends the one before; "" ends the last."""
        now = time.monotonic()
        if self.step:
            self.taken[self.step] = round(self.taken.get(self.step, 0.0) + now - self.since, 2)
        self.step, self.since = step, now
        if step:
            self.tell(None, step)


def run(request: Request, tell: Tell = lambda share, text: None) -> dict[str, Any]:
    """Fit, write the model folder, and return what its `surpass.json` holds.

    Raises:
        DataError, SpecError, IncompatibleError: what a person can mend; nothing is written then.
    """
    wanted = request.wanted
    strong = parts.model(request.strong)
    weak_model = parts.model(request.supervisor, "supervisor") if request.supervisor is not None else None
    parts.check_labeller(strong, "strong")
    parts.check_labeller(weak_model, "supervisor")
    method = None if request.method == parts.AUTO else parts.method(request.method)
    saving.check(strong, method, request.out, overwrite=request.overwrite, preference=wanted.preference)
    check_together(request.n_gold, request.supervisor, request.combine, wanted)
    if strong.kind != "model/sklearn":
        request.runtime.torch_device()  # whether there is such a device is told before the table is read
    clock = Clock(tell)
    table = open_table(request.source, strict=request.strict, encoding=request.encoding)
    clock("reading the table")
    own = read(table, wanted, tell)
    fit = _Fit(request, own, strong.resolve(), weak_model.resolve() if weak_model else None, clock)
    if method is not None:
        parts.check(strong, method, len(own.classes), some_gold=bool(len(fit.division.known)), target=own.target)
    fit.label()
    choice = fit.choose() if method is None else Choice(method, "as given")
    students = fit.students(choice)
    predicted = fit.predicted(students)
    facts = fit.facts(table, choice, students, predicted)
    clock("writing the model folder")
    with saving.replacing(request.out) as folder:
        facts = saving.write(folder, students[0], fit.pool, facts)
        clock("")
        facts["seconds"] = clock.taken
        saving.write_facts(folder, facts)
    return facts


def check_together(n_gold: int | None, supervisor: Any, combine: Combine, wanted: Wanted) -> None:
    """Refuse options that do not go together."""
    if n_gold is not None and (supervisor is None or n_gold < 2):
        raise DataError(f"--n-gold {n_gold}: at least 2, and only with --supervisor, which is fitted on so many.")
    if combine != "mean" and len(wanted.weak) < 2:
        raise SpecError(f"--combine {combine} compares raters: name two columns or more with --weak-label.")


class _Fit:
    """One run: its rows, what they are for, and the fits."""

    def __init__(self, request: Request, own: Own, strong: Model, weak: Model | None, clock: Clock) -> None:
        self.request, self.own, self.strong, self.weak_model, self.clock = request, own, strong, weak, clock
        self.pool = Pool(own.inputs, own.classes, request.runtime, own.target)
        self.division: Division = divide(
            np.isfinite(own.gold), own.labelled, own.groups, supervised=weak is not None, n_gold=request.n_gold
        )
        self.weak: Values = np.full((len(own.inputs), len(own.classes)), np.nan)
        self.supervisor_facts: Facts = {}
        if not len(self.division.train):
            raise DataError("no row is left to train on once the test rows are set aside. Give more rows.")
        _check_classes(own, self.division)

    def label(self) -> None:
        """Fill the weak labels: from their columns, or by the supervisor."""
        own, division = self.own, self.division
        if self.weak_model is None:
            if own.probabilities.shape[1]:
                self.weak = own.probabilities
            else:
                self.weak = combined(own.votes, len(own.classes), self.request.combine)
            return
        self.clock("fitting the supervisor")
        rows = division.known
        model = parts.for_few_rows(self.weak_model, len(rows))
        supervisor = self.pool.fit(model, parts.method("soft"), rows, self.gold(rows), seed=self.request.seed)
        self.supervisor_facts = supervisor.fitted.facts
        unknown = np.setdiff1d(np.union1d(division.train, division.test), rows)
        self.weak[unknown] = self.pool.predict(supervisor, unknown)

    def gold(self, rows: Places) -> Values:
        """Return gold labels of rows as probabilities."""
        return one_hot(self.own.gold[rows].astype(np.int64), len(self.own.classes))

    def choose(self) -> Choice:
        """Return what method `auto` becomes."""
        if self.weak_model is not None:
            return unchosen()
        train = np.setdiff1d(self.division.train, self.division.known)
        train = train[np.isfinite(self.weak[train]).all(axis=1)]
        strong = parts.sized(self.request.strong, self.strong, min(len(train), MOST_ROWS))
        judges = self.division.known
        return choose(
            self.pool, strong, train, self.weak[train], judges, self.own.gold[judges], seed=self.request.seed,
            tell=self.clock,
        )  # fmt: skip

    @property
    def seeds(self) -> range:
        """The seeds of the fits."""
        return range(self.request.seed, self.request.seed + self.request.seeds)

    def students(self, choice: Choice) -> list[Student]:
        """Return the student of each seed."""
        rows = self.division.train
        marks = np.isin(rows, self.division.known)
        values = self.weak[rows].copy()
        values[marks] = self.gold(rows[marks])
        found = []
        strong = parts.sized(self.request.strong, self.strong, len(rows))
        for seed in self.seeds:
            self.clock("fitting the student")
            found.append(self.pool.fit(strong, choice.method, rows, values, gold=marks, seed=seed))
        return found

    def predicted(self, students: Sequence[Student]) -> Predicted | None:
        """Return predictions of the test rows by all roles, or None without test rows."""
        test, train = self.division.test, self.division.train
        if not len(test):
            return None
        self.clock("predicting the test rows")
        by_student = tuple(self.pool.predict(student, test) for student in students)
        tops: dict[str, tuple[Values, ...]] = {}
        if self.division.fair:
            known = train[np.isfinite(self.own.gold[train])]
            strong = parts.sized(self.request.strong, self.strong, len(known))
            tops["ceiling"] = self._on_gold("fitting the ceiling", strong, known)
        elif len(known := self.division.known) >= FEWEST_ALONE and len(set(self.own.gold[known])) > 1:
            tops["gold_only"] = self._on_gold(
                "fitting on gold alone", parts.for_few_rows(self.strong, len(known)), known
            )
        groups = self.own.groups
        return Predicted(self.own.gold[test], tuple(groups[i] for i in test), self.weak[test], by_student, **tops)

    def _on_gold(self, step: str, model: Model, rows: Places) -> tuple[Values, ...]:
        found = []
        for seed in self.seeds:
            self.clock(step)
            fitted = self.pool.fit(model, parts.method("soft"), rows, self.gold(rows), seed=seed)
            found.append(self.pool.predict(fitted, self.division.test))
        return tuple(found)

    def _estimates(self, students: Sequence[Student], predicted: Predicted | None) -> dict[str, Any]:
        if predicted is not None:
            return with_gold(predicted, target=self.own.target, level=self.request.level)
        held = self.division.held
        if len(held) < 2:
            return {}
        values = [self.pool.predict(student, held) for student in students]
        groups = [self.own.groups[i] for i in held]
        return {"weak labels": without_gold(self.weak[held], values, groups, level=self.request.level)}

    def facts(
        self, table: Table, choice: Choice, students: Sequence[Student], predicted: Predicted | None
    ) -> dict[str, Any]:
        """Return what is known, for `surpass.json`."""
        self.clock("measuring")
        request, own, division, first = self.request, self.own, self.division, students[0]
        where = {
            "task": Path(request.source).name,
            "weak": "weak labels",
            "strong": self.strong.label(),
            "method": name_of(choice.method),
        }
        encoded = [self.pool.table(first.encoder).facts] if first.encoder else []
        read_by = {"student": [first.fitted.facts, *encoded], "supervisor": [self.supervisor_facts]}
        supervised = self.weak_model is not None
        splits = splits_of(own, division, self.weak, supervised=supervised)
        estimates = self._estimates(students, predicted)
        found = findings(splits, self.weak, np.isfinite(own.gold), predicted, estimates, read_by, where)
        return {
            **request_facts(request.wanted, own, table, request.source),
            "labels": labels_told(request.wanted, self.weak_model, request.combine),
            "student": {
                "name": first.model.label(),
                "model": encode(first.model),
                "method": encode(choice.method),
                "method_name": name_of(choice.method),
                "choice": choice.as_json(),
                "seed": first.seed,
                "trained_on": first.trained_on,
            },
            "rows": row_counts(own, division, self.weak, supervised=supervised),
            "level": request.level,
            "evidence": {
                "basis": basis(predicted, gold=int(np.isfinite(own.gold).sum())),
                "rests_on": rests_on(len(students), predicted, supervised=self.weak_model is not None),
                "metrics": as_json(estimates),
                "notes": asked(request, division) + notes(own, division, predicted, estimates, supervised=supervised),
            },
            "findings": found,
            "versions": versions(),
        }


def asked(request: Request, division: Division) -> list[str]:
    """Return that fewer gold labels fit the supervisor than was asked for, if so."""
    known = len(division.known)
    if request.n_gold is None or known >= 0.9 * request.n_gold:
        return []
    return [
        f"{known:,} gold labels fit the supervisor, not {request.n_gold:,} (--n-gold): the table has no more to spare."
    ]


def _check_classes(own: Own, division: Division) -> None:
    """Refuse rows whose labels are of one class."""
    train = division.train
    seen = set(own.votes[train][np.isfinite(own.votes[train])]) | set(own.gold[division.known])
    if not own.probabilities.shape[1] and len(seen) < 2:
        held = ", ".join(own.classes[int(i)] for i in seen)
        raise DataError(
            f"all labels of the training rows are of one class ({held}). Two or more are needed to learn from."
        )
