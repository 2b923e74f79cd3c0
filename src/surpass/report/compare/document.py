"""Puts the page of a comparison together: ranking, plots, every cell, tests, what is undefined, how it was made."""

from __future__ import annotations

from surpass.report import text
from surpass.report.blocks import Block, Document, Figures, Fold, Section, Terms, Text
from surpass.report.compare import plots, tables, words
from surpass.versus import Versus

FILES = ("compare.html", "compare.md", "compare.csv", "compare.json")
_OPEN_PANELS = 12  # panels of one metric on the open page; the rest lie behind a line that opens them


def build(versus: Versus) -> Document:
    """Return the whole page of a comparison."""
    sections = (_ranking(versus), _plots(versus), _cells(versus), _tests(versus), _undefined(versus), _tuning(versus))
    return Document(
        f"{versus.name}: methods against {versus.baseline}",
        words.asked(versus),
        words.found(versus),
        words.alerts(versus),
        (*(section for section in sections if section), _appendix(versus)),
        versus.versions.get("surpass", ""),
        kicker="Weak-to-strong comparison of methods",
        files=FILES[2:],
    )


def _ranking(versus: Versus) -> Section:
    level = text.percent(versus.level)
    intro = (
        f"Differences to {versus.baseline}, positive where the method is better, whatever the metric's direction. A "
        f"comparison (one task and pair) is won or lost when the {level} interval of its difference leaves 0 out, else tied; "
        "signs count the differences by sign alone. These counts are not corrected: of comparisons without a true difference "
        f"about {text.percent((1 - versus.level) / 2)} are won by chance, and as many lost. Means and tests are over tasks: "
        "a task has the mean of its pairs."
    )
    ranked = (tables.ranking(versus, name) for name in versus.metrics)
    return Section("ranking", "Ranking", (Text(intro), *ranked))


def _plots(versus: Versus) -> Section:
    blocks: list[Block] = [
        Text(f"Stopping rule: {text.stopping(versus.stopping)}. All panels of a metric share their axis.")
    ]
    for name in versus.metrics:
        ranked = versus.ranked(name)
        limits = plots.limits((row for row in versus.rows if row.metric == name), (s.mean for s in ranked))
        panels = tuple(plots.forest(versus, standing, limits=limits) for standing in ranked)
        blocks.append(Figures(panels[:_OPEN_PANELS], plots.legend(versus.level)))
        if rest := panels[_OPEN_PANELS:]:
            blocks.append(Fold(text.count(len(rest), "more panel"), (Figures(rest),)))
    return Section("differences", "Differences with intervals", tuple(blocks))


def _cells(versus: Versus) -> Section:
    blocks: list[Block] = []
    for name in versus.metrics:
        blocks += [tables.matrix(versus, name, "difference"), tables.matrix(versus, name, "pgr")]
    blocks.append(Fold("Both students of every comparison", (tables.scores(versus),)))
    return Section("cells", "Every task and method", tuple(blocks))


def _tests(versus: Versus) -> Section:
    intro = (
        "Against each alternative: the method differs, is better, is worse. Holm's correction is over the methods, for each "
        "test and alternative by itself."
    )
    several = any(len(standing.over) > 1 for standing in versus.standings)
    if several:
        intro += " Lines of unit task × pair treat pairs of one task as if they were independent, which they are not."
    blocks: list[Block] = [Text(intro)]
    for name in versus.metrics:
        blocks.append(tables.tests(versus, name))
        blocks += map(Text, tables.test_notes(versus, name))
    return Section("tests", "Tests over tasks", tuple(blocks))


def _undefined(versus: Versus) -> Section | None:
    table = tables.undefined(versus)
    if table is None:
        return None
    intro = "Nothing is dropped silently: what is listed here is missing from the means and tests above, and only that."
    return Section("undefined", "Undefined and incomplete", (Text(intro), table))


def _tuning(versus: Versus) -> Section:
    counts = set(versus.settings.values())
    if versus.fair:
        told = f"Every method was run with {text.count(counts.pop(), 'setting')}"
    else:
        told = "Methods were given different numbers of settings to choose from, so a lead may come from the tries"
    intro = (
        f"{told}. Of several, the one is reported whose student agrees best with the weak labels of validation rows."
    )
    methods = [versus.baseline, *(name for name in versus.settings if name != versus.baseline)]
    return Section("tuning", "Settings tried", (Text(intro), tables.settings(versus, methods)))


def _appendix(versus: Versus) -> Section:
    level = text.percent(versus.level)
    ways = dict.fromkeys(row.difference.method for row in versus.rows if row.difference.defined)
    notes = dict.fromkeys(row.difference.note for row in versus.rows if row.difference.defined and row.difference.note)
    notes |= dict.fromkeys(row.pgr.note for row in versus.rows if row.pgr.defined and row.pgr.note)
    terms = [
        (
            "Difference",
            "student of the method − student of the baseline, on the same test rows and seeds, mean over seeds.",
        ),
        (
            "Difference of PGRs",
            "(student − student of the baseline) / (ceiling − floor), by Fieller; undefined when the interval of the gap "
            "(ceiling − floor) contains 0.",
        ),
        (f"{level} intervals", "; ".join(ways) or "none"),
        (
            "Seeds",
            "draw other training rows from one pool or train anew, but share their test rows: more seeds do not make up for "
            "few test rows, and the intervals do not divide that part of the noise by the seeds.",
        ),
        ("Paired t", "of the mean over tasks of the differences, n − 1 degrees of freedom."),
        (
            "Wilcoxon",
            "signed ranks of the differences over tasks, exact over all choices of signs; zeros keep their rank and give "
            "half of it to each side (zsplit). The statistic is the rank sum of the tasks on which the method is better.",
        ),
        ("Holm", "corrects the p-values of all methods together; a method without a test does not count."),
    ]
    if shown := list(filter(None, notes)):
        terms.append(("Bear in mind", "; ".join(shown) + "."))
    return Section("appendix", "How these numbers were made", (Terms(tuple(terms)),))
