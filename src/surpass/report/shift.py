"""In domain and under shift, side by side: one line for each comparison and shifted test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from surpass.report import plots, tables, text
from surpass.report.blocks import Cell, Fold, Section, Table, Text
from surpass.report.headline import (
    IN_DOMAIN,
    Subject,
    default_stopping,
    has_gap,
    is_defined,
    is_scored,
    primary_rows,
    subject,
    why_undefined,
)
from surpass.report.panels import figures
from surpass.results import ResultRow, Results, ShiftRow
from surpass.stats import Estimate

_NONE = Cell("–", kind="none")
_FAST = "\N{NO-BREAK SPACE}"


class Sides(NamedTuple):
    """A comparison in domain and on one shifted test; `cost` is None for a metric that is no mean over rows."""

    home: ResultRow
    away: ResultRow
    cost: ShiftRow | None


def sides(results: Results) -> list[Sides]:
    """Return every comparison that has a shifted test beside its in-domain one, one entry for each shifted test."""
    rows = default_stopping(results, primary_rows(results))
    home = {subject(row): row for row in rows if row.split == IN_DOMAIN}
    costs = {(_about(row), row.split): row for row in results.shifts}
    order = {name: i for i, name in enumerate(home)}
    away = [row for row in rows if row.split != IN_DOMAIN and subject(row) in home]
    away.sort(key=lambda row: order[subject(row)])
    return [Sides(home[subject(row)], row, costs.get((subject(row), row.split))) for row in away]


def _about(row: ShiftRow) -> Subject:
    return Subject(row.task, row.weak, row.strong, row.method)


def section(results: Results) -> Section | None:
    """Return the section on shifted tests; None for a study without."""
    found = sides(results)
    if not found:
        return None
    intro = (
        "Nothing was fitted on the shifted rows: they show whether a student generalizes or only imitates its "
        "supervisor at home. A drop is the score in domain less that under shift, above 0 for worse; how hard "
        "the shifted rows are is part of it. It is no part of what the student loses beyond its supervisor: both met the "
        "same rows."
    )
    every = _long(results, found)
    panels = [
        plots.ladder([row for row in of_task if row.split == split], limits=plots.score_span(of_task))
        for task in dict.fromkeys(row.task for row in every)
        for of_task in ([row for row in every if row.task == task],)
        for split in dict.fromkeys(row.split for row in of_task)
        if any(map(is_scored, of_task))
    ]
    scores = tables.scores(results, every, caption="In-domain and shifted test splits", splits=True)
    blocks = (
        Text(intro),
        Text(summed_up(found)),
        table(found, results.level),
        *figures(panels, plots.ladder_legend(every, results.level)),
        Fold("Floor, student and ceiling on both", (scores,)),
    )
    return Section("shifted", "In domain and under shift", blocks)


def _long(results: Results, found: Sequence[Sides]) -> list[ResultRow]:
    """Return the in-domain row of each comparison, then its shifted ones."""
    rows: dict[int, ResultRow] = {}
    for one in found:
        rows |= {id(one.home): one.home, id(one.away): one.away}
    return list(rows.values())


def summed_up(found: Sequence[Sides]) -> str:
    """Return what the table shows, as sentences: where a PGR is defined, and who loses more."""
    home = {id(one.home): one.home for one in found}.values()
    kept, both = sum(is_defined(one.away) for one in found), sum(_both(one) for one in found)
    parts = [
        f"PGR is defined in {sum(map(is_defined, home))} of {text.count(len(home), 'comparison')} in domain and in {kept} "
        f"of {len(found)} under shift, in {both} of these on both sides."
    ]
    costs = [one.cost.beyond for one in found if one.cost and not math.isnan(one.cost.beyond.value)]
    if costs:
        more, less = sum(cost.low > 0 for cost in costs), sum(cost.high < 0 for cost in costs)
        parts.append(
            f"Under shift the student loses measurably more than its supervisor in {more} of "
            f"{text.count(len(costs), 'line')}, measurably less in {less}."
        )
    return " ".join(parts)


def _both(one: Sides) -> bool:
    return is_defined(one.home) and is_defined(one.away)


def table(found: Sequence[Sides], level: float) -> Table:
    """Return PGR and student on both sides, and what the shift costs, with intervals."""
    lines = tuple(
        (
            Cell(one.home.method),
            Cell(shift_name(one.away.split)),
            _pgr(one.home),
            _pgr(one.away),
            tables.score(one.home.student),
            tables.score(one.away.student),
            _cost(one.cost.student if one.cost else None),
            _cost(one.cost.beyond if one.cost else None),
        )
        for one in found
    )
    columns = (
        *("Method", "Shifted test", "PGR in domain", "PGR under shift"),
        *("Student in domain", "Student under shift", "Student's drop", "… beyond the supervisor's"),
    )
    groups = tuple((one.home.task, text.pair(one.home.weak, one.home.strong)) for one in found)
    named = text.listing(list(dict.fromkeys(text.metric(one.home.metric) for one in found)))
    caption = f"In domain and under shift, by {named}; drops are paired by seed; {text.percent(level)} intervals"
    return Table(caption, columns, lines, True, 2, groups)


def shift_name(split: str) -> str:
    """Return the name of a shifted test."""
    return split.removeprefix("shift:")


def _pgr(row: ResultRow) -> Cell:
    """Return the PGR; where it is undefined the gap, which is short and says why."""
    if is_defined(row):
        return tables.score(row.pgr)
    flat = is_scored(row) and not math.isnan(row.gap.value) and not has_gap(row)
    return Cell(
        text.UNDEFINED, f"gap {text.estimate(row.gap)}".replace(" ", _FAST) if flat else why_undefined(row), "undefined"
    )


def _cost(item: Estimate | None) -> Cell:
    return _NONE if item is None else tables.score(item)
