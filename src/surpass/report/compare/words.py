"""How differences, p-values and what was found read: the page, the Markdown and the terminal use these."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Mark
from surpass.stats import Estimate, PairedTest
from surpass.stats.tasks import ALTERNATIVES
from surpass.versus import Quantity, Standing, Versus

QUANTITIES: dict[Quantity, str] = {"difference": "metric", "pgr": "PGR"}
TESTS = {"t": "paired t", "wilcoxon": "Wilcoxon"}
SIDES = dict(zip(ALTERNATIVES, ("two-sided", "better", "worse"), strict=True))
_NAMED = 4  # tasks named in a sentence; more are only counted


def signed(value: float, places: int | None = None) -> str:
    """Return a number with its sign, "+.021"; zero has none.

    >>> signed(0.0214), signed(-0.5), signed(0.0)
    ('+.021', '−.500', '.000')
    """
    shown = text.number(value, places)
    return f"+{shown}" if value > 0 and any(digit in shown for digit in "123456789∞") else shown


def value(item: Estimate) -> str:
    """Return a difference alone, with as many decimals as its interval has."""
    return signed(item.value, text.decimals(item.value, item.low, item.high))


def interval(item: Estimate) -> str:
    """Return "[+.004, +.038]", or why there is none; empty when the value itself is undefined."""
    if math.isnan(item.value) or math.isnan(item.low):
        return text.interval(item)
    places = text.decimals(item.value, item.low, item.high)
    return f"[{signed(item.low, places)}, {signed(item.high, places)}]"


def difference(item: Estimate) -> str:
    """Return a difference and its interval."""
    return f"{value(item)} {interval(item)}".rstrip()


def p(number: float) -> str:
    """Return a p-value as people read it.

    >>> p(0.0341), p(0.00002), p(1.0)
    ('.034', '< .001', '1.000')
    """
    return "< .001" if number < 0.001 else text.number(number, 3)


def tally(standing: Standing) -> str:
    """Return wins, ties and losses in words, undefined comparisons too when there are any."""
    counts = standing.outcomes
    words = f"{counts['win']} won, {counts['tie']} tied, {counts['loss']} lost"
    return f"{words}, {counts['undefined']} undefined" if counts["undefined"] else words


def asked(versus: Versus) -> str:
    """Return what is compared, as one sentence."""
    tasks = list(dict.fromkeys(row.task for row in versus.rows))
    size = text.count(len(tasks), "task")
    named = f"{size} ({text.listing(tasks)})" if len(tasks) <= _NAMED else size
    pairs = text.count(len({(row.weak, row.strong) for row in versus.rows}), "pair")
    others = text.count(len({row.method for row in versus.rows}), "method")
    scored = text.listing([text.metric(name) for name in versus.metrics])
    rows = "test rows" if versus.split == "test" else f"rows of split {versus.split}"
    return (
        f"Does a method make better students than {versus.baseline}? Here {others} against it on {named}, with {pairs} and "
        f"{text.count(versus.seeds, 'seed')}, scored by {scored} on {rows}; both students of a comparison answer the same "
        "rows and share their seed."
    )


def found(versus: Versus) -> str:
    """Return what was found, as one sentence for each metric."""
    return " ".join(_found(versus, name) for name in versus.metrics)


def _found(versus: Versus, name: str) -> str:
    ranked = versus.ranked(name)
    best, scored = ranked[0], text.metric(name)
    n = best.mean.examples
    if not n:
        return f"No difference in {scored} is defined."
    start = f"In {scored} {best.method} does best" if len(ranked) > 1 else f"{best.method} in {scored}"
    lead = f"{start}: {difference(best.mean)} against {versus.baseline} over {text.count(n, 'task')} ({tally(best)})"
    if n < 2:
        return f"{lead}; tests over tasks need two tasks."
    verdicts = [f"{title} {_verdict(ranked, test, versus.level)}" for test, title in TESTS.items()]
    return f"{lead}. Two-sided tests over tasks, Holm-corrected: {'; '.join(verdicts)}."


def _verdict(ranked: Sequence[Standing], test: str, level: float) -> str:
    """Return the p-value of an only method; of several, how many are better or worse beyond chance."""
    results: list[tuple[float, PairedTest]] = [
        (standing.mean.value, getattr(standing.over["task"]["difference"], test)["two-sided"]) for standing in ranked
    ]
    if len(results) == 1:
        only = results[0][1]
        return f"p {p(only.p_holm)}" if only.defined else f"undefined, {only.note}"
    sure = [mean for mean, one in results if one.defined and one.p_holm < 1 - level]
    better, worse = sum(mean > 0 for mean in sure), sum(mean < 0 for mean in sure)
    counts = [f"{n} {word}" for n, word in ((better, "better"), (worse, "worse")) if n]
    return f"{text.listing(counts) or 'none'} of {text.count(len(results), 'method')}"


def alerts(versus: Versus) -> tuple[Mark, ...]:
    """Return what must be read before the numbers: unequal tuning, missing seeds, undefined cells."""
    marks = []
    if not versus.fair:
        usual = min(versus.settings.values())
        several = [f"{name}: {count}" for name, count in versus.settings.items() if count != usual]
        tried = f"{', '.join(several)}; the others: {usual}"
        words = f"Methods tried different numbers of settings ({tried}): more tries alone can win."
        marks.append(Mark("warning", words, "#tuning"))
    lacks = {
        (row.task, row.weak, row.strong, row.method): row.lacking > 0 for row in versus.rows
    }  # alike in all metrics
    lacking = sum(lacks.values())
    if lacking:
        verb = "lacks" if lacking == 1 else "lack"
        words = (
            f"{lacking} of {text.count(len(lacks), 'comparison')} {verb} seeds that did not finish for both methods."
        )
        marks.append(Mark("warning", words, "#undefined"))
    undefined = sum(row.outcome == "undefined" for row in versus.rows)
    shares = sum(math.isnan(row.pgr.value) for row in versus.rows)
    missing = ((undefined, "difference"), (shares, "difference of PGRs"))
    if told := [f"{n} without a {what}" for n, what in missing if n]:
        words = (
            f"Of {text.count(len(versus.rows), 'comparison')} {text.listing(told)}; counted and shown, never dropped."
        )
        marks.append(Mark("note", words, "#undefined"))
    return tuple(marks)
