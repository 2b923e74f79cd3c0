"""Puts the report together: which sections it has, in reading order, and the words between the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

import yaml

from surpass.checks import Finding
from surpass.report import (
    analyses,
    choosing,
    diagnoses,
    made,
    misfit,
    plots,
    settings,
    shift,
    sides,
    story,
    tables,
    text,
)
from surpass.report.blocks import (
    Block,
    Code,
    Document,
    FindingLine,
    FindingList,
    Fold,
    Section,
    Terms,
    Text,
)
from surpass.report.headline import (
    IN_DOMAIN,
    headline_rows,
    is_defined,
    is_scored,
    less_is_better,
    ordered,
    primary_rows,
    shown_metrics,
    stopping_rules,
    subject,
)
from surpass.report.panels import figures
from surpass.results import Curve, Results, StageFact

_OPEN_ROWS = 12
_TRACEBACK = 12
_SLOWEST = 100
_MOST_ROWS = 1000
"""A longer table than this makes the page slow and helps nobody: it gives way to the file that holds it."""


def build(results: Results) -> Document:
    """Return the whole report of a study."""
    parts = (
        *(_headline, _plots, sides.section, shift.section, _stopping, _training, _agreement),
        *(
            analyses.errors,
            analyses.calibration,
            misfit.section,
            choosing.section,
            settings.section,
            analyses.sizes,
            analyses.saliency,
        ),
        *(made.section, diagnoses.section, _findings, _undefined, _failures),
    )
    sections = [section for part in parts if (section := part(results))]
    sections += [*_everything(results), _appendix(results)]
    version = results.versions.get("surpass", "")
    told = (story.asked(results), story.found(results), story.alerts(results))
    files = (*Document.files, *(("diagnoses.csv",) if results.diagnoses else ()))
    return Document(results.name, *told, tuple(sections), version, files=files)


def _headline(results: Results) -> Section | None:
    rows = headline_rows(results)
    if not rows:
        return None
    metrics = list(dict.fromkeys(shown_metrics(results).values()))
    scored = text.listing([text.metric(name) for name in metrics])
    rules = text.listing([text.stopping(name) for name in stopping_rules(rows)])
    intro = (
        f"{scored[0].upper()}{scored[1:]} on the in-domain test rows; stopping rule: {rules}. "
        f"Brackets hold {text.percent(results.level)} intervals. PGR is the share of the gap between floor and ceiling "
        "that the student recovers: 0 is no better than the supervisor, 1 as good as training on ground truth."
    )
    if errors := [text.metric(name) for name in metrics if less_is_better(name)]:
        intro += f" Of {text.listing(errors)} less is better, which the PGR takes into account."
    missing = sum(not is_defined(row) for row in rows)
    blocks: list[Block] = [Text(intro), tables.scores(results, rows, caption="Floor, student, ceiling and PGR")]
    if missing:
        verb = "has" if missing == 1 else "have"
        blocks.append(
            Text(f"{missing} of {text.count(len(rows), 'row')} {verb} no PGR; the reasons are under “Undefined PGR”.")
        )
    return Section("headline", "Headline", tuple(blocks))


def _plots(results: Results) -> Section | None:
    rows = headline_rows(results)
    of_tasks = [list(group) for _, group in groupby(rows, key=lambda row: row.task)]
    panels = [plots.ladder(group, limits=plots.score_span(group)) for group in of_tasks if any(map(is_scored, group))]
    if not panels:
        return None
    intro = "Each student between its supervisor's score and that of the same strong model trained on ground truth."
    return Section(
        "ladder", "Floor, student, ceiling", (Text(intro), *figures(panels, plots.ladder_legend(rows, results.level)))
    )


def _stopping(results: Results) -> Section | None:
    rows = [row for row in primary_rows(results) if row.split == IN_DOMAIN]
    rules = stopping_rules(rows)
    if len(rules) < 2:
        return None
    intro = "Readings of one and the same training run: nothing was trained again."
    if "oracle" in rules:
        intro += (
            " The oracle picks the step with the best test score. It uses test labels, so it is a bound on what "
            "stopping could give and no result of a method."
        )
    return Section("stopping", "Stopping rules", (Text(intro), tables.stopping(results, rows)))


def _training(results: Results) -> Section | None:
    curves = _shown_curves(results)
    if not curves:
        return None
    panels = [
        plots.trajectory([curve for curve in curves if subject(curve) == name])
        for name in dict.fromkeys(map(subject, curves))
    ]
    intro = (
        "A student that goes on gaining on its weak labels while its test score falls has begun to learn its "
        "supervisor's errors. Thin lines are seeds, thick lines their mean."
    )
    return Section("training", "Training", (Text(intro), *figures(panels, plots.trajectory_legend(curves))))


def _shown_curves(results: Results) -> list[Curve]:
    """Return the curves of each task's shown metric, or of the metric it has curves of."""
    metrics = shown_metrics(results)
    chosen: dict[str, str] = {}
    for curve in results.curves:
        if curve.task not in chosen or curve.metric == metrics.get(curve.task):
            chosen[curve.task] = curve.metric
    return [curve for curve in results.curves if curve.metric == chosen[curve.task]]


