"""What `surpass diagnose` says of a finished study: one record for each quantity of each comparison."""

from __future__ import annotations

import dataclasses
from typing import Literal

from surpass.stats import Estimate

Where = Literal["transfer", "test"]


@dataclasses.dataclass(frozen=True)
class DiagnosisRow:
    """One quantity of one diagnostic: a number over all seeds, or the reason why there is none (in the estimate's note).

    `method` is empty where the number belongs to the pair whatever the method; `part` says of what the number is where a
    diagnostic has one for each of several, such as classes. `rows` are the rows it was read on, and `gold`
    says whether their ground truth was read; what reads none could have been known before any strong run was scored.
    `crashed` marks a diagnostic that met an error nobody foresaw.
    """

    task: str
    weak: str
    strong: str
    method: str
    diagnostic: str
    quantity: str
    part: str
    rows: Where
    gold: bool
    estimate: Estimate
    crashed: bool = False


def undefined(reason: str, level: float) -> Estimate:
    """Return an estimate that does not exist, with the reason."""
    nothing = float("nan")
    return Estimate(nothing, nothing, nothing, level, 0, 0, "", reason)
