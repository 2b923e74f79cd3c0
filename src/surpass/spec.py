"""Frozen specs and their keys: whatever can change a number is in a spec, and its hash names the work.

A spec is a frozen, keyword-only dataclass whose fields are plain values, tuples or other specs. Its key is a hash of its
kind, its version and the fields that differ from their defaults, so that a new field with a default leaves old artifacts
valid; a lock file in the tests fails when a default changes without a new version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import math
import types
import typing
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, ClassVar, Literal, Self

from surpass.errors import SpecError, did_you_mean
from surpass.registry import REGISTRIES

Json = Any  # JSON has no finite type in Python's type language
KEY_DIGITS = 20
RUN_OPTIONS = ("jobs", "device", "executor", "address", "timeout", "store", "out", "track")
OF_A_RUN = " How a study runs is no part of it: give --{} to surpass run."
HIDDEN_FIELDS = frozenset({"digest", "fingerprint"})  # identities that `resolve` fills: no name for people
CORE = {
    "data": "surpass.splits:Data",
    "features": "surpass.stages:Features",
    "label": "surpass.stages:Label",
    "fit": "surpass.stages:Fit",
    "pretrain": "surpass.models._pretrain:Pretrain",
    "encoder": "surpass.models.base:TextEncoder",
    "network": "surpass.models._network:Network",
    "pair": "surpass.study:Pair",
    "route": "surpass.route:Route",
    "study": "surpass.study:Study",
}


def option(
    default: Any = dataclasses.MISSING,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
) -> Any:
    """Return a dataclass field with a range: `low` and `high` are allowed values, `above` is not."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "above": above})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of every spec. Subclasses are `@dataclass(frozen=True, kw_only=True)`; wrong values raise SpecError."""

    kind: ClassVar[str] = "spec"
    family: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        if cls.family and "kind" not in cls.__dict__:
            package, _, name = cls.__module__.rpartition(".")
            own = package == REGISTRIES[cls.family].package and name != "base"
            module = "__main__" if cls.__module__ == "__mp_main__" else cls.__module__  # a script, seen by its workers
            # A third party's plug-in is known by where it lives, so that it has one key however it was looked up.
            cls.kind = f"{cls.family}/" + (name.replace("_", "-") if own else f"{module}:{cls.__qualname__}")

    def __post_init__(self) -> None:
        cls: Any = type(self)  # mypy does not take the class of a frozen dataclass for hashable, which _hints needs
        hints = _hints(cls)
        values = {f.name: _coerced(getattr(self, f.name), hints[f.name]) for f in dataclasses.fields(self)}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if problems := field_problems(cls, values):
            raise SpecError(f"{describe_kind(self)}: {'; '.join(problems)}.")

    def resolve(self) -> Self:
        """Return this spec with everything that depends on sources or machines written into fields.

        The default resolves nested specs. A spec that reads files or measures the machine overrides it and fills its
        own fields (a digest, a precision), so that the key afterwards is a pure function of the spec.
        """
        changes = {field.name: _resolved(getattr(self, field.name)) for field in dataclasses.fields(self) if field.init}
        return dataclasses.replace(self, **changes)

    def problem(self) -> str | None:
        """Return why this spec cannot run here (a missing package or file), or None; cheap, imports no model code."""
        return None


