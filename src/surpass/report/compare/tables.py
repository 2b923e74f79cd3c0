"""The tables of a comparison: ranking, every cell, tests, what is undefined, settings tried."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Cell, Table
from surpass.report.compare import words
from surpass.stats import Estimate, PairedTest
from surpass.versus import DifferenceRow, Quantity, Standing, Versus

_NONE = Cell("–", kind="none")


def number(item: Estimate, *, after: str = "") -> Cell:
    """Return a difference as a cell: the value, on a second line its interval and one more word."""
    if math.isnan(item.value):
        return Cell(text.UNDEFINED, item.note, "undefined")
    return Cell(words.value(item), " ".join(filter(None, (words.interval(item), after))), "number")


def score(item: Estimate) -> Cell:
    """Return a score as a cell."""
    return Cell(text.value(item), text.interval(item), "undefined" if math.isnan(item.value) else "number")


def _count(n: int) -> Cell:
    return Cell(str(n), kind="number")


def _p(test: PairedTest) -> Cell:
    if not test.defined:
        return Cell(text.UNDEFINED, test.note, "undefined")
    return Cell(words.p(test.p_holm), f"uncorrected {words.p(test.p)}", "number")


def ranking(versus: Versus, name: str) -> Table:
    """Return the methods under one metric, the best first: means over tasks, outcomes, and two-sided tests."""
    lines = []
    for standing in versus.ranked(name):
        over = standing.over["task"]
        outcomes = standing.outcomes
        lost = f"{outcomes['undefined']} undefined" if outcomes["undefined"] else ""
        lines.append(
            (
                Cell(standing.method),
                number(over["difference"].mean),
                number(over["pgr"].mean),
                Cell(f"{outcomes['win']} / {outcomes['tie']} / {outcomes['loss']}", lost, "number"),
                Cell(f"{standing.better} / {standing.same} / {standing.worse}", kind="number"),
                _p(over["difference"].t["two-sided"]),
                _p(over["difference"].wilcoxon["two-sided"]),
                _count(versus.settings[standing.method]),
            )
        )
    columns = (
        *("Method", "Mean difference", "Mean PGR difference", "Won / tied / lost", "Signs + / 0 / −"),
        *("p, paired t (Holm)", "p, Wilcoxon (Holm)", "Settings tried"),
    )
    caption = f"Methods against {versus.baseline} by {text.metric(name)}, means over tasks; positive is better"
    return Table(caption, columns, tuple(lines), True)


def matrix(versus: Versus, name: str, quantity: Quantity) -> Table:
    """Return method x task: a line for each task and pair, a column for each method, every cell."""
    methods = [standing.method for standing in versus.ranked(name)]
    by_place: dict[tuple[str, str], dict[str, DifferenceRow]] = {}
    for row in versus.rows:
        if row.metric == name:
            by_place.setdefault((row.task, text.pair(row.weak, row.strong)), {})[row.method] = row
    lines = []
    for place, of_place in by_place.items():
        cells = [
            number(getattr(row, quantity), after=row.outcome if quantity == "difference" else "") if row else _NONE
            for row in map(of_place.get, methods)
        ]
        lines.append((*map(Cell, place), *cells))
    what = (
        f"Difference in {text.metric(name)}" if quantity == "difference" else f"Difference in PGR ({text.metric(name)})"
    )
    caption = f"{what} to {versus.baseline}, {text.percent(versus.level)} intervals; positive is better"
    return Table(caption, ("Task", "Weak → strong", *methods), tuple(lines), False, 2)


def tests(versus: Versus, name: str) -> Table:
    """Return both tests of every method, of metric and PGR, against each alternative."""
    lines = []
    for standing in versus.ranked(name):
        for unit, of_unit in standing.over.items():
            for quantity, over in of_unit.items():
                for test, title in words.TESTS.items():
                    found = getattr(over, test)
                    lines.append((*_test_head(standing, quantity, unit, title), *_test_cells(found)))
    sides = [f"p, {side} (Holm)" for side in words.SIDES.values()]
    columns = ("Method", "Difference of", "Unit", "Test", "n", "Statistic", *sides)
    return Table(f"Paired tests by {text.metric(name)}", columns, tuple(lines), False, 4)


def test_notes(versus: Versus, name: str) -> list[str]:
    """Return what a reader of the tests must know: why one is undefined, how small a p-value can be; each thing once."""
    found: dict[str, dict[str, None]] = {}
    for standing in versus.ranked(name):
        for of_unit in standing.over.values():
            for over in of_unit.values():
                for test, title in words.TESTS.items():
                    for one in getattr(over, test).values():
                        if one.note:
                            found.setdefault(f"{title}: {one.note}", {})[standing.method] = None
    return [f"{note} ({text.listing(list(methods))})." for note, methods in found.items()]


def _test_head(standing: Standing, quantity: Quantity, unit: str, title: str) -> tuple[Cell, ...]:
    shown = {"task": "task", "task x pair": "task × pair (secondary)"}[unit]
    what = text.metric(standing.metric) if quantity == "difference" else words.QUANTITIES[quantity]
    return Cell(standing.method), Cell(what), Cell(shown), Cell(title)


def _test_cells(found: dict[str, PairedTest]) -> tuple[Cell, ...]:
    first = found["two-sided"]
    statistic = Cell(text.number(first.statistic), kind="number" if first.defined else "undefined")
    return _count(first.n), statistic, *map(_short_p, found.values())


def _short_p(test: PairedTest) -> Cell:
    return _p(test) if test.defined else Cell(text.UNDEFINED, kind="undefined")


def undefined(versus: Versus) -> Table | None:
    """Return every comparison without a difference or without a difference of PGRs, or without some seeds, and why."""
    lines, groups = [], []
    for row in versus.rows:
        for what, note in _lacks(row):
            lines.append((Cell(row.method), Cell(text.metric(row.metric)), Cell(what), Cell(note)))
            groups.append((row.task, text.pair(row.weak, row.strong)))
    if not lines:
        return None
    columns = ("Method", "Metric", "What", "Reason")
    return Table("What is undefined or incomplete, and why", columns, tuple(lines), True, 3, tuple(groups))


def _lacks(row: DifferenceRow) -> list[tuple[str, str]]:
    found = []
    if not row.difference.defined:
        found.append(("no difference", row.difference.note or row.note))
    if math.isnan(row.pgr.value):
        found.append(("no difference of PGRs", row.pgr.note))
    if row.lacking and row.seeds:
        total = row.seeds + row.lacking
        found.append(("seeds missing", f"{row.lacking} of {total} seeds did not finish for both methods"))
    return found


def scores(versus: Versus) -> Table:
    """Return both students of every comparison beside their difference."""
    lines = tuple(
        (
            *map(Cell, (row.method, text.metric(row.metric))),
            *map(score, (row.student, row.baseline)),
            number(row.difference, after=row.outcome),
            number(row.pgr),
            _count(row.seeds),
            Cell(f"{row.n_test:,}", kind="number"),
        )
        for row in versus.rows
    )
    groups = tuple((row.task, text.pair(row.weak, row.strong)) for row in versus.rows)
    columns = ("Method", "Metric", "Student", versus.baseline, "Difference", "PGR difference", "Seeds", "Test rows")
    return Table("Both students of every comparison", columns, lines, True, 2, groups)


def settings(versus: Versus, methods: Sequence[str]) -> Table:
    """Return how many settings each method had to choose from."""
    lines = tuple((Cell(name), _count(versus.settings[name])) for name in methods)
    return Table("Settings tried by each method", ("Method", "Settings tried"), lines, True)
