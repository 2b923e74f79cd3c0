"""A study: which tasks, pairs, methods and seeds; and the cells it stands for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from surpass.corpora.base import Corpus
from surpass.errors import SpecError
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.models._pretrain import Pretrain
from surpass.models.base import Encoder, Model
from surpass.route import Route, route_of
from surpass.spec import Spec, describe_kind, field_problems, name_of, option
from surpass.splits import Data
from surpass.stages import Fit, Label, Stage
from surpass.tasks.base import Task

Stopping = Literal["last", "weak_val"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair(Spec):
    """A weak supervisor and a strong model; options that are left out come from the study.

    Attributes:
        weak: a model, fitted on the ground truth of the `weak` rows, or any label source.
        strong: the model that students and ceiling share.
        tasks: names of the study's tasks that this pair runs on; empty: all.
        methods: methods or routes for this pair; empty: the study's.
        data: options of `Data` that differ for this pair, as (name, value).
    """

    kind: ClassVar[str] = "pair"

    weak: Spec
    strong: Model
    tasks: tuple[str, ...] = ()
    methods: tuple[Method | Route, ...] = ()
    data: tuple[tuple[str, int | float | bool | str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _pairs(self.data))
        super().__post_init__()
        if not isinstance(self.weak, Model | LabelSource):
            raise SpecError(f"pair: weak is a {self.weak.kind}; a model or a label source is needed.")
        _check_data("pair", self.data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study(Spec):
    """A set of cells: every task x pair x method x seed.

    Attributes:
        name: names the output folder.
        tasks: labelled problems.
        pairs: weak and strong models.
        methods: how students learn from weak labels: methods, or routes through other models.
        data: options of `Data` for all tasks, as (name, value) or a mapping.
        seeds: how many; seed i shuffles the training rows and the training alike.
        first_seed: the first of them.
        vary: what a seed changes: the rows ("data"), the training ("fit") or both.
        metrics: metrics to report; empty: all of the task's kind.
        stopping: the rule of the headline numbers; all rules are in results.csv.
        level: of all intervals.
    """

    kind: ClassVar[str] = "study"

    name: str
    tasks: tuple[Task, ...]
    pairs: tuple[Pair, ...]
    methods: tuple[Method | Route, ...] = (Soft(),)
    data: tuple[tuple[str, int | float | bool | str], ...] = ()
    seeds: int = option(5, low=1, high=100_000)
    first_seed: int = option(0, low=0)
    vary: Literal["both", "data", "fit"] = "both"
    metrics: tuple[str, ...] = ()
    stopping: Stopping = "last"
    level: float = option(0.95, low=0.5, high=0.999)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", _pairs(self.data))
        super().__post_init__()
        if not re.fullmatch(r"[^\W_][\w .+=@,()-]{0,99}", self.name):
            raise SpecError(
                f"study: name={self.name!r}, but it names a folder: a letter or digit, then at most 99 more letters, "
                "digits, spaces and . _ - + = @ , ( )."
            )
        for name in ("tasks", "pairs", "methods"):
            if not getattr(self, name):
                raise SpecError(f"study: {name} is empty; at least one is needed.")
        if len(set(self.metrics)) < len(self.metrics):
            raise SpecError(f"study: metrics={list(self.metrics)} has one twice. Leave one out.")
        _check_data("study", self.data)
        self._check_repeats()

    def _check_repeats(self) -> None:
        """Refuse cells that tables could not tell apart; equal ones would also count each seed twice."""
        seen: dict[tuple[Task, str, str, str], int] = {}
        for number, pair in enumerate(self.pairs, 1):
            for task in dict.fromkeys(self.tasks_of(pair)):
                for route in self.routes_of(pair):
                    name = (task, pair.weak.label(), pair.strong.label(), route.label())  # type: ignore[attr-defined]
                    if name in seen:
                        raise SpecError(_repeat_text(number, seen[name], task, name[3]))
                    seen[name] = number

    def seed_range(self) -> range:
        """Return the seeds of the study."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def data_of(self, task: Task, pair: Pair, seed: int) -> Data:
        """Return the rows of a cell."""
        options: dict[str, Any] = {**dict(self.data), **dict(pair.data)}
        first = options.pop("seed", 0)
        return Data(task=task, seed=int(first) + (seed if self.vary != "fit" else 0), **options)

    def routes_of(self, pair: Pair) -> tuple[Route, ...]:
        """Return the routes from weak labels to students that a pair is run with."""
        return tuple(map(route_of, pair.methods or self.methods))

    def tasks_of(self, pair: Pair) -> tuple[Task, ...]:
        """Return the tasks that a pair is run on."""
        return tuple(task for task in self.tasks if not pair.tasks or task.label() in pair.tasks)


def _repeat_text(number: int, other: int, task: Task, method: str) -> str:
    if number == other:
        return f"study: method '{method}' stands twice for pair {number}. Leave one out."
    return (
        f"study: pairs {other} and {number} have the same weak and strong model and method '{method}' on task "
        f"'{task.label()}', so tables could not tell them apart. Leave one out, or put them into two studies."
    )


