"""What a person must be told in words: what the numbers rest on, what they mean, and what cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surpass.own.evidence import FEW_GOLD, Division, Predicted
from surpass.own.reading import Own
from surpass.stats import outcome


def basis(predicted: Predicted | None) -> str:
    """Return what the table of estimates is about."""
    if predicted is None:
        return "There are no gold labels: how often this student is right is not known, and cannot be."
    return f"Scores on {len(predicted.labels):,} gold rows that were set aside: no fit and no choice has seen them."


def rests_on(seeds: int, predicted: Predicted | None) -> str:
    """Return what the intervals cover."""
    runs = "one seed" if seeds == 1 else f"{seeds} seeds"
    return f"{'held-out' if predicted is None else 'test'} rows and {runs}"


def notes(
    own: Own, division: Division, predicted: Predicted | None, estimates: Mapping[str, Any], *, supervised: bool
) -> list[str]:
    """Return sentences on what the numbers mean and what they cannot tell."""
    if predicted is None:
        return _unknown(division)
    found = [_gain(estimates["accuracy"], supervised=supervised)]
    if predicted.ceiling:
        pgr = estimates["accuracy"]["pgr"]
        found.append(f"PGR (accuracy): {pgr}." if pgr.defined else f"The PGR is undefined: {pgr.note}.")
        found.append(
            f"{int(np.isfinite(own.gold[division.train]).sum()):,} of {len(division.train):,} training rows have gold "
            "labels, which this student was not shown: a model fitted on them (the ceiling) may be the better one to use."
        )
    else:
        found.append(_no_pgr(division, predicted, estimates["accuracy"]))
    gold = int(np.isfinite(own.gold).sum())
    if gold < FEW_GOLD:
        found.append(
            f"There are only {gold} gold labels: the intervals are wide, and differences of several points cannot be seen. "
            f"Label at least {FEW_GOLD} more rows, drawn at random."
        )
    found.append("The test rows tell of other rows only if the rows with gold labels were drawn at random.")
    return found


def _gain(scores: Mapping[str, Any], *, supervised: bool) -> str:
    floor = "the supervisor" if supervised else "the weak labels"
    gain = scores["gain"]
    said = {
        "win": f"The student beats {floor}",
        "loss": f"The student is worse than {floor}",
        "tie": f"No difference between the student and {floor} can be seen",
        "undefined": f"Whether the student beats {floor} cannot be told",
    }[outcome(gain)]
    return f"{said}: accuracy {scores['student']} against {scores['floor']}, difference {gain}."


def _no_pgr(division: Division, predicted: Predicted, scores: Mapping[str, Any]) -> str:
    why = "No PGR: a ceiling needs gold labels on (nearly) all training rows"
    if not predicted.gold_only:
        return f"{why}, and there are too few ({len(division.known)}) to fit the strong model on them alone."
    over = scores["over_gold_only"]
    said = {
        "win": "the weak labels are worth having",
        "loss": "the gold labels alone serve better: leave the weak labels out",
        "tie": "no difference can be seen",
        "undefined": "it cannot be compared",
    }[outcome(over)]
    return (
        f"{why}. The strong model on the {len(division.known)} known gold rows alone, which bounds it from below, has "
        f"accuracy {scores['gold_only']}; the student minus that is {over}: {said}."
    )


def _unknown(division: Division) -> list[str]:
    found = [
        "Agreement with the weak labels is no accuracy: where both are wrong in the same way, nothing here shows it.",
        "A student that agrees everywhere has copied the errors; one that disagrees where labels are confident is right "
        "or wrong there, and only gold labels tell which.",
        "Label 100 rows drawn at random, give them with --gold, and floor and student can be told apart.",
    ]
    if len(division.held) < 2:
        found.insert(0, "There are too few rows to set some aside, so not even agreement is known.")
    return found
