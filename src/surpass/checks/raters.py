"""Do the people who voted on a task's rows judge for themselves? Two columns that always agree are one opinion."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from surpass.artifacts import Rows, Values
from surpass.checks.finding import Finding, only, percent

SAME = 0.99
KAPPA = 0.95
Z = 5.0
FEWEST_ROWS = 50
MOST_COLUMNS = 30


class _Pair(NamedTuple):
    """Two columns by number, from 1: the rows that both judged, the share on which they agree, and Cohen's kappa."""

    first: int
    second: int
    rows: int
    agreement: float
    kappa: float

    @property
    def same(self) -> bool:
        return self.agreement >= SAME and self.kappa >= KAPPA

    def above(self, usual: float) -> float:
        """Return the standard errors by which the two agree more than is usual."""
        noise = usual * (1 - usual) / self.rows
        return (self.agreement - usual) / noise**0.5 if noise > 0 else float("inf")


def check_raters(rows: Rows, *, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding when two columns of votes are copies, which a vote over columns would count twice.

    Columns are copies when they agree on SAME of the rows that both judged, FEWEST_ROWS at least, by chance would not
    (Cohen's kappa is KAPPA or more), and stand Z standard errors above the median of the pairs that are no copies. In a crowd
    of changing people a column is no person, and nothing can be found.

    >>> votes = tuple((float(i % 2), float(i % 2), float(i % 3 == 0)) for i in range(60))
    >>> ids = tuple(map(str, range(60)))
    >>> found = check_raters(Rows(ids, ids, np.zeros(60), ids, votes=votes), where={"task": "toy"})
    >>> found[0].code, found[0].evidence["columns"]
    ('copied-rater', '1 = 2')
    """
    pairs = _pairs(vote_table(rows))
    usual = float(np.median([pair.agreement for pair in pairs if not pair.same] or [0.0]))
    copies = [pair for pair in pairs if pair.same and pair.above(usual) >= Z]
    if not copies:
        return []
    first, second, n, share, _ = max(copies, key=lambda pair: pair.agreement)
    text = (
        f"vote columns {first} and {second} agree on {percent(share)} of the {n} rows that both judged"
        f"{f' ({len(copies)} such pairs)' if len(copies) > 1 else ''}, so they are one opinion that counts twice: leave one "
        "out, or weigh them as one."
    )
    columns = ", ".join(f"{one} = {other}" for one, other, *_ in copies[:5])
    evidence: dict[str, float | int | str] = {"agreement": share, "rows": n, "pairs": len(copies), "columns": columns}
    return [Finding("copied-rater", "note", text, only(where, "task"), evidence)]


def vote_table(rows: Rows) -> Values:
    """Return the votes as a table, (n, most votes of a row); NaN where there is none."""
    width = max(map(len, rows.votes), default=0)
    table = np.full((len(rows), width), np.nan)
    for i, votes in enumerate(rows.votes):
        table[i, : len(votes)] = votes
    return table


def kappa(one: Values, other: Values) -> float:
    """Return Cohen's kappa of two judgements of the same rows, 0 when one of them is always the same."""
    agree = float((one == other).mean())
    values = np.unique(np.concatenate([one, other]))
    chance = sum(float((one == value).mean()) * float((other == value).mean()) for value in values)
    return (agree - chance) / (1 - chance) if chance < 1 else 0.0


def _pairs(table: Values) -> list[_Pair]:
    found = []
    for one, other in itertools.combinations(range(min(table.shape[1], MOST_COLUMNS)), 2):
        both = ~np.isnan(table[:, [one, other]]).any(axis=1)
        if both.sum() >= FEWEST_ROWS:
            votes = table[both, one], table[both, other]
            found.append(
                _Pair(one + 1, other + 1, int(both.sum()), float(np.mean(votes[0] == votes[1])), kappa(*votes))
            )
    return found
