"""Whether a study can run here: everything that can be told before it does, all of it at once."""

from __future__ import annotations

import dataclasses

from surpass.artifacts import UNCLASSED, Splits
from surpass.errors import DataError, SpecError
from surpass.labels.base import LabelSource
from surpass.methods.base import FROM_LABELS, FROM_TASK, Need
from surpass.metrics import for_kind
from surpass.models.base import Model
from surpass.route import Route
from surpass.spec import Spec, describe_kind
from surpass.splits import Data, make_splits
from surpass.stages import Fit
from surpass.study import Pair, Study, bind
from surpass.tasks.base import Task

NEEDS: dict[Need, str] = {
    "custom_loss": "gradient training on its loss",
    "features": "frozen features",
    "hidden": "a pooled state that is trained",
    "pretrained": "predictions of the pretrained model itself",
    "supervisor_features": "a supervisor with frozen features",
    "members": "labels with members (an ensemble, specialists)",
    "gold": "labels some of which are ground truth (a blend)",
    "accepted": "a task of texts that says which of them could be an answer",
}
REMEDY: dict[Need, str] = {
    "custom_loss": "Use method soft or hard, or a gradient-trained model (hf; for probe set solver: adam).",
    "features": "Use a model with a pretrained backbone (probe, hf).",
    "hidden": "Use a finetuned model (hf).",
    "pretrained": "Use hf with a causal language model.",
}


def problems_of(study: Study, *, read_rows: bool = True) -> list[str]:
    """Return every reason why the study cannot run here: sources, models, methods, kinds, and too few rows."""
    found: list[str] = []
    parts = (spec for pair in study.pairs for spec in (pair.weak, pair.strong, *pair.methods))
    for spec in (*study.tasks, *study.methods, *parts):
        found += _source_problems(spec)
    names = [task.label() for task in study.tasks]
    found += [f"task '{name}' stands twice in tasks. Leave one out." for name in set(names) if names.count(name) > 1]
    for number, pair in enumerate(study.pairs, 1):
        unknown = [name for name in pair.tasks if name not in names]
        found += [
            f"pair {number}: task '{name}' is not in the study, which has {', '.join(names)}." for name in unknown
        ]
        for task in study.tasks_of(pair):
            found += [f"pair {number}, {text}" for text in _mismatches(study, pair, task)]
    if read_rows:
        found += _row_problems(study)
    return list(dict.fromkeys(found))


def _source_problems(spec: Spec) -> list[str]:
    """Return the problems of a spec and of the specs inside it."""
    inner = [getattr(spec, field.name) for field in dataclasses.fields(spec)]
    flat = [item for value in inner for item in (value if isinstance(value, tuple) else (value,))]
    nested = [text for item in flat if isinstance(item, Spec) for text in _source_problems(item)]
    problem = spec.problem()
    if problem is None and spec.family == "model" and (encoder := spec.encoder()) is not None:  # type: ignore[attr-defined]
        problem = encoder.problem()
    return [*nested, *([problem] if problem else [])]


def _mismatches(study: Study, pair: Pair, task: Task) -> list[str]:
    """Return what the pair's models and methods cannot do for a task."""
    routes = study.routes_of(pair)
    between = dict.fromkeys(model for route in routes for model in route.through)
    found = []
    for part in (*_parts(pair.weak), *between, pair.strong):
        name = describe_kind(part)
        if not _serves(part, task.target):
            allowed = ", ".join(sorted(part.targets))
            found.append(
                f"{name} cannot serve task '{task.label()}', which is {task.target}; as it is set it does {allowed}."
            )
        if isinstance(part, Model) and task.input not in part.inputs:
            allowed = ", ".join(sorted(part.inputs))
            found.append(
                f"{name} cannot read task '{task.label()}', whose input is {task.input}; as it is set it reads {allowed}."
            )
        nameless = task.target == "generation" and not task.knows_candidates  # other kinds are refused above
        if isinstance(part, Model) and part.needs_candidates and nameless:
            found.append(
                f"{name} writes among candidates, but task '{task.label()}' names none. Leave out `among`, or give the task "
                "a `candidates(prompt)`."
            )
    found += _binding_problems(study, pair, task)
    for route in routes:
        found += _route_problems(study, pair, task, route)
    wrong = [m for m in study.metrics if m not in for_kind(task.target)]
    found += [
        f"metric '{m}' is not one for {task.target}; allowed are {', '.join(for_kind(task.target))}." for m in wrong
    ]
    return found


def _serves(part: Spec, target: str) -> bool:
    """Return whether a part can do a kind of label; to all but models a preference is a matter of two classes."""
    targets: frozenset[str] = part.targets  # type: ignore[attr-defined]
    return target in targets or (target == "preference" and part.family != "model" and "classification" in targets)


def _binding_problems(study: Study, pair: Pair, task: Task) -> list[str]:
    """Return why the models and sources inside a label source cannot become fits."""
    try:
        bind(pair.weak, study.data_of(task, pair, study.first_seed), study.first_seed)
    except SpecError as error:
        return [f"{describe_kind(pair.weak)}: {error}"]
    return []


