"""Study files: YAML, or a Python function that returns a study; every problem is found before anything runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surpass import presets
from surpass.errors import DataError, SpecError, StudyError, SurpassError
from surpass.labels.base import LabelSource
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.metrics import for_kind
from surpass.models.base import Model
from surpass.registry import REGISTRIES
from surpass.spec import HIDDEN_FIELDS, Spec, describe_kind, field_problems
from surpass.splits import Data, make_splits
from surpass.study import Pair, Study
from surpass.tasks.base import Task

SPEC_WORDS = ("task", "label", "model", "method")


def read(source: str | Path) -> Study:
    """Return the study in a YAML file, made by `recipe.py:function`, or of a preset's name.

    Raises:
        StudyError: with every problem of the file.
    """
    text = str(source)
    if ".py:" in text:
        return _from_python(text)
    import yaml

    path = presets.recipe(text) if text in presets.names() and not Path(text).exists() else Path(text)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # a SafeLoader
    except OSError as error:
        raise StudyError(
            [f"study file '{path}' cannot be read: {error.strerror or error}. Give a YAML file."]
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError([f"study file '{path}' is not valid YAML: {' '.join(str(error).split())}."]) from error
    return parse(data)


def _loader() -> type[Any]:
    """Return a safe loader for what people write: `on` and `no` are words, 1e-3 is a number, no field stands twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own way
            first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:bool"]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"field '{key.value}' stands twice", problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|false|False)$"), list("tTfF"))
    number = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Loader


def _from_python(source: str) -> Study:
    file, _, function = source.rpartition(":")
    path = Path(file)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise StudyError([f"recipe '{file}' cannot be read. Give FILE.py:FUNCTION."])
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        study = getattr(module, function)()
    except SurpassError:
        raise
    except Exception as error:  # a person's own code may raise anything
        text = f"recipe '{source}' cannot be run: {type(error).__name__}: {error}. Mend that file."
        raise StudyError([text]) from error
    if not isinstance(study, Study):
        raise StudyError([f"recipe '{source}' returned {study!r}; a function that returns a Study is needed."])
    return study


def parse(data: Any) -> Study:
    """Return the study that plain data (of a YAML file) describes; StudyError lists every problem."""
    if not isinstance(data, Mapping):
        what = "empty" if data is None else "a list" if isinstance(data, list) else repr(data)
        raise StudyError([f"a study is a mapping with name, tasks and pairs, but this is {what}."])
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "tasks":
            values[name] = tuple(_component("task", item, problems) for item in _listed(value))
        elif name == "methods":
            values[name] = tuple(_component("method", item, problems) for item in _listed(value))
        elif name == "pairs":
            values[name] = tuple(_pair(i, item, problems) for i, item in enumerate(_listed(value), 1))
        else:
            values[name] = value
    _check_fields(Study, values, "study", problems, built=("tasks", "pairs", "methods", "data"))
    _check_data(values.get("data"), "data", problems)
    empty = [name for name in ("tasks", "pairs", "methods") if values.get(name) == ()]
    problems += [f"study: {name} is empty; at least one is needed." for name in empty]
    if problems:
        raise StudyError([*problems, *_problems_of_the_rest(values)])
    try:
        return Study(**values)
    except SurpassError as error:
        raise StudyError([str(error)]) from error


