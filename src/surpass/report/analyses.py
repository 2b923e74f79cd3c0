"""The sections of the analyses that come with every run, each with one plain sentence; none where there is nothing to say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from surpass.report import analysis_plots as plots
from surpass.report import analysis_tables as tables
from surpass.report import text
from surpass.report.blocks import Fold, Panel, Section, Text
from surpass.report.headline import IN_DOMAIN
from surpass.report.panels import figures
from surpass.results import CalibrationRow, ErrorRow, LadderRow, Results, SaliencyRow
from surpass.stats import Estimate

Row = TypeVar("Row", ErrorRow, CalibrationRow)

_MOST_PANELS = 36  # of comparisons; a page with hundreds of them would be slow, and the files hold them all
_NUMBERS = "The same as numbers"


def errors(results: Results) -> Section | None:
    """Return errors taken over, corrected and new, by the supervisor's confidence."""
    rows = [row for row in results.errors if row.split == IN_DOMAIN]
    if not rows:
        return None
    of_subject = [list(group) for _, group in groupby(rows, key=_subject)]
    intro = (
        "Where a supervisor is wrong its student may take the error over or correct it; where it is right the student "
        f"may still err. Rows are cut by the supervisor's confidence into bins of about equal count. {_of_errors(of_subject)}"
    )
    panels, note = _panels(of_subject, plots.errors, "errors.csv")
    table = tables.errors(results.errors, results.level)
    fold = Fold(_NUMBERS, (table, *tables.rest(len(results.errors), "errors.csv")))
    return Section("errors", "Errors", (Text(intro), *figures(panels, plots.errors_legend(rows)), *note, fold))


def _subject(row: ErrorRow | CalibrationRow) -> tuple[str, ...]:
    return row.task, row.weak, row.strong, row.method


def _of_errors(of_subject: Sequence[Sequence[ErrorRow]]) -> str:
    """Return in one sentence how much is taken over, and whether confidence matters."""
    overall = [rows[0] for rows in of_subject if not math.isnan(rows[0].inheritance.value)]
    if not overall:
        return "No supervisor is wrong on any test row here."
    if len(overall) == 1:
        row = overall[0]
        taken, kept = text.estimate(row.inheritance), text.estimate(row.correction)
        found = f"The student takes over {taken} of its supervisor's errors and corrects {kept}"
    else:
        low, high = (pick(row.inheritance.value for row in overall) for pick in (min, max))
        found = f"Students take over from {text.number(low)} to {text.number(high)} of their supervisors' errors"
    ends = [(rows[1].inheritance, rows[-1].inheritance) for rows in of_subject if len(rows) > 2]
    signs = [_apart(*pair) for pair in ends]
    if not any(signs):
        no_trend = ", not measurably more where the supervisor is surest than where it is least sure" if ends else ""
        return f"{found}{no_trend}."
    if len(signs) == 1:
        return (
            f"{found}, measurably {'more' if signs[0] > 0 else 'less'} where the supervisor is surest than where least."
        )
    return (
        f"{found}: measurably more where the supervisor is surest than where it is least sure in {signs.count(1)} of "
        f"{text.count(len(signs), 'comparison')}, measurably less in {signs.count(-1)}."
    )


def _apart(first: Estimate, last: Estimate) -> int:
    """Return 1 or -1 where the second interval lies above or below the first, else 0.

    Intervals without width count for nothing: a share of exactly 0 or 1 of a few rows is no certainty.
    """
    if not (first.low < first.high and last.low < last.high):
        return 0
    return int(last.low > first.high) - int(last.high < first.low)


def calibration(results: Results) -> Section | None:
    """Return how far the probabilities of supervisor, student and ceiling can be believed."""
    rows = [row for row in results.calibration if row.split == IN_DOMAIN]
    if not rows:
        return None
    intro = (
        "Among answers given with 80 % confidence, 80 % should be right: on the diagonal probabilities can be taken at "
        f"their word, below it a model is surer than it is right. {_of_calibration(rows)} Bins of fewer than "
        f"{plots.FEWEST_ROWS} rows stand in the tables alone."
    )
    of_subject = [list(group) for _, group in groupby(rows, key=_subject)]
    panels, note = _panels(of_subject, plots.calibration, "calibration.csv")
    every = tables.distinct(results.calibration)
    scores, bins = tables.calibration(every, results.level), sum(len(row.curve) for row in every)
    folds = (
        Fold(_NUMBERS, (scores, *tables.rest(len(every), "calibration.csv"))),
        Fold("Bins of confidence", (tables.reliability(every), *tables.rest(bins, "calibration.csv"))),
    )
    return Section(
        "calibration", "Calibration", (Text(intro), *figures(panels, plots.calibration_legend()), *note, *folds)
    )


