"""From plain data to plug-in specs: `{family: NAME, option: value}` becomes a spec, or problems in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from surpass.errors import SpecError, StudyError, SurpassError
from surpass.models._pretrain import Pretrain
from surpass.registry import REGISTRIES, known_module
from surpass.spec import HIDDEN_FIELDS, Spec, field_problems

SPEC_WORDS = ("task", "label", "model", "method", "corpus")


def read_component(
    family: str, item: Any, problems: list[str], *, allowed: tuple[str, ...] = (), beside: tuple[str, ...] = ()
) -> Spec | None:
    """Return the plug-in spec that `name` or `{family: name, option: value, ...}` describes, or None with a problem.

    Another family may be named in a mapping where it is one of those `allowed`; by default `family` alone is. `beside`
    names what may stand there that is no option of the plug-in.
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
    if not known_module(item[family]):
        problems.append(
            f"{family} '{item[family]}' names a module that a study file cannot import; allowed are plug-ins of surpass "
            "and of installed packages that register some. Write the study in Python and run recipe.py:FUNCTION."
        )
        return None
    try:
        cls = REGISTRIES[family].get(item[family])
    except SurpassError as error:
        problems.append(str(error))
        return None
    where = f"{family} '{item[family]}'"
    values = {str(name): _nested(value, problems) for name, value in item.items() if name != family}
    built = tuple(values) if len(problems) > before else ()
    check_fields(cls, values, where, problems, built=built, beside=beside)
    return build(cls, values, where, problems) if len(problems) == before else None


def component(family: str, item: Any) -> Spec:
    """Return the plug-in spec that a name or a mapping describes; StudyError lists what is wrong with it.

    Its module may be any, as it was named on the command line and not in a file that may be another's.
    """
    problems: list[str] = []
    name = item.get(family) if isinstance(item, Mapping) else item
    if isinstance(name, str) and ":" in name:
        REGISTRIES[family].get(name)
    found = read_component(family, item, problems)
    if found is None:
        raise StudyError(problems)
    return found


def _names(family: str) -> str:
    return ", ".join(REGISTRIES[family].names())


def _nested(value: Any, problems: list[str]) -> Any:
    """Return an option's value with mappings that name a plug-in turned into specs, others into pairs."""
    if isinstance(value, Mapping):
        if list(value) == ["pretrain"]:
            return _pretrain(value["pretrain"], problems)
        if any(word in value for word in SPEC_WORDS):
            word = next(word for word in SPEC_WORDS if word in value)
            return read_component(word, value, problems, allowed=SPEC_WORDS)
        return tuple(sorted((str(name), _nested(item, problems)) for name, item in value.items()))
    return tuple(_nested(item, problems) for item in value) if isinstance(value, list) else value


def _pretrain(item: Any, problems: list[str]) -> Pretrain | None:
    """Return the backbone that `{pretrain: {corpus: ..., layers: ...}}` describes, whose corpus may be a name alone."""
    if not isinstance(item, Mapping):
        problems.append(f"pretrain {item!r}: give a mapping such as {{corpus: NAME, layers: 4, width: 128}}.")
        return None
    before = len(problems)
    values = {str(name): _nested(value, problems) for name, value in item.items() if name != "corpus"}
    if "corpus" in item:
        values["corpus"] = read_component("corpus", item["corpus"], problems)
    check_fields(Pretrain, values, "pretrain", problems, built=("corpus",))
    found: Pretrain | None = build(Pretrain, values, "pretrain", problems) if len(problems) == before else None
    return found


def check_fields(
    cls: type[Spec],
    values: Mapping[str, Any],
    where: str,
    problems: list[str],
    *,
    built: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
) -> None:
    """Add a problem for each unknown field, each missing one, and each wrong value but those in `built`."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    plain = {name: value for name, value in values.items() if name not in built or name not in fields}
    problems += [
        f"{where}: {text}." for text in field_problems(cls, plain, leave_out=tuple(HIDDEN_FIELDS), beside=beside)
    ]
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in values:
            problems.append(f"{where}: field '{name}' is missing.")


def build(cls: type[Spec], values: Mapping[str, Any], where: str, problems: list[str]) -> Any:
    """Return the spec of these values, or None with a problem."""
    try:
        return cls(**values)
    except SpecError as error:
        text = str(error)
        problems.append(text if text.startswith(where) else f"{where}: {text.partition(': ')[2] or text}")
        return None
