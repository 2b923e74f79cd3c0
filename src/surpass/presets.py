"""Where the recipes are: beside the source in a checkout, inside the package when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from surpass.errors import UnknownNameError


def folder() -> Path:
    """Return the folder of recipes."""
    inside = Path(__file__).parent / "recipes"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "recipes"


def names() -> list[str]:
    """Return the names of the recipes that are study files."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def recipe(name: str) -> Path:
    """Return a recipe's file; UnknownNameError when there is none."""
    if name not in names():
        raise UnknownNameError("preset", name, names())
    return folder() / f"{name}.yaml"
