"""What a person must be told in words: what the numbers rest on, what they mean, and what cannot be known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Values
from surpass.models.base import Model
from surpass.own.evidence import FEW_GOLD, FEWEST_ALONE, Division, Predicted
from surpass.own.reading import Own, Wanted
from surpass.stats import outcome
from surpass.tables import Table

NO_TEXTS = (
    "No test rows, no score: give gold completions in some rows, drawn at random, and they tell how often it is right."
)


def basis(predicted: Predicted | None, *, gold: int = 0) -> str:
    """Return what the table of estimates is about; `gold` is how many rows have a gold label."""
    if predicted is None and gold:
        return (
            f"Too few of the {gold:,} rows with gold labels have a weak label as well to set some aside: how often this "
            "student, or the weak labels, are right was not measured."
        )
    if predicted is None:
        return "There are no gold labels: how often this student is right is not known, and cannot be."
    return f"Scores on {len(predicted.labels):,} gold rows that were set aside: no fit and no choice has seen them."


def rests_on(seeds: int, predicted: Predicted | None, *, supervised: bool = False) -> str:
    """Return what the intervals cover; a supervisor is fitted once."""
    runs = "one seed" if seeds == 1 else f"{seeds} seeds"
    runs += " of the student, of one supervisor" if supervised else ""
    return f"{'held-out' if predicted is None else 'test'} rows and {runs}"


def notes(
    own: Own, division: Division, predicted: Predicted | None, estimates: Mapping[str, Any], *, supervised: bool
) -> list[str]:
    """Return sentences on what the numbers mean and what they cannot tell."""
    if predicted is None:
        return _unknown(division) if own.target != "generation" else [NO_TEXTS]
    texts = own.target == "generation"
    measured = "exact_match" if texts else "accuracy"
    found = [_gain(estimates[measured], measured, supervised=supervised)]
    if texts:
        found.append("A completion is right when it equals the gold one, spaces at the ends aside.")
    if predicted.ceiling:
        pgr = estimates["accuracy"]["pgr"]
        found.append(f"PGR (accuracy): {pgr}." if pgr.defined else f"The PGR is undefined: {pgr.note}.")
        found.append(
            f"{int(np.isfinite(own.gold[division.train]).sum()):,} of {len(division.train):,} training rows have gold "
            "labels, which this student was not shown: a model fitted on them (the ceiling) may be the better one to use."
        )
    elif texts:
        found.append("No PGR: no ceiling is fitted to gold completions.")
    else:
        found.append(_no_pgr(division, predicted, estimates["accuracy"]))
    if sure := _without_errors(estimates[measured], measured):
        found.append(sure)
    if not texts and (tied := _ties(predicted, own.classes[0])):
        found.append(tied)
    gold = int(np.isfinite(own.gold).sum())
    if gold < FEW_GOLD:
        found.append(
            f"There are only {gold} gold labels: the intervals are wide, and differences of several points cannot be seen. "
            f"Label at least {FEW_GOLD} more rows, drawn at random."
        )
    found.append("The test rows tell of other rows only if the rows with gold labels were drawn at random.")
    return found


def _gain(scores: Mapping[str, Any], measured: str, *, supervised: bool) -> str:
    floor = "the supervisor" if supervised else "the weak labels"
    gain = scores["gain"]
    said = {
        "win": f"The student beats {floor}",
        "loss": f"The student is worse than {floor}",
        "tie": f"No difference between the student and {floor} can be seen",
        "undefined": f"Whether the student beats {floor} cannot be told",
    }[outcome(gain)]
    return f"{said}: {measured} {scores['student']} against {scores['floor']}, difference {gain}."


def _without_errors(scores: Mapping[str, Any], measured: str) -> str:
    """Return how low a share of right rows may be without an error in the test rows: resampling those shows none."""
    roles = [
        role for role in ("floor", "student", "ceiling", "gold_only") if role in scores and scores[role].value == 1
    ]
    if not roles:
        return ""
    one = scores[roles[0]]
    low = ((1 - one.level) / 2) ** (1 / one.examples)  # Clopper & Pearson (1934), all of n right
    named = ", ".join(role.replace("_", " ") for role in roles)
    return (
        f"Without an error among {one.examples:,} independent test rows ({named}) the interval has no width; {measured} "
        f"{low:.3f} is as possible."
    )


def _ties(predicted: Predicted, first: str) -> str:
    """Return how many test rows the floor leaves open, and its accuracy with such rows decided by lot; else nothing."""
    floor = predicted.floor
    best = np.isclose(floor, floor.max(axis=1, keepdims=True), rtol=0.0, atol=1e-9)
    rows = int((best.sum(axis=1) > 1).sum())
    if not rows:
        return ""
    right = best[np.arange(len(floor)), predicted.labels.astype(np.int64)] / best.sum(axis=1)
    return (
        f"Weak labels of {rows:,} of {len(floor):,} test rows are tied. The floor then takes the first class ('{first}' "
        f"before the others); with ties drawn by lot its accuracy is {right.mean():.3f}."
    )


def _no_pgr(division: Division, predicted: Predicted, scores: Mapping[str, Any]) -> str:
    why = "No PGR: a ceiling needs gold labels on (nearly) all training rows"
    if not predicted.gold_only:
        few = (
            f"there are too few ({len(division.known)})"
            if len(division.known) < FEWEST_ALONE
            else "they are of one class"
        )
        return f"{why}, and {few}, so the strong model is not fitted on them alone."
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
    if len(division.known):
        found[-1] = (
            "Have rows with gold labels labelled by the weak source too, and floor and student can be told apart."
        )
    if len(division.held) < 2:
        found.insert(0, "There are too few rows to set some aside, so not even agreement is known.")
    return found


def request_facts(wanted: Wanted, own: Own, table: Table, source: str) -> dict[str, Any]:
    """Return what is known of the table and its columns."""
    columns = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(wanted).items()}
    return {
        "format": 1,
        "target": own.target,
        "text_column": wanted.text,
        "candidates": [wanted.first, wanted.second] if wanted.preference else [],
        "classes": list(own.classes),
        "columns": columns,
        "data": {
            "name": source if source.startswith("hub:") else Path(source).name,
            "digest": table.digest(),
            "counts": own.counts,
            "told": table_told(table, own, wanted),
        },
    }


def labels_told(wanted: Wanted, weak: Model | None, combine: str) -> str:
    """Return what the labels are, in words; `weak` is the supervisor's model, if there is one."""
    if weak is not None:
        return f"predictions of the supervisor {weak.label()}, fitted on gold labels of column {wanted.gold}"
    if wanted.probabilities:
        return f"probabilities of {', '.join(wanted.probabilities)}"
    how = f", combined by {combine}" if len(wanted.weak) > 1 else ""
    return f"weak labels of {', '.join(wanted.weak)}{how}"


