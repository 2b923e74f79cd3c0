"""The tables of the report, as rows of cells: HTML and Markdown show the same ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Cell, Mark, Table
from surpass.report.headline import (
    IN_DOMAIN,
    Subject,
    Touching,
    is_defined,
    primary_rows,
    stopping_rules,
    subject,
    why_undefined,
)
from surpass.results import AgreementRow, ResultRow, Results, StageFact
from surpass.stats import Estimate

_ROLES = ("floor", "student", "ceiling")
_NONE = Cell("–", kind="none")


def score(estimate: Estimate, *, href: str = "") -> Cell:
    """Return an estimate as a cell: the value, its interval on a second line."""
    kind = "undefined" if math.isnan(estimate.value) else "number"
    return Cell(text.value(estimate), text.interval(estimate), kind, href)


def _pgr(row: ResultRow) -> Cell:
    if is_defined(row):
        return score(row.pgr)
    return Cell(text.UNDEFINED, why_undefined(row), "undefined")


def _group(row: ResultRow | AgreementRow) -> tuple[str, str]:
    return row.task, text.pair(row.weak, row.strong)


def key_anchors(results: Results) -> dict[Subject, str]:
    """Return where on the page the keys of each comparison stand."""
    return {name: f"keys-{i}" for i, name in enumerate(dict.fromkeys(map(subject, results.rows)), 1)}


def marks(touching: Touching, row: ResultRow) -> tuple[Mark, ...]:
    """Return the findings and failures that touch a row; notes are left to the list of findings."""
    found = [
        Mark(finding.severity, finding.code, f"#finding-{i}")
        for i, finding in touching.of(row)
        if finding.severity != "note"
    ]
    if row.failed:
        found.append(Mark("error", f"{text.count(row.failed, 'seed')} missing", "#failures"))
    return tuple(found)


def scores(results: Results, rows: Sequence[ResultRow], *, caption: str, splits: bool = False) -> Table:
    """Return floor, student, ceiling and PGR of the rows with their findings: the headline table, or the shifted one."""
    anchors, touching = key_anchors(results), Touching(results.findings)
    lines = []
    for row in rows:
        names = (Cell(row.method), *((Cell(split_name(row.split)),) if splits else ()))
        student = score(row.student, href=f"#{anchors[subject(row)]}")
        beside = marks(touching, row)
        guard = Cell("", marks=beside) if beside else _NONE
        lines.append((*names, score(row.floor), student, score(row.ceiling), _pgr(row), guard))
    heads = ("Method", *(("Split",) if splits else ()))
    columns = (*heads, "Floor", "Student", "Ceiling", "PGR", "Guard")
    return Table(caption, columns, tuple(lines), True, len(heads), tuple(map(_group, rows)))


def split_name(name: str) -> str:
    """Return a test split in words."""
    return name if name == IN_DOMAIN else f"shifted: {name.removeprefix('shift:')}"


def stopping(results: Results, rows: Sequence[ResultRow]) -> Table:
    """Return the student and its PGR under each stopping rule, side by side."""
    rules = stopping_rules(rows)
    by_subject: dict[Subject, dict[str, ResultRow]] = {}
    for row in rows:
        by_subject.setdefault(subject(row), {})[row.stopping] = row
    lines, groups = [], []
    for name, found in by_subject.items():
        cells = [Cell(name.method)]
        for rule in rules:
            read = found.get(rule)
            cells += [score(read.student), score(read.pgr)] if read else [_NONE, _NONE]
        lines.append(tuple(cells))
        groups.append((name.task, text.pair(name.weak, name.strong)))
    titles = [title for rule in rules for title in (f"Student, {text.stopping(rule)}", f"PGR, {text.stopping(rule)}")]
    caption = f"Student and PGR by stopping rule, {text.percent(results.level)} intervals"
    return Table(caption, ("Method", *titles), tuple(lines), True, 1, tuple(groups))


def agreement(rows: Sequence[AgreementRow], level: float) -> Table:
    """Return agreement overall, and where the supervisor is right or wrong."""
    lines = tuple(
        (Cell(row.method), Cell(split_name(row.split)), *map(score, (row.overall, row.when_right, row.when_wrong)))
        for row in rows
    )
    heads = ("Method", "Split", "All rows", "Supervisor right", "Supervisor wrong")
    caption = f"Share of rows on which the student gives the supervisor's answer, {text.percent(level)} intervals"
    return Table(caption, heads, lines, True, 2, tuple(map(_group, rows)))


def undefined(rows: Sequence[ResultRow]) -> Table:
    """Return every row without a PGR, with its gap and the reason; stopping rules that share these share a line."""
    found: dict[tuple[tuple[str, str], tuple[Cell, ...]], list[str]] = {}
    for row in rows:
        names = (Cell(row.method), Cell(split_name(row.split)), Cell(text.metric(row.metric)))
        line = (*names, score(row.gap), Cell(why_undefined(row)))
        found.setdefault((_group(row), line), []).append(text.stopping(row.stopping))
    lines = tuple((*line, Cell(", ".join(rules))) for (_, line), rules in found.items())
    heads = ("Method", "Split", "Metric", "Gap", "Reason", "Stopping")
    return Table("Rows without a PGR, and why", heads, lines, True, 3, tuple(group for group, _ in found))


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
    found: dict[Subject, ResultRow] = {}
    for row in (*primary_rows(results), *results.rows):
        found.setdefault(subject(row), row)
    lines, anchors, groups = [], [], []
    for name, place in key_anchors(results).items():
        for i, (role, of_role) in enumerate(found[name].keys.items()):
            lines.append((Cell(name.method), Cell(role), Cell(" ".join(of_role), kind="code")))
            anchors.append("" if i else place)
            groups.append((name.task, text.pair(name.weak, name.strong)))
    columns = ("Method", "What", "Keys, one per seed")
    return Table("Keys", columns, tuple(lines), True, 2, tuple(groups), tuple(anchors))


def skipped(stages: Sequence[StageFact]) -> Table:
    """Return the stages that could not start, and why."""
    lines = tuple((Cell(stage.what), Cell(stage.error or "needs a stage that failed")) for stage in stages)
    return Table(f"{text.count(len(stages), 'stage')} could not start", ("Stage", "Why"), lines, True)


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
