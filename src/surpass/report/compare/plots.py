"""Forest plots: a method's difference to the baseline on every task and pair, and its mean over tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from surpass.report import text
from surpass.report.blocks import Legend, Panel
from surpass.report.compare import words
from surpass.report.svg import WIDTH, Axis, Canvas, span
from surpass.stats import Estimate
from surpass.versus import DifferenceRow, Standing, Versus

_GUTTER, _EDGE = 128.0, 14.0  # pixels left for names, and right of the axis
_HEADER, _ROW, _FOOT = 26.0, 19.0, 38.0
_NAME, _PAIR = 19, 52  # letters that fit beside and above the axis


def legend(level: float) -> tuple[Legend, ...]:
    """Return the legend of `forest`."""
    return (
        _key("circle", "student", f"one task; its {text.percent(level)} interval leaves 0 out"),
        _key("circle", "student hollow", "a tie: the interval holds 0"),
        _key("diamond", "total", f"mean over tasks with its {text.percent(level)} interval"),
    )


def _key(shape: str, style: str, meaning: str) -> Legend:
    canvas = Canvas(14, 26)
    canvas.line((2, 7), (24, 7), style=f"bar {style}")
    canvas.mark(13, 7, shape, style=style)
    return Legend(canvas.markup(""), meaning)


def limits(rows: Iterable[DifferenceRow], means: Iterable[Estimate]) -> tuple[float, float]:
    """Return the range of all differences with their intervals and 0, for panels that share an axis."""
    found = [*(row.difference for row in rows), *means]
    return span([0.0, *(value for item in found for value in (item.value, item.low, item.high))])


def forest(versus: Versus, standing: Standing, *, limits: tuple[float, float]) -> Panel:
    """Draw one method's differences under one metric, a group of lines for each pair, the mean over tasks last."""
    rows = [row for row in versus.rows if (row.method, row.metric) == (standing.method, standing.metric)]
    pairs: dict[str, list[DifferenceRow]] = {}
    for row in rows:
        pairs.setdefault(text.pair(row.weak, row.strong), []).append(row)
    bottom = 4 + sum(_HEADER + _ROW * len(group) for group in pairs.values()) + _ROW + 8
    canvas = Canvas(bottom + _FOOT)
    axis = Axis(*limits, _GUTTER, WIDTH - _EDGE)
    scored = text.metric(standing.metric)
    title = f"difference in {scored} to {text.shorten(versus.baseline, 16)} (right is better)"
    canvas.across(axis, top=_HEADER, bottom=bottom, title=title)
    canvas.line((axis(0.0), _HEADER), (axis(0.0), bottom), style="zero")
    y = 0.0
    for name, group in pairs.items():
        canvas.text(0, y + 17, text.shorten(name, _PAIR), style="head")
        y += _HEADER
        for row in group:
            _line(canvas, axis, row.difference, y, name=row.task, row=row)
            y += _ROW
    _line(canvas, axis, standing.mean, y + 8, name="mean over tasks")
    shown = f"{standing.method} against {versus.baseline}, {scored}. " + _say(rows, standing)
    drawn = text.clean(canvas.markup(shown))  # the page takes drawings as they are
    return Panel(standing.method, f"{scored}: {words.tally(standing)}", drawn, shown)


def _line(
    canvas: Canvas, axis: Axis, item: Estimate, top: float, *, name: str, row: DifferenceRow | None = None
) -> None:
    """Draw one difference: its name, interval and mark, or that it is undefined."""
    middle = top + _ROW / 2
    canvas.text(0, middle + 4, text.shorten(name, _NAME), style="name")
    if math.isnan(item.value):
        canvas.text((axis.start + axis.stop) / 2, middle + 4, text.UNDEFINED, style="detail", anchor="middle")
        return
    sure = row is not None and row.outcome in ("win", "loss")
    style = "total" if row is None else "student" if sure else "student hollow"
    canvas.bar(axis, item.low, item.high, middle, style="total" if row is None else "student")
    hint = f"{name}: {words.difference(item)}" + (f", {row.outcome}" if row else "")
    canvas.mark(axis(item.value), middle, "diamond" if row is None else "circle", style=style, hint=hint)


def _say(rows: Sequence[DifferenceRow], standing: Standing) -> str:
    parts = [f"{row.task}, {text.pair(row.weak, row.strong)}: {words.difference(row.difference)}." for row in rows]
    return " ".join([*parts, f"Mean over tasks {words.difference(standing.mean)}."])