def _agreement(results: Results) -> Section | None:
    if not results.agreement:
        return None
    rows = [row for row in results.agreement if row.split == IN_DOMAIN]
    panels = [plots.agreement(list(group)) for _, group in groupby(rows, key=lambda row: row.task)]
    intro = (
        "How often the student gives its supervisor's answer. Where the supervisor is wrong, agreement is imitation of "
        "its errors, and less is better; where it is right, more is better."
    )
    table = tables.agreement(results.agreement, results.level)
    drawn = figures(panels, plots.agreement_legend())
    return Section(
        "agreement", "Agreement with the supervisor", (Text(intro), *drawn, Fold("The same as numbers", (table,)))
    )


def _findings(results: Results) -> Section:
    lines = tuple(
        FindingLine(
            finding.severity,
            finding.code,
            finding.message,
            story.described(finding),
            _evidence(finding),
            f"finding-{i}",
        )
        for i, finding in enumerate(ordered(results.findings), 1)
    )
    none = Text("The guard found nothing to object to.")
    return Section("guard", "Guard", (FindingList(lines) if lines else none,))


def _evidence(finding: Finding) -> str:
    return ", ".join(
        f"{name} {text.number(item) if isinstance(item, float) else item}" for name, item in finding.evidence.items()
    )


def _undefined(results: Results) -> Section | None:
    rows = [row for row in results.rows if not is_defined(row)]
    if not results.rows:
        return None
    if not rows:
        return Section("undefined", "Undefined PGR", (Text(f"None of {text.count(len(results.rows), 'row')}."),))
    flat = sum(row.gap.low <= 0 <= row.gap.high for row in rows)
    because = f"; in {flat} the gap between floor and ceiling is not significant" if flat else ""
    intro = (
        f"{len(rows)} of {text.count(len(results.rows), 'row')} (every split, stopping rule and metric) "
        f"{'has' if len(rows) == 1 else 'have'} no PGR{because}. They are counted here and stand in every table and file."
    )
    if len(rows) > _MOST_ROWS:
        told = intro.replace("every table and file", "`results.csv`, each with its reason")
        return Section("undefined", "Undefined PGR", (Text(told),))
    table = tables.undefined(rows)
    fold = len(table.rows) > _OPEN_ROWS
    return Section("undefined", "Undefined PGR", (Text(intro), Fold("All of them", (table,)) if fold else table))


def _failures(results: Results) -> Section | None:
    failed = [stage for stage in results.stages if stage.status == "failed"]
    skipped = [stage for stage in results.stages if stage.status == "skipped"]
    if not failed and not skipped:
        return None
    blocks: list[Block] = []
    for stage in failed:
        blocks.append(Fold(f"{stage.what}: {_last_line(stage)}", (Code(text.tail(stage.error, _TRACEBACK)),)))
    if skipped:
        blocks.append(tables.skipped(skipped))
    return Section("failures", "Failures", tuple(blocks))


