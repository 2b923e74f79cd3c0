"""The headline table for a terminal of 80 columns."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from surpass.checks import SEVERITIES
from surpass.report import text
from surpass.report.headline import (
    Touching,
    headline_rows,
    is_defined,
    less_is_better,
    shown_metrics,
    subject,
    why_undefined,
)
from surpass.report.shift import shift_name, sides, summed_up
from surpass.report.story import alerts, found
from surpass.results import ResultRow, Results
from surpass.stats import Estimate

_METHOD = 16  # characters
_STYLE = {"error": "red", "warning": "yellow", "note": "dim"}
_SIGN = {"error": "✕", "warning": "▲", "note": "●"}


def summary(results: Results) -> RenderableType:
    """Return what was found: one sentence, then floor, student, ceiling and PGR of each comparison with intervals.

    The caller prints it. Colours carry nothing that words do not.
    """
    rows = headline_rows(results)
    parts: list[RenderableType] = [Text(text.clean(results.name), style="bold"), Text(text.clean(found(results)))]
    parts += [_line(mark.severity, mark.text) for mark in alerts(results)]
    metrics, touching = shown_metrics(results), Touching(results.findings)
    for (task, weak, strong), group in groupby(rows, key=lambda row: (row.task, row.weak, row.strong)):
        title = Text.assemble("\n", (text.clean(task), "bold"), f"  {text.clean(text.pair(weak, strong))}  ")
        less = " (less is better)" if less_is_better(metrics[task]) else ""
        title.append(f"{text.metric(metrics[task])}{less}", style="dim")
        parts += [title, *_comparisons(touching, list(group))]
    parts += _under_shift(results)
    if rows:
        parts.append(Text(f"\nBrackets: {text.percent(results.level)} intervals.{_count(results)}", style="dim"))
    return Group(*parts)


def _count(results: Results) -> str:
    found = [(name, sum(finding.severity == name for finding in results.findings)) for name in SEVERITIES]
    counts = [text.count(n, name) for name, n in found if n]
    return f" The guard found {text.listing(counts)}." if counts else ""


def _comparisons(touching: Touching, rows: list[ResultRow]) -> list[RenderableType]:
    """Return the table of one pair, and under it why a PGR is undefined, which seeds are missing, what the guard saw."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("method", width=_METHOD, overflow="fold")
    for title in ("floor", "student", "ceiling", "PGR"):
        table.add_column(title, width=14, justify="right", overflow="fold")
    reasons: dict[str, list[str]] = {}
    for row in rows:
        table.add_row(text.folded(row.method, _METHOD), *map(_score, (row.floor, row.student, row.ceiling, row.pgr)))
        if not is_defined(row):
            reasons.setdefault(why_undefined(row), []).append(row.method)
    below = [_line("note", f"PGR undefined: {reason} ({', '.join(names)})") for reason, names in reasons.items()]
    below += [
        _line("error", f"{text.count(row.failed, 'seed')} missing because a stage failed ({row.method})")
        for row in rows
        if row.failed
    ]
    below += [
        _line(finding.severity, f"{finding.code}: {finding.message}")
        for _, finding in sorted({i: finding for row in rows for i, finding in touching.of(row)}.items())
        if finding.severity != "note"
    ]
    return [table, *(Padding(line, (0, 0, 0, 2)) for line in below)]


def _under_shift(results: Results) -> list[RenderableType]:
    """Return the comparisons that have shifted tests, with both PGRs and what the student loses."""
    found, parts = sides(results), list[RenderableType]()
    for (task, weak, strong), group in groupby(found, key=lambda one: subject(one.home)[:3]):
        title = Text.assemble("\n", (text.clean(task), "bold"), f"  {text.clean(text.pair(weak, strong))}  ")
        table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
        table.add_column("method", width=_METHOD, overflow="fold")
        table.add_column("shifted test", width=12, overflow="fold")
        for name in ("PGR in domain", "PGR under shift", "student's drop"):
            table.add_column(name, width=15, justify="right", overflow="fold")
        for one in group:
            lost = _score(one.cost.student) if one.cost else Text("–")
            names = (text.folded(one.home.method, _METHOD), text.clean(shift_name(one.away.split)))
            table.add_row(*names, _score(one.home.pgr), _score(one.away.pgr), lost)
        parts += [title.append("under shift", style="dim"), table]
    return [*parts, Text(f"\n{summed_up(found)}")] if found else []


def _score(estimate: Estimate) -> Text:
    shown = Text(text.value(estimate))
    return shown.append(f"\n{text.interval(estimate)}", style="dim") if text.interval(estimate) else shown


def _line(severity: str, content: str) -> Text:
    return Text(f"{_SIGN[severity]} {text.clean(content)}", style=_STYLE[severity])
