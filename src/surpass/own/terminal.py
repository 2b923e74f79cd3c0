"""What is known of a student, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from surpass.own.card import ROLES
from surpass.own.evidence import from_json

SHOWN = ("accuracy", "log_loss", "weak labels", "exact_match", "edit_similarity")  # the others are in the card


def summary(facts: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what rich prints: the student, the table of estimates, notes and findings."""
    student, evidence = facts["student"], facts["evidence"]
    of = f", classes {', '.join(facts['classes'])}" if facts["classes"] else ""
    yield f"Student: {student['name']}, {student['trained_on']:,} rows{of}"
    yield f"Labels: {facts['labels']}"
    yield f"Method: {student['method_name']} ({student['choice']['why']})"
    for text in facts["data"]["told"]:
        yield f"Data: {text}."
    yield evidence["basis"]
    metrics = {name: evidence["metrics"][name] for name in SHOWN if name in evidence["metrics"]}
    if metrics:
        roles = [role for role in ROLES if any(role in held for held in metrics.values())]
        width = max(len(_short(role)) for role in roles)  # of the names, which a narrow terminal must not squeeze out
        table = Table(box=None, pad_edge=False)
        for title in ("", *metrics):
            table.add_column(title, no_wrap=not title, overflow="fold", min_width=None if title else width)
        for role in roles:
            cells = (str(from_json(held[role])) if role in held else "" for held in metrics.values())
            table.add_row(_short(role), *cells)
        yield table
        yield f"In brackets: {100 * facts['level']:g} % intervals over {evidence['rests_on']}."
    for note in evidence["notes"]:
        yield f"- {note}"
    for one in facts["findings"]:
        yield f"{one['severity']:8}{one['code']}: {one['message']}"


def _short(role: str) -> str:
    """Return the name of a role in a line: without what is in brackets, but for the kinds of misfit."""
    name, _, more = ROLES[role].partition(" (")
    return f"{name} ({more}" if name == "misfit" else name