def _problems_of_the_rest(values: Mapping[str, Any]) -> list[str]:
    """Return what else is wrong in a study some of whose parts cannot be read, looking at those that can."""
    data = values.get("data")
    options = dict(data) if isinstance(data, Mapping) else {}
    sound = {name: v for name, v in options.items() if not field_problems(Data, {name: v}, leave_out=("task",))}
    tasks = tuple(task for task in values.get("tasks", ()) if isinstance(task, Task))
    pairs = [pair for pair in values.get("pairs", ()) if isinstance(pair, Pair)]
    if len(tasks) < len(values.get("tasks", ())):
        pairs = [dataclasses.replace(pair, tasks=()) for pair in pairs]
    methods = tuple(method for method in values.get("methods", ()) if isinstance(method, Method)) or (Soft(),)
    if not tasks or not pairs:
        return []
    parts = Study(name="parts", tasks=tasks, pairs=tuple(pairs), methods=methods, data=tuple(sound.items()))
    found = problems_of(parts, read_rows=data is None or isinstance(data, Mapping))
    return [text for text in found if not any(f"{name}=" in text for name in options.keys() - sound.keys())]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _pair(number: int, item: Any, problems: list[str]) -> Pair | None:
    where = f"pair {number}"
    if not isinstance(item, Mapping):
        problems.append(f"{where} is {item!r}; a mapping with weak and strong is needed.")
        return None
    values = dict(item)
    before = len(problems)
    for side, families in (("weak", ("model", "label")), ("strong", ("model",))):
        if side in values:
            values[side] = _component("model", values[side], problems, allowed=families)
    if "methods" in values:
        values["methods"] = tuple(_component("method", entry, problems) for entry in _listed(values["methods"]))
    if "tasks" in values:
        values["tasks"] = tuple(_listed(values["tasks"]))
    _check_fields(Pair, values, where, problems, built=("weak", "strong", "methods", "data"))
    _check_data(values.get("data"), f"{where}: data", problems)
    return _built(Pair, values, where, problems) if len(problems) == before else None


def _component(family: str, item: Any, problems: list[str], *, allowed: tuple[str, ...] = ()) -> Spec | None:
    """Return the plug-in spec that `name` or `{family: name, option: value, ...}` describes, or None with a problem.

    Another family may be named in a mapping where it is one of those `allowed`; by default `family` alone is.
    """
    if isinstance(item, str):
        item = {family: item}
    if not isinstance(item, Mapping):
        problems.append(f"{family} {item!r}: give a name, or a mapping such as {{{family}: NAME, option: value}}.")
        return None
    words = [word for word in SPEC_WORDS if word in item]
    wanted = family
    family = next((word for word in words if isinstance(item[word], str)), family)
    if not isinstance(item.get(family), str):
        problems.append(f"{dict(item)!r} names no {family}. Add {family}: NAME; known: {_names(family)}.")
        return None
    if family not in (allowed := allowed or (wanted,)):
        problems.append(f"{family} '{item[family]}' stands where a {' or a '.join(allowed)} is needed.")
        return None
    before = len(problems)
    try:
        cls = REGISTRIES[family].get(item[family])
    except SurpassError as error:
        problems.append(str(error))
        return None
    where = f"{family} '{item[family]}'"
    values = {str(name): _nested(value, problems) for name, value in item.items() if name != family}
    _check_fields(cls, values, where, problems, built=tuple(values) if len(problems) > before else ())
    return _built(cls, values, where, problems) if len(problems) == before else None


def _names(family: str) -> str:
    return ", ".join(REGISTRIES[family].names())


def _nested(value: Any, problems: list[str]) -> Any:
    """Return an option's value with mappings that name a plug-in turned into specs, others into pairs."""
    if isinstance(value, Mapping):
        if any(word in value for word in SPEC_WORDS):
            word = next(word for word in SPEC_WORDS if word in value)
            return _component(word, value, problems, allowed=SPEC_WORDS)
        return tuple(sorted((str(name), _nested(item, problems)) for name, item in value.items()))
    return tuple(_nested(item, problems) for item in value) if isinstance(value, list) else value


