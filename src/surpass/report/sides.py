"""Texts side by side: what was asked and wanted, what supervisor and student wrote, and drawings where a task has some."""

from __future__ import annotations

import base64
from html import escape
from itertools import groupby

from surpass.report import text
from surpass.report.blocks import Block, Cell, Fold, Panel, Section, Table, Text
from surpass.report.panels import figures
from surpass.results import Results
from surpass.results_sides import SideRow

MOST = 240
"""Characters of a prompt that are shown, its last ones."""
WHO = {"student": "Student right, supervisor wrong", "supervisor": "Supervisor right, student wrong"}
INTRO = (
    "Test rows that one of student and supervisor has right and the other wrong, of the first seed; a hash of their ids "
    "chooses them. Long prompts are shown by their ends."
)


def section(results: Results) -> Section | None:
    """Return the section of texts, and of drawings, of a study of generation tasks; None for others."""
    if not results.sides:
        return None
    blocks: list[Block] = [Text(INTRO)]
    for who, words in WHO.items():
        panels = [_panel(row) for row in results.sides if row.drawing and row.right == who]
        blocks += [*([Text(f"{words}:")] if panels else []), *figures(panels, ())]
    for (task, weak, strong, method), group in groupby(
        results.sides, key=lambda row: (row.task, row.weak, row.strong, row.method)
    ):
        rows = list(group)
        title = f"{task}, {text.pair(weak, strong)}, {method}: {text.count(len(rows), 'row')}"
        blocks.append(Fold(title, (_table(rows, title),)))
    return Section("texts", "Texts side by side", tuple(blocks))


def _table(rows: list[SideRow], caption: str) -> Table:
    columns = ("Who is right", "Prompt", "Target", "Supervisor", "Student")
    lines = [
        (
            Cell(row.right),
            Cell(_end(row.prompt)),
            *(Cell(_plain(item)) for item in (row.target, row.supervisor, row.student)),
        )
        for row in rows
    ]
    return Table(caption, columns, tuple(lines), stack=True)


def _panel(row: SideRow) -> Panel:
    """Return a drawing as an image: what stands in it can neither run nor reach the page."""
    words = f"Wanted {_plain(row.target)}; supervisor {_plain(row.supervisor)}; student {_plain(row.student)}."
    held = base64.b64encode(text.clean(row.drawing).encode()).decode()
    image = f'<img src="data:image/svg+xml;base64,{held}" alt="{escape(words)}" width="240">'
    return Panel(words, f"{row.task}, {text.pair(row.weak, row.strong)}, {row.method}", image, words)


def _end(prompt: str) -> str:
    return prompt if len(prompt) <= MOST else f"\N{HORIZONTAL ELLIPSIS} {prompt[-MOST:]}"


def _plain(words: str) -> str:
    return words.strip() or "(nothing)"
