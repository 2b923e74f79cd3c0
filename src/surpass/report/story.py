"""What was asked and what was found, in one sentence each, and what a reader must know before the first number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surpass.checks import Finding
from surpass.report import text
from surpass.report.blocks import Mark
from surpass.report.headline import (
    Touching,
    ceiling_is_worse,
    has_gap,
    headline_rows,
    improvement,
    is_defined,
    is_scored,
    ordered,
    primary_rows,
    shown_metrics,
    subject,
)
from surpass.results import ResultRow, Results

_NAMED = 4  # tasks named in a sentence; more are only counted
_ALIKE = 2  # findings of one code told one by one above the numbers; more are only counted


def asked(results: Results) -> str:
    """Return what the study asked, as one sentence."""
    question = (
        "How much of its ability does a strong student show when all it learns from is a weak supervisor's labels"
    )
    rows = primary_rows(results)
    if not rows:
        return f"{question}?"
    tasks = list(dict.fromkeys(row.task for row in rows))
    size = text.count(len(tasks), "task")
    named = f"{size} ({text.listing(tasks)})" if len(tasks) <= _NAMED else size
    pairs = text.count(len({(row.weak, row.strong) for row in rows}), "pair")
    methods = text.count(len({row.method for row in rows}), "method")
    seeds = sorted({row.seeds + row.failed for row in rows})
    many = text.count(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    scored = text.listing([text.metric(name) for name in dict.fromkeys(shown_metrics(results).values())])
    return f"{question}? Here on {named}, with {pairs}, {methods} and {many}, scored by {scored} on test rows."


def found(results: Results) -> str:
    """Return what the study found, as one sentence; without a significant gap it says so and names no PGR."""
    rows = headline_rows(results)
    if not rows:
        return _nothing(results)
    if len(rows) == 1:
        return _one(rows[0])
    if not any(map(is_scored, rows)):
        return f"None of the {text.count(len(rows), 'comparison')} could be scored; the failures are below."
    defined = [row for row in rows if is_defined(row)]
    better = sum(improvement(row) > 0 for row in rows)
    worse = sum(improvement(row) < 0 for row in rows)
    parts = [f"the student is measurably better than its supervisor in {better} of {len(rows)} comparisons"]
    if worse:
        parts[0] += f" and measurably worse in {worse}"
    if defined:
        parts.append(_recovered(defined))
    parts.extend(_undefined(rows))
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _recovered(defined: Sequence[ResultRow]) -> str:
    best = max(defined, key=lambda row: row.pgr.value)
    where = f"{best.method} on {best.task}, {text.pair(best.weak, best.strong)}"
    if len(defined) == 1:
        return f"its PGR is defined in one, {text.estimate(best.pgr)} ({where})"
    low = min(row.pgr.value for row in defined)
    return f"PGR runs from {text.number(low, 3)} to {text.estimate(best.pgr)} ({where})"


def _undefined(rows: Sequence[ResultRow]) -> list[str]:
    missing = [row for row in rows if not is_defined(row)]
    unscored = sum(not is_scored(row) for row in missing)
    flat = sum(is_scored(row) and not has_gap(row) for row in missing)
    worse = sum(map(ceiling_is_worse, missing))
    other = len(missing) - unscored - flat - worse
    parts = []
    if flat == len(rows):
        parts.append("in none is the gap between floor and ceiling significant, so no PGR is shown")
    elif flat:
        parts.append(f"in {flat} the gap between floor and ceiling is not significant, so no PGR is shown there")
    if worse:
        parts.append(f"in {worse} the ceiling is worse than the floor, so there is none to recover")
    if other:
        parts.append(f"in {other} the PGR is undefined for another reason")
    if unscored:
        parts.append(f"{unscored} could not be scored")
    return parts


def _one(row: ResultRow) -> str:
    if not is_scored(row):
        return f"The student of {row.method} on {row.task} could not be scored: {row.student.note or row.note}."
    verdict = {1: "measurably better than", -1: "measurably worse than", 0: "not measurably different from"}
    start = (
        f"The student ({row.method}, {text.pair(row.weak, row.strong)}) reaches {text.estimate(row.student)} "
        f"{text.metric(row.metric)} on {row.task}, {verdict[improvement(row)]} its supervisor "
        f"at {text.estimate(row.floor)}"
    )
    if is_defined(row):
        return f"{start}; with a ceiling of {text.estimate(row.ceiling)} its PGR is {text.estimate(row.pgr)}."
    if not has_gap(row):
        gap = text.estimate(row.gap)
        return f"{start}; the gap between floor and ceiling, {gap}, is not significant, so no PGR is shown."
    return f"{start}; its PGR is undefined: {row.pgr.note or row.note}."


def _nothing(results: Results) -> str:
    failed = sum(stage.status == "failed" for stage in results.stages)
    if results.rows:
        return "No student was scored on the in-domain test rows, so there is no headline number."
    if failed:
        return f"No student could be scored, because {text.count(failed, 'stage')} failed; the failures are below."
    return "The study holds no results yet."


def alerts(results: Results) -> tuple[Mark, ...]:
    """Return what must be read before the numbers: failed stages, and findings that touch the study as a whole."""
    status = [stage.status for stage in results.stages]
    failed, skipped = status.count("failed"), status.count("skipped")
    marks = []
    if failed or skipped:
        incomplete = len({subject(row) for row in results.rows if row.failed})
        words = [text.count(failed, "stage") + " failed"] if failed else []
        words += [f"{skipped} skipped" if failed else text.count(skipped, "stage") + " skipped"] if skipped else []
        lack = f"; {text.count(incomplete, 'comparison')} below therefore lack seeds" if incomplete else ""
        if incomplete == 1:
            lack = "; one comparison below therefore lacks seeds"
        marks.append(Mark("error", f"{text.listing(words)}{lack}.", "#failures"))
    return (*marks, *_unplaced(results))


def _unplaced(results: Results) -> Iterator[Mark]:
    """Yield errors and warnings that no row can carry: about the whole study, or about what has no row."""
    of_code: dict[str, list[tuple[Finding, str]]] = {}
    touching = Touching(results.findings)
    placed = {i for row in results.rows for i, _ in touching.of(row)}
    for i, finding in enumerate(ordered(results.findings), 1):
        if finding.severity != "note" and i not in placed:
            of_code.setdefault(finding.code, []).append((finding, f"#finding-{i}"))
    for code, found in of_code.items():
        if len(found) > _ALIKE:
            yield Mark(found[0][0].severity, f"{code}: {text.count(len(found), 'finding')} alike.", found[0][1])
            continue
        for finding, href in found:
            about = f"{described(finding)}: " if finding.where else ""
            yield Mark(finding.severity, f"{about}{finding.message}", href)


def described(finding: Finding) -> str:
    """Return what a finding is about, in words."""
    if not finding.where:
        return "whole study"
    names = dict(finding.where)
    parts = [names.pop("task")] if "task" in names else []
    if "weak" in names and "strong" in names:
        parts.append(text.pair(names.pop("weak"), names.pop("strong")))
    if "method" in names:
        parts.append(names.pop("method"))
    return ", ".join([*parts, *(f"{name} {names[name]}" for name in names)])
