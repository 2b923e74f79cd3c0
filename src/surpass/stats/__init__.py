"""Numbers with intervals: `compare` gives floor, student, ceiling, gap, gain and PGR of one cell over its seeds.

How the intervals are made, and why so, stands in `surpass.stats.intervals`; how test rows are resampled in
`surpass.stats.resampling`.
"""

from surpass.stats.comparison import AgreementEstimate, Comparison, Run, agreement_estimate, compare
from surpass.stats.intervals import Estimate
from surpass.stats.resampling import RESAMPLES, RESAMPLES_SLOW

__all__ = [
    "RESAMPLES",
    "RESAMPLES_SLOW",
    "AgreementEstimate",
    "Comparison",
    "Estimate",
    "Run",
    "agreement_estimate",
    "compare",
]