def _of_calibration(rows: Sequence[CalibrationRow]) -> str:
    """Return in one sentence how often each role is surer than it is right."""
    students = [row for row in rows if row.role == "student"]
    if len(students) == 1:
        found = students[0].overconfidence
        verdict = {1: "surer than it is right", -1: "less sure than it is right", 0: "about as sure as it is right"}
        return f"The student is {verdict[_sign(found)]}: confidence − accuracy is {text.estimate(found)}."
    signs = [_sign(row.overconfidence) for row in students]
    return (
        f"Students are measurably surer than they are right in {signs.count(1)} of "
        f"{text.count(len(signs), 'comparison')}, measurably less sure in {signs.count(-1)}."
    )


def _sign(item: Estimate | None) -> int:
    """Return 1 or -1 where the interval lies above or below 0, else 0."""
    if item is None or math.isnan(item.low) or item.low <= 0 <= item.high:
        return 0
    return 1 if item.low > 0 else -1


def _panels(
    of_subject: Sequence[list[Row]], draw: Callable[[list[Row]], Panel], file: str
) -> tuple[list[Panel], tuple[Text, ...]]:
    """Return the drawings of the first comparisons, and where the others stand."""
    left = len(of_subject) - _MOST_PANELS
    note = (Text(f"{text.count(left, 'more comparison')} stand in `{file}`."),) if left > 0 else ()
    return [draw(rows) for rows in of_subject[:_MOST_PANELS]], note


def sizes(results: Results) -> Section | None:
    """Return what larger students change, where a study has students of several sizes."""
    rows = results.ladders
    if not rows:
        return None
    sized = [row for row in rows if row.sized]
    parts = ["Students that share task, supervisor, family and method, on the in-domain test rows."]
    if sized:
        parts.append(_of_sizes(sized))
    if len(sized) < len(rows):
        parts.append(
            "Some models have no known number of parameters; their students stand in the order of the study, and "
            "differences are last − first."
        )
    panels = [plots.sizes(row) for row in rows if row.overall is not None or row.rungs[0].overall is not None]
    table = Fold(_NUMBERS, (tables.sizes(rows, results.level),))
    return Section("sizes", "Student sizes", (Text(" ".join(parts)), *figures(panels, plots.sizes_legend(rows)), table))


def _of_sizes(rows: Sequence[LadderRow]) -> str:
    """Return in one sentence whether larger students copy fewer of their supervisor's errors."""
    told = [row.when_wrong for row in rows if row.when_wrong is not None and not math.isnan(row.when_wrong.value)]
    if not told:
        return "Agreement with the supervisor is not known for smallest and largest student alike."
    if len(told) == 1:
        verdict = {1: "more of", -1: "fewer of", 0: "not measurably more or fewer of"}[_sign(told[0])]
        return (
            f"The largest student gives {verdict} its supervisor's wrong answers than the smallest: the difference is "
            f"{text.estimate(told[0])}."
        )
    signs = [_sign(item) for item in told]
    return (
        f"The largest student gives measurably fewer of its supervisor's wrong answers than the smallest in "
        f"{signs.count(-1)} of {text.count(len(signs), 'ladder')} (inverse scaling), measurably more in {signs.count(1)}."
    )


def saliency(results: Results) -> Section | None:
    """Return what finetuning adds to frozen features, where a study uses one backbone in several ways."""
    rows = results.saliency
    if not rows:
        return None
    parts = [
        "One backbone, one supervisor, used in several ways: is what finetuning finds already in the frozen features, and "
        "does finetuning on weak labels bring it out? The share is that of the gap between a probe on frozen features "
        "and finetuning, both on ground truth.",
        _of_saliency(rows),
    ]
    if any(len({way.trained for way in row.ways if not way.what.startswith("prompted")}) > 1 for row in rows):
        parts.append("Not all ways were trained on the same number of rows; the table says on how many.")
    panels = [plots.saliency(row) for row in rows]
    table = Fold(_NUMBERS, (tables.saliency(rows, results.level),))
    drawn = figures(panels, plots.saliency_legend(results.level))
    return Section("saliency", "Frozen, finetuned, prompted", (Text(" ".join(filter(None, parts))), *drawn, table))


def _of_saliency(rows: Sequence[SaliencyRow]) -> str:
    """Return in one sentence what the ways between the ends close of the gap."""
    shares = [(row, way, way.share) for row in rows for way in row.ways if way.share is not None]
    known = [(row, way, share) for row, way, share in shares if not math.isnan(share.value)]
    if not shares:
        return "One of the two ends is missing, so scores are shown without shares."
    if not known:
        return "The gap between the two ends is not significant, so no share is shown."
    row, way, share = next((one for one in known if "then a probe" in one[1].what), known[0])
    name = plots.way_name(way.what, way.method)
    about = f" on {row.task}, {row.backbone}" if len(rows) > 1 else ""
    return f"“{name}” closes {text.estimate(share)} of the gap{about}."
