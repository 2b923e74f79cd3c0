"""Numbers with intervals: floor, student, ceiling, gap, gain and PGR of one cell over its seeds are `compare`'s.

`paired_difference` sets one method against another on the same rows and seeds, `over_tasks` does so over tasks.
How the intervals are made, and why so, stands in `surpass.stats.intervals`; how test rows are resampled in
`surpass.stats.resampling`.
"""

from surpass.stats.comparison import Comparison, compare, compare_all
from surpass.stats.intervals import Estimate
from surpass.stats.paired import Difference, Outcome, outcome, paired_difference
from surpass.stats.resampling import RESAMPLES, RESAMPLES_SLOW
from surpass.stats.runs import Run
from surpass.stats.shares import (
    AgreementEstimate,
    Ratios,
    agreement_estimate,
    combined_estimates,
    ratio_estimates,
)
from surpass.stats.tasks import ALTERNATIVES, OverTasks, PairedTest, holm, over_tasks

__all__ = [
    "ALTERNATIVES",
    "RESAMPLES",
    "RESAMPLES_SLOW",
    "AgreementEstimate",
    "Comparison",
    "Difference",
    "Estimate",
    "Outcome",
    "OverTasks",
    "PairedTest",
    "Ratios",
    "Run",
    "agreement_estimate",
    "combined_estimates",
    "compare",
    "compare_all",
    "holm",
    "outcome",
    "over_tasks",
    "paired_difference",
    "ratio_estimates",
]
