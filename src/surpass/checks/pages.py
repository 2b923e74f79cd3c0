"""The page of each code: what it means, how it is found, what to do. Beside the source in a checkout, inside a wheel."""

from __future__ import annotations

from pathlib import Path

from surpass.errors import UnknownNameError


def folder() -> Path:
    """Return the folder of the pages."""
    inside = Path(__file__).parents[1] / "explanations"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "docs" / "guard"


def codes() -> list[str]:
    """Return the codes that have a page, sorted."""
    return sorted(path.stem for path in folder().glob("*.md"))


def page(code: str) -> str:
    """Return the page of a code, Markdown; UnknownNameError when there is none.

    >>> page("copy").splitlines()[0]
    '# copy'
    """
    if code not in codes():
        raise UnknownNameError("finding", code, codes())
    return (folder() / f"{code}.md").read_text(encoding="utf-8").rstrip()


def headline(code: str) -> str:
    """Return what a code means, in one line: the first paragraph of its page."""
    return " ".join(page(code).split("\n\n")[1].split())
