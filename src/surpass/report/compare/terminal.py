"""A comparison for a terminal of 80 columns: the ranking, then every task and pair."""

from __future__ import annotations

import math
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from surpass.report import text
from surpass.report.compare import words
from surpass.stats import Estimate, PairedTest
from surpass.versus import Versus

_STYLE = {"error": "red", "warning": "yellow", "note": "dim"}
_SIGN = {"error": "✕", "warning": "▲", "note": "●"}


def summary(versus: Versus) -> RenderableType:
    """Return what was found, the ranking of methods and every comparison. The caller prints it."""
    parts: list[RenderableType] = [Text(text.clean(versus.name), style="bold"), Text(text.clean(words.found(versus)))]
    for mark in words.alerts(versus):
        parts.append(Text(f"{_SIGN[mark.severity]} {text.clean(mark.text)}", style=_STYLE[mark.severity]))
    for name in versus.metrics:
        title = Text.assemble("\n", (f"against {text.clean(versus.baseline)}", "bold"), f", {text.metric(name)}")
        parts += [title, _ranking(versus, name), _every(versus, name)]
    end = f"\nBrackets: {text.percent(versus.level)} intervals. p: two-sided over tasks, Holm-corrected."
    parts.append(Text(end, style="dim"))
    return Group(*parts)


def _table(titles: tuple[str, ...], widths: tuple[int, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for i, (title, width) in enumerate(zip(titles, widths, strict=True)):
        table.add_column(title, width=width, justify="right" if i else "left", overflow="fold")
    return table


def _ranking(versus: Versus, name: str) -> Table:
    table = _table(("method", "mean", "PGR", "won/tied/lost", "p, t", "p, Wilcoxon"), (18, 15, 15, 13, 6, 8))
    for standing in versus.ranked(name):
        over, counts = standing.over["task"], standing.outcomes
        tally = "/".join(str(counts[kind]) for kind in ("win", "tie", "loss"))
        tests = (over["difference"].t["two-sided"], over["difference"].wilcoxon["two-sided"])
        cells = (_number(over["difference"].mean), _number(over["pgr"].mean), Text(tally), *map(_p, tests))
        table.add_row(text.folded(standing.method, 18), *cells)
    return table


def _every(versus: Versus, name: str) -> Group:
    rows = [row for row in versus.rows if row.metric == name]
    parts: list[RenderableType] = []
    for (task, weak, strong), group in groupby(rows, key=lambda row: (row.task, row.weak, row.strong)):
        parts.append(Text.assemble("\n", (text.clean(task), "bold"), f"  {text.clean(text.pair(weak, strong))}"))
        table = _table(("method", "difference", "PGR", ""), (24, 17, 17, 10))
        for row in group:
            table.add_row(text.folded(row.method, 24), _number(row.difference), _number(row.pgr), row.outcome)
            if not row.difference.defined:
                parts.append(Text(f"● {text.clean(row.method)}: {text.clean(row.difference.note)}", style="dim"))
        parts.append(table)
    return Group(*parts)


def _number(item: Estimate) -> Text:
    if math.isnan(item.value):
        return Text(text.UNDEFINED, style="italic dim")
    return Text(words.value(item)).append(f"\n{words.interval(item)}", style="dim")


def _p(test: PairedTest) -> Text:
    return Text(words.p(test.p_holm)) if test.defined else Text("–", style="dim")
