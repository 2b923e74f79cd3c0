"""The drawings of the analyses: errors by confidence, reliability, agreement over sizes, ways to use a backbone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Legend, Panel
from surpass.report.headline import IN_DOMAIN
from surpass.report.panels import entry
from surpass.report.svg import WIDTH, Axis, Canvas, span
from surpass.results import CalibrationRow, ErrorRow, LadderRow, Rung, SaliencyRow
from surpass.stats import Estimate

_GUTTER, _EDGE, _FOOT = 112.0, 14.0, 38.0
_LANE = 11.0
FEWEST_ROWS = 10  # of a bin that is drawn: the share right of one row is 0 or 1 and looks like a finding
_ERRORS = (
    ("inheritance", "down", "wrong", "supervisor's error taken over"),
    ("correction", "up", "right", "supervisor's error corrected"),
    ("other", "circle", "student", "another error where the supervisor errs"),
    ("new", "square", "floor", "new error where the supervisor is right"),
)
_ROLES = (("floor", "square", "supervisor"), ("ceiling", "diamond", "ceiling"), ("student", "circle", "student"))
_RUNGS = (
    ("when_right", "up", "right", "agreement where the supervisor is right"),
    ("overall", "circle", "student", "agreement on all rows"),
    ("when_wrong", "down", "wrong", "agreement where the supervisor is wrong"),
    ("student", "small diamond", "chosen", "student's score"),
)


def _shares(rows: Sequence[ErrorRow]) -> list[tuple[str, str, str, str]]:
    """Return the shares that can be: with two classes every error of a student is its supervisor's."""
    return [share for share in _ERRORS if share[0] != "other" or any(row.other.value > 0 for row in rows)]


def errors_legend(rows: Sequence[ErrorRow]) -> tuple[Legend, ...]:
    """Return the legend of `errors` for these rows."""
    return tuple(entry(shape, style, words) for _, shape, style, words in _shares(rows))


def confidence(row: ErrorRow) -> str:
    """Return the supervisor's confidence in a row's bin in words: ".500 to .613", or "all rows"."""
    if not row.bin:
        return "all rows"
    return f"{text.number(row.low, 3)} to {text.number(row.high, 3)}"


def errors(rows: Sequence[ErrorRow]) -> Panel:
    """Draw what one student makes of its supervisor's errors: over all rows, then by confidence from the least sure."""
    shares = _shares(rows)
    height = _LANE * len(shares) + 12
    bottom = 4 + height * len(rows)
    canvas = Canvas(bottom + _FOOT)
    axis = Axis(-0.03, 1.03, _GUTTER, WIDTH - _EDGE)
    canvas.across(axis, top=0, bottom=bottom, title="share of such rows, by the supervisor's confidence")
    for place, row in enumerate(rows):
        top = height * place + 4
        canvas.text(0, top + 14, confidence(row), style="name")
        canvas.text(0, top + 28, f"{row.wrong:,} of {row.rows:,} wrong", style="detail")
        for lane, (name, shape, style, words) in enumerate(shares):
            share: Estimate = getattr(row, name)
            if math.isnan(share.value):
                continue
            middle = top + 5 + _LANE * (lane + 0.5)
            canvas.bar(axis, share.low, share.high, middle, style=style)
            canvas.mark(axis(share.value), middle, shape, style=style, hint=f"{words}: {text.estimate(share)}")
    told = "; ".join(
        f"{confidence(row)}: "
        + ", ".join(f"{words} {text.estimate(getattr(row, name))}" for name, _, _, words in shares)
        for row in rows
    )
    first = rows[0]
    words = f"Errors of {first.method} on {first.task}, {text.pair(first.weak, first.strong)}. {told}."
    return Panel(f"{first.task}, {first.method}", text.pair(first.weak, first.strong), canvas.markup(words), words)


def calibration_legend() -> tuple[Legend, ...]:
    """Return the legend of `calibration`."""
    marks = tuple(entry(shape, role, words) for role, shape, words in _ROLES)
    return (*marks, entry("line", "axis dashed", "calibrated; bars at the foot: rows by the student's confidence"))


