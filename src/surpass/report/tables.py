"""The tables of the report, as rows of cells: HTML and Markdown show the same ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Cell, Mark, Table
from surpass.report.headline import (
    Subject,
    is_defined,
    ordered,
    primary_rows,
    stopping_rules,
    subject,
    touches,
    why_undefined,
)
from surpass.results import AgreementRow, ResultRow, Results, StageFact
from surpass.stats import Estimate

_ROLES = ("floor", "student", "ceiling")


def score(estimate: Estimate, *, href: str = "") -> Cell:
    """Return an estimate as a cell: the value, its interval on a second line."""
    kind = "undefined" if math.isnan(estimate.value) else "number"
    return Cell(text.value(estimate), text.interval(estimate), kind, href)


def _pgr(row: ResultRow) -> Cell:
    if is_defined(row):
        return score(row.pgr)
    return Cell(text.UNDEFINED, why_undefined(row), "undefined")


def _subject(row: ResultRow | AgreementRow, above: ResultRow | AgreementRow | None) -> tuple[Cell, ...]:
    """Return the cells that name a row; what repeats the row above is marked so, to be set in quiet ink."""
    names = (row.task, text.pair(row.weak, row.strong), row.method)
    before = (above.task, text.pair(above.weak, above.strong), above.method) if above else ()
    return tuple(Cell(name, kind="same" if names[: i + 1] == before[: i + 1] else "") for i, name in enumerate(names))


def key_anchors(results: Results) -> dict[Subject, str]:
    """Return where on the page the keys of each comparison stand."""
    return {name: f"keys-{i}" for i, name in enumerate(dict.fromkeys(map(subject, results.rows)), 1)}


def marks(results: Results, row: ResultRow) -> tuple[Mark, ...]:
    """Return the findings and failures that touch a row; notes are left to the list of findings."""
    found = [
        Mark(finding.severity, finding.code, f"#finding-{i}")
        for i, finding in enumerate(ordered(results.findings), 1)
        if finding.severity != "note" and touches(finding, row)
    ]
    if row.failed:
        found.append(Mark("error", f"{text.count(row.failed, 'seed')} missing", "#failures"))
    return tuple(found)


def scores(results: Results, rows: Sequence[ResultRow], *, caption: str, splits: bool = False) -> Table:
    """Return floor, student, ceiling and PGR of the rows with their findings: the headline table, or the shifted one."""
    anchors = key_anchors(results)
    lines = []
    above = None
    for row in rows:
        names = _subject(row, above)
        if splits:
            names = (*names, Cell(row.split))
        numbers = (
            score(row.floor),
            score(row.student, href=f"#{anchors[subject(row)]}"),
            score(row.ceiling),
            _pgr(row),
        )
        beside = marks(results, row)
        lines.append((*names, *numbers, Cell("" if beside else "–", marks=beside)))
        above = row
    heads = ("Task", "Weak → strong", "Method", *(("Split",) if splits else ()))
    return Table(caption, (*heads, "Floor", "Student", "Ceiling", "PGR", "Guard"), tuple(lines), True, len(heads))


def stopping(results: Results, rows: Sequence[ResultRow]) -> Table:
    """Return the student and its PGR under each stopping rule, side by side."""
    rules = stopping_rules(rows)
    by_subject: dict[Subject, dict[str, ResultRow]] = {}
    for row in rows:
        by_subject.setdefault(subject(row), {})[row.stopping] = row
    lines = []
    above = None
    for found in by_subject.values():
        one = next(iter(found.values()))
        cells = list(_subject(one, above))
        for rule in rules:
            if rule in found:
                cells += [score(found[rule].student), score(found[rule].pgr)]
            else:
                cells += [Cell("–"), Cell("–")]
        lines.append(tuple(cells))
        above = one
    titles = [title for rule in rules for title in (f"Student, {text.stopping(rule)}", f"PGR, {text.stopping(rule)}")]
    caption = f"Student and PGR by stopping rule, {text.percent(results.level)} intervals"
    return Table(caption, ("Task", "Weak → strong", "Method", *titles), tuple(lines), True, 3)


def agreement(rows: Sequence[AgreementRow], level: float) -> Table:
    """Return agreement overall, and where the supervisor is right or wrong."""
    lines = []
    above = None
    for row in rows:
        shares = (score(row.overall), score(row.when_right), score(row.when_wrong))
        lines.append((*_subject(row, above), Cell(row.split), *shares))
        above = row
    heads = ("Task", "Weak → strong", "Method", "Split", "All rows", "Supervisor right", "Supervisor wrong")
    caption = f"Share of rows on which the student gives the supervisor's answer, {text.percent(level)} intervals"
    return Table(caption, heads, tuple(lines), True, 4)


def undefined(rows: Sequence[ResultRow]) -> Table:
    """Return every row without a PGR, with its gap and the reason."""
    lines = tuple(
        (
            *(Cell(part) for part in (row.task, text.pair(row.weak, row.strong), row.method, row.split)),
            Cell(text.stopping(row.stopping)),
            Cell(text.metric(row.metric)),
            score(row.gap),
            Cell(why_undefined(row)),
        )
        for row in rows
    )
    heads = ("Task", "Weak → strong", "Method", "Split", "Stopping", "Metric", "Gap", "Reason")
    return Table("Rows without a PGR, and why", heads, lines, True, 6)


def everything(results: Results) -> Table:
    """Return all rows of results.csv with every estimate."""
    roles = (*_ROLES, "gap", "gain", "pgr")
    lines = tuple(
        (
            *(Cell(part) for part in (row.task, row.split, text.pair(row.weak, row.strong), row.method)),
            *(Cell(part) for part in (text.stopping(row.stopping), text.metric(row.metric))),
            *(score(getattr(row, role)) for role in roles),
            Cell(str(row.seeds), kind="number"),
            Cell(f"{row.n_test:,}", kind="number"),
            Cell(row.note or (why_undefined(row) if not is_defined(row) else "")),
        )
        for row in results.rows
    )
    titles = ("Floor", "Student", "Ceiling", "Gap", "Gain", "PGR", "Seeds", "Test rows", "Note")
    heads = ("Task", "Split", "Weak → strong", "Method", "Stopping", "Metric")
    return Table("Every row of results.csv", (*heads, *titles), lines, False, 6)


def keys(results: Results) -> Table:
    """Return the keys of every comparison: one line for each role, one key for each seed."""
    found = {}
    for row in (*primary_rows(results), *results.rows):
        found.setdefault(subject(row), row)
    lines, anchors = [], []
    places = key_anchors(results)
    for name, place in places.items():
        row = found[name]
        above = None
        for role, of_role in row.keys.items():
            lines.append((*_subject(row, above), Cell(role), Cell(" ".join(of_role), kind="code")))
            anchors.append("" if above else place)
            above = row
    heads = ("Task", "Weak → strong", "Method", "What", "Keys, one per seed")
    return Table("Keys", heads, tuple(lines), True, 4, tuple(anchors))


def timings(stages: Sequence[StageFact]) -> Table:
    """Return every stage: what it was, how it ended and how long it took."""
    lines = tuple(
        (
            Cell(stage.what),
            Cell(stage.status),
            Cell(text.seconds(stage.seconds) if stage.status in ("done", "cached") else "–", kind="number"),
            Cell(stage.key, kind="code"),
        )
        for stage in stages
    )
    return Table("Stages", ("Stage", "Status", "Time", "Key"), lines, False, 1)


def versions(results: Results) -> Table:
    """Return the versions of the packages that made the numbers."""
    lines = tuple((Cell(name), Cell(version, kind="code")) for name, version in results.versions.items())
    return Table("Versions", ("Package", "Version"), lines, False, 1)