def table_told(table: Table, own: Own, wanted: Wanted) -> list[str]:
    """Return what was left out of the table, and what its weak labels lack, in sentences."""
    counts, found = own.counts, []
    if table.bad_count:
        found.append(table.told())
    if counts["unlabelled"]:
        found.append(f"{counts['unlabelled']:,} rows without any label were left out")
    if counts["kept"] < counts["usable"]:
        found.append(
            f"{counts['kept']:,} of {counts['usable']:,} usable rows were taken (a sample by hash, gold rows first); "
            "--max-rows takes more"
        )
    if repeats := counts["kept"] - len(set(own.groups)):
        found.append(f"{repeats:,} rows repeat the text of another; equal texts stay on one side of every cut")
    if not wanted.supervised and (without := int((~own.labelled).sum())):
        found.append(f"rows with a gold label and no weak one: {without:,}")
    for name, votes in zip(wanted.weak, own.votes.T, strict=True):
        given = np.unique(votes[np.isfinite(votes)])
        if len(given) == 1:
            found.append(f"all labels of column '{name}' are {own.classes[int(given[0])]}")
    return found


def row_counts(own: Own, division: Division, weak: Values, *, supervised: bool) -> dict[str, int]:
    """Return how many rows there are of each kind; `weak` (n, C) are the weak labels, NaN where there are none."""
    votes = own.votes
    disagree = 0
    if votes.shape[1] > 1:
        disagree = int(sum(len(set(row[np.isfinite(row)])) > 1 for row in votes))
    found = {
        "kept": len(own.inputs),
        "with a gold label": int(np.isfinite(own.gold).sum()),
        "with a weak label": int(np.isfinite(weak).all(axis=1).sum()),
        "on which raters disagree": disagree,
        "with a missing vote": int((~np.isfinite(votes)).any(axis=1).sum()) if votes.shape[1] > 1 else 0,
        "training": len(division.train),
        "training, gold label used" if not supervised else "gold, used by the supervisor": len(division.known),
        "test": len(division.test),
        "held out without gold": len(division.held),
    }
    return {name: n for name, n in found.items() if n or name in ("kept", "training", "test")}