def calibration(rows: Sequence[CalibrationRow]) -> Panel:
    """Draw the reliability of supervisor, student and ceiling of one comparison, and how many rows a bin holds."""
    left, right, top, bottom = 36.0, WIDTH - 6, 24.0, 240.0
    canvas = Canvas(bottom + _FOOT)
    drawn = [one for row in rows for one in row.curve if one.rows >= FEWEST_ROWS]
    points = [value for one in drawn for value in (one.low, one.accuracy)]
    lowest = min(0.5, math.floor(10 * min(points, default=0.5)) / 10)
    across, up = Axis(lowest, 1.0, left + 6, right - 6), Axis(lowest, 1.0, bottom, top)
    canvas.text(0, 10, "share of right answers", style="title")
    canvas.up(up, left=left, right=right)
    canvas.across(across, top=bottom, bottom=bottom, title="confidence (probability of the chosen class)")
    of_role = {row.role: row for row in rows}
    most = max((one.rows for one in of_role["student"].curve), default=1)
    for one in of_role["student"].curve:
        tall = 30 * one.rows / most
        wide = max(across(one.high) - across(one.low) - 2, 1)
        canvas.box((across(one.low) + 1, bottom - tall), (wide, tall), style="band student")
    canvas.line((across(lowest), up(lowest)), (across(1), up(1)), style="axis dashed")
    for role, shape, _ in _ROLES:
        curve = [one for one in of_role[role].curve if one.rows >= FEWEST_ROWS]
        canvas.path([(across(one.confidence), up(one.accuracy)) for one in curve], style=role)
        for one in curve:
            hint = f"{role}: {text.count(one.rows, 'row')}, confidence {text.number(one.confidence)}, "
            hint = hint + f"right {text.number(one.accuracy)}" if role == "student" else ""
            canvas.mark(across(one.confidence), up(one.accuracy), shape, style=role, hint=hint)
    first = rows[0]
    told = "; ".join(
        f"{name} ECE {text.estimate(of_role[role].ece)}, confidence - accuracy {text.estimate(of_role[role].overconfidence)}"
        for role, _, name in _ROLES
    )
    words = f"Calibration of {first.method} on {first.task}, {text.pair(first.weak, first.strong)}: {told}."
    split = "" if first.split == IN_DOMAIN else f", {first.split}"
    return Panel(
        f"{first.task}, {first.method}{split}", text.pair(first.weak, first.strong), canvas.markup(words), words
    )


def sizes_legend(rows: Sequence[LadderRow]) -> tuple[Legend, ...]:
    """Return the legend of `sizes` for these ladders."""
    return tuple(
        entry(shape, style, words) for name, shape, style, words in _RUNGS if any(_drawn(r, name) for r in rows)
    )


def _drawn(row: LadderRow, name: str) -> bool:
    """Whether a number of the rungs is a share between 0 and 1, as the drawing's axis is."""
    held = [getattr(rung, name) for rung in row.rungs]
    return all(item is not None and (math.isnan(item.value) or 0 <= item.value <= 1) for item in held)


