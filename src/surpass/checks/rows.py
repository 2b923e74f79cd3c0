"""What the rows of a task say before anything is trained: overlap of splits, balance, size of the test, label leaks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from surpass.artifacts import UNCLASSED, Rows, Splits
from surpass.checks.finding import Finding, Severity, only, percent
from surpass.checks.overlap import at_test, check_overlap, is_test
from surpass.checks.phrases import check_phrases
from surpass.checks.raters import check_raters
from surpass.checks.surface import check_surface
from surpass.checks.texts import check_targets

PRECISION = 0.07
"""Half the width of the 95 % interval of an accuracy near .5 that is asked for when nobody asks: 196 independent rows."""
MAJORITY = 1.1
"""A class may hold this many times its equal share: 55 % of two classes, above which Burns et al. (2023) rebalance."""
_Z = 1.96


def check_splits(splits: Splits, *, where: Mapping[str, str], precision: float = PRECISION) -> list[Finding]:
    """Return what makes the rows of a task doubtful; `where` names the task, and weak and strong if rows differ by pair.

    Give training and evaluation rows together (`computing.joined`): overlap is looked for between all splits but two test
    splits. Takes about two seconds for 4,000 texts, and looks at no more than these for leaks. Findings name a split in
    `where` when it is a test split, whose scores they touch; the message names the others.

    Args:
        splits: rows by split; training or tests may be missing.
        where: what the findings are about.
        precision: the half width of an accuracy's 95 % interval that the test rows should allow, in (0, 1).

    >>> from surpass.splits import Data, make_splits
    >>> from surpass.tasks.toy import Toy
    >>> data = Data(task=Toy().resolve(), n_weak=100, n_transfer=100, n_val=0, n_test=100)
    >>> [finding.code for finding in check_splits(make_splits(data), where={"task": "toy"})]
    ['tiny-test']
    """
    where = only(where, "task", "weak", "strong")
    parts = {name: splits.part(name) for name in splits.names()}
    found = check_overlap(splits, where=where)
    if splits.target not in UNCLASSED:
        for name, rows in parts.items():
            found += _imbalance(name, rows, splits.classes, where)
    for name, rows in parts.items():
        found += _tiny(name, rows, precision, where, target=splits.target)
    known = splits.part(*(name for name in parts if not name.startswith("shift:")))
    if splits.target == "generation":
        found += check_targets(known, splits.facts, where=where)
    if splits.target not in UNCLASSED:
        found += check_surface(known, where=where)
        found += check_phrases(known, where=where, classes=splits.classes)
    return found + check_raters(known, where=where)


def _imbalance(name: str, rows: Rows, names: Sequence[str], where: Mapping[str, str]) -> Iterator[Finding]:
    n, classes = len(rows), len(names) or 2
    counts = np.bincount(rows.labels.astype(np.int64), minlength=classes)
    top = int(counts.argmax())
    share, even = float(counts[top]) / n, 1 / classes
    noise = float(np.sqrt(even * (1 - even) / n))
    lacking = bool((counts == 0).any())
    if not (lacking and n >= 3 * classes) and not (share > MAJORITY * even and share - even > 3 * noise):
        return
    severity: Severity = "error" if lacking and not name.startswith("shift:") else "warning"
    advice = "set balance: true, or read AUROC beside accuracy"
    if lacking:
        absent = ", ".join(names[i] if names else str(i) for i in np.flatnonzero(counts == 0)[:5])
        advice = (
            f"{int((counts == 0).sum())} of {classes} classes have no row ({absent}); look at the labels of the task"
        )
    yield Finding(
        "imbalance",
        severity,
        f"class {top}{f' ({names[top]})' if names else ''} holds {percent(share)} of the {n} rows of '{name}', where an "
        f"equal share is {percent(even)}, so that a model which always gives it looks good: {advice}.",
        at_test(where, name),
        {"share": share, "equal_share": even, "rows": n, "empty_classes": int((counts == 0).sum()), "of": name},
    )


def rows_for(precision: float) -> int:
    """Return how many independent test rows an accuracy near .5 needs for a 95 % interval of +-precision: .25 (1.96/p)^2.

    >>> rows_for(0.05), rows_for(0.01)
    (385, 9604)
    """
    return math.ceil(round(0.25 * (_Z / precision) ** 2, 9))


def _tiny(name: str, rows: Rows, precision: float, where: Mapping[str, str], *, target: str) -> Iterator[Finding]:
    groups, needed = len(set(rows.groups)), rows_for(precision)
    if not is_test(name) or groups >= needed:
        return
    half = _Z * 0.5 / float(np.sqrt(groups))
    known = f"an accuracy near .5 is known to +-{half:.3f} at best (95 %) and one near .9 to +-{0.6 * half:.3f}; "
    known += f"+-{precision:g} takes {needed:,} (n_test)"
    if target == "regression":
        known = f"every score is rough; take {needed:,} (n_test), as for +-{precision:g} of an accuracy"
    yield Finding(
        "tiny-test",
        "warning",
        f"'{name}' has {groups} independent rows, so that {known}. What a gap or a PGR takes is told when they are known.",
        at_test(where, name),
        {"rows": len(rows), "independent": groups, "half_width": half, "precision": precision, "needed": needed},
    )
