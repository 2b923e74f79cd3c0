"""A study rehearsed on its training rows: each fold of the `weak` rows plays the test of what the others teach.

No test label can be read here: the only rows that are ever made are those of `Data.training()`, and among them the ground
truth of the `transfer` rows is blanked before any model sees them. What labels them by design (a blend with a
ground-truth budget, a made-up supervisor) still reads its own labels.

For each fold the stages of the study are computed as they are, by the same functions, with other rows in the place of the
study's: the `weak` rows of the other folds train the supervisor, it labels the `transfer` rows, a student learns from these
labels, and both are scored on the fold. The student is the study's own where it is cheap, else a probe on its backbone's
frozen features (Burns et al. 2023 finetune; what a probe has of a finetuned student's gain is what the track record
says). Frozen features come from the store, where the study's own run finds them again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.advice.choosing import unadvised
from surpass.advice.evidence import MOST_JUDGES, Rehearsal
from surpass.artifacts import Artifact, Rows, Splits, Values
from surpass.computing import compute, compute_all
from surpass.corpora.base import Corpus
from surpass.errors import DataError, IncompatibleError, StageError, SurpassError
from surpass.fits import parts_of
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.methods.base import FROM_LABELS
from surpass.models._pretrain import Pretrain
from surpass.models.base import Model
from surpass.registry import REGISTRIES
from surpass.route import Route
from surpass.runtime import Runtime
from surpass.spec import Spec, key
from surpass.splits import Data
from surpass.stages import Features, Fit, Label, Stage, inputs_of, label_stage, named_inputs, stored_as
from surpass.store import Store
from surpass.study import bind, describe
from surpass.work import Node, math_threads, run_stage

FOLDS, FOLDS_FINETUNED = 5, 3  # of a supervisor that trains in seconds, and of one that is finetuned
MOST_TRANSFER = 1000  # rows that the student learns from; as many as the study has where it takes no finetuning
MOST_TRANSFER_OWN = 2000


class Judged(NamedTuple):
    """Out-of-fold predictions on the rows that judge: (n, C) values, NaN where a fold has none, and why, if so."""

    values: Values
    problem: str = ""


def stands_in(strong: Model) -> tuple[Model, bool]:
    """Return the cheap model that stands in for a student, and whether the student itself is finetuned.

    A finetuned model has a probe on its own backbone stand in; any other is cheap, and stands in for itself.
    """
    encoder = strong.encoder()
    if strong.reads_features or encoder is None:
        return strong, False
    probe: Any = REGISTRIES["model"].get("probe")
    same = {field.name: getattr(encoder, field.name) for field in dataclasses.fields(encoder)}
    found: Model = probe(**same)
    return found, True


@dataclasses.dataclass(eq=False)
class Ground:
    """The training rows of one task with the folds of its rows with ground truth; all pairs of a study share it.

    Attributes:
        data: the rows, resolved, without test rows.
        splits: its rows.
        fold: (n_weak,) of each `weak` row, -1 for rows that train in every fold and judge in none.
        folds: how many.
        store: where features are kept.
        runtime: speed and place.
        memo: what has been computed, by stage and fold.
    """

    data: Data
    splits: Splits
    fold: NDArray[np.int64]
    folds: int
    store: Store
    runtime: Runtime
    memo: dict[tuple[str, int], Artifact] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, data: Data, *, folds: int, most_transfer: int, store: Store, runtime: Runtime) -> Ground:
        """Return the ground of a study's rows; of many `transfer` rows the first, of many `weak` rows the first judge.

        Raises:
            DataError: there are no rows with ground truth, or none to label.
        """
        rows = dataclasses.replace(data.training(), n_transfer=min(data.n_transfer, most_transfer))
        lacking = [f"n_{name}=0" for name in ("weak", "transfer") if not getattr(rows, f"n_{name}")]
        if lacking:
            raise DataError(f"{' and '.join(lacking)}: advice needs rows with ground truth and rows to label.")
        splits: Splits = stored(rows, store, runtime)
        weak = splits.part("weak")
        first = set(weak.groups[:MOST_JUDGES])
        if len(first) < 2 * folds:
            raise DataError(
                f"{len(first)} independent rows with ground truth; cross-fitting needs {2 * folds} or more."
            )
        judges = np.array([i for i, group in enumerate(weak.groups) if group in first])  # no group is parted
        fold = np.full(len(weak), -1)
        fold[judges] = parts_of([weak.groups[i] for i in judges], folds)
        return cls(rows, splits, fold, folds, store, runtime)

    @property
    def judges(self) -> Rows:
        """The rows whose ground truth scores."""
        return self.splits.part("weak").take(np.flatnonzero(self.fold >= 0))

    def rows_of(self, fold: int) -> NDArray[np.int64]:
        """Return the places of a fold among the judges."""
        return np.flatnonzero(self.fold[self.fold >= 0] == fold)

    def artifact(self, stage: Stage, fold: int) -> Any:
        """Return what a stage of the study yields where a fold plays the test."""
        shared = isinstance(stage, Corpus | Pretrain) or (isinstance(stage, Features) and stage.hint is None)
        name = key(stage), -1 if shared else fold
        if name not in self.memo:
            self.memo[name] = self._made(stage, fold)
        return self.memo[name]

    def _made(self, stage: Stage, fold: int) -> Artifact:
        if isinstance(stage, Corpus | Pretrain):  # long work that no fold changes, and a model in a folder
            kept: Artifact = stored(stage, self.store, self.runtime)
            return kept
        if isinstance(stage, Data):
            return self._training(fold) if stage.n_transfer else self._test(self.judges.take(self.rows_of(fold)))
        if isinstance(stage, Features) and stage.hint is None:
            part = "weak" if stage.part == "evaluation" else stage.part
            found: Artifact = stored(dataclasses.replace(stage, data=self.data, part=part), self.store, self.runtime)
            return found
        inputs = [self.artifact(item, fold) for item in inputs_of(stage)]
        if isinstance(stage, Label) and not isinstance(stage.source, Gold):
            inputs[0] = self._training(fold, blank=False)
        with math_threads(self.runtime.threads):
            return compute(stage, inputs, self.runtime)

    def _training(self, fold: int, *, blank: bool = True) -> Splits:
        """Return the `weak` rows of the other folds and the `transfer` rows, whose ground truth is blanked."""
        weak, transfer = self.splits.part("weak"), self.splits.part("transfer")
        weak = weak.take(np.flatnonzero(self.fold != fold))
        if blank:
            transfer = dataclasses.replace(transfer, labels=np.zeros_like(transfer.labels))
        split = ("weak",) * len(weak) + ("transfer",) * len(transfer)
        return dataclasses.replace(self.splits, rows=Rows.joined([weak, transfer]), split=split)

    def _test(self, rows: Rows) -> Splits:
        return dataclasses.replace(self.splits, rows=rows, split=("test",) * len(rows), facts={})

    def judged(self, fits: Sequence[Fit | Label]) -> Judged:
        """Return out-of-fold predictions by one stage for each fold."""
        judges, found, problem = self.judges, None, ""
        for fold, stage in enumerate(fits):
            places = self.rows_of(fold)
            try:
                values = self.artifact(stage, fold).on([judges.ids[i] for i in places])
            except (
                SurpassError,
                ValueError,
            ) as error:  # a fold may lack a class; advice then says what it could not try
                problem = problem or str(error)
                continue
            found = np.full((len(judges), values.shape[1]), np.nan) if found is None else found
            found[places] = values
        return Judged(np.full((len(judges), 1), np.nan) if found is None else found, problem)

    def solve(self, fits: Sequence[Fit]) -> None:
        """Compute heads over the same rows together, for all folds at once; what fails is left to `artifact`."""
        able = [fit for fit in fits if fit.model.together and not (fit.method.solves or fit.reprobe or fit.hint)]
        able = [fit for fit in able if not fit.method.needs & FROM_LABELS and fit.train_split == "transfer"]
        groups: dict[tuple[str, str], list[tuple[Fit, int]]] = {}
        for fit in dict.fromkeys(able):
            for fold in range(self.folds):
                if (key(fit), fold) not in self.memo:
                    groups.setdefault((key(fit.model), str(fit.part)), []).append((fit, fold))
        for jobs in groups.values():
            self._solve(jobs)

    def _solve(self, jobs: Sequence[tuple[Fit, int]]) -> None:
        transfer = self.splits.part("transfer")
        blank = dataclasses.replace(transfer, labels=np.zeros_like(transfer.labels))
        shared = {
            "training": dataclasses.replace(self.splits, rows=blank, split=("transfer",) * len(blank)),
            "evaluation": self._test(self.judges),
        }
        inputs: list[list[Any]] = []
        for fit, fold in jobs:
            halves = iter(shared.values())
            inputs.append(
                [next(halves) if use == "data" else self.artifact(item, fold) for use, item in named_inputs(fit)]
            )
        with math_threads(self.runtime.threads):
            made = compute_all([fit for fit, _ in jobs], inputs, self.runtime)
        self.memo |= {(key(fit), fold): one for (fit, fold), one in zip(jobs, made, strict=True) if one is not None}


def stored(stage: Stage, store: Store, runtime: Runtime) -> Any:
    """Return a stage's artifact from the store, computed first if it is not there.

    Raises:
        StageError: it failed.
    """
    inputs = inputs_of(stage)
    for item in inputs:
        stored(item, store, runtime)
    outcome = run_stage(Node(key(stage), stage, tuple(map(key, inputs))), store, runtime)
    if outcome.status == "failed":
        raise StageError(f"{describe(stage)}: {outcome.error}")
    return store.load(stored_as(stage), key(stage))


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One pair on its ground: the supervisor of each fold, and the cheap student of the pair.

    Attributes:
        ground: the rows.
        weak: the pair's supervisor, not bound.
        model: the student, or what stands in for it.
        seed: of all fits.
    """

    ground: Ground
    weak: Spec
    model: Model
    seed: int

    @property
    def labels(self) -> Fit | LabelSource:
        """What labels the rows."""
        return bind(self.weak, self.ground.data, self.seed)

    def student(self, route: Route, model: Model | None = None, part: tuple[int, ...] = ()) -> Fit:
        """Return the student of a route, fitted to a part of the rows."""
        fit = route.student(self.ground.data, model or self.model, self.labels, self.seed, route.settings[0])
        return dataclasses.replace(fit, part=part) if part else fit

    def gold(self, part: tuple[int, ...] = ()) -> Fit:
        """Return the student's model fitted to ground truth of the `weak` rows of the other folds."""
        return Fit(data=self.ground.data, model=self.model, labels=Gold(split="weak"), seed=self.seed, part=part)

    def rehearse(self, route: Route) -> Rehearsal:
        """Return the out-of-fold predictions that evidence is made of.

        Raises:
            StageError: supervisor or student cannot be fitted on the rows of a fold, and why.
            IncompatibleError: the labels cover no row with ground truth.
        """
        ground, judges = self.ground, self.ground.judges
        whole, halves = self.student(route), [self.student(route, part=(i, 2)) for i in (0, 1)]
        ground.solve([whole, *halves])
        floor = ground.judged([label_stage(self.labels, ground.data)] * ground.folds)
        if floor.problem:
            raise IncompatibleError(
                f"the supervisor cannot be judged on rows with ground truth: {floor.problem} Label the `weak` rows too."
            )
        student = ground.judged([whole] * ground.folds)
        if student.problem:
            raise StageError(f"the student of a fold cannot be fitted: {student.problem}")
        gold = ground.judged([self.gold()] * ground.folds)
        split = [ground.judged([half] * ground.folds) for half in halves]
        split_ok = not any(one.problem for one in split)
        weak_labels = away = gold_away = None
        if split_ok:
            weak_labels, away, gold_away = self._away(halves, gold=not gold.problem)
        return Rehearsal(
            target=ground.splits.target,
            labels=judges.labels,
            groups=judges.groups,
            floor=floor.values,
            student=student.values,
            gold=None if gold.problem else gold.values,
            weak_labels=weak_labels,
            away=away,
            gold_away=gold_away,
            halves=tuple(one.values for one in split) if split_ok else (),
        )

    def _away(self, halves: Sequence[Fit], *, gold: bool) -> tuple[Values, Values, Values | None]:
        """Return what supervisor, students of the other half, and models of ground truth say of the `transfer` rows.

        Each row is read once, in one of the folds by turns.
        """
        ground, rows = self.ground, self.ground.splits.part("transfer")
        part, turn = parts_of(rows.groups, 2), np.arange(len(rows)) % self.ground.folds
        supervisor = label_stage(self.labels, ground.data)

        def read(role: str, stage: Stage, told: NDArray[np.bool_], fold: int) -> None:
            values = ground.artifact(stage, fold).on(rows.ids)
            table = found.setdefault(role, np.zeros_like(values))
            table[told] = values[told]

        found: dict[str, Values] = {}
        for fold in range(ground.folds):
            read("weak", supervisor, turn == fold, fold)
            for half, fit in enumerate(halves):
                read("away", fit, (turn == fold) & (part != half), fold)
            if gold:  # of one model for supervisor and student both are the same stage
                read("gold", self.gold(), turn == fold, fold)
        return found["weak"], found["away"], found.get("gold")


class Grounds:
    """The grounds of a study's tasks, each made once; a task's is let go when another one is asked for."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store, self._runtime = store, runtime
        self._held: dict[tuple[str, int, int], Ground] = {}

    def of(self, data: Data, weak: Spec, *, finetuned: bool) -> Ground:
        """Return the ground of a cell's rows, whose supervisor is cheap or finetuned, and so is its student.

        Raises:
            DataError: it has too few rows.
            IncompatibleError: there is no advice on its kind of task.
        """
        if text := unadvised(data.task):
            raise IncompatibleError(text)
        folds = FOLDS_FINETUNED if isinstance(weak, Model) and stands_in(weak)[1] else FOLDS
        most = MOST_TRANSFER if finetuned else MOST_TRANSFER_OWN
        name = key(data), folds, most
        if name not in self._held:
            if any(ground.data.task != data.task for ground in self._held.values()):
                self._held.clear()
            self._held[name] = Ground.of(
                data, folds=folds, most_transfer=most, store=self._store, runtime=self._runtime
            )
        return self._held[name]