def parameters(count: int) -> str:
    """Return a number of parameters as people say it.

    >>> parameters(134_515_008), parameters(1_100_000_000), parameters(30_200)
    ('135M', '1.1B', '30K')
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return (
                f"{count / size:.1f}".removesuffix(".0") + letter
                if count < 10 * size
                else f"{count / size:.0f}{letter}"
            )
    return str(count)


def sizes(row: LadderRow) -> Panel:
    """Draw score and agreement of the students of one ladder, from the smallest or in the study's order."""
    left, right, top, bottom = 36.0, WIDTH - 6, 10.0, 200.0
    canvas = Canvas(bottom + _FOOT)
    up = Axis(0.0, 1.0, bottom, top)
    canvas.up(up, left=left, right=right)
    step = (right - left) / len(row.rungs)
    places = [left + step * (i + 0.5) for i in range(len(row.rungs))]
    for i, (x, rung) in enumerate(zip(places, row.rungs, strict=True)):
        name = parameters(rung.parameters) if row.sized and rung.parameters is not None else str(i + 1)
        canvas.text(x, bottom + 15, name, style="tick", anchor="middle")
    title = "parameters of the backbone" if row.sized else "students in the study's order"
    canvas.text((left + right) / 2, bottom + 31, title, style="title", anchor="middle")
    for i, (name, shape, style, _) in enumerate(_RUNGS):
        if _drawn(row, name):
            aside = 7 * (i - 1.5)  # marks of one student stand beside each other
            points = [(x + aside, up, getattr(rung, name)) for x, rung in zip(places, row.rungs, strict=True)]
            _climb(canvas, points, shape, style)
    told = "; ".join(f"{rung.strong}: {_say(rung)}" for rung in row.rungs)
    words = f"Students of {row.weak} on {row.task}, {row.family}, {row.method}. {told}."
    return Panel(f"{row.task}, {row.method}", f"{row.weak} → {row.family}", canvas.markup(words), words)


def _climb(canvas: Canvas, points: Sequence[tuple[float, Axis, Estimate]], shape: str, style: str) -> None:
    line = "axis" if style == "chosen" else style
    canvas.path([(x, up(item.value) if math.isfinite(item.value) else math.nan) for x, up, item in points], style=line)
    for x, up, item in points:
        if math.isnan(item.value):
            continue
        if not math.isnan(item.low):
            canvas.line((x, up(item.low)), (x, up(item.high)), style=f"bar {line}")
        canvas.mark(x, up(item.value), shape, style=style, hint=text.estimate(item))


def _say(rung: Rung) -> str:
    held = [(words, getattr(rung, name)) for name, _, _, words in _RUNGS]
    return ", ".join(f"{words} {text.estimate(item)}" for words, item in held if item is not None)


def saliency_legend(level: float) -> tuple[Legend, ...]:
    """Return the legend of `saliency`."""
    return (
        entry("square", "floor", "probe on frozen features, gold labels"),
        entry("diamond", "ceiling", "finetuned, gold labels"),
        entry("circle", "student", f"other ways, each with its {text.percent(level)} interval"),
    )


def saliency(row: SaliencyRow) -> Panel:
    """Draw the score of each way to use one backbone, between the probe and finetuning on ground truth."""
    lane = 34.0
    bottom = 4 + lane * len(row.ways)
    canvas = Canvas(bottom + _FOOT)
    axis = Axis(
        *span(v for way in row.ways for v in (way.score.value, way.score.low, way.score.high)), _EDGE, WIDTH - _EDGE
    )
    canvas.across(axis, top=0, bottom=bottom, title=text.metric(row.metric))
    styles = (
        dict(zip(row.ends, (("floor", "square"), ("ceiling", "diamond")), strict=False)) if len(row.ends) == 2 else {}
    )
    for i, (style, _) in styles.items():
        if not math.isnan(row.ways[i].score.value):
            x = axis(row.ways[i].score.value)
            canvas.line((x, 0), (x, bottom), style=f"trace {style}")
    for i, way in enumerate(row.ways):
        style, shape = styles.get(i, ("student", "circle"))
        canvas.text(0, lane * i + 14, text.shorten(way_name(way.what, way.method), 58), style="name")
        if not math.isnan(way.score.value):
            canvas.bar(axis, way.score.low, way.score.high, lane * i + 25, style=style)
            canvas.mark(axis(way.score.value), lane * i + 25, shape, style=style, hint=text.estimate(way.score))
    told = "; ".join(f"{way_name(way.what, way.method)} {text.estimate(way.score)}" for way in row.ways)
    words = f"Ways to use {row.backbone} on {row.task} with {row.weak}: {text.metric(row.metric)} of {told}."
    return Panel(f"{row.task}, {row.backbone}", f"supervisor {row.weak}", canvas.markup(words), words)


def way_name(what: str, method: str) -> str:
    """Return a way with its method, which ways on ground truth do not have."""
    return f"{what} ({method})" if method else what