def _check_fields(
    cls: type[Spec], values: Mapping[str, Any], where: str, problems: list[str], built: tuple[str, ...] = ()
) -> None:
    """Add a problem for each unknown field, each missing one, and each wrong value but those in `built`."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    plain = {name: value for name, value in values.items() if name not in built or name not in fields}
    problems += [f"{where}: {text}." for text in field_problems(cls, plain, leave_out=tuple(HIDDEN_FIELDS))]
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in values:
            problems.append(f"{where}: field '{name}' is missing.")


def _check_data(options: Any, where: str, problems: list[str]) -> None:
    if options is not None and not isinstance(options, Mapping):
        problems.append(f"{where} is {options!r}; a mapping such as {{n_weak: 1000}} is needed.")
        return
    problems += [f"{where}: {text}." for text in field_problems(Data, options or {}, leave_out=("task",))]


def _built(cls: type[Spec], values: Mapping[str, Any], where: str, problems: list[str]) -> Any:
    try:
        return cls(**values)
    except SpecError as error:
        text = str(error)
        problems.append(text if text.startswith(where) else f"{where}: {text.partition(': ')[2] or text}")
        return None


def problems_of(study: Study, *, read_rows: bool = True) -> list[str]:
    """Return every reason why the study cannot run here: sources, models, methods, kinds, and too few rows."""
    found: list[str] = []
    for spec in (*study.tasks, *study.methods, *(spec for pair in study.pairs for spec in (pair.weak, pair.strong))):
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
    found = []
    for part in (*_parts(pair.weak), pair.strong):
        name = describe_kind(part)
        if task.target not in part.targets:
            allowed = ", ".join(sorted(part.targets))
            found.append(f"{name} cannot serve task '{task.label()}', which is {task.target}; it can do {allowed}.")
        if isinstance(part, Model) and task.input not in part.inputs:
            allowed = ", ".join(sorted(part.inputs))
            found.append(f"{name} cannot read task '{task.label()}', whose input is {task.input}; it reads {allowed}.")
    for method in study.methods_of(pair):
        name, strong = describe_kind(method), pair.strong
        if missing := method.needs - strong.can:
            what = "gradient training on its loss" if "custom_loss" in missing else "frozen features"
            able = [n for n in REGISTRIES["model"].names() if n in ("hf", "probe")]
            found.append(
                f"{name} needs {what}, which {describe_kind(strong)} cannot do as it is set. "
                f"Use method soft or hard, or a gradient-trained model ({', '.join(able)}; for probe set solver: adam)."
            )
        if task.target not in method.targets:
            found.append(f"{name} cannot serve task '{task.label()}', which is {task.target}.")
    wrong = [m for m in study.metrics if m not in for_kind(task.target)]
    found += [
        f"metric '{m}' is not one for {task.target}; allowed are {', '.join(for_kind(task.target))}." for m in wrong
    ]
    return found


def _parts(spec: Spec) -> list[Model | LabelSource]:
    """Return a model, or a label source and the models and sources inside it."""
    if isinstance(spec, Model):
        return [spec]
    values = [getattr(spec, field.name) for field in dataclasses.fields(spec)]
    flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    own = [spec] if isinstance(spec, LabelSource) else []
    return [*own, *(part for item in flat if isinstance(item, Spec) for part in _parts(item))]


def _row_problems(study: Study) -> list[str]:
    """Return which splits are larger than their task, trying the first seed's rows of each distinct data spec."""
    found: list[str] = []
    seen: set[Data] = set()
    for pair in study.pairs:
        for task in study.tasks_of(pair):
            if task.problem():
                continue
            data = study.data_of(task, pair, study.first_seed)
            for half in (data.training(), data.evaluation()):
                if half in seen:
                    continue
                seen.add(half)
                try:
                    half = half.resolve()
                    if text := _too_few_classes(half.task):
                        found.append(text)
                    else:
                        make_splits(half)
                except DataError as error:
                    found.append(str(error))
            sizes = {name: getattr(data, name) for name in ("n_weak", "n_transfer", "n_test")}
            needs_weak = any(isinstance(part, Model) for part in _parts(pair.weak))
            found += [
                f"{name}=0, but every study needs {name[2:]} rows. Set data: {{{name}: ...}}."
                for name, n in sizes.items()
                if n == 0 and (name != "n_weak" or needs_weak)
            ]
    return found


def _too_few_classes(task: Task) -> str | None:
    names = task.class_names()
    if task.target != "classification" or len(names) > 1:
        return None
    has = f"the one class '{names[0]}'" if names else "no labelled rows"
    return f"task '{task.label()}' has {has}, but two classes or more are needed. Look at its labels."
