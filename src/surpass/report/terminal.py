"""The headline table for a terminal of 80 columns."""

from __future__ import annotations

from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from surpass.report import text
from surpass.report.blocks import Mark
from surpass.report.headline import SEVERITIES, headline_rows, is_defined, shown_metrics, why_undefined
from surpass.report.story import alerts, found
from surpass.report.tables import marks
from surpass.results import ResultRow, Results
from surpass.stats import Estimate

_STYLE = {"error": "bold red", "warning": "yellow", "note": "dim"}
_SIGN = {"error": "✕", "warning": "▲", "note": "●"}


def summary(results: Results) -> RenderableType:
    """Return what was found: one sentence, then floor, student, ceiling and PGR of each comparison with intervals.

    The caller prints it. Colours carry nothing that words do not.
    """
    rows = headline_rows(results)
    parts: list[RenderableType] = [Text(text.clean(results.name), style="bold"), Text(text.clean(found(results)))]
    parts += [_mark(mark) for mark in alerts(results)]
    metrics = shown_metrics(results)
    for (task, weak, strong), group in groupby(rows, key=lambda row: (row.task, row.weak, row.strong)):
        title = Text.assemble("\n", (text.clean(task), "bold"), f", {text.clean(text.pair(weak, strong))} ")
        title.append(f"({text.metric(metrics[task])})", style="dim")
        parts += [title, _table(results, list(group))]
    if rows:
        parts.append(Text(f"\nBrackets: {text.percent(results.level)} intervals.{_count(results)}", style="dim"))
    return Group(*parts)


def _count(results: Results) -> str:
    found = [(name, sum(finding.severity == name for finding in results.findings)) for name in SEVERITIES]
    counts = [text.count(n, name) for name, n in found if n]
    return f" The guard found {text.listing(counts)}." if counts else ""


def _table(results: Results, rows: list[ResultRow]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("method", width=14, overflow="fold")
    for title in ("floor", "student", "ceiling", "PGR"):
        table.add_column(title, width=14, justify="right", overflow="fold")
    for row in rows:
        pgr = _score(row.pgr) if is_defined(row) else _undefined(row)
        name = Text(text.clean(row.method))
        for mark in marks(results, row):
            name.append("\n").append_text(_mark(mark))
        table.add_row(name, _score(row.floor), _score(row.student), _score(row.ceiling), pgr)
    return Padding(table, (0, 0, 0, 2))


def _score(estimate: Estimate) -> Text:
    return Text.assemble(text.value(estimate), "\n", (text.interval(estimate), "dim"))


def _undefined(row: ResultRow) -> Text:
    return Text(f"{text.UNDEFINED}: {text.clean(why_undefined(row))}", style="italic")


def _mark(mark: Mark) -> Text:
    return Text(f"{_SIGN[mark.severity]} {text.clean(mark.text)}", style=_STYLE[mark.severity])
