"""`surpass advise` on a person's table: will a student beat these labels, before the strong model is trained.

A cheap student stands in for the strong model: a linear probe on its frozen features, or the model itself where that is
cheap. It is fitted on at most 1,500 rows and judged out of fold (`crossfit`) on the gold rows that `surpass
fit` would not test on, so that what `fit` measures later stays independent of what was decided here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from surpass.advice.buying import GAINS, GoldCurve, gold_curve, rows_to_see
from surpass.advice.choosing import beside_soft
from surpass.advice.deciding import clear_winner, differences, verdict
from surpass.advice.rehearsing import stands_in
from surpass.artifacts import Values
from surpass.errors import DataError, IncompatibleError, SpecError, SurpassError
from surpass.methods.base import Method
from surpass.metrics import hard
from surpass.models.base import Model
from surpass.own import parts, saving
from surpass.own.advice_words import worded
from surpass.own.crossfit import FOLDS, Crossfit, Labels, crossfit
from surpass.own.crowd import Combine, combined
from surpass.own.evidence import Places, Predicted, as_json, divide, with_gold, without_gold
from surpass.own.forecasting import plain_curve, plain_forecast, predicted
from surpass.own.job import check_together
from surpass.own.notes import labels_told, table_told
from surpass.own.reading import Own, Wanted, read
from surpass.runtime import Runtime
from surpass.spec import describe_kind, name_of
from surpass.stats import Estimate, Ratios, Run, compare, ratio_estimates
from surpass.tables import open_table

Tell = Callable[[float | None, str], None]
FEWEST_JUDGES = 20
SHARES = (0.25, 0.5, 1.0)
DRAWS = 4
METRICS = ("accuracy", "log_loss")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What a person asks.

    Attributes:
        source, wanted, strong, method, supervisor, n_gold, combine, seed, level, strict, encoding, runtime: as those of
            `surpass.own.job.Request`.
        sizes: rows that students learn from and gold rows that judge, at most; None: as the model's cost allows.
    """

    source: str
    wanted: Wanted
    strong: Any
    method: Any = parts.AUTO
    supervisor: Any = None
    n_gold: int | None = None
    combine: Combine = "mean"
    seed: int = 0
    level: float = 0.95
    strict: bool = False
    encoding: str = "utf-8"
    runtime: Runtime = dataclasses.field(default_factory=Runtime)
    sizes: tuple[int, int] | None = None


def advise(question: Question, tell: Tell = lambda share, text: None) -> dict[str, Any]:
    """Return the advice as plain data: `verdict`, the numbers it rests on, `told` sentences and what to do `next`.

    Raises:
        DataError, SpecError, IncompatibleError: what a person can mend.
    """
    wanted = question.wanted
    strong = parts.model(question.strong)
    weak_model = parts.model(question.supervisor, "supervisor") if question.supervisor is not None else None
    for role, model in (("strong", strong), ("supervisor", weak_model)):
        if model is not None and model.targets == {"generation"}:
            raise IncompatibleError(
                f"{role}: {describe_kind(model)} writes texts, but advice is for classes and preferences. Use hf where the "
                "labels are classes; where they are texts to write, surpass fit --kind generation tests as it fits."
            )
    chosen = None if question.method == parts.AUTO else parts.method(question.method)
    saving.check_model(strong, chosen, preference=wanted.preference)
    check_together(question.n_gold, question.supervisor, question.combine, wanted)
    if strong.kind != "model/sklearn":
        question.runtime.torch_device()
    table = open_table(question.source, strict=question.strict, encoding=question.encoding)
    tell(None, "reading the table")
    own = read(table, wanted, tell)
    asked = _Asked(question, own, strong.resolve(), weak_model.resolve() if weak_model else None, chosen, tell)
    facts = asked.facts()
    facts["data"] = {"name": question.source, "counts": own.counts, "told": table_told(table, own, question.wanted)}
    return worded(facts)


