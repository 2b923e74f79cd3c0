"""What a check returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the gravest first

Code = Literal[
    "ceiling-below-floor",
    "cell-failed",
    "collapsed-seed",
    "conflicting-labels",
    "copied-rater",
    "copy",
    "copycat-supervisor",
    "degenerate-texts",
    "empty-targets",
    "few-seeds",
    "gap-not-significant",
    "imbalance",
    "imprecise-pgr",
    "mixed-versions",
    "near-duplicates",
    "one-class-ceiling",
    "one-class-student",
    "one-class-supervisor",
    "phrase-leak",
    "pretrained-on-source",
    "prompt-leak",
    "released-form",
    "repeated-rows",
    "same-seeds",
    "saturated",
    "split-overlap",
    "surface-cues",
    "surface-leak",
    "test-in-training",
    "tiny-test",
    "trained-on-labelled-rows",
    "truncated-targets",
    "truncation",
    "unlisted-targets",
]
"""Every code; each has a page in docs/guard, and a planted and a clean case in the tests."""
CODES: tuple[Code, ...] = get_args(Code)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing the guard saw.

    Attributes:
        code: what was seen, one of CODES.
        severity: "error" (the number means nothing), "warning" (read it with care) or "note".
        message: one sentence for a person, with the values and what to do.
        where: what it touches, as the results name it: any of task, split (a test split), weak, strong, method, stopping,
            metric and seed. Empty: the whole study.
        evidence: the numbers behind it.
    """

    code: Code
    severity: Severity
    message: str
    where: Mapping[str, str]
    evidence: Mapping[str, float | int | str]


def only(where: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the part of `where` that a finding touches.

    >>> only({"task": "toy", "weak": "tfidf", "method": "soft"}, "task", "weak")
    {'task': 'toy', 'weak': 'tfidf'}
    """
    return {name: value for name, value in where.items() if name in names}


def numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each name among the sorted distinct ones, (n,).

    An array of strings, as `np.unique` makes, is as wide as the longest: 800 MB for 1,590 names of which one is a long mail.

    >>> numbered(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    places = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([places[name] for name in names], dtype=np.int64)


def percent(share: float) -> str:
    """Return a share in words for messages; never rounded to 100 % or 0 % when it is not.

    >>> percent(0.9996), percent(1.0), percent(0.051)
    ('99.96 %', '100 %', '5.1 %')
    """
    for digits in range(1, 5):
        text = f"{100 * share:.{digits}f}"
        if float(text) not in (0.0, 100.0) or share in (0.0, 1.0):
            break
    return f"{text.rstrip('0').rstrip('.')} %"
