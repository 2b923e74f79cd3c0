"""Names to plug-ins: a file is a plug-in and its name is the file name.

Listing names imports nothing; looking one up imports that file alone, so a broken plug-in breaks only its own name.
Third parties use entry points (`surpass.tasks`, `surpass.labels`, `surpass.models`, `surpass.methods`,
`surpass.corpora`) or write `module:OBJECT` where a name is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import pkgutil
import sys
from functools import cache
from typing import Any

from surpass.errors import SpecError, UnknownNameError


@dataclasses.dataclass(frozen=True)
class Registry:
    """One kind of plug-in: `family` is its word ("task"), `package` the folder with its files."""

    family: str
    package: str

    @property
    def plural(self) -> str:
        """The word for several of them: "tasks"."""
        return self.package.rpartition(".")[2]

    def names(self) -> list[str]:
        """Return every name, built in or from entry points, without importing any plug-in."""
        return sorted({*self._files(), *self._entry_points()})

    def get(self, name: str) -> type[Any]:
        """Return the plug-in class called `name`, importing only its file.

        Raises:
            UnknownNameError: nothing answers to the name; the message suggests the nearest one.
            SpecError: the plug-in cannot be imported, or what it names is no plug-in of this family.
        """
        if ":" in name:
            return self._checked(name, *name.split(":", 1))
        if name in self._files():
            return self._only_class(name, f"{self.package}.{name.replace('-', '_')}")
        if point := self._entry_points().get(name):
            return self._checked(name, point.module, point.attr)
        raise UnknownNameError(self.family, name, self.names())

    def display(self, kind: str) -> str:
        """Return the name a person uses for a plug-in's `kind`, such as `hf` for `model/hf`."""
        name = kind.partition("/")[2]
        for point in self._entry_points().values():
            if f"{point.module}:{point.attr}" == name:
                return point.name
        return name

    def _files(self) -> frozenset[str]:
        return _files(self.package)

    def _entry_points(self) -> dict[str, importlib.metadata.EntryPoint]:
        return _entry_points(self.package)

    def _import(self, name: str, module: str) -> Any:  # a module, whose attributes have no common type
        try:
            return importlib.import_module(module)
        except Exception as error:
            what = "Mend that file or install what it needs."
            if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
                what = "Install it, or put the folder of that file on PYTHONPATH."
            raise SpecError(
                f"{self.family} '{name}' cannot be imported from {module}: {type(error).__name__}: {error}. {what}"
            ) from error

    def _checked(self, name: str, module: str, attribute: str) -> type[Any]:
        found = getattr(self._import(name, module), attribute, None)
        if not (inspect.isclass(found) and getattr(found, "family", None) == self.family):
            raise SpecError(
                f"{self.family} '{name}' names {module}:{attribute}, which is not a {self.family} class. "
                f"Write module:CLASS with a class that derives from the {self.family} base class."
            )
        if lacking := _lacking(found):
            raise SpecError(
                f"{self.family} '{name}' names {module}:{attribute}, which has no {lacking} of its own. "
                "Name a class that derives from it and has."
            )
        return found

    def _only_class(self, name: str, module: str) -> type[Any]:
        loaded = self._import(name, module)
        own = [
            value
            for value in vars(loaded).values()
            if inspect.isclass(value)
            and value.__module__ == loaded.__name__
            and getattr(value, "family", None) == self.family
            and not value.__name__.startswith("_")
        ]
        if len(own) != 1:
            raise SpecError(f"file {module} holds {len(own)} {self.family} classes; a plug-in file holds exactly one.")
        return own[0]


def _lacking(cls: type[Any]) -> str:
    """Return which methods a plug-in class leaves to its base class that those are `required` of; empty when none."""
    base: Any = next((each for each in cls.__mro__ if "required" in vars(each)), None)
    groups = base.required if base else ()

    def own(name: str) -> bool:
        return inspect.getattr_static(cls, name) is not inspect.getattr_static(base, name)

    missing = [" or ".join(", ".join(group).rsplit(", ", 1)) for group in groups if not any(map(own, group))]
    return ", and ".join(missing)


def known_module(name: str) -> bool:
    """Return whether looking up a name such as `module:CLASS` runs no code but what has run, or was installed for us."""
    module = name.partition(":")[0]
    registered = (point.module for each in REGISTRIES.values() for point in each._entry_points().values())
    packages = {"surpass", *(place.partition(".")[0] for place in registered)}
    return (
        ":" not in name or module in sys.modules or module.partition(".")[0] in packages
    )  # loaded: not its parent alone


@cache
def _files(package: str) -> frozenset[str]:
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return frozenset(
        item.name.replace("_", "-") for item in found if not item.name.startswith("_") and item.name != "base"
    )


@cache
def _entry_points(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=group)}


TASKS = Registry("task", "surpass.tasks")
LABELS = Registry("label", "surpass.labels")
MODELS = Registry("model", "surpass.models")
METHODS = Registry("method", "surpass.methods")
CORPORA = Registry("corpus", "surpass.corpora")
REGISTRIES = {registry.family: registry for registry in (TASKS, LABELS, MODELS, METHODS, CORPORA)}