class _Asked:
    """One question on one table: its cross-fitted predictions, each computed once."""

    def __init__(
        self, question: Question, own: Own, strong: Model, weak: Model | None, chosen: Method | None, tell: Tell
    ) -> None:
        self.question, self.own, self.strong, self.weak_model, self.tell = question, own, strong, weak, tell
        self.soft = parts.method("soft")
        given = np.isfinite(own.gold)
        self.division = divide(given, own.labelled, own.groups, supervised=weak is not None, n_gold=question.n_gold)
        model, self.finetuned = stands_in(strong)
        method = chosen if chosen is not None and _able(model, chosen, own) else self.soft
        self.passed_over = chosen if chosen is not None and method != chosen else None
        self.rows: Crossfit = crossfit(
            own, self.division, model, method, supervised=weak is not None, runtime=question.runtime,
            seed=question.seed, sizes=question.sizes,
        )  # fmt: skip
        self._check_gold()
        self.sources = self._sources()
        self.asked = self.taken = next(iter(self.sources))
        tell(None, f"reading {len(self.rows.places):,} rows with {model.label()}")
        if encoder := model.encoder():
            self.rows.pool.table(encoder)
        tell(None, "fitting cheap students")
        self.weak = {name: self.rows.weak(labels) for name, labels in self.sources.items()}
        self.students = {self.asked: self.rows.student(self.sources[self.asked])}
        self.judges, self.better_method = self._judges(self.asked), ""

    def _judges(self, source: str) -> Places:
        """Return the gold rows that a source labels."""
        return np.flatnonzero(np.isfinite(self.rows.gold) & np.isfinite(self.weak[source]).all(axis=1))

    def _sources(self) -> dict[str, Labels]:
        """Return what may label the rows, by name; what was asked for is the first."""
        own, question, rows = self.own, self.question, self.rows
        if self.weak_model is not None:
            return {"supervisor": rows.supervised(stands_in(self.weak_model)[0], self.soft)}
        if own.probabilities.shape[1]:
            return {"probabilities": rows.labels(own.probabilities)}
        classes, columns = len(own.classes), question.wanted.weak
        singles = {name: rows.labels(combined(own.votes[:, [i]], classes)) for i, name in enumerate(columns)}
        if len(columns) < 2:
            return singles
        ways = sorted(get_args(Combine), key=lambda way: way != question.combine)
        return {way: rows.labels(combined(own.votes, classes, way)) for way in ways} | singles

    def _check_gold(self) -> None:
        """Refuse gold labels that tell nothing, and too few to fit a supervisor and judge it."""
        gold = self.rows.gold[self.rows.known]
        if len(gold) >= FEWEST_JUDGES and len(set(gold)) < 2:
            raise DataError(
                f"the {len(gold)} gold labels of column '{self.question.wanted.gold}' that may judge are all of one class "
                f"({self.own.classes[int(gold[0])]}), which tells nothing of the others. Label rows drawn at random."
            )
        if self.weak_model is not None and len(gold) < FEWEST_JUDGES:
            raise DataError(
                f"{len(gold)} of the {int(np.isfinite(self.own.gold).sum())} gold rows may fit and judge the supervisor "
                f"(surpass fit tests on the others); at least {FEWEST_JUDGES} are needed. Label more rows."
            )

    def facts(self) -> dict[str, Any]:
        """Return all that is known."""
        found: dict[str, Any] = {"sources": [], "methods": []}
        if len(self.judges) >= FEWEST_JUDGES:
            found = self._measured()
        question, rows, own = self.question, self.rows, self.own
        free = self._label_free()
        same = free["agreement"]
        differing = dataclasses.replace(same, value=1 - same.value, low=1 - same.high, high=1 - same.low)
        needed = {f"{gain:g}": rows_to_see(gain, differing, level=question.level) for gain in GAINS}
        return {
            "form": 1,
            "target": own.target,
            "classes": list(own.classes),
            "strong": self.strong.label(),
            "cheap": rows.model.label(),
            "cheap_is_strong": not self.finetuned,
            "labels": labels_told(question.wanted, self.weak_model, question.combine),
            "asked": self.asked,
            "use": self._use(found),
            "columns": {"gold": question.wanted.gold, "weak": list(question.wanted.weak)},
            "level": question.level,
            "rows": {
                "kept": len(own.inputs),
                "trained_on": int(rows.train.sum()),
                "could_train": len(self.division.train),
                "gold": int(np.isfinite(own.gold).sum()),
                "judges": len(self.judges),
                "left_for_test": len(self.division.test),
            },
            "method_passed_over": name_of(self.passed_over) if self.passed_over else "",
            "label_free": as_json(free),
            "differing": as_json({"differing": differing})["differing"],
            "needed": as_json(needed),
            **found,
        }

    def _use(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the labels and the method to take; a method only where another than soft is clearly better."""
        columns = self.question.wanted.weak
        combines = self.taken in get_args(Combine)
        return {
            "source": self.taken,
            "weak": list(columns if combines or self.taken not in columns else [self.taken]),
            "combine": self.taken if combines else "mean",
            "method": self.better_method or "auto",
        }

    def _label_free(self) -> dict[str, Estimate]:
        """Return agreement and misfit of the student and the labels, on rows that it did not see."""
        weak, student = self.weak[self.taken], self.students[self.taken]
        held = np.flatnonzero(np.isfinite(weak).all(axis=1) & np.isfinite(student).all(axis=1))
        if len(held) < 2:
            raise DataError(
                "fewer than 2 rows with weak labels could be predicted by models that did not see their text. "
                "Give more rows."
            )
        return without_gold(weak[held], [student[held]], self._groups(held), level=self.question.level)

    def _measured(self) -> dict[str, Any]:
        """Return what gold labels tell, of the labels that serve best."""
        compared, clear = self._compared()
        self.taken = clear or self.asked
        self.judges = judges = self._judges(self.taken)
        weak, student = self.weak[self.taken], self.students[self.taken]
        scored = Predicted(self.rows.gold[judges], self._groups(judges), weak[judges], (student[judges],))
        found = with_gold(scored, target=self.own.target, level=self.question.level)
        half = self._student(share=0.5)
        alone, curve = self._gold()
        made = predicted(
            self.rows, judges, weak=weak, student=student, half=half, alone=alone,
            finetuned=self.finetuned, level=self.question.level,
        )  # fmt: skip
        methods, self.better_method = self._methods()
        return {
            "verdict": verdict(made, curve, per_judge=2)._asdict(),  # half of the labelled rows are left to the test
            "expected": as_json({name: found[name] for name in METRICS}),
            "forecast": plain_forecast(made),
            "sources": compared,
            "methods": methods,
            "more_rows": self._more_rows(half),
            "gold_alone": plain_curve(curve),
        }

    def _student(self, **options: Any) -> Values:
        return self.rows.student(self.sources[self.taken], **options)

    def _groups(self, places: Places) -> tuple[str, ...]:
        return tuple(self.rows.groups[i] for i in places)

    def _accuracy(self, source: str, places: Places) -> tuple[Estimate, Estimate]:
        """Return the accuracy of a source on rows that it labels, and the gain of its student on them."""
        student, floor = self.students[source][places], self.weak[source][places]
        run = Run(self.rows.gold[places], self._groups(places), student, floor, student)
        one = compare("accuracy", [run], level=self.question.level)
        return one.floor, one.gain

    def _beside(self, students: dict[str, Values], base: str) -> tuple[dict[str, Estimate], dict[str, Estimate], str]:
        """Return the students' accuracies on all judges, their differences to the base's, and the clear winner, if any."""
        rights = {name: self._right(values) for name, values in students.items()}
        table, groups = np.column_stack(list(rights.values())), self._groups(self.judges)
        part = Ratios(table, np.ones_like(table), groups)
        scores = ratio_estimates([part], list(rights), bounds=(0.0, 1.0), level=self.question.level)
        over = differences(rights, base, groups, level=self.question.level)
        return dict(zip(rights, scores, strict=True)), over, clear_winner(over)

    def _compared(self) -> tuple[list[dict[str, Any]], str]:
        """Return each source: its own score where it labels, its student's on all judges, and against the asked one's."""
        told: list[dict[str, Any]] = []
        for name, labels in self.sources.items():
            covered = self._judges(name)
            if len(covered) < FEWEST_JUDGES:
                problem = f"it labels {len(covered)} of the gold rows that judge, too few"
                told.append({"name": name, "problem": problem})
                continue
            self.tell(None, f"trying the labels of {name}")
            try:
                self.students[name] = self.students[name] if name in self.students else self.rows.student(labels)
            except SurpassError as error:  # of one rater; the others may do
                told.append({"name": name, "problem": str(error).rstrip(".")})
                continue
            floor, gain = self._accuracy(name, covered)
            told.append({"name": name, "covers": len(covered), **as_json({"floor": floor, "gain": gain})})
        scores, over, clear = self._beside(self.students, self.asked)
        for one in told:
            if "problem" not in one:
                shown = {"student": scores[one["name"]]} | (
                    {"over_asked": over[one["name"]]} if one["name"] in over else {}
                )
                one.update(as_json(shown))
        return told, clear

    def _methods(self) -> tuple[list[dict[str, Any]], str]:
        """Return methods that do with the labels alone, against soft, where the cheap model can have them; and the winner."""
        soft, students = name_of(self.soft), dict[str, Values]()
        for method in beside_soft(self.rows.model, self.own.target) if self.question.method == parts.AUTO else ():
            if not _able(self.rows.model, method, self.own):
                continue
            self.tell(None, f"trying method {name_of(method)}")
            try:
                students[name_of(method)] = self._student(method=method)
            except SurpassError:  # such as no label that is sure enough
                continue
        scores, over, clear = self._beside({soft: self.students[self.taken]} | students, soft)
        told = [{"name": name, **as_json({"student": scores[name], "over_soft": over[name]})} for name in students]
        return told, clear

    def _more_rows(self, half: Values) -> dict[str, Any]:
        """Return students of a quarter, half and all of the rows, and what the last doubling brought."""
        self.tell(None, "trying fewer rows")
        values = (self._student(share=SHARES[0]), half, self.students[self.taken])
        total, tops = int(self.rows.train.sum()), np.column_stack([self._right(one) for one in values])
        part = Ratios(tops, np.ones_like(tops), self._groups(self.judges))
        counts = [round(share * total) for share in SHARES]
        names = [f"{count} rows" for count in counts]
        scores = ratio_estimates([part], names, bounds=(0.0, 1.0), level=self.question.level)
        (doubling,) = ratio_estimates([part], names, [[0.0, -1.0, 1.0]], level=self.question.level)
        points = [{"rows": n, **as_json({"student": one})} for n, one in zip(counts, scores, strict=True)]
        return {"points": points, **as_json({"doubling": doubling})}

    def _right(self, values: Values) -> Values:
        """Return whether each judge is right, 0 or 1."""
        return np.asarray(hard(values[self.judges]) == self.rows.gold[self.judges], dtype=np.float64)

    def _gold(self) -> tuple[Values, GoldCurve]:
        """Return predictions of the model on gold labels alone, and its curve."""
        self.tell(None, "trying gold labels alone")
        most = min(int((self.rows.known & (self.rows.folds != fold)).sum()) for fold in range(FOLDS))
        points, alone = [], self.rows.gold_alone(self.soft, most, 0)
        for count in sorted({math.ceil(share * most) for share in SHARES[:-1]} - {most}):
            rights = [self._right(self.rows.gold_alone(self.soft, count, draw)) for draw in range(DRAWS)]
            points.append((count, np.mean(rights, axis=0)))
        points.append((most, self._right(alone)))
        held, student = int(self.rows.known.sum()), self._right(self.students[self.taken])
        return alone, gold_curve(student, points, self._groups(self.judges), held=held, level=self.question.level)


def _able(model: Model, method: Method, own: Own) -> bool:
    """Return whether the cheap model can have the method from labels alone."""
    try:
        parts.check(model, method, len(own.classes), some_gold=True, target=own.target)
    except (IncompatibleError, SpecError):
        return False
    return True