def _resolved(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.resolve()
    if isinstance(value, tuple):
        return tuple(_resolved(item) for item in value)
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def field_problems(
    cls: Any, values: Mapping[str, Any], *, leave_out: tuple[str, ...] = (), beside: tuple[str, ...] = ()
) -> list[str]:
    """Return what is wrong with each of the values meant for fields of `cls`: unknown field, wrong type, out of range.

    `beside` names what else may stand there, for the hint on an unknown field.
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.name not in leave_out}
    known = [*(name for name in fields if name not in HIDDEN_FIELDS), *beside]
    found = []
    for name, value in values.items():
        if name not in fields:
            hint = OF_A_RUN.format(name) if name in RUN_OPTIONS else did_you_mean(str(name), known)
            found.append(f"unknown field '{name}'.{hint} Allowed: {', '.join(known) or 'none'}")
            continue
        type_hint = _hints(cls)[name]
        if complaint := _complaint(_coerced(value, type_hint), type_hint, fields[name].metadata):
            found.append(f"{name}={list(value) if isinstance(value, tuple) else value!r}, but {complaint}")
    return found


def _coerced(value: Any, hint: Any) -> Any:
    """Return lists as tuples and whole numbers as floats where the field says float: one value, one key."""
    if isinstance(value, list | tuple):
        return tuple(map(_coerced, value, _item_hints(hint, len(value))))
    if isinstance(value, int) and not isinstance(value, bool) and _accepts(hint, float) and not _accepts(hint, int):
        return float(value)
    return 0.0 if type(value) is float and value == 0 else value  # -0.0 equals 0.0, but is written otherwise


def _item_hints(hint: Any, n: int) -> tuple[Any, ...]:
    """Return the types of the n items of a tuple whose type is `hint`, or one of whose types is a tuple."""
    found = next((h for h in (hint, *typing.get_args(hint)) if typing.get_origin(h) is tuple), tuple[Any, ...])
    args = typing.get_args(found)
    return args if len(args) == n and Ellipsis not in args else args[:1] * n


def _accepts(hint: Any, kind: type) -> bool:
    return hint is kind or (isinstance(hint, types.UnionType) and kind in typing.get_args(hint))


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _complaint(value: Any, hint: Any, ranges: Mapping[str, float | None]) -> str | None:
    if not _matches(value, hint):
        return f"allowed is {describe_type(hint)}"
    if not _finite(value):
        return "a finite number is needed"
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, above = ranges.get("low"), ranges.get("high"), ranges.get("above")
        if low is not None and value < low:
            return f"at least {low:g} is needed"
        if high is not None and value > high:
            return f"at most {high:g} is allowed"
        if above is not None and value <= above:
            return f"it must be above {above:g}"
    return None


def _matches(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value is None or isinstance(value, bool | int | float | str | tuple | Spec)
    if origin is Literal:
        return any(value is a or (type(value) is type(a) and value == a) for a in args)
    if origin in (types.UnionType, typing.Union):
        return any(_matches(value, a) for a in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(args) == 2 and args[1] is Ellipsis:
            return all(_matches(item, args[0]) for item in value)
        return len(value) == len(args) and all(map(_matches, value, args))
    if hint is None or hint is type(None):
        return value is None
    if hint in (int, float):
        return type(value) is hint
    return isinstance(hint, type) and isinstance(value, hint)


def describe_type(hint: Any) -> str:
    """Return a field's type in words a user reads in an error, such as `'last' or 'mean'`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(repr(a) for a in args)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(describe_type(a) for a in args)
    if origin is tuple:
        inner = typing.get_args(args[0]) if args else ()
        if len(inner) == 2 and inner[0] is str and Ellipsis not in inner:
            return f"a mapping such as {{name: value}}, each value {describe_type(inner[1])}"
        return "a list of " + describe_type(args[0]) if args else "a list"
    if isinstance(hint, type) and issubclass(hint, Spec):
        what = f"a {hint.family or hint.kind}" if hint is not Spec else "a model or a label source"
        word = hint.family or ("model" if hint is Spec else hint.kind)
        return f"{what}, as a mapping such as {{{word}: {'NAME' if hint.family or hint is Spec else '{...}'}}}"
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))


def describe_field(cls: Any, name: str) -> str:
    """Return what a field of `cls` may hold, such as `a number, at least 0 and at most 1`."""
    ranges = cls.__dataclass_fields__[name].metadata
    words = {"above": "above", "low": "at least", "high": "at most"}
    limits = [f"{words[side]} {ranges[side]:g}" for side in words if ranges.get(side) is not None]
    return ", ".join(filter(None, (describe_type(_hints(cls)[name]), " and ".join(limits))))


def describe_kind(spec: Spec | type[Spec]) -> str:
    """Return a spec's kind in words, such as `model 'hf'` or `data`."""
    if spec.family and "/" in spec.kind:
        return f"{spec.family} '{REGISTRIES[spec.family].display(spec.kind)}'"
    return spec.kind


def encode(spec: Spec) -> dict[str, Json]:
    """Return the spec as JSON: kind, version and the fields that differ from their defaults."""
    found: dict[str, Json] = {"kind": spec.kind, "version": spec.version}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        written = _encode_value(value)
        # compared as written: 1, 1.0 and True are equal, also inside tuples, but they are not one value
        if field.default is dataclasses.MISSING or repr(written) != repr(_encode_value(field.default)):
            found[field.name] = written
    return found


def _encode_value(value: Any) -> Json:
    if isinstance(value, Spec):
        return encode(value)
    if isinstance(value, tuple):
        return [_encode_value(item) for item in value]
    return value


