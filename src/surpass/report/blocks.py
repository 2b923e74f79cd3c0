"""What a report consists of, before it is HTML or Markdown: sections of texts, tables, figures, findings and code."""

from __future__ import annotations

import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Mark:
    """A finding beside a number: its severity, its code and the place on the page that says more."""

    severity: str
    text: str
    href: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a table: text, a smaller second line (the interval), and how it is to be set.

    `kind` is "" (text), "number", "undefined" (a number that does not
    exist), "code" or "none" (nothing to say; a card on a phone leaves it out).
    """

    text: str
    sub: str = ""
    kind: str = ""
    href: str = ""
    marks: tuple[Mark, ...] = ()


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; `stack` says that on a phone each row becomes a card, else the table scrolls in its own box.

    The first `heads` cells name a row. `groups` holds the task and pair of each row, or nothing: the page sets them as
    headings between rows, Markdown as two more columns. `anchors` are ids that other places link to, one per row or none.
    """

    name: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    stack: bool = False
    heads: int = 1
    groups: tuple[tuple[str, str], ...] = ()
    anchors: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    name: ClassVar[str] = "text"
    text: str


@dataclasses.dataclass(frozen=True)
class Terms:
    """Words and what they mean here."""

    name: ClassVar[str] = "terms"
    items: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One small drawing: its heading, a line under it, the SVG, and what it shows in words."""

    title: str
    subtitle: str
    svg: str
    words: str


@dataclasses.dataclass(frozen=True)
class Legend:
    """One entry of a legend: a small SVG of the mark and its meaning."""

    svg: str
    text: str


@dataclasses.dataclass(frozen=True)
class Figures:
    """Small drawings side by side, under one legend. Markdown leaves them out: their numbers stand in tables."""

    name: ClassVar[str] = "figures"
    panels: tuple[Panel, ...]
    legend: tuple[Legend, ...] = ()


@dataclasses.dataclass(frozen=True)
class FindingLine:
    """A finding of the guard as the page shows it."""

    severity: str
    code: str
    message: str
    where: str
    evidence: str
    anchor: str


@dataclasses.dataclass(frozen=True)
class FindingList:
    """Findings of the guard, errors first."""

    name: ClassVar[str] = "findings"
    items: tuple[FindingLine, ...]


@dataclasses.dataclass(frozen=True)
class Code:
    """Text to be shown as it is: a traceback, a study."""

    name: ClassVar[str] = "code"
    text: str
    language: str = ""


@dataclasses.dataclass(frozen=True)
class Fold:
    """Blocks behind a line that opens them; on paper they are open."""

    name: ClassVar[str] = "fold"
    title: str
    blocks: tuple[Text | Table | Code | Figures, ...]


Block = Text | Terms | Table | Figures | FindingList | Code | Fold


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report under one heading."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclasses.dataclass(frozen=True)
class Document:
    """The whole report: what was asked, what was found, what a reader must know first, and the sections.

    `kicker` says above the title what kind of page it is, `files` names the files that hold the same numbers.
    """

    title: str
    asked: str
    found: str
    alerts: tuple[Mark, ...]
    sections: tuple[Section, ...]
    version: str
    kicker: str = "Weak-to-strong report"
    files: tuple[str, ...] = ("results.csv", "results.json")
