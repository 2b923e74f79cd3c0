"""The guard: looks at a study before and after it runs and says what makes its numbers doubtful.

Pure functions over artifacts; each returns a list of `Finding` and never raises for what it finds.

| call | codes (E error, W warning, N note) |
|---|---|
| `check_splits` | test-in-training E N, trained-on-labelled-rows E N, split-overlap E N, near-duplicates W N, |
| | repeated-rows W N, conflicting-labels W N, imbalance E W, tiny-test W, surface-leak E W, surface-cues N, |
| | phrase-leak E W N, copied-rater N, empty-targets W N, prompt-leak W |
| `check_labels` | one-class-supervisor E, copycat-supervisor W N |
| `check_labelling` | trained-on-labelled-rows E N |
| `check_predictions` | one-class-supervisor E, one-class-ceiling E, one-class-student W, collapsed-seed W, same-seeds W, |
| | saturated W, copy W |
| `check_truncation` | truncation W |
| `check_candidates` | unlisted-targets E W |
| `check_texts` | degenerate-texts E W |
| `check_lengths` | truncated-targets W |
| `check_pretraining`, `check_pretrained_rows` | pretrained-on-source W |
| `check_scores` | ceiling-below-floor E, gap-not-significant W, imprecise-pgr N, few-seeds W N |
| `check_versions` | mixed-versions W |

`where` is given by the caller and names what is looked at; a finding keeps only the names it depends on, so that equal
findings about two methods of a pair are equal and can be merged. Each code has a page in docs/guard: `pages`.
"""

from surpass.checks.finding import CODES, SEVERITIES, Code, Finding, Severity
from surpass.checks.labels import check_labelling, check_labels
from surpass.checks.predictions import check_predictions, check_truncation
from surpass.checks.rows import PRECISION, check_splits
from surpass.checks.scores import check_scores, check_versions
from surpass.checks.texts import (
    answered_texts,
    check_candidates,
    check_lengths,
    check_pretrained_rows,
    check_pretraining,
    check_texts,
)

__all__ = [
    "CODES",
    "PRECISION",
    "SEVERITIES",
    "Code",
    "Finding",
    "Severity",
    "answered_texts",
    "check_candidates",
    "check_labelling",
    "check_labels",
    "check_lengths",
    "check_predictions",
    "check_pretrained_rows",
    "check_pretraining",
    "check_scores",
    "check_splits",
    "check_texts",
    "check_truncation",
    "check_versions",
]
