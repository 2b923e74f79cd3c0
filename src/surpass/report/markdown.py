"""The report as Markdown: the same words and tables as the page, without drawings."""

from __future__ import annotations

import html
import re

from surpass.report import text
from surpass.report.blocks import Block, Cell, Code, Document, Figures, FindingList, Fold, Table, Terms, Text

_SPECIAL = re.compile(r"([\\`*|~$]|\](?=[(\[:]))")  # a bracket alone is no link
_EDGE_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")
_SIGN = {"error": "✕", "warning": "▲", "note": "●"}


def markdown(document: Document) -> str:
    """Return the report as Markdown."""
    parts = [f"# {escape(document.title)}", escape(document.asked), f"**Found:** {escape(document.found)}"]
    parts += [
        f"> {_SIGN[mark.severity]} **{mark.severity.capitalize()}:** {escape(mark.text)}" for mark in document.alerts
    ]
    for section in document.sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_block(block) for block in section.blocks]
    if document.version:
        parts.append(f"Made by surpass {escape(document.version)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(content: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    >>> print(escape("a|b <script> weak_val *"))
    a\|b &lt;script&gt; weak_val \*
    """
    line = " ".join(text.clean(content).split())
    return _EDGE_UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", html.escape(line, quote=False)))


def _block(block: Block) -> str:
    match block:
        case Text():
            return _prose(block.text)
        case Terms():
            return "\n".join(f"- **{escape(name)}**: {escape(meaning)}" for name, meaning in block.items)
        case Table():
            return _table(block)
        case FindingList():
            return _findings(block)
        case Code():
            return _fenced(block)
        case Fold():
            inner = [_block(inner) for inner in block.blocks]
            return "\n\n".join([f"**{escape(block.title)}**", *filter(None, inner)]) if any(inner) else ""
        case Figures():
            return ""


def _prose(content: str) -> str:
    """Return a paragraph of our own words, in which backquotes mark code."""
    return "`".join(part if i % 2 else _kept(part) for i, part in enumerate(content.split("`")))


def _kept(part: str) -> str:
    """Return escaped text with the spaces at its ends, which `escape` folds away."""
    left, right = part[:1].isspace(), part[-1:].isspace()
    return " " * left + escape(part) + " " * right


def _cell(cell: Cell) -> str:
    if cell.kind == "code":
        return " ".join(f"`{part}`" for part in escape(cell.text.replace("`", "'")).split())
    if cell.marks:
        return "; ".join(f"{_SIGN[mark.severity]} {escape(mark.text)}" for mark in cell.marks)
    if cell.kind == "undefined":
        return escape(f"{cell.text}: {cell.sub}" if cell.sub else cell.text)
    return f"{escape(cell.text)} {escape(cell.sub)}".rstrip()


def _table(table: Table) -> str:
    columns, rows = table.columns, table.rows
    if table.groups:
        columns = ("Task", "Weak → strong", *columns)
        rows = tuple((*map(Cell, group), *row) for group, row in zip(table.groups, rows, strict=True))
    numeric = [any(row[i].kind in ("number", "undefined") for row in rows) for i in range(len(columns))]
    lines = [
        "| " + " | ".join(escape(title) for title in columns) + " |",
        "|" + "|".join("--:" if right else ":--" for right in numeric) + "|",
        *("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def _findings(block: FindingList) -> str:
    lines = []
    for item in block.items:
        evidence = f" ({escape(item.evidence)})" if item.evidence else ""
        head = f"{_SIGN[item.severity]} **{item.severity}**, {escape(item.code)}, {escape(item.where)}"
        lines.append(f"1. {head}: {escape(item.message)}{evidence}")
    return "\n".join(lines)


def _fenced(block: Code) -> str:
    content = text.clean(block.text)
    runs = re.findall(r"`{3,}", content)
    fence = "`" * (max(map(len, runs), default=2) + 1)
    return f"{fence}{block.language}\n{content}\n{fence}"