def _pairs(value: Any) -> Any:
    value = {} if value is None else value  # an empty section of a study file
    return tuple(sorted((str(name), item) for name, item in value.items())) if isinstance(value, Mapping) else value


def _check_data(where: str, options: tuple[tuple[str, Any], ...]) -> None:
    if problems := field_problems(Data, dict(options), leave_out=("task",)):
        raise SpecError(f"{where}: data: {'; '.join(problems)}.")


class Cell(NamedTuple):
    """The students of one route (several when it tries settings) with their supervisor and ceiling."""

    task: Task
    pair: Pair
    route: Route
    seed: int
    data: Data
    supervisor: Fit | Label
    ceiling: Fit
    students: tuple[Fit, ...]

    @property
    def student(self) -> Fit:
        """The student, the first one where several settings are tried."""
        return self.students[0]

    @property
    def stages(self) -> tuple[Fit | Label, ...]:
        """Everything that the cell's scores are read from."""
        return (self.supervisor, self.ceiling, *self.students)


def cells(study: Study) -> list[Cell]:
    """Return every cell of the study, in the order of its report."""
    found: list[Cell] = []
    pairs = [(pair, frozenset(study.tasks_of(pair)), study.routes_of(pair)) for pair in study.pairs]
    for task in study.tasks:
        for pair, tasks, routes in pairs:
            if task in tasks:
                shared = [_shared(study, task, pair, seed) for seed in study.seed_range()]
                found += [_cell(task, pair, route, each) for route in routes for each in shared]
    return found


class _Shared(NamedTuple):
    """What the cells of one task, pair and seed have in common, whatever their route."""

    seed: int
    fit_seed: int
    data: Data
    labels: Fit | LabelSource
    supervisor: Fit | Label
    ceiling: Fit


def _shared(study: Study, task: Task, pair: Pair, seed: int) -> _Shared:
    data = study.data_of(task, pair, seed)
    fit_seed = seed if study.vary != "data" else study.first_seed
    labels = bind(pair.weak, data, fit_seed)
    supervisor = labels if isinstance(labels, Fit) else Label(data=data, source=labels)
    ceiling = Fit(data=data, model=pair.strong, labels=Gold(split="transfer"), seed=fit_seed)
    return _Shared(seed, fit_seed, data, labels, supervisor, ceiling)


def _cell(task: Task, pair: Pair, route: Route, shared: _Shared) -> Cell:
    students = tuple(
        route.student(shared.data, pair.strong, shared.labels, shared.fit_seed, method) for method in route.settings
    )
    # a chain on fresh rows ends on some of the transfer rows: its ceiling has ground truth of those, no more
    ceiling = dataclasses.replace(shared.ceiling, part=students[0].part) if students[0].part else shared.ceiling
    return Cell(task, pair, route, shared.seed, shared.data, shared.supervisor, ceiling, students)


def bind(weak: Spec, data: Data, seed: int) -> Fit | LabelSource:
    """Return what labels the rows: a model becomes a fit on the `weak` rows, inside label sources too."""

    def bound(part: Spec, /, **options: Any) -> Fit | LabelSource:
        if isinstance(part, Model):
            return Fit(data=data, model=part, labels=Gold(split="weak"), seed=seed, **options)
        if options:
            raise SpecError(f"{describe_kind(part)} cannot be fitted again on other rows or weights; give a model.")
        if isinstance(part, Fit):
            return part
        if not isinstance(part, LabelSource):
            raise SpecError(f"{part.kind} cannot label rows; a model or a label source is needed.")
        return part.bind(bound)

    return bound(weak)


def describe(stage: Stage) -> str:
    """Return a stage in words for progress lines and reports."""
    if isinstance(stage, Corpus):
        return f"texts of {stage.label()}"
    if isinstance(stage, Pretrain):
        return f"pretraining {stage.label()} on {stage.corpus.label()}"
    if isinstance(stage, Encoder):
        return f"learning {stage.label()}"
    if isinstance(stage, Data):
        rows = {name: getattr(stage, f"n_{name}") for name in ("weak", "transfer", "val", "test")}
        what = "rows " + ", ".join(f"{n} {name}" for name, n in rows.items() if n)
        return f"{stage.task.label()}: {what} (seed {stage.seed})"
    where = f"{stage.data.task.label()}, seed {stage.data.seed}"
    if isinstance(stage, Label):
        if isinstance(stage.source, Gold):
            return f"{where}: ground truth of the {stage.source.split} rows"
        return f"{where}: labels of {stage.source.label()}"
    if isinstance(stage, Fit):
        some = f" on part {stage.part[0] + 1} of {stage.part[1]}" if stage.part else ""
        some += f" on domain {stage.domain}" if stage.domain else ""
        return f"{where}: {role(stage)} {stage.model.label()}{some}"
    return f"{where}: features of {stage.encoder.label()} ({stage.part})"


def role(fit: Fit) -> str:
    """Return what a fit is: supervisor, ceiling, or a student with its method's name."""
    if isinstance(fit.labels, Gold):
        return "supervisor" if fit.labels.split == "weak" else "ceiling"
    then = ", then a probe on gold" if fit.reprobe else ""
    return f"student ({name_of(fit.method)} from {fit.labels.label()}{then})"
