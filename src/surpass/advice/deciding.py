"""From a forecast to an answer: yes, no, or that it cannot be known from the rows there are."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from surpass.advice.evidence import Evidence
from surpass.advice.forecasting import Forecast
from surpass.stats import Estimate

Answer = Literal["yes", "no", "unknown"]
WORTH = 0.01
"""A gain that nobody would pay a strong run for; an interval that ends below it says no."""
MOST_TIMES = 50  # more gold rows than so many times those there are is no advice


class Verdict(NamedTuple):
    """The answer, a sentence that says why, and how many rows with ground truth would settle it (None: no number would)."""

    answer: Answer
    sentence: str
    labels: int | None = None


def verdict(forecast: Forecast, found: Evidence) -> Verdict:
    """Return the answer to whether the strong run will pay.

    Yes when the whole interval of the expected gain is above 0, no when it ends below WORTH; else it cannot be known, and the
    verdict says about how many rows with ground truth would tell a gain of the expected size from 0 (the part of the interval
    that is this task's sampling noise falls with the root of the rows; what other tasks' surprises put into it does not).
    """
    gain = forecast.gain
    if not gain.defined:
        return Verdict("unknown", f"Cannot be known: {gain.note}.")
    shown = signed(gain)
    if gain.low > 0:
        return Verdict("yes", f"Yes: expect a gain of {shown}.")
    if gain.high < 0:
        return Verdict("no", f"No: expect the student to be worse than its labels, by {shown}.")
    if gain.high < WORTH:
        return Verdict("no", f"No: the gain will hardly reach {WORTH:.2f}; expect {shown}.")
    labels = _settling(forecast, found)
    more = (
        f"About {labels:,} rows with ground truth in place of {found.n_gold:,} would tell."
        if labels
        else "More rows with ground truth would not tell: only the strong run will."
    )
    likely = f"a gain is {forecast.chance:.0%} likely"
    return Verdict("unknown", f"Cannot be known from {found.n_gold:,} rows: {likely}, {shown}. {more}", labels)


def _settling(forecast: Forecast, found: Evidence) -> int | None:
    """Return the rows with ground truth at which the interval would leave 0 out; None when none would."""
    half = (forecast.gain.high - forecast.gain.low) / 2
    wanted, fixed = max(abs(forecast.gain.value), 2 * WORTH), forecast.surprise
    if not (half > 0 and wanted > fixed and half > fixed):
        return None
    noise = math.sqrt(half**2 - fixed**2)
    needed = math.ceil(found.n_gold * noise**2 / (wanted**2 - fixed**2))
    return needed if found.n_gold < needed <= MOST_TIMES * found.n_gold else None


def signed(found: Estimate) -> str:
    """Return an estimate with the sign of its value, such as `+.062 [.020, .104]`."""
    text = str(found)
    return text if text.startswith(("-", "undefined")) else f"+{text}"
