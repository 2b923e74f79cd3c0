"""Two replies to one prompt, of which people preferred one."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import ClassVar, NamedTuple

from surpass.tasks._hub import HubTask, mark
from surpass.tasks.base import Example, Row


class Compared(NamedTuple):
    """The better and the worse candidate, whole, the text of what they share, and their domain."""

    better: str
    worse: str
    shared: str
    domain: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison(HubTask):
    """Base of preference tasks: pairs of texts in random order; label 1: the first is better."""

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "pair"

    def compared(self, row: Row) -> Compared | None:
        """Return the two candidates of a raw row, or None to leave it out."""
        raise NotImplementedError

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the pair in random order; None when an end is empty or both are the same."""
        found = self.compared(row)
        if found is None or not (found.better.strip() and found.worse.strip()) or found.better == found.worse:
            return None
        label = int(rng.random() < 0.5)
        pair = (found.better, found.worse) if label else (found.worse, found.better)
        return Example(pair, label, group=mark(found.shared), part=row.get("part", ""), domain=found.domain)