def decode(data: Mapping[str, Json]) -> Spec:
    """Return the spec that `encode` wrote; unknown kinds and other versions raise SpecError."""
    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str) or "version" not in data:
        raise SpecError(f"{str(data)[:60]!r} is no spec: it has no kind and version. Run the study again.")
    cls = spec_class(data["kind"])
    if data["version"] != cls.version:
        raise SpecError(
            f"{data['kind']} was written at version {data['version']}, but this installation has version {cls.version}. "
            "Run the study again."
        )
    return cls(**{name: _decode_value(value) for name, value in data.items() if name not in ("kind", "version")})


def _decode_value(value: Json) -> Any:
    if isinstance(value, dict):
        return decode(value)
    return tuple(_decode_value(item) for item in value) if isinstance(value, list) else value


def spec_class(kind: str) -> type[Spec]:
    """Return the class behind a kind such as `fit` or `model/hf`."""
    family, _, name = kind.partition("/")
    if name and family in REGISTRIES:
        return REGISTRIES[family].get(name)
    if kind not in CORE:
        raise SpecError(f"unknown kind of spec '{kind}'. Known: {', '.join(CORE)} and plug-ins such as model/hf.")
    module, attribute = CORE[kind].split(":")
    found: type[Spec] = getattr(importlib.import_module(module), attribute)
    return found


def key(spec: Spec) -> str:
    """Return the spec's key: 20 hex digits of the SHA-256 of its canonical JSON."""
    known: str | None = spec.__dict__.get("_key")
    if known is None:
        known = hashlib.sha256(_canonical(spec).encode()).hexdigest()[:KEY_DIGITS]
        object.__setattr__(spec, "_key", known)  # frozen specs never change, so neither does their key
    return known


def _canonical(value: Any) -> str:
    """Return what `json.dumps` makes of `encode`, keys sorted; a spec's text is kept, for it is part of many others."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_canonical, value))}]"
    if not isinstance(value, Spec):
        return _JSON.encode(value)
    known: str | None = value.__dict__.get("_text")
    if known is None:
        parts = {"kind": _JSON.encode(value.kind), "version": _JSON.encode(value.version)}
        cls: Any = type(value)  # as in `__post_init__`
        for name, default in _default_texts(cls).items():
            if (text := _canonical(getattr(value, name))) != default:
                parts[name] = text
        known = f"{{{','.join(f'{_JSON.encode(name)}:{parts[name]}' for name in sorted(parts))}}}"
        object.__setattr__(value, "_text", known)
    return known


@cache
def _default_texts(cls: Any) -> dict[str, str | None]:
    """Return the canonical text of each field's default, None for fields without one."""
    none = dataclasses.MISSING
    return {f.name: None if f.default is none else _canonical(f.default) for f in dataclasses.fields(cls)}


_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


def options_of(spec: Spec, *, leave_out: Collection[str] = ()) -> list[str]:
    """Return the options that differ from their defaults as `name=value`, for names in tables.

    Those that hold specs come last: their names are long, and what stands first survives where a name is cut.
    """
    named = {
        field.name: getattr(spec, field.name)
        for field in dataclasses.fields(spec)
        if field.name not in (*HIDDEN_FIELDS, *leave_out) and getattr(spec, field.name) != field.default
    }
    return [f"{name}={_short(named[name])}" for name in sorted(named, key=lambda name: _holds_specs(named[name]))]


def _holds_specs(value: Any) -> bool:
    return any(isinstance(item, Spec) for item in (value if isinstance(value, tuple) else (value,)))


def name_of(spec: Spec, *, leave_out: Collection[str] = ()) -> str:
    """Return a short name for tables: the plug-in's name and its options that differ from the defaults."""
    names: dict[tuple[str, ...], str] = spec.__dict__.setdefault("_names", {})  # a frozen spec keeps its names
    if (left := tuple(leave_out)) not in names:
        name = REGISTRIES[spec.family].display(spec.kind) if spec.family else spec.kind
        options = options_of(spec, leave_out=left)
        names[left] = f"{name}({', '.join(options)})" if options else name
    return names[left]


def _short(value: Any) -> str:
    if isinstance(value, Spec):
        own = getattr(value, "label", None)  # what models, label sources, tasks and fits are called in tables
        name = str(own()) if own else name_of(value)
        if value.family == "corpus" and "(" in name:  # the options of texts would hide those of what stands on them
            return f"{name.partition('(')[0]}~{hashlib.sha256(name.encode()).hexdigest()[:4]}"
        return name
    if isinstance(value, tuple):
        return "+".join(_short(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
