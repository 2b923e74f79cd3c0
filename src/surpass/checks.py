"""The guard: looks at a study before and after it runs and says what makes its numbers doubtful."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing the guard saw.

    Attributes:
        code: short and stable, such as "split-overlap".
        severity: "error" (the number means nothing), "warning" (read it with care) or "note".
        message: one sentence for a person, with the values.
        where: what it touches: any of task, split, weak, strong, method, seed, as the results name them.
        evidence: the numbers behind it.
    """

    code: str
    severity: Severity
    message: str
    where: Mapping[str, str]
    evidence: Mapping[str, float | int | str]
