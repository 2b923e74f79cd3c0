"""From a forecast to an answer: yes, no, or that it cannot be known; and what is clearly better than what.

Both ways of asking, for a study and for a person's table, decide here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from surpass.advice.buying import GoldCurve
from surpass.advice.evidence import MOST_JUDGES, means
from surpass.advice.forecasting import Forecast
from surpass.artifacts import Values
from surpass.stats import Estimate, outcome

Answer = Literal["yes", "no", "unknown"]
WORTH = 0.01
"""A gain that nobody would pay a strong run for; an interval that ends below it says no."""


class Verdict(NamedTuple):
    """The answer, a sentence that says why, and how many more rows to label by hand (None: no number would tell)."""

    answer: Answer
    text: str
    label: int | None = None


def verdict(forecast: Forecast, gold: GoldCurve | None, *, per_judge: int = 1) -> Verdict:
    """Return the answer to whether the strong run will pay.

    No when gold labels alone are clearly better than the cheap student; yes when the whole interval of the predicted gain is
    above 0, no when it ends below WORTH; else it cannot be known, and the verdict says about how many more rows to label so
    that one of these answers would come, were the predicted gain the same. More than advice reads are no advice.

    Args:
        forecast: of the real student.
        gold: the cheap student's model on gold labels alone; None: not tried.
        per_judge: rows to label for one more that judges: 2 where half of them are left to a test.
    """
    gain, judges = forecast.gain, forecast.gain.examples
    if not gain.defined:
        return Verdict("unknown", f"Cannot be known: {gain.note.rstrip('.')}.")
    if gold is not None and clearly_better(gold.over_student):
        alone = f"{gold.points[-1].gold:,} gold labels alone serve better than a student of these labels"
        return Verdict("no", f"No: {alone}, by {gold.over_student}.", 0)
    shown = f"predicted gain {signed(gain)}"
    if gain.low > 0:
        return Verdict("yes", f"Yes: {shown}.", 0)
    if gain.high < 0:
        return Verdict("no", f"No: {shown}: the student is worse than its labels.", 0)
    if gain.high < WORTH:
        return Verdict("no", f"No: {shown}: it will hardly reach {WORTH:.2f}.", 0)
    needed, label = settling(forecast), None
    if needed is None:
        more = "More gold rows would not tell: only the strong run will."
    elif needed > MOST_JUDGES:
        more = f"That would take more than the {MOST_JUDGES:,} that advice reads: only the strong run will tell."
    else:
        label = about(per_judge * (needed - judges))
        more = f"About {label:,} more rows with a gold label would tell."
    likely = f"a gain is {forecast.chance:.0%} likely"
    return Verdict("unknown", f"Cannot be known from {judges:,} gold rows: {shown}, {likely}. {more}", label)


def settling(forecast: Forecast) -> int | None:
    """Return the gold rows at which the predicted gain's interval would leave out 0 or WORTH; None when none would.

    The part of the interval that is this task's sampling noise falls with the root of the rows; what other tasks' surprises
    put into it does not.
    """
    gain, half = forecast.gain.value, (forecast.gain.high - forecast.gain.low) / 2
    judges, wanted, fixed = forecast.gain.examples, max(gain, WORTH - gain), forecast.surprise
    if not fixed < wanted <= half:
        return None
    needed = judges * (half**2 - fixed**2) / (wanted**2 - fixed**2)
    return max(math.floor(needed + 1e-6), judges) + 1


def differences(
    scores: Mapping[str, Values], base: str, groups: tuple[str, ...], *, level: float
) -> dict[str, Estimate]:
    """Return how much better than the base each of the others is, paired over the same rows.

    Args:
        scores: (n,) of each row, by name, the base among them.
        base: what the others are held against.
        groups: (n,) of the rows.
        level: of k intervals together, each of which has level 1 - (1 - level) / k (Bonferroni).
    """
    others = [name for name in scores if name != base]
    wide = 1 - (1 - level) / max(len(others), 1)
    return means(dict(scores), {name: {name: 1.0, base: -1.0} for name in others}, groups, level=wide)


def clearly_better(difference: Estimate) -> bool:
    """Return whether the whole interval of a paired difference is above 0."""
    return outcome(difference) == "win"


def clear_winner(found: Mapping[str, Estimate]) -> str:
    """Return the best of those that are clearly better than the base; empty: none is."""
    better = [name for name, one in found.items() if clearly_better(one)]
    return max(better, key=lambda name: found[name].value, default="")


def signed(found: Estimate) -> str:
    """Return an estimate with the sign of its value, such as `+.062 [.020, .104]`."""
    text = str(found)
    return text if text.startswith(("-", "undefined")) else f"+{text}"


def about(count: int) -> int:
    """Return two digits of a number, rounded up.

    >>> about(626), about(43), about(12345)
    (630, 50, 13000)
    """
    unit: int = 10 ** max(1, len(str(count)) - 2)
    return unit * math.ceil(count / unit)
