"""What a diagnostic of a finished study is: what it reads, of what, and the function that finds its numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from surpass.diagnosing.evidence import Evidence
from surpass.results_diagnoses import Where
from surpass.stats import Estimate

CLASSES = frozenset({"classification", "preference"})
NUMBERS = frozenset({"regression"})
TEXTS = frozenset({"generation"})


class Found(NamedTuple):
    """A number that a diagnostic found; `part` as in `DiagnosisRow`."""

    quantity: str
    estimate: Estimate
    part: str = ""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A diagnostic.

    Attributes:
        name: of the diagnostic.
        quantities: its numbers, which are listed as undefined when it has none.
        find: (the seeds of a comparison, level of the intervals) -> numbers; a SurpassError says why there are none.
        of: whether numbers belong to a pair or to a method of it.
        rows: where it reads.
        gold: whether it reads ground truth of these rows.
        targets: the kinds of label that it is defined for.
        why_not: why it is not defined for other kinds, with {target} for the kind; empty: for those it is not listed at all.
        part: of what the numbers are when they are undefined; see `DiagnosisRow`.
    """

    name: str
    quantities: tuple[str, ...]
    find: Callable[[Sequence[Evidence], float], Iterable[Found]]
    of: Literal["pair", "method"] = "method"
    rows: Where = "transfer"
    gold: bool = False
    targets: frozenset[str] = CLASSES | NUMBERS
    why_not: str = ""
    part: str = ""
