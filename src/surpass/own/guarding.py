"""The guard on a person's own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surpass.artifacts import Facts, Rows, Splits, Values, take
from surpass.checks import Finding, check_predictions, check_splits, check_truncation
from surpass.guard import distinct
from surpass.own.evidence import Division, Predicted
from surpass.own.reading import Own


def splits_of(own: Own, division: Division, weak: Values, *, supervised: bool) -> Splits:
    """Return the rows as a study's: `weak` fit a supervisor, `transfer` the student, `val` and `test` are set aside.

    A row's label is gold where that may be known, else the most probable weak label.
    """
    used = np.isin(division.train, division.known) if supervised else np.zeros(len(division.train), dtype=bool)
    parts = {
        "weak": division.known if supervised else division.known[:0],
        "transfer": division.train[~used],
        "val": division.held,
        "test": division.test,
    }
    places = np.concatenate(list(parts.values()))
    guess = np.where(np.isfinite(weak), weak, 0.0).argmax(axis=1)
    labels = np.where(np.isfinite(own.gold), np.nan_to_num(own.gold), guess).astype(np.int64)
    groups = own.groups
    rows = Rows(
        tuple(str(i) for i in places),
        take(own.inputs, places),
        labels[places],
        tuple(groups[i] for i in places),
        votes=tuple(tuple(own.votes[i]) for i in places),
    )
    split = tuple(name for name, part in parts.items() for _ in part)
    return Splits(rows, split, own.target, own.classes, {})


def findings(
    splits: Splits, predicted: Predicted | None, facts: Mapping[str, Sequence[Facts]], where: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return what the guard saw in rows, predictions and cut texts, as plain data."""
    found: list[Finding] = check_splits(splits, where=where)
    if predicted is not None:
        found += check_predictions(predicted.runs(), where={**where, "split": "test"})
    found += check_truncation(facts, where=where)
    if predicted is not None and not predicted.ceiling:  # the student stood in for a ceiling that nobody knows
        found = [one for one in found if "ceiling" not in one.code and one.code != "saturated"]
    return [
        {"code": one.code, "severity": one.severity, "message": one.message, "where": dict(one.where),
         "evidence": {k: v.item() if hasattr(v, "item") else v for k, v in one.evidence.items()}}
        for one in distinct(found)
    ]  # fmt: skip
