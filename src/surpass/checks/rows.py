"""What the rows of a task say before anything is trained: overlap of splits, balance, size of the test, label leaks."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from surpass.artifacts import Rows, Splits
from surpass.checks.finding import Finding, Severity, only, percent
from surpass.checks.surface import check_surface

FEWEST_TEST = 200
MAJORITY = 1.1
"""A class may hold this many times its equal share: 55 % of two classes, above which Burns et al. (2023) rebalance."""
RARE = 0.01
"""Equal texts in so small a share of a split do not move a score; they are a note and no error."""


def check_splits(splits: Splits, *, where: Mapping[str, str]) -> list[Finding]:
    """Return what makes the rows of a task doubtful; `where` names the task, and weak and strong if rows differ by pair.

    Give training and evaluation rows together (`stages.joined`): overlap is looked for between all splits but two test
    splits. Takes about a second for 4,000 texts, and looks at no more than these for leaks. Findings name a split in
    `where` when it is a test split, whose scores they touch; the message names the others.

    >>> from surpass.splits import Data, make_splits
    >>> from surpass.tasks.toy import Toy
    >>> data = Data(task=Toy().resolve(), n_weak=100, n_transfer=100, n_val=0, n_test=100)
    >>> [finding.code for finding in check_splits(make_splits(data), where={"task": "toy"})]
    ['tiny-test']
    """
    where = only(where, "task", "weak", "strong")
    parts = {name: splits.part(name) for name in splits.names()}
    found = [*_overlaps(parts, where)]
    if splits.target != "regression":
        for name, rows in parts.items():
            found += _imbalance(name, rows, len(splits.classes) or 2, where)
    for name, rows in parts.items():
        found += _tiny(name, rows, where)
    if splits.target != "regression":
        known = [name for name in parts if not name.startswith("shift:")]
        found += check_surface(splits.part(*known), where=where)
    return found


def _is_test(name: str) -> bool:
    return name == "test" or name.startswith("shift:")


def _at(where: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return `where` with the test split among the names, if there is one."""
    tests = [name for name in names if _is_test(name)]
    return {**where, "split": tests[0]} if tests else dict(where)


def _overlaps(parts: Mapping[str, Rows], where: Mapping[str, str]) -> Iterator[Finding]:
    marks = {name: (rows.ids, rows.groups, _texts(rows)) for name, rows in parts.items()}
    for first, second in itertools.combinations(parts, 2):
        if _is_test(first) and _is_test(second):
            continue
        sides = zip(marks[first], marks[second], strict=True)
        hits = np.array([[item in held for item in items] for held, items in ((set(a), b) for a, b in sides)])
        ids, groups, texts = hits.sum(axis=1).tolist()
        rows, n = int(hits.any(axis=0).sum()), len(parts[second])
        if not rows:
            continue
        severity: Severity = "error" if ids or groups or rows > RARE * n else "note"
        harm = "its scores are too good" if _is_test(second) else "its weak labels or stopping are not of unseen rows"
        if severity == "note":
            harm = "too few to move a score by much"
        yield Finding(
            "split-overlap",
            severity,
            f"'{second}' shares {rows} of its {n} rows with '{first}' ({ids} by id, {groups} by group, {texts} by text), "
            f"{'' if severity == 'note' else 'so '}{harm}; give such rows one group in the task.",
            _at(where, first, second),
            {"rows": rows, "of": n, "ids": ids, "groups": groups, "texts": texts, "first": first, "second": second},
        )


def _texts(rows: Rows) -> list[Any]:
    """Return each input in a form in which trifling differences are gone; anything that can be compared."""
    if isinstance(rows.inputs, np.ndarray):
        return [row.tobytes() for row in rows.inputs]
    return [_plain(item) if isinstance(item, str) else tuple(map(_plain, item)) for item in rows.inputs]


def _plain(text: str) -> str:
    """Return prose without case, spacing and marks at its ends; a text without spaces (a molecule) as it is."""
    if not re.search(r"\s", text.strip()):
        return text.strip()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip("\"'.!? ")


def _imbalance(name: str, rows: Rows, classes: int, where: Mapping[str, str]) -> Iterator[Finding]:
    n = len(rows)
    counts = np.bincount(rows.labels.astype(np.int64), minlength=classes)
    share, even = float(counts.max()) / n, 1 / classes
    noise = float(np.sqrt(even * (1 - even) / n))
    lacking = bool((counts == 0).any())
    if not (lacking and n >= 3 * classes) and not (share > MAJORITY * even and share - even > 3 * noise):
        return
    severity: Severity = "error" if lacking and not name.startswith("shift:") else "warning"
    advice = "set balance: true, or read AUROC beside accuracy"
    if lacking:
        advice = f"{int((counts == 0).sum())} of {classes} classes have no row; look at the labels of the task"
    yield Finding(
        "imbalance",
        severity,
        f"class {int(counts.argmax())} holds {percent(share)} of the {n} rows of '{name}', where an equal share is "
        f"{percent(even)}, so that a model which always gives it looks good: {advice}.",
        _at(where, name),
        {"share": share, "equal_share": even, "rows": n, "empty_classes": int((counts == 0).sum()), "of": name},
    )


def _tiny(name: str, rows: Rows, where: Mapping[str, str]) -> Iterator[Finding]:
    groups = len(set(rows.groups))
    if not _is_test(name) or groups >= FEWEST_TEST:
        return
    half = 1.96 * 0.5 / float(np.sqrt(groups))
    yield Finding(
        "tiny-test",
        "warning",
        f"'{name}' has {groups} independent rows, so that an accuracy near .5 is known to +-{half:.3f} at best (95 %) and "
        f"one near .9 to +-{0.6 * half:.3f}; take at least {FEWEST_TEST} (n_test), better 1,000.",
        _at(where, name),
        {"rows": len(rows), "independent": groups, "half_width": half},
    )
