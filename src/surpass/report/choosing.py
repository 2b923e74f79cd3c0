"""Which of several supervisors to use: what the smallest (error - misfit) picks, and what the students then came to."""

from __future__ import annotations

from collections.abc import Sequence

from surpass.diagnostics import LOSSES
from surpass.report import text
from surpass.report.analysis_tables import told
from surpass.report.blocks import Cell, Fold, Section, Table, Text
from surpass.results import Results, SelectionRow

_MOST_LINES, _OPEN_ROWS = 200, 24

_INTRO = (
    "Where misfit bounds gain, a supervisor's error − misfit is an upper bound of its student's error, so the rule takes "
    "the supervisor for which it is smallest. It needs a student of each, and ground truth: errors here are measured on "
    "the in-domain test rows, on which the students are judged too. The smallest error alone, which needs no student, "
    "stands beside it."
)


def section(results: Results) -> Section | None:
    """Return the rule's picks, where a study has two supervisors or more of one task, strong model and method."""
    rows = results.selections
    if not rows:
        return None
    lines = sum(len(row.candidates) for row in rows)
    table, outcome = _candidates(rows, results.level), _outcomes(rows, results.level)
    more = (Text(f"{lines - _MOST_LINES} more lines stand in `results.json`."),) if lines > _MOST_LINES else ()
    shown = (Fold("Every supervisor", (table, *more)),) if lines > _OPEN_ROWS else (table,)
    results_of = (Fold("What the picks cost", (outcome,)),) if len(rows) > _OPEN_ROWS else (outcome,)
    return Section("choosing", "Choosing the supervisor", (Text(f"{_INTRO} {_said(rows)}"), *shown, *results_of))


def _said(rows: Sequence[SelectionRow]) -> str:
    """Return in a sentence how often rule, error and chance find a best student, over all choices and seeds."""
    choices = sum(row.seeds for row in rows)
    hits, by_error = sum(row.hits for row in rows), sum(row.hits_error for row in rows)
    chance = sum(sum(one.best for one in row.candidates) / len(row.candidates) for row in rows)
    found = (
        f"The rule picks the supervisor of the best student in {hits} of {text.count(choices, 'choice')} (one for each "
        f"seed), the smallest error alone in {by_error}; a random pick would in {chance:.1f} on average."
    )
    if len(rows) > 1:
        return found
    row = rows[0]
    return (
        f"{found} The picked student's error is {text.estimate(row.regret)} above the best, by the smallest error alone "
        f"{text.estimate(row.regret_error)}, at random {text.estimate(row.regret_random)}."
    )


def _group(row: SelectionRow) -> tuple[str, str]:
    return row.task, f"{row.strong}, {row.method}"


def _candidates(rows: Sequence[SelectionRow], level: float) -> Table:
    held = [(row, i) for row in rows for i in range(len(row.candidates))][:_MOST_LINES]
    lines = []
    for row, i in held:
        one = row.candidates[i]
        numbers = (one.supervisor, one.misfit, one.bound, one.student)
        counts = (Cell(f"{count} of {row.seeds}", kind="number") for count in (one.picked, one.best))
        lines.append((Cell(row.weak[i]), *map(told, numbers), *counts))
    columns = ("Supervisor", "Error", "Misfit", "Error − misfit", "Student's error", "Picked", "Best")
    losses = dict.fromkeys(row.loss for row in rows)
    named = text.listing([f"{text.metric(LOSSES[name].metric)} with misfit {LOSSES[name].words}" for name in losses])
    caption = (
        f"Supervisors by {named}; means over seeds, {text.percent(level)} intervals; picked and best: in how many seeds"
    )
    return Table(caption, columns, tuple(lines), True, 1, tuple(_group(row) for row, _ in held))


def _outcomes(rows: Sequence[SelectionRow], level: float) -> Table:
    shown = rows[:_MOST_LINES]
    lines = tuple(
        (
            Cell(text.count(len(row.candidates), "supervisor")),
            Cell(f"{row.hits} of {row.seeds}", kind="number"),
            *map(told, (row.regret, row.regret_error, row.regret_random)),
        )
        for row in shown
    )
    columns = ("Of", "Best picked", "Regret", "Regret of the smallest error", "Regret at random")
    caption = f"Student's error above that of the best student, in the loss above; {text.percent(level)} intervals"
    return Table(caption, columns, lines, True, 1, tuple(map(_group, shown)))
