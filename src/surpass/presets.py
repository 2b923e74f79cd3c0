"""Where the recipes are: beside the source in a checkout, inside the package when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from surpass.errors import UnknownNameError


def folder(name: str = "recipes") -> Path:
    """Return the folder of recipes, or another one that travels with the package in the same way."""
    inside = Path(__file__).parent / name
    return inside if inside.is_dir() else Path(__file__).parents[2] / name


def names() -> list[str]:
    """Return the names of the recipes that are study files."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def recipe(name: str) -> Path:
    """Return a recipe's file; UnknownNameError when there is none."""
    if name not in names():
        raise UnknownNameError("preset", name, names())
    return folder() / f"{name}.yaml"
