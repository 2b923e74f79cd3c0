"""The drawings of the report: floor, student and ceiling; training over steps; agreement with the supervisor.

They are written as SVG rather than by a plotting library: words stay words in the page's own type, the page's CSS
themes them for light, dark and paper, and the bytes do not depend on a library's version.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from surpass.report import text
from surpass.report.blocks import Legend, Panel
from surpass.report.headline import IN_DOMAIN, is_defined, is_scored
from surpass.report.panels import entry
from surpass.report.svg import WIDTH, Axis, Canvas, span
from surpass.results import AgreementRow, Curve, ResultRow
from surpass.stats import Estimate

_GUTTER, _EDGE = 112.0, 14.0  # pixels left of a horizontal plot for names, and right of it
_HEADER, _LEADING, _ROW, _FOOT = 30.0, 15.0, 31.0, 38.0
_LINE = 42  # letters of a pair's name that fit on a line, in the widest of the page's types
_AGREEMENT = (
    ("when_right", "up", "right", "where the supervisor is right"),
    ("overall", "circle", "student", "on all rows"),
    ("when_wrong", "down", "wrong", "where the supervisor is wrong"),
)


def ladder_legend(rows: Iterable[ResultRow], level: float) -> tuple[Legend, ...]:
    """Return the legend of `ladder` for these rows."""
    hollow = any(is_scored(row) and not is_defined(row) for row in rows)
    return (
        entry("square", "floor", "floor"),
        entry("circle", "student", "student"),
        *((entry("circle", "student hollow", "student without a PGR"),) if hollow else ()),
        entry("diamond", "ceiling", f"ceiling, each with its {text.percent(level)} interval"),
    )


def score_span(rows: Iterable[ResultRow]) -> tuple[float, float]:
    """Return the range of all scores of the rows with their intervals, for panels that share an axis."""
    scores = [score for row in rows for score in (row.floor, row.student, row.ceiling)]
    return span(value for score in scores for value in (score.value, score.low, score.high))


def ladder(rows: Sequence[ResultRow], *, limits: tuple[float, float]) -> Panel:
    """Draw floor, students and ceiling of one task and test split, a group of lines for each pair."""
    pairs = [(names, list(group)) for names, group in groupby(rows, key=lambda row: (row.weak, row.strong))]
    bottom = 4 + sum(_head_height(*names) + _ROW * (len(group) + 1) for names, group in pairs)
    canvas = Canvas(bottom + _FOOT)
    axis = Axis(*limits, _GUTTER, WIDTH - _EDGE)
    canvas.across(axis, top=_head_height(*pairs[0][0]), bottom=bottom, title=text.metric(rows[0].metric))
    y = 0.0
    for (weak, strong), group in pairs:
        y = _head(canvas, weak, strong, y)
        _range(canvas, axis, group, y)
        for place, row in enumerate(group):
            _student(canvas, axis, row, y + _ROW * (place + 1))
        y += _ROW * (len(group) + 1)
    split = "test rows" if rows[0].split == IN_DOMAIN else f"shifted: {rows[0].split.removeprefix('shift:')}"
    words = f"{text.metric(rows[0].metric)} on {rows[0].task}, {split}. " + " ".join(_say(row) for row in rows)
    return Panel(rows[0].task, split, canvas.markup(words), words)


def _head_lines(weak: str, strong: str) -> list[str]:
    """Return the name of a pair as one line, or as two when it is long."""
    whole = text.pair(weak, strong)
    return [whole] if len(whole) <= _LINE else [f"{text.shorten(weak, _LINE - 2)} →", text.shorten(strong, _LINE)]


def _head_height(weak: str, strong: str) -> float:
    return _HEADER + _LEADING * (len(_head_lines(weak, strong)) - 1)


def _head(canvas: Canvas, weak: str, strong: str, top: float) -> float:
    """Write the name of a pair and return where its rows begin."""
    for i, line in enumerate(_head_lines(weak, strong)):
        canvas.text(0, top + 19 + _LEADING * i, line, style="head")
    return top + _head_height(weak, strong)


def _say(row: ResultRow) -> str:
    scores = (f"{role} {text.estimate(getattr(row, role))}" for role in ("floor", "student", "ceiling"))
    return f"{text.pair(row.weak, row.strong)}, {row.method}: {', '.join(scores)}, PGR {text.estimate(row.pgr)}."


def _range(canvas: Canvas, axis: Axis, group: Sequence[ResultRow], top: float) -> None:
    """Draw floor and ceiling of a pair on a line of their own, and their traces down through its students."""
    middle = top + _ROW / 2 - 2
    canvas.text(0, middle + 4, "floor, ceiling", style="name quiet")
    for place, row in enumerate(group):
        start = middle if place == 0 else top + _ROW * (place + 1)
        stop = top + _ROW * (place + 2) - (4 if place == len(group) - 1 else 0)
        for role in ("floor", "ceiling"):
            score: Estimate = getattr(row, role)
            if math.isnan(score.value):
                continue
            if not math.isnan(score.low):
                left, right = axis(score.low), axis(score.high)
                canvas.box((left, start), (right - left, stop - start), style=f"band {role}")
            canvas.line((axis(score.value), start), (axis(score.value), stop), style=f"trace {role}")
    for role, shape in (("floor", "square"), ("ceiling", "diamond")):
        score = getattr(group[0], role)
        if not math.isnan(score.value):
            canvas.bar(axis, score.low, score.high, middle, style=role)
            canvas.mark(axis(score.value), middle, shape, style=role, hint=f"{role} {text.estimate(score)}")


def _student(canvas: Canvas, axis: Axis, row: ResultRow, top: float) -> None:
    middle = top + _ROW / 2 - 2
    canvas.text(0, middle - 2, text.shorten(row.method, 16), style="name")
    canvas.text(0, middle + 11, f"PGR {text.value(row.pgr)}", style="detail")
    if not is_scored(row):
        canvas.text((axis.start + axis.stop) / 2, middle + 4, "not scored", style="detail", anchor="middle")
        return
    style = "student" if is_defined(row) else "student hollow"
    canvas.bar(axis, row.student.low, row.student.high, middle, style="student")
    hint = f"student, {row.method}: {text.estimate(row.student)}"
    canvas.mark(axis(row.student.value), middle, "circle", style=style, hint=hint)


def trajectory_legend(curves: Sequence[Curve]) -> tuple[Legend, ...]:
    """Return the legend of `trajectory`: the lines, and the stopping rules that these curves name."""
    rules = dict.fromkeys(rule for curve in curves for rule in curve.chosen if rule in _CHOSEN)
    marks = tuple(entry(_CHOSEN[rule], "chosen", f"stopped by {text.stopping(rule)}") for rule in rules)
    return (
        entry("line", "student", "test score against ground truth"),
        entry("line", "weak", "validation score against weak labels"),
        entry("line", "floor dashed", "floor"),
        entry("line", "ceiling dashed", "ceiling"),
        *marks,
    )


_CHOSEN = {"weak_val": "small up", "oracle": "small diamond"}


def trajectory(curves: Sequence[Curve]) -> Panel:
    """Draw the training of one student: a thin line per seed, and a thick one for their mean where steps agree."""
    first = curves[0]
    left, right, top, bottom = 36.0, WIDTH - 6, 24.0, 200.0
    canvas = Canvas(bottom + _FOOT)
    steps = [float(step) for curve in curves for step in curve.steps]
    across = Axis(min(steps), max(max(steps), min(steps) + 1), left + 6, right - 6)
    scores = [score for curve in curves for score in (*curve.test, *curve.weak_val, curve.floor, curve.ceiling)]
    up = Axis(*span(scores), bottom, top)
    canvas.text(0, 10, text.metric(first.metric), style="title")
    canvas.up(up, left=left, right=right)
    canvas.across(across, top=bottom, bottom=bottom, title="optimizer steps")
    for role in ("floor", "ceiling"):
        level = _mean([getattr(curve, role) for curve in curves])
        if not math.isnan(level):
            canvas.line((left, up(level)), (right, up(level)), style=f"line {role} dashed")
    for kind, style in (("weak_val", "weak"), ("test", "student")):
        lines = [[up(v) if math.isfinite(v) else v for v in getattr(curve, kind)] for curve in curves]
        for curve, line in zip(curves, lines, strict=True):
            canvas.path(list(zip(map(across, curve.steps), line, strict=True)), style=f"{style} thin")
        if len({curve.steps for curve in curves}) == 1:
            mean = [_mean(column) for column in zip(*lines, strict=True)]
            canvas.path(list(zip(map(across, first.steps), mean, strict=True)), style=style)
    for curve in curves:
        _choices(canvas, curve, across, up)
    words = _training_words(curves)
    heading = f"{first.task}, {first.method}"
    return Panel(heading, text.pair(first.weak, first.strong), canvas.markup(words), words)


def _choices(canvas: Canvas, curve: Curve, across: Axis, up: Axis) -> None:
    for rule, place in curve.chosen.items():
        if rule in _CHOSEN and 0 <= place < len(curve.steps) and math.isfinite(curve.test[place]):
            hint = f"seed {curve.seed}, {text.stopping(rule)}: step {curve.steps[place]}"
            canvas.mark(across(curve.steps[place]), up(curve.test[place]), _CHOSEN[rule], style="chosen", hint=hint)


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _training_words(curves: Sequence[Curve]) -> str:
    first, score = curves[0], text.metric(curves[0].metric)
    best = _mean(max(filter(math.isfinite, curve.test), default=math.nan) for curve in curves)
    last, agreed = _mean(curve.test[-1] for curve in curves), _mean(curve.weak_val[-1] for curve in curves)
    return (
        f"Training of {first.method} on {first.task}, {text.pair(first.weak, first.strong)}, "
        f"mean of {text.count(len(curves), 'seed')}: {score} on test rows {text.number(last)} at the last step, "
        f"{text.number(best)} at its highest; against weak labels {text.number(agreed)} at the last step."
    )


def agreement_legend() -> tuple[Legend, ...]:
    """Return the legend of `agreement`."""
    return tuple(entry(shape, style, words) for _, shape, style, words in _AGREEMENT)


def agreement(rows: Sequence[AgreementRow]) -> Panel:
    """Draw how often student and supervisor agree, for the students of one task."""
    pairs = [(names, list(group)) for names, group in groupby(rows, key=lambda row: (row.weak, row.strong))]
    lane = 11.0
    height = 3 * lane + 14
    bottom = 4 + sum(_head_height(*names) + height * len(group) for names, group in pairs)
    canvas = Canvas(bottom + _FOOT)
    axis = Axis(-0.03, 1.03, _GUTTER, WIDTH - _EDGE)
    canvas.across(
        axis, top=_head_height(*pairs[0][0]), bottom=bottom, title="share of rows with the supervisor's answer"
    )
    y = 0.0
    for (weak, strong), group in pairs:
        y = _head(canvas, weak, strong, y)
        for row in group:
            canvas.text(0, y + 9 + lane * 1.5, text.shorten(row.method, 16), style="name")
            for place, (name, shape, style, words) in enumerate(_AGREEMENT):
                share: Estimate = getattr(row, name)
                if math.isnan(share.value):
                    continue
                middle = y + 5 + lane * (place + 0.5)
                canvas.bar(axis, share.low, share.high, middle, style=style)
                hint = f"{row.method}, {words}: {text.estimate(share)}"
                canvas.mark(axis(share.value), middle, shape, style=style, hint=hint)
            y += height
    words = f"Agreement of student and supervisor on {rows[0].task}. " + " ".join(
        f"{text.pair(row.weak, row.strong)}, {row.method}: "
        + ", ".join(f"{words} {text.estimate(getattr(row, name))}" for name, _, _, words in _AGREEMENT)
        + "."
        for row in rows
    )
    return Panel(rows[0].task, "test rows", canvas.markup(words), words)
