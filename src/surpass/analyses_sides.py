"""Which rows of a generation task a report shows: those that student and supervisor do not have right alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surpass.draws import place
from surpass.results_sides import SideRow
from surpass.shelf import RIGHT, Scored, Seeds, names, sides
from surpass.study import Study

SHOWN = 3
"""Rows of each kind for each task, pair and method; which ones, a hash of their ids says."""
DRAWN = 24
"""Drawings of a report: each takes some 20 kilobytes of the page."""


def side_rows(study: Study, groups: Sequence[Seeds]) -> tuple[SideRow, ...]:
    """Return rows of the first seed of each task, pair and method, by the study's stopping rule."""
    found: list[SideRow] = []
    for scored in (group[0] for group in groups if group[0].splits.target == "generation"):
        left = DRAWN - sum(bool(row.drawing) for row in found)
        found += _rows(scored, study.stopping, left)
    return tuple(found)


def _rows(scored: Scored, rule: str, drawings: int) -> Iterator[SideRow]:
    task, (test, _), texts = scored.cell.task, scored.test("test"), sides(scored, "test", rule)
    right = {role: task.right(test, texts[role]) > RIGHT for role in ("student", "floor")}
    order = sorted(range(len(test)), key=lambda row: place(test.ids[row], "shown"))
    for who, one, other in (("student", "student", "floor"), ("supervisor", "floor", "student")):
        for row in [row for row in order if right[one][row] and not right[other][row]][:SHOWN]:
            prompt, target = str(test.inputs[row]), str(test.labels[row])
            told = {"target": target, "supervisor": texts["floor"][row], "student": texts["student"][row]}
            drawing = task.drawing(prompt, told) if drawings > 0 else ""
            drawings -= bool(drawing)
            yield SideRow(
                **names(scored.cell),
                seed=scored.cell.seed,
                right=who,  # type: ignore[arg-type]  # one of the two
                id=test.ids[row],
                prompt=prompt,
                **told,
                drawing=drawing,
            )
