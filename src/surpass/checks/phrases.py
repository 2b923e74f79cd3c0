"""Does one phrase give a label away, such as "None of the other options are correct" that only right answers say?

Looked at are the words of both ends of a text, EDGE characters each, and its first and last 2 to LONGEST words as they stand.
A phrase's skill for a class is Youden's J: its share among the rows of the class less its share among the others, which is
0 for a phrase of chance and 1 for one that tells the class of every row. Measured:

| J of the best phrase | rows |
|---|---|
| .03 to .16 | questions + an option (QuaRTz, LogiQA), movie reviews, NYT and Amazon sentences, the toy task |
| .22 to .28 | headlines ("the", "'"), tweets ("@"): style that goes with the label |
| 1.00 | the three sets whose right option is always "None of the other options are correct" |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Inputs, Rows
from surpass.checks.finding import Finding, Severity, only, percent
from surpass.checks.form import is_prose

NOTE, WARNING, ERROR = 0.4, 0.6, 0.9
Z = 5.0
MOST_ROWS = 4000
FEWEST_ROWS = 30  # of the class
EDGE = 300
LONGEST = 8
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")


class Phrase(NamedTuple):
    """The phrase that tells most of a class: how many rows of the class have it, and how many others."""

    words: str
    label: int
    inside: int
    of_class: int
    outside: int
    of_others: int

    @property
    def skill(self) -> float:
        """Youden's J of the phrase's presence for the class."""
        return self.inside / self.of_class - self.outside / self.of_others

    @property
    def z(self) -> float:
        """Standard errors of J above 0 if the phrase knew nothing of the class."""
        share = (self.inside + self.outside) / (self.of_class + self.of_others)
        noise = share * (1 - share) * (1 / self.of_class + 1 / self.of_others)
        return self.skill / noise**0.5 if noise > 0 else float("inf") * (self.skill > 0)


def check_phrases(rows: Rows, *, where: Mapping[str, str], classes: Sequence[str] = ()) -> list[Finding]:
    """Return a finding when one phrase alone gives a class away; nothing for vectors, images, molecules or few rows."""
    seen = telling_phrase(rows.inputs, rows.labels)
    if seen is None or seen.skill < NOTE or seen.z < Z:
        return []
    severity: Severity = "error" if seen.skill >= ERROR else "warning" if seen.skill >= WARNING else "note"
    advice = {
        "error": "a model need only look for it: drop the task, or write its inputs without the phrase",
        "warning": "look at rows with and without it, and take it out if it is no part of the question",
        "note": "part of every score here may be this phrase; keep that in mind",
    }
    name = f"class {seen.label}" + (f" ({classes[seen.label]})" if seen.label < len(classes) else "")
    return [
        Finding(
            "phrase-leak",
            severity,
            f'"{seen.words}" is in {percent(seen.inside / seen.of_class)} of the rows of {name} and in '
            f"{percent(seen.outside / seen.of_others)} of the others: {advice[severity]}.",
            only(where, "task"),
            {**seen._asdict(), "skill": seen.skill, "z": seen.z},
        )
    ]


def telling_phrase(inputs: Inputs, labels: NDArray[Any]) -> Phrase | None:
    """Return the phrase that tells most of a class, the longest of equals, or None when there is nothing to look at.

    Of a pair both texts are looked at, each for itself: "first: no" is another phrase than "second: no".
    """
    if not is_prose(inputs) or len(np.unique(labels)) < 2:
        return None
    rows = np.arange(len(labels))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])
    labels = np.asarray(labels)[rows].astype(np.int64)
    sets = [_of_input(inputs[i]) for i in rows]
    sizes = np.bincount(labels)
    counts = [Counter[str]() for _ in sizes]
    for phrases, label in zip(sets, labels, strict=True):
        counts[label].update(phrases)
    every = sum(counts, Counter[str]())
    found: list[Phrase] = []
    for label, held in enumerate(counts):
        inside, others = int(sizes[label]), int(len(labels) - sizes[label])
        if inside < FEWEST_ROWS or others < FEWEST_ROWS:
            continue
        likely = [Phrase(name, label, n, inside, every[name] - n, others) for name, n in held.items() if n > 1]
        found += sorted(likely, key=lambda one: (round(one.skill, 9), len(one.words), one.words))[-1:]
    return max(found, key=lambda one: one.skill, default=None)


def _of_input(item: Any) -> set[str]:
    if isinstance(item, str):
        return _of_text(item)
    return {
        f"{side}: {phrase}" for side, text in zip(("first", "second"), item, strict=True) for phrase in _of_text(text)
    }


def _of_text(text: str) -> set[str]:
    head, tail = _WORD.findall(text[:EDGE].casefold()), _WORD.findall(text[-EDGE:].casefold())
    spans = range(2, LONGEST + 1)
    return {*head, *tail, *(" ".join(head[:n]) for n in spans), *(" ".join(tail[-n:]) for n in spans)}
