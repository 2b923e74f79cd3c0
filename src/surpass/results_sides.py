"""Texts side by side: rows of a generation task on which student and supervisor differ."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class SideRow:
    """A test row that one of student and supervisor has right and the other wrong, in one seed.

    `drawing` is an SVG document in which the task shows the row and its texts; empty where it draws none.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int
    right: Literal["student", "supervisor"]
    id: str
    prompt: str
    target: str
    supervisor: str
    student: str
    drawing: str = ""
