"""Misfit against gain: points around the line on which the theory says that gain is no less than misfit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from surpass.diagnostics import LOSSES, Scatter, scatter
from surpass.diagnostics.scatter import ENOUGH_POINTS
from surpass.report import text
from surpass.report.analysis_tables import rest, told
from surpass.report.blocks import Cell, Fold, Legend, Panel, Section, Table, Text
from surpass.report.headline import IN_DOMAIN
from surpass.report.panels import entry, figures
from surpass.report.svg import WIDTH, Axis, Canvas, span
from surpass.report.tables import split_name
from surpass.results import MisfitRow, Results
from surpass.stats import Estimate

_MOST_PANELS, _MOST_LINES = 36, 200
_MARKED = 150  # points that are marks with a hint each; more are dots
_CROSSED = 12  # points that show their intervals
_CLIPPED = 0.01  # share of rows with a probability of 0 above which KL says how it was clipped, and no more
_NARROWEST = 1e-8
_FILE = "misfit.csv"


class Point(NamedTuple):
    """One point: misfit and gain, with their intervals where it is a mean over seeds, and what it is."""

    misfit: float
    gain: float
    ends: tuple[Estimate, Estimate] | None
    name: str


class Cloud(NamedTuple):
    """The points of one panel; `unit` says what a point is."""

    task: str
    about: str
    loss: str
    unit: str
    points: tuple[Point, ...]
    fit: Scatter


def section(results: Results) -> Section | None:
    """Return misfit against gain of every comparison, or of the domains of each; None for a study without scores."""
    rows = [row for row in results.misfits if row.split == IN_DOMAIN and LOSSES[row.loss].leads]
    kept = [row for row in rows if row.clipped <= _CLIPPED]
    clouds = _clouds(kept, results.level)
    if not rows:
        return None
    parts = [_INTRO, _of_clouds(clouds), _of_rows([row for row in kept if not row.domain])]
    if hidden := sum(not row.domain for row in rows) - sum(not row.domain for row in kept):
        parts.append(
            f"{text.count(hidden, 'comparison')} {'is' if hidden == 1 else 'are'} left out: a label or prediction without "
            f"doubt (probability 0) has no finite KL; `{_FILE}` holds the misfit by Brier score."
        )
    left = len(clouds) - _MOST_PANELS
    note = (Text(f"{text.count(left, 'more panel')} can be drawn from `{_FILE}`."),) if left > 0 else ()
    drawn = figures([panel(cloud) for cloud in clouds[:_MOST_PANELS]], _legend(clouds, results.level))
    fits = (_fits(clouds[:_MOST_LINES], results.level),) if clouds else ()
    return Section(
        "misfit", "Misfit and gain", (Text(" ".join(filter(None, parts))), *drawn, *note, *fits, *_folds(results))
    )


_INTRO = (
    "Misfit is how far the student is from its supervisor and needs no labels; gain is by how much its error is "
    "smaller, and needs ground truth. For a convex class of students fitted to the end, and a target within it, theory "
    "says that gain is no less than misfit: points on the dashed line or above. Numbers by squared error, "
    "classes by log loss with misfit KL(student || supervisor); a student fitted by cross-entropy is outside the theory."
)


def _clouds(rows: Sequence[MisfitRow], level: float) -> list[Cloud]:
    """Return one cloud for each task, or for each comparison where a task has at least as many domains as comparisons."""
    found = []
    for task in dict.fromkeys(row.task for row in rows):
        whole = [row for row in rows if row.task == task and not row.domain and not math.isnan(row.gain.value)]
        parts: dict[tuple[str, ...], list[MisfitRow]] = {}
        for row in rows:
            if row.task == task and row.domain:
                parts.setdefault(_subject(row), []).append(row)
        loss = next((row.loss for row in whole), "")
        if parts and min(map(len, parts.values())) >= len(whole):
            for (_, weak, strong, method), members in parts.items():
                about = f"{text.pair(weak, strong)}, {method}"
                found.append(_cloud(task, about, loss, "domain", [_point(row, row.domain) for row in members], level))
        elif len(whole) >= 3:
            points = [_point(row, f"{text.pair(row.weak, row.strong)}, {row.method}") for row in whole]
            found.append(_cloud(task, text.count(len(points), "comparison"), loss, "comparison", points, level))
        elif whole:
            points = [_of_seed(row, i) for row in whole for i in range(len(row.seeds))]
            about = "; ".join(f"{text.pair(row.weak, row.strong)}, {row.method}" for row in whole)
            found.append(_cloud(task, about, loss, "seed", points, level))
    return found


def _subject(row: MisfitRow) -> tuple[str, ...]:
    return row.task, row.weak, row.strong, row.method


def _cloud(task: str, about: str, loss: str, unit: str, points: Sequence[Point], level: float) -> Cloud:
    fit = scatter([point.misfit for point in points], [point.gain for point in points], level=level, unit=unit)
    return Cloud(task, about, loss, unit, tuple(points), fit)


def _point(row: MisfitRow, name: str) -> Point:
    return Point(row.misfit.value, row.gain.value, (row.misfit, row.gain), name)


def _of_seed(row: MisfitRow, place: int) -> Point:
    seed = row.seeds[place]
    name = f"{text.pair(row.weak, row.strong)}, {row.method}, seed {place + 1}"
    return Point(seed.misfit, seed.supervisor - seed.student, None, name)


def _legend(clouds: Sequence[Cloud], level: float) -> tuple[Legend, ...]:
    units = text.listing(list(dict.fromkeys(f"one {cloud.unit}" for cloud in clouds)))
    crossed = any(len(cloud.points) <= _CROSSED and cloud.unit != "seed" for cloud in clouds)
    ends = f", with {text.percent(level)} intervals where there are few" if crossed else ""
    return entry("circle", "student", f"{units}{ends}"), entry("line", "axis dashed", "gain = misfit")


def panel(cloud: Cloud) -> Panel:
    """Draw one cloud with the line gain = misfit; up to 150 points as marks with hints, more as dots."""
    left, right, top, bottom = 46.0, WIDTH - 10, 24.0, 250.0
    canvas = Canvas(bottom + 38)
    crossed = len(cloud.points) <= _CROSSED
    across, up = _axes(cloud, crossed=crossed, box=(left, right, top, bottom))
    metric = text.metric(LOSSES[cloud.loss].metric)
    canvas.text(0, 10, f"gain ({metric})", style="title")
    canvas.up(up, left=left, right=right)
    canvas.across(across, top=top, bottom=bottom, title=f"misfit, {LOSSES[cloud.loss].words}")
    if up.low < 0 < up.high:
        canvas.line((left, up(0)), (right, up(0)), style="axis")
    low, high = max(across.low, up.low), min(across.high, up.high)
    if low < high:
        canvas.line((across(low), up(low)), (across(high), up(high)), style="axis dashed")
    if len(cloud.points) > _MARKED:
        canvas.dots([(across(point.misfit), up(point.gain)) for point in cloud.points], style="student")
    else:
        for point in cloud.points:
            _mark(canvas, across, up, point, crossed=crossed)
    told_fit = f"correlation {text.estimate(cloud.fit.correlation)}, slope {text.estimate(cloud.fit.slope)}"
    words = (
        f"Misfit against gain on {cloud.task}, {cloud.about}: {text.count(len(cloud.points), cloud.unit)}, {told_fit}, "
        f"gain less misfit {text.estimate(cloud.fit.slack)} on average."
    )
    return Panel(cloud.task, text.shorten(cloud.about, 110), canvas.markup(words), words)


def _axes(cloud: Cloud, *, crossed: bool, box: tuple[float, float, float, float]) -> tuple[Axis, Axis]:
    """Return both axes: up to the same number, and of one range where gains allow, unless that would squash the points."""
    left, right, top, bottom = box
    held: tuple[list[float], list[float]] = ([], [])
    for point in cloud.points:
        for side, value in enumerate((point.misfit, point.gain)):
            held[side].append(value)
            if crossed and point.ends:
                held[side].extend((point.ends[side].low, point.ends[side].high))
    (x_low, x_high), (y_low, y_high) = (_wide(*span(values)) for values in held)
    low, high = min(x_low, y_low), max(x_high, y_high)
    if high - low <= 3 * min(x_high - x_low, y_high - y_low):
        return Axis(max(low, -0.05 * high), high, left, right), Axis(low, high, bottom, top)  # no misfit is below 0
    return Axis(x_low, x_high, left, right), Axis(y_low, y_high, bottom, top)


def _wide(low: float, high: float) -> tuple[float, float]:
    """Return the range, no narrower than ticks can tell apart: the points may differ by rounding alone."""
    room = max(0.0, _NARROWEST - (high - low)) / 2
    return low - room, high + room


def _mark(canvas: Canvas, across: Axis, up: Axis, point: Point, *, crossed: bool) -> None:
    x, y = across(point.misfit), up(point.gain)
    if crossed and point.ends:
        misfit, gain = point.ends
        if not math.isnan(misfit.low):
            canvas.line((across(misfit.low), y), (across(misfit.high), y), style="bar student thin")
        if not math.isnan(gain.low):
            canvas.line((x, up(gain.low)), (x, up(gain.high)), style="bar student thin")
    hint = f"{point.name}: misfit {text.number(point.misfit)}, gain {text.number(point.gain)}"
    canvas.mark(x, y, "circle", style="student", hint=hint)


def _of_clouds(clouds: Sequence[Cloud]) -> str:
    """Return in a sentence whether gain goes with misfit."""
    known = [cloud for cloud in clouds if not math.isnan(cloud.fit.correlation.value)]
    if not known:
        return "There are too few points for a correlation: three are needed." if clouds else ""
    enough = [cloud for cloud in known if len(cloud.points) >= ENOUGH_POINTS]
    if len(known) == 1:
        cloud, fit = known[0], known[0].fit
        verdict = {1: "rises with misfit", -1: "falls as misfit rises", 0: "does not measurably go with misfit"}
        told_verdict = (
            f" gain {verdict[_sign(fit.correlation)]}: the" if enough else ", too few to tell a rule from chance, the"
        )
        over = text.count(len(cloud.points), cloud.unit)
        return (
            f"Over {over}{told_verdict} correlation is {text.estimate(fit.correlation)}, "
            f"the slope {text.estimate(fit.slope)}; gain − misfit is {text.estimate(fit.slack)} on average."
        )
    values = [cloud.fit.correlation.value for cloud in known]
    over = f"Correlations are from {text.number(min(values))} to {text.number(max(values))} in {len(known)} panels"
    signs = [_sign(cloud.fit.correlation) for cloud in enough]
    if not enough:
        return f"{over}, each of fewer than {ENOUGH_POINTS} points, which are too few to tell a rule from chance."
    few = f" of {ENOUGH_POINTS} points or more" if len(enough) < len(known) else ""
    return f"{over}; gain rises measurably with misfit in {signs.count(1)} of {len(signs)}{few}, falls in {signs.count(-1)}."


def _of_rows(rows: Sequence[MisfitRow]) -> str:
    """Return in how many comparisons the inequality holds."""
    known = [row.slack for row in rows if not math.isnan(row.slack.value)]
    if not known:
        return ""
    above, below = (sum(_sign(item) == side for item in known) for side in (1, -1))
    if len(known) == 1:
        verdict = {1: "more than the misfit", -1: "less than the misfit", 0: "not measurably other than the misfit"}
        return f"Over all rows the gain is {verdict[_sign(known[0])]}: gain − misfit {text.estimate(known[0])}."
    return (
        f"Over all rows gain is measurably below misfit in {below} of {text.count(len(known), 'comparison')}, measurably "
        f"above in {above}."
    )


def _sign(item: Estimate) -> int:
    """Return 1 or -1 where the interval lies above or below 0, else 0."""
    return int(item.low > 0) - int(item.high < 0)


def _fits(clouds: Iterable[Cloud], level: float) -> Table:
    """Return correlation, slope and mean slack of every cloud."""
    held = list(clouds)
    lines = tuple((Cell(text.count(len(cloud.points), cloud.unit)), *map(told, cloud.fit)) for cloud in held)
    groups = tuple((cloud.task, "" if cloud.unit == "comparison" else cloud.about) for cloud in held)
    caption = (
        f"Gain against misfit; {text.percent(level)} intervals over the points, too narrow where points "
        "share rows or supervisors"
    )
    return Table(caption, ("Points", "Correlation", "Slope", "Mean of gain − misfit"), lines, True, 1, groups)


def _folds(results: Results) -> tuple[Fold, ...]:
    rows = [row for row in results.misfits if LOSSES[row.loss].leads]
    whole, parts = [row for row in rows if not row.domain], [row for row in rows if row.domain]
    folds = [Fold("The same as numbers", (_table(whole, results.level), *rest(len(whole), _FILE)))]
    if parts:
        folds.append(Fold("By domain", (_table(parts, results.level, domains=True), *rest(len(parts), _FILE))))
    return tuple(folds)


def _table(rows: Sequence[MisfitRow], level: float, *, domains: bool = False) -> Table:
    shown = rows[:_MOST_LINES]
    lines = tuple(
        (
            *(Cell(row.method), Cell(split_name(row.split)), *((Cell(row.domain),) if domains else ())),
            *map(told, (row.misfit, row.gain, row.slack, row.supervisor, row.student)),
        )
        for row in shown
    )
    heads = ("Method", "Split", *(("Domain",) if domains else ()))
    columns = (*heads, "Misfit", "Gain", "Gain − misfit", "Supervisor's error", "Student's error")
    losses = dict.fromkeys(row.loss for row in rows)
    named = text.listing([f"{text.metric(LOSSES[name].metric)} with misfit {LOSSES[name].words}" for name in losses])
    caption = f"Misfit and gain by {named}; {text.percent(level)} intervals"
    groups = tuple((row.task, text.pair(row.weak, row.strong)) for row in shown)
    return Table(caption, columns, lines, True, len(heads), groups)
