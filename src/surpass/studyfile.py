"""Study files: YAML, or a Python function that returns a study; every problem is found before anything runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from surpass import presets
from surpass.components import build, check_fields, read_component
from surpass.errors import StudyError, SurpassError, UnknownNameError
from surpass.feasibility import problems_of
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.route import Route
from surpass.spec import Spec, field_problems
from surpass.splits import Data
from surpass.study import Pair, Study
from surpass.tasks.base import Task

MOST_LEVELS, MOST_PARTS = 50, 1_000_000
ROUTE_WORDS = ("through", "rounds", "fresh", "control", "reprobe", "try")


def read(source: str | Path) -> Study:
    """Return the study in a YAML file, made by `recipe.py:function`, or of a preset's name.

    Raises:
        StudyError: with every problem of the file.
    """
    text = str(source)
    if ".py:" in text or text.endswith(".py"):
        return _from_python(text)
    import yaml

    path = Path(text)
    if not path.exists() and re.fullmatch(r"[\w-]+", text):
        path = _preset(text)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # a SafeLoader
    except OSError as error:
        raise StudyError(
            [f"study file '{path}' cannot be read: {error.strerror or error}. Give a YAML file."]
        ) from error
    except RecursionError as error:
        raise StudyError([f"study file '{path}' is nested more than {MOST_LEVELS} levels deep."]) from error
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets out what Python says of impossible dates and bytes
        raise StudyError([f"study file '{path}' is not valid YAML: {' '.join(str(error).split())}."]) from error
    return parse(data)


def _preset(name: str) -> Path:
    try:
        return presets.recipe(name)
    except UnknownNameError as error:
        raise StudyError([f"{error} Or give a YAML file."]) from error


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
    path = Path(file).absolute()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise StudyError([f"recipe '{source}' cannot be read. Give FILE.py:FUNCTION."])
    module = importlib.util.module_from_spec(spec)
    reach(source)
    try:
        with _imported(module, path):
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


def reach(source: str) -> None:
    """Let this process, and workers that it spawns, import what lies beside a recipe; installed modules go first."""
    folder = str(Path(source.rpartition(":")[0]).absolute().parent)
    if ".py:" in source and folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()


@contextmanager
def _imported(module: ModuleType, path: Path) -> Iterator[None]:
    """Keep a recipe as the module of its file's name while it is run, and after unless that fails.

    So what it defines can be sent to workers, which import it by that name; not where the name is another module's.
    """
    name = path.stem
    try:
        found = None if "." in name else importlib.util.find_spec(name)  # "a.b" would run a
    except ValueError:  # of a module without a file's spec, such as __main__
        found = None
    if found is None or found.origin != str(path):
        yield
        return
    sys.modules[name] = module
    try:
        yield
    except BaseException:
        sys.modules.pop(name, None)
        raise


def parse(data: Any) -> Study:
    """Return the study that plain data (of a YAML file) describes; StudyError lists every problem."""
    if not isinstance(data, Mapping):
        what = "empty" if data is None else "a list" if isinstance(data, list) else f"'{str(data)[:60]}'"
        raise StudyError([f"a study is a mapping with name, tasks and pairs, but this is {what}."])
    if tangle := _tangle(data):
        raise StudyError([f"study: {tangle}"])
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "tasks":
            values[name] = tuple(read_component("task", item, problems) for item in _listed(value))
        elif name == "methods":
            values[name] = tuple(_way(item, problems) for item in _listed(value))
        elif name == "pairs":
            values[name] = tuple(_pair(i, item, problems) for i, item in enumerate(_listed(value), 1))
        else:
            values[name] = value
    check_fields(Study, values, "study", problems, built=("tasks", "pairs", "methods", "data"))
    _check_data(values.get("data"), "data", problems)
    empty = [name for name in ("tasks", "pairs", "methods") if values.get(name) == ()]
    problems += [f"study: {name} is empty; at least one is needed." for name in empty]
    if problems:
        raise StudyError([*problems, *_problems_of_the_rest(values)])
    try:
        return Study(**values)
    except SurpassError as error:
        raise StudyError([str(error)]) from error


def _tangle(data: Any) -> str | None:
    """Return why plain data is no study by its shape alone, or None: it holds itself, is deep, or aliases make it endless."""
    sizes: dict[int, int] = {}

    def size(value: Any, above: dict[int, str], where: str) -> int:
        if not isinstance(value, Mapping | list):
            return 1
        if id(value) in above:
            what = f"'{where}' (an alias of '{above[id(value)] or 'the study'}')"
            raise _Tangled(f"{what} refers to itself. Write out what stands there instead of an alias.")
        if len(above) == MOST_LEVELS:
            raise _Tangled(
                f"'{where[:60]}...' is nested more than {MOST_LEVELS} levels deep. No study needs that many."
            )
        if id(value) not in sizes:
            items = value.items() if isinstance(value, Mapping) else enumerate(value, 1)
            inside = {**above, id(value): where}
            parts = (size(item, inside, f"{where}.{name}" if where else str(name)) for name, item in items)
            sizes[id(value)] = 1 + sum(parts)
        return sizes[id(value)]

    try:
        many = size(data, {}, "")
    except _Tangled as error:
        return str(error)
    return f"its aliases stand for {many} parts, more than {MOST_PARTS}." if many > MOST_PARTS else None


class _Tangled(Exception):
    """Plain data holds itself or is too deep."""


def _problems_of_the_rest(values: Mapping[str, Any]) -> list[str]:
    """Return what else is wrong in a study some of whose parts cannot be read, looking at those that can."""
    data = values.get("data")
    options = dict(data) if isinstance(data, Mapping) else {}
    sound = {name: v for name, v in options.items() if not field_problems(Data, {name: v}, leave_out=("task",))}
    tasks = tuple(task for task in values.get("tasks", ()) if isinstance(task, Task))
    pairs = [pair for pair in values.get("pairs", ()) if isinstance(pair, Pair)]
    if len(tasks) < len(values.get("tasks", ())):
        pairs = [dataclasses.replace(pair, tasks=()) for pair in pairs]
    ways = values.get("methods", ())
    methods = tuple(way for way in ways if isinstance(way, Method | Route)) or (Soft(),)
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
            values[side] = read_component("model", values[side], problems, allowed=families)
    if "methods" in values:
        values["methods"] = tuple(_way(entry, problems) for entry in _listed(values["methods"]))
    if "tasks" in values:
        values["tasks"] = tuple(_listed(values["tasks"]))
    check_fields(Pair, values, where, problems, built=("weak", "strong", "methods", "data"))
    _check_data(values.get("data"), f"{where}: data", problems)
    return build(Pair, values, where, problems) if len(problems) == before else None


def _way(item: Any, problems: list[str]) -> Spec | None:
    """Return a method, or the route that a mapping with `through`, `rounds`, ... beside its method describes."""
    words = {name: item[name] for name in ROUTE_WORDS if name in item} if isinstance(item, Mapping) else {}
    if not words:
        return read_component("method", item, problems, beside=ROUTE_WORDS)
    rest = {name: value for name, value in item.items() if name not in words}
    method = read_component("method", rest if "method" in rest else item, problems, beside=ROUTE_WORDS)
    if "through" in words:
        words["through"] = tuple(read_component("model", entry, problems) for entry in _listed(words["through"]))
    where, before = f"method {rest.get('method')!r}", len(problems)
    tries = _tries(rest, words.pop("try", None), where, problems)
    check_fields(Route, {**words, "method": method}, where, problems, built=("method", "through"))
    if method is None or None in words.get("through", ()) or len(problems) > before:
        return None
    chosen = {"method": tries[0], "tries": tries} if tries else {"method": method}
    route: Spec | None = build(Route, {**words, **chosen}, where, problems)
    return route


def _tries(method: Mapping[str, Any], options: Any, where: str, problems: list[str]) -> tuple[Any, ...]:
    """Return the settings of a method that `try: {option: [values]}` names: every combination."""
    if options is None:
        return ()
    if not isinstance(options, Mapping) or not options or not all(isinstance(v, list) and v for v in options.values()):
        problems.append(f"{where}: try is {options!r}; a mapping such as {{strength: [0.25, 0.5]}} is needed.")
        return ()
    if both := [str(name) for name in options if name in method]:
        problems.append(f"{where}: {', '.join(both)} is given and stands under try too. Leave one out.")
        return ()
    settings = [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
    found = tuple(read_component("method", {**method, **setting}, problems) for setting in settings)
    return () if None in found else found


def _check_data(options: Any, where: str, problems: list[str]) -> None:
    if options is not None and not isinstance(options, Mapping):
        problems.append(f"{where} is {options!r}; a mapping such as {{n_weak: 1000}} is needed.")
        return
    problems += [f"{where}: {text}." for text in field_problems(Data, options or {}, leave_out=("task",))]
