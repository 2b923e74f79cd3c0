"""The section of `surpass diagnose`: what each diagnostic means, on what it rests, and its numbers by task and pair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from surpass.report import tables, text
from surpass.report.blocks import Block, Cell, Fold, Section, Table, Terms, Text
from surpass.report.diagnosis_words import FAMILIES, Family
from surpass.results import Results
from surpass.results_diagnoses import DiagnosisRow
from surpass.stats import Estimate

_OPEN_LINES = 8
_MOST_LINES = 200
_NAMED = 3  # comparisons named beside a reason; more are only counted
_NONE = Cell("–", kind="none")
_NO_NUMBER = Cell("–", kind="number")  # so that its column stays one of numbers
_WHERE = {False: "transfer rows without ground truth", True: "test rows with ground truth"}
_FILE = "diagnoses.csv"


class _Line(NamedTuple):
    """A line of a table: what it is about, and its numbers by quantity."""

    task: str
    weak: str
    strong: str
    method: str
    part: str
    numbers: Mapping[str, Estimate]


def section(results: Results) -> Section | None:
    """Return the diagnoses of a study; None when they were not asked for."""
    rows = results.diagnoses
    if not rows:
        return None
    intro = (
        "What `surpass diagnose` read from the store after the study; nothing was trained for it. Diagnostics without "
        "ground truth are of the transfer rows, as they could be had before a student is scored; the others are of the "
        "test rows. "
        f"Brackets hold {text.percent(results.level)} intervals; what is undefined says why."
    )
    blocks: list[Block] = [Text(intro)]
    for family in FAMILIES:
        if own := [row for row in rows if row.diagnostic == family.diagnostic]:
            blocks += _family(family, own, results.level)
    return Section("diagnostics", "Diagnostics", tuple(blocks))


def _family(family: Family, rows: Sequence[DiagnosisRow], level: float) -> Iterator[Block]:
    where = text.listing([words for gold, words in _WHERE.items() if any(row.gold == gold for row in rows)])
    yield Terms(((family.title, f"{family.meaning} {family.rests_on} Read from: {where}."),))
    every = _lines(rows)
    shown = [line for line in every if any(not math.isnan(item.value) for item in line.numbers.values())]
    if shown:
        table = _table(family, shown[:_MOST_LINES], level)
        rest = len(shown) - _MOST_LINES
        more = (Text(f"{text.count(rest, 'more line')} of this table stand in `{_FILE}`."),) if rest > 0 else ()
        title = f"{family.title}: {text.count(len(shown), 'line')}"
        yield Fold(title, (table, *more)) if len(shown) > _OPEN_LINES else table
    yield from map(Text, _undefined([line for line in every if line not in shown]))


def _lines(rows: Sequence[DiagnosisRow]) -> list[_Line]:
    found: dict[tuple[str, str, str, str, str], dict[str, Estimate]] = {}
    for row in rows:
        place = (row.task, row.weak, row.strong, row.method, row.part)
        found.setdefault(place, {})[row.quantity] = row.estimate
    return [_Line(*place, numbers) for place, numbers in found.items()]


def _table(family: Family, lines: Sequence[_Line], level: float) -> Table:
    """Return the numbers of a family; columns that no line has are left out."""
    quantities = [name for name in family.columns if any(name in line.numbers for line in lines)]
    heads = {
        name: title
        for name, title in (("method", "Method"), ("part", family.of))
        if any(getattr(x, name) for x in lines)
    }
    if not heads:  # a row needs a name: the pair stands above it
        heads = {"strong": "Student model"}
    rows = tuple(
        (
            *(Cell(getattr(line, name)) if getattr(line, name) else _NONE for name in heads),
            *(_number(line.numbers.get(name)) for name in quantities),
        )
        for line in lines
    )
    columns = (*heads.values(), *(family.columns[name] for name in quantities))
    groups = tuple((line.task, text.pair(line.weak, line.strong)) for line in lines)
    return Table(f"{family.title}, {text.percent(level)} intervals", columns, rows, True, len(heads), groups)


def _number(item: Estimate | None) -> Cell:
    if item is None:
        return _NO_NUMBER
    return Cell(text.UNDEFINED, item.note, "undefined") if math.isnan(item.value) else tables.score(item)


def _undefined(lines: Sequence[_Line]) -> Iterator[str]:
    """Yield each reason for which lines have no number, and which they are."""
    reasons: dict[str, dict[str, None]] = {}
    for line in lines:
        about = ", ".join(filter(None, (line.task, text.pair(line.weak, line.strong), line.method, line.part)))
        for note in dict.fromkeys(item.note for item in line.numbers.values()):
            reasons.setdefault(note, {})[about] = None
    for note, where in reasons.items():
        named = "; ".join(where) if len(where) <= _NAMED else text.count(len(where), "line")
        yield f"Undefined for {named}: {note.replace('`', '')}."
