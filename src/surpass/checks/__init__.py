"""The guard: looks at a study before and after it runs and says what makes its numbers doubtful.

Pure functions over artifacts; each returns a list of `Finding` and never raises for what it finds.

| call | codes (E error, W warning, N note) |
|---|---|
| `check_splits` | split-overlap E W, imbalance E W, tiny-test W, surface-leak E W, surface-cues N |
| `check_predictions` | one-class-supervisor E, -ceiling E, -student W, collapsed-seed W, saturated W, copy W |
| `check_truncation` | truncation W |
| `check_scores` | ceiling-below-floor E, gap-not-significant W, few-seeds W N |
| `check_versions` | mixed-versions W |

`where` is given by the caller and names what is looked at; a finding keeps only the names it depends on, so that equal
findings about two methods of a pair are equal and can be merged.
"""

from surpass.checks.finding import SEVERITIES, Finding, Severity
from surpass.checks.predictions import check_predictions, check_truncation
from surpass.checks.rows import check_splits
from surpass.checks.scores import check_scores, check_versions

__all__ = [
    "SEVERITIES",
    "Finding",
    "Severity",
    "check_predictions",
    "check_scores",
    "check_splits",
    "check_truncation",
    "check_versions",
]
