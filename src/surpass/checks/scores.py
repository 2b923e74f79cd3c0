"""What the estimates say: whether there is a gap to recover, and whether enough seeds stand behind it."""

# ruff: noqa: D102 - the properties of `Scores` are those of results.ResultRow

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from surpass.checks.finding import Finding, Severity
from surpass.metrics import METRICS
from surpass.stats import Estimate

ENOUGH_SEEDS = 5
MOST_ROWS = 1_000_000
PRECISION = 0.25
"""Half the width of a PGR's interval above which the PGR is called imprecise: .5 +- .25 says "some, but not all"."""


class Scores(Protocol):
    """What is read of a line of results."""

    @property
    def task(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def weak(self) -> str: ...
    @property
    def strong(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def stopping(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def floor(self) -> Estimate: ...
    @property
    def ceiling(self) -> Estimate: ...
    @property
    def gap(self) -> Estimate: ...
    @property
    def pgr(self) -> Estimate: ...
    @property
    def seeds(self) -> int: ...


def check_scores(rows: Iterable[Scores]) -> list[Finding]:
    """Return what makes lines of results doubtful; lines that differ in their method alone share the finding of a gap.

    A gap belongs to a task, split, pair, stopping rule and metric, and the finding names all of them. Pass the lines that a
    report shows: of the main stopping rule and metric.
    """
    held = list(rows)
    found: dict[tuple[str, ...], Finding] = {}
    for row in held:
        finding = _gap(row)
        if finding:
            found.setdefault((finding.code, *finding.where.values()), finding)
    return [*found.values(), *_imprecise(held), *_seeds(held)]


def rows_needed(estimate: Estimate, precision: float) -> int:
    """Return about how many independent test rows bring an interval to +-precision: n (half width / precision)^2.

    As if all of its width were noise of the test rows; what differs between seeds takes more seeds by the same factor.
    """
    half = (estimate.high - estimate.low) / 2
    return math.ceil(estimate.examples * (half / precision) ** 2)


def _gap(row: Scores) -> Finding | None:
    gap, known = row.gap, METRICS.get(row.metric)
    sign = -1.0 if known is not None and not known.higher_is_better else 1.0
    shown = f"{row.metric} is {row.floor} for the floor and {row.ceiling} for the ceiling"
    names = ("task", "split", "weak", "strong", "stopping", "metric")
    where = {name: str(getattr(row, name)) for name in names}
    numbers = {
        "floor": row.floor.value,
        "ceiling": row.ceiling.value,
        "gap": gap.value,
        "low": gap.low,
        "high": gap.high,
    }
    evidence: dict[str, float | int | str] = {n: value for n, value in numbers.items() if math.isfinite(value)}
    if not gap.defined:
        text = (
            f"the gap between floor and ceiling is undefined ({gap.note}), so there is no PGR: mend what the note says."
        )
        return Finding("gap-not-significant", "warning", text, where, evidence)
    if gap.low <= 0 <= gap.high:
        text = (
            f"{shown}, a gap of {gap} whose interval contains 0, so a PGR would be noise over noise: take a weaker "
            f"supervisor or a stronger model, or more test rows and seeds{_enough(gap)}."
        )
        if gap.value:
            evidence["needed"] = rows_needed(gap, abs(gap.value))
        return Finding("gap-not-significant", "warning", text, where, evidence)
    if sign * gap.value < 0:
        text = (
            f"{shown}, so the ceiling is worse than the floor and there is no gap to recover: tune the strong model on "
            "ground truth, or swap the pair."
        )
        return Finding("ceiling-below-floor", "error", text, where, evidence)
    return None


def _enough(gap: Estimate) -> str:
    """Return how many test rows would tell a gap from 0, when it is a number that one could have."""
    needed = rows_needed(gap, abs(gap.value)) if gap.value else 0
    if not gap.examples < needed <= MOST_ROWS:
        return ""
    return f" (about {needed:,} independent rows for a gap of this size, here {gap.examples:,})"


def _imprecise(rows: Sequence[Scores]) -> Iterator[Finding]:
    """Yield a note for each gap of which a method's PGR has too wide an interval, with what the widest would take."""
    widest: dict[tuple[str, ...], Scores] = {}
    names = ("task", "split", "weak", "strong", "stopping", "metric")
    for row in rows:
        if row.pgr.defined and row.pgr.high - row.pgr.low > 2 * PRECISION:
            place = tuple(str(getattr(row, name)) for name in names)
            known = widest.setdefault(place, row)
            if row.pgr.high - row.pgr.low > known.pgr.high - known.pgr.low:
                widest[place] = row
    for place, row in widest.items():
        half, needed = (row.pgr.high - row.pgr.low) / 2, rows_needed(row.pgr, PRECISION)
        yield Finding(
            "imprecise-pgr",
            "note",
            f"the PGR of {row.method} is {row.pgr}, that is +-{half:.2f}; +-{PRECISION:g} takes about {needed:,} independent "
            f"test rows (here {row.pgr.examples:,}), and as many times more seeds where seeds differ.",
            dict(zip(names, place, strict=True)),
            {"half_width": half, "precision": PRECISION, "needed": needed, "rows": row.pgr.examples},
        )


def _seeds(rows: Sequence[Scores]) -> list[Finding]:
    """Return one finding about the study when all lines have as many seeds, otherwise one for each cell that lacks some."""
    counts = {(row.task, row.weak, row.strong, row.method): row.seeds for row in rows}
    if len(set(counts.values())) == 1:
        return _few(next(iter(counts.values())), {})
    names = ("task", "weak", "strong", "method")
    return [finding for cell, n in counts.items() for finding in _few(n, dict(zip(names, cell, strict=True)))]


def _few(n: int, where: Mapping[str, str]) -> list[Finding]:
    if n >= ENOUGH_SEEDS:
        return []
    severity: Severity = "warning" if n == 1 else "note"
    if n == 1:
        text = "there is one seed, so the intervals hold nothing of how much another run would differ"
    else:
        text = f"there are {n} seeds, which say little of how much runs differ"
    return [
        Finding(
            "few-seeds", severity, f"{text}: a claim needs {ENOUGH_SEEDS} (seeds: {ENOUGH_SEEDS}).", where, {"seeds": n}
        )
    ]


def check_versions(versions: Iterable[Mapping[str, str]]) -> list[Finding]:
    """Return a finding when stages of one study were computed with different versions of a library.

    >>> found = check_versions([{"torch": "2.5.0", "numpy": "2.0"}, {"torch": "2.6.0", "numpy": "2.0"}, {}])
    >>> found[0].evidence
    {'torch': '2.5.0, 2.6.0'}
    """
    seen: dict[str, set[str]] = {}
    for one in versions:
        for name, version in one.items():
            seen.setdefault(name, set()).add(version)
    mixed = {name: ", ".join(sorted(found)) for name, found in sorted(seen.items()) if len(found) > 1}
    if not mixed:
        return []
    listed = "; ".join(f"{name} {found}" for name, found in mixed.items())
    text = f"stages were computed with different versions ({listed}): compute all of them again in one environment."
    return [Finding("mixed-versions", "warning", text, {}, mixed)]
