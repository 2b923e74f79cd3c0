"""Supervisors that differ in one number: the student against the number of raters, or whatever else was varied."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import tables, text
from surpass.report.blocks import Cell, Fold, Panel, Section, Table, Text
from surpass.report.panels import entry, figures
from surpass.report.svg import WIDTH, Axis, Canvas, span
from surpass.results import Results, Setting, SettingRow
from surpass.stats import Estimate

_ROLES = (("ceiling", "diamond"), ("floor", "square"), ("student", "circle"))


def section(results: Results) -> Section | None:
    """Return floor, student and ceiling over the settings of a supervisor, where a study has three or more of one."""
    rows = results.settings
    if not rows:
        return None
    intro = (
        "Supervisors that differ in one number and in nothing else, and what the same strong model learns from each, on the "
        "in-domain test rows."
    )
    legend = tuple(entry(shape, role, role) for role, shape in _ROLES[::-1])
    panels = figures([panel(row) for row in rows], legend)
    return Section(
        "settings", "Supervisors by setting", (Text(intro), *panels, Fold("Numbers", (_table(rows, results.level),)))
    )


def said(setting: Setting) -> str:
    """Return the value as people say it; no limit is "all".

    >>> from surpass.stats import Estimate
    >>> one = Estimate(0.5, 0.4, 0.6, 0.95, 3, 100, "")
    >>> [said(Setting("raters", value, one, one, one, one)) for value in (1, 0.25, None)]
    ['1', '0.25', 'all']
    """
    return "all" if setting.value is None else f"{setting.value:g}"


def panel(row: SettingRow) -> Panel:
    """Draw floor, student and ceiling with their intervals, one place for each setting."""
    left, right, top, bottom = 42.0, WIDTH - 6, 24.0, 210.0
    canvas = Canvas(bottom + 38)
    scores = [getattr(one, role) for one in row.settings for role, _ in _ROLES]
    up = Axis(*span(value for score in scores for value in (score.value, score.low, score.high)), bottom, top)
    canvas.text(0, 10, text.metric(row.metric), style="title")
    canvas.up(up, left=left, right=right)
    step = (right - left) / len(row.settings)
    places = [left + step * (i + 0.5) for i in range(len(row.settings))]
    for x, setting in zip(places, row.settings, strict=True):
        canvas.text(x, bottom + 15, said(setting), style="tick", anchor="middle")
    canvas.text((left + right) / 2, bottom + 31, f"{row.option} of {row.kind}", style="title", anchor="middle")
    for aside, (role, shape) in enumerate(_ROLES):
        points = [(x + 5 * (aside - 1), getattr(one, role)) for x, one in zip(places, row.settings, strict=True)]
        _curve(canvas, up, points, role, shape)
    told = "; ".join(
        f"{row.option} {said(one)}: " + ", ".join(f"{role} {text.estimate(getattr(one, role))}" for role, _ in _ROLES)
        for one in row.settings
    )
    about = f"{row.task} by {row.option} of {row.kind}, student {row.strong}, {row.method}"
    words = f"{text.metric(row.metric)} on {about}: {told}."
    return Panel(
        f"{row.task}, {row.method}", f"{row.kind} \N{RIGHTWARDS ARROW} {row.strong}", canvas.markup(words), words
    )


def _curve(canvas: Canvas, up: Axis, points: Sequence[tuple[float, Estimate]], role: str, shape: str) -> None:
    canvas.path([(x, up(item.value) if math.isfinite(item.value) else math.nan) for x, item in points], style=role)
    for x, item in points:
        if math.isnan(item.value):
            continue
        if not math.isnan(item.low):
            canvas.line((x, up(item.low)), (x, up(item.high)), style=f"bar {role}")
        canvas.mark(x, up(item.value), shape, style=role, hint=f"{role} {text.estimate(item)}")


def _table(rows: Sequence[SettingRow], level: float) -> Table:
    lines = tuple(
        (Cell(f"{row.option} = {said(one)}"), *map(tables.score, (one.floor, one.student, one.ceiling, one.pgr)))
        for row in rows
        for one in row.settings
    )
    groups = tuple(
        (row.task, f"{row.kind} \N{RIGHTWARDS ARROW} {row.strong}, {row.method}") for row in rows for _ in row.settings
    )
    named = text.listing(list(dict.fromkeys(text.metric(row.metric) for row in rows)))
    caption = f"Floor, student and ceiling by setting, by {named}; {text.percent(level)} intervals"
    return Table(caption, ("Setting", "Floor", "Student", "Ceiling", "PGR"), lines, True, 1, groups)