def _last_line(stage: StageFact) -> str:
    lines = text.clean(stage.error).strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def _everything(results: Results) -> Iterable[Section]:
    if results.rows:
        rows = text.count(len(results.rows), "row")
        shown = Fold(f"Show {rows}", (tables.everything(results),)) if len(results.rows) <= _MOST_ROWS else None
        elsewhere = Text(
            f"{rows}, too many for a page: `results.csv` has a line for each, `results.json` every interval."
        )
        yield Section("rows", "All splits, stopping rules and metrics", (shown or elsewhere,))


def _appendix(results: Results) -> Section:
    done = [stage for stage in results.stages if stage.status == "done"]
    cached = [stage for stage in results.stages if stage.status == "cached"]
    blocks: list[Block] = [Terms(_definitions(results))]
    if results.rows:
        blocks.append(
            Text(
                "A key names one piece of work exactly; `surpass show KEY` tells what it was, from what and how long it took."
            )
        )
        blocks.append(Fold("Keys", (tables.keys(results),)))
    if results.versions:
        blocks.append(Fold("Versions", (tables.versions(results),)))
    if results.stages:
        spent = text.seconds(sum(stage.seconds for stage in done))
        saved = text.seconds(sum(stage.seconds for stage in cached))
        title = f"Timings: {text.count(len(done), 'stage')} computed in {spent}, {len(cached)} reused (worth {saved})"
        slowest = sorted(results.stages, key=lambda stage: -stage.seconds)[:_SLOWEST]
        shown = tables.timings(results.stages if len(results.stages) <= _MOST_ROWS else slowest)
        cut = "" if len(results.stages) <= _MOST_ROWS else f"; the {_SLOWEST} longest, all are in results.json"
        blocks.append(Fold(title + cut, (shown,)))
    study = yaml.safe_dump(text.plain(results.study), sort_keys=False, allow_unicode=True, width=100)
    blocks.append(Fold("The study", (Code(study.rstrip(), "yaml"),)))
    return Section("appendix", "How these numbers were made", tuple(blocks))


def _definitions(results: Results) -> tuple[tuple[str, str], ...]:
    estimates = [item for row in results.rows for item in (row.student, row.floor, row.ceiling, row.pgr)]
    notes = list(dict.fromkeys(item.note for item in estimates if item.note and not math.isnan(item.value)))
    level = text.percent(results.level)
    terms = [
        ("Floor", "the supervisor's own score on the test rows."),
        ("Student", "the score of the strong model fitted on the supervisor's labels."),
        ("Ceiling", "the score of the same strong model fitted on ground truth, on the same rows."),
        (
            "PGR",
            "(student − floor) / (ceiling − floor), each the mean over seeds; above 1 the student passes the ceiling.",
        ),
        (
            "Undefined",
            f"when the {level} interval of the gap (ceiling − floor) contains 0 there is nothing to recover a share of, "
            "so the PGR is undefined: shown as such, counted, and never dropped.",
        ),
        ("Better or worse", f"measurably so: the {level} interval of the gain (student − floor) leaves out 0."),
    ]
    terms += [(f"{level} intervals", how) for how in _intervals(results)]
    if notes:
        terms.append(("Bear in mind", "; ".join(notes) + "."))
    return tuple(terms)


def _intervals(results: Results) -> Iterator[str]:
    """Yield each way in which intervals were made, and of which numbers."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in results.rows:
        for item, what in ((row.student, "scores, gap and gain"), (row.pgr, "PGR")):
            if not math.isnan(item.value) and item.method:
                found.setdefault((what, item.method), {})[text.metric(row.metric)] = None
    for (what, method), metrics in found.items():
        yield f"{what} in {text.listing(list(metrics))}: {method}."