def _route_problems(study: Study, pair: Pair, task: Task, route: Route) -> list[str]:
    """Return why a route's method cannot be fitted by its models, from its labels or for the task."""
    method, name = route.method, describe_kind(route.method)
    found = []
    serves = _serves(method, task.target)
    for model in dict.fromkeys((*route.through, pair.strong)):
        if serves and (missing := sorted(method.needs - FROM_LABELS - FROM_TASK - model.can)):
            what = ", ".join(NEEDS[need] for need in missing)
            found.append(
                f"{name} needs {what}, which {describe_kind(model)} cannot do as it is set. {REMEDY[missing[0]]}"
            )
        before = model.pretrained() if "pretrained" in method.needs else None
        if before is not None and not _serves(before, task.target):
            found.append(
                f"{name} asks the pretrained model by {describe_kind(before)}, which cannot serve task '{task.label()}', "
                f"which is {task.target}."
            )
    found += _label_problems(pair, route)
    if route.reprobe and "hidden" not in pair.strong.can:
        found.append(
            f"reprobe reads the states of a finetuned model, but {describe_kind(pair.strong)} trains none. Use hf."
        )
    if not serves:
        found.append(f"{name} cannot serve task '{task.label()}', which is {task.target}.")
    rows = study.data_of(task, pair, study.first_seed).n_transfer
    if route.fresh and rows <= route.steps:
        found.append(
            f"{name}: fresh gives each of {route.steps + 1} steps its own transfer rows, but n_transfer={rows}. "
            "Raise n_transfer, or leave out fresh."
        )
    classes = len(task.class_names()) if task.problem() is None else 0
    if method.most_classes is not None and classes > method.most_classes:
        found.append(f"{name} is defined for {method.most_classes} classes, but task '{task.label()}' has {classes}.")
    if route.tries and study.data_of(task, pair, study.first_seed).n_val == 0:
        found.append(
            f"{name} tries {len(route.tries)} settings and chooses by validation rows, but n_val=0. Raise n_val."
        )
    return found


def _label_problems(pair: Pair, route: Route) -> list[str]:
    """Return what a route's method asks for that the labels do not have."""
    method, name = route.method, describe_kind(route.method)
    found = []
    if "members" in method.needs and not method.sources() and (route.steps or len(_members(pair.weak)) < 2):
        found.append(f"{name} weighs the members of an ensemble: make `weak` a label ensemble, without a chain.")
    labellers = (_supervisor(pair.weak), *route.through)
    if "supervisor_features" in method.needs and any(m is None or m.encoder() is None for m in labellers):
        found.append(
            f"{name} reads frozen features of the supervisor, but {describe_kind(pair.weak)} has none. "
            "Use a supervisor with a pretrained backbone (probe, hf)."
        )
    marked = (
        isinstance(pair.weak, LabelSource) and pair.weak.marks_gold and not (route.steps and route.control != "direct")
    )
    if "gold" in method.needs and not marked:
        found.append(
            f"{name} needs rows marked as ground truth, but the labels mark none. "
            "Make `weak` a label blend of which gold is above 0, without a chain."
        )
    return found


def _members(weak: Spec) -> tuple[Spec, ...]:
    return weak.sources() if isinstance(weak, LabelSource) else ()


def _supervisor(weak: Spec) -> Model | None:
    """Return the one model that labels the rows, or None when there is none or several; as `stages.supervisor_of`."""
    if isinstance(weak, Fit):
        return weak.model
    if isinstance(weak, Model):
        return weak
    found = [_supervisor(source) for source in _members(weak)]
    return found[0] if len(found) == 1 else None


def _parts(spec: Spec) -> list[Model | LabelSource]:
    """Return a model, or a label source and the models and sources inside it."""
    if isinstance(spec, Model):
        return [spec]
    values = [getattr(spec, field.name) for field in dataclasses.fields(spec)]
    flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    own = [spec] if isinstance(spec, LabelSource) else []
    return [*own, *(part for item in flat if isinstance(item, Spec) for part in _parts(item))]


def _row_problems(study: Study) -> list[str]:
    """Return which splits are larger than their task or lack what labels them, trying the first seed's rows."""
    found: list[str] = []
    made: dict[Data, Splits | None] = {}
    asked: set[tuple[LabelSource, Data]] = set()
    for pair in study.pairs:
        for task in study.tasks_of(pair):
            if task.problem():
                continue
            data = study.data_of(task, pair, study.first_seed)
            found += _no_rows(data, pair)
            if task.sources():  # its rows are made of corpora, which are built first
                continue
            halves = (data.training(), data.evaluation())
            for half in halves:
                if half not in made:
                    made[half] = _splits(half, found)
            training, evaluation = (made[half] for half in halves)
            sources = [part for part in _parts(pair.weak) if isinstance(part, LabelSource)] if training else []
            for source in sources:
                if (source, data) not in asked:  # pairs may share a file of labels
                    asked.add((source, data))
                    text = source.lacks(Splits.joined([half for half in (training, evaluation) if half is not None]))
                    found += [f"task '{task.label()}': {text}"] if text else []
    return found


def _no_rows(data: Data, pair: Pair) -> list[str]:
    """Return which splits have no rows that every study needs."""
    needed = ["n_transfer", "n_test"]
    if any(isinstance(part, Model) for part in _parts(pair.weak)):
        needed.insert(0, "n_weak")
    return [
        f"{name}=0, but every study needs {name[2:]} rows. Set data: {{{name}: ...}}."
        for name in needed
        if getattr(data, name) == 0
    ]


def _splits(half: Data, found: list[str]) -> Splits | None:
    """Return the rows of a data spec; None when there are none such, and why among those `found`."""
    try:
        half = half.resolve()
        if text := _too_few_classes(half.task):
            found.append(text)
            return None
        return make_splits(half)
    except DataError as error:
        found.append(str(error))
        return None


def _too_few_classes(task: Task) -> str | None:
    names = task.class_names()
    if task.target in UNCLASSED or len(names) > 1:
        return None
    has = f"the one class '{names[0]}'" if names else "no labelled rows"
    return f"task '{task.label()}' has {has}, but two classes or more are needed. Look at its labels."
