"""The tables of the analyses; the longest are cut on the page, which says in which file the rest stands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from surpass.report import text
from surpass.report.analysis_plots import confidence
from surpass.report.blocks import Cell, Table, Text
from surpass.report.tables import score, split_name
from surpass.results import CalibrationRow, ErrorRow, LadderRow, SaliencyRow
from surpass.stats import Estimate

_MOST_LINES = 200
_NONE = Cell("–", kind="none")
_ROLES = {"floor": "supervisor", "student": "student", "ceiling": "ceiling"}


def _number(value: int) -> Cell:
    return Cell(f"{value:,}", kind="number")


def told(item: Estimate | None) -> Cell:
    """Return an estimate as a cell; an undefined one says why."""
    if item is None:
        return _NONE
    return Cell(text.UNDEFINED, item.note, "undefined") if math.isnan(item.value) else score(item)


def _group(row: ErrorRow | CalibrationRow) -> tuple[str, str]:
    return row.task, text.pair(row.weak, row.strong)


def rest(count: int, file: str) -> tuple[Text, ...]:
    """Return what is said of the lines that a table on the page leaves to a file; nothing when it holds them all."""
    left = count - _MOST_LINES
    return (Text(f"{text.count(left, 'more line')} of this table stand in `{file}`."),) if left > 0 else ()


def errors(rows: Sequence[ErrorRow], level: float) -> Table:
    """Return errors taken over, corrected and new, by confidence of the supervisor."""
    shown = rows[:_MOST_LINES]
    titles = {"inheritance": "Taken over", "correction": "Corrected", "other": "Another error", "new": "New error"}
    if not any(row.other.value > 0 for row in rows):
        del titles["other"]
    lines = tuple(
        (
            *(Cell(part) for part in (row.method, split_name(row.split), confidence(row))),
            _number(row.rows),
            _number(row.wrong),
            *(told(getattr(row, name)) for name in titles),
        )
        for row in shown
    )
    columns = ("Method", "Split", "Supervisor's confidence", "Rows", "Supervisor wrong", *titles.values())
    caption = (
        f"Answers of the student by the supervisor's confidence; rows of all seeds; {text.percent(level)} intervals"
    )
    return Table(caption, columns, lines, True, 3, tuple(map(_group, shown)))


def distinct(rows: Sequence[CalibrationRow]) -> list[CalibrationRow]:
    """Return the rows without those of a supervisor or ceiling that an earlier method has already shown."""
    seen: dict[tuple[object, ...], CalibrationRow] = {}
    for row in rows:
        method = row.method if row.role == "student" else ""
        seen.setdefault((row.task, row.weak, row.strong, method, row.split, row.role, row.curve), row)
    return list(seen.values())


def _about(row: CalibrationRow) -> tuple[Cell, ...]:
    method = Cell(row.method) if row.role == "student" else _NONE
    return Cell(_ROLES[row.role]), method, Cell(split_name(row.split))


def calibration(rows: Sequence[CalibrationRow], level: float) -> Table:
    """Return ECE, Brier score, confidence and overconfidence of each role; `rows` as `distinct` gives them."""
    shown = rows[:_MOST_LINES]
    lines = tuple((*_about(row), *map(told, (row.ece, row.brier, row.confidence, row.overconfidence))) for row in shown)
    columns = ("Role", "Method", "Split", "ECE", "Brier score", "Mean confidence", "Confidence − accuracy")
    caption = f"Calibration, {text.percent(level)} intervals"
    return Table(caption, columns, lines, True, 3, tuple(map(_group, shown)))


def reliability(rows: Sequence[CalibrationRow]) -> Table:
    """Return the filled bins of confidence of each role, rows of all seeds together; `rows` as above."""
    held = [(row, one) for row in rows for one in row.curve][:_MOST_LINES]
    lines = tuple(
        (
            *_about(row),
            Cell(f"{text.number(one.low, 3)} to {text.number(one.high, 3)}"),
            _number(one.rows),
            Cell(text.number(one.confidence, 3), kind="number"),
            Cell(text.number(one.accuracy, 3), kind="number"),
        )
        for row, one in held
    )
    columns = ("Role", "Method", "Split", "Bin", "Rows", "Mean confidence", "Share right")
    groups = tuple(_group(row) for row, _ in held)
    return Table("Bins of confidence, rows of all seeds together", columns, lines, True, 4, groups)


def sizes(rows: Sequence[LadderRow], level: float) -> Table:
    """Return score, PGR and agreement of every student of the ladders, then last - first."""
    groups = tuple((row.task, text.pair(row.weak, row.family)) for row in rows for _ in range(len(row.rungs) + 1))
    lines = tuple(line for row in rows for line in _rungs(row))
    titles = ("PGR", "Agreement", "Where right", "Where wrong")
    names = dict.fromkeys(text.metric(row.metric) for row in rows)
    columns = ("Method", "Student", "Parameters", f"Score ({text.listing(list(names))})", *titles)
    caption = f"Students by size; differences are paired by test row and seed; {text.percent(level)} intervals"
    return Table(caption, columns, lines, True, 2, groups)


def _rungs(row: LadderRow) -> Iterator[tuple[Cell, ...]]:
    for rung in row.rungs:
        size = _NONE if rung.parameters is None else _number(rung.parameters)
        agreement = map(told, (rung.overall, rung.when_right, rung.when_wrong))
        yield Cell(row.method), Cell(rung.strong), size, told(rung.student), told(rung.pgr), *agreement
    name = "largest − smallest" if row.sized else "last − first"
    differences = map(told, (row.overall, row.when_right, row.when_wrong))
    yield Cell(row.method), Cell(name), _NONE, told(row.student), _NONE, *differences


def saliency(rows: Sequence[SaliencyRow], level: float) -> Table:
    """Return each way to use a backbone with its score and the share of the gap that it closes."""
    lines, groups = [], []
    for row in rows:
        for i, way in enumerate(row.ways):
            end = len(row.ends) == 2 and i in row.ends
            share = Cell("lower end" if i == row.ends[0] else "upper end") if end else told(way.share)
            names = (Cell(way.what), Cell(way.strong), Cell(way.method) if way.method else _NONE)
            lines.append((*names, _number(way.trained), told(way.score), share))
            groups.append((row.task, text.pair(row.weak, row.backbone)))
    scored = f"Score ({text.listing(list(dict.fromkeys(text.metric(row.metric) for row in rows)))})"
    columns = ("Way", "Model", "Method", "Training rows", scored, "Share of the gap closed")
    caption = f"Ways to use one backbone, on the test rows and seeds that all share; {text.percent(level)} intervals"
    return Table(caption, columns, tuple(lines), True, 3, tuple(groups))
