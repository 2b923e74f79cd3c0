"""What the labels of a supervisor say: one class for all rows, or a function of a single feature.

A supervisor that only looks for a word, a length or a column has no more to teach than that: a student that finds the
feature copies it, errors included, and agreement among several such labels is no sign that they are right.

Looked at are, for texts, every word and phrase of `surpass.checks.phrases` and every number of `surpass.checks.form`; for
vectors every column; and the row's domain. A label is a function of one of them when a rule with at most two cuts per class
(the presence of a phrase is one) says the supervisor's label of SAME of the rows, and Cohen's kappa is KAPPA or more, so
that a supervisor of nearly one class is not such a function. In regression, when ranks agree to RANK. That it is one of
several columns of votes is a note: it may be meant, as in a study of single people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from surpass.artifacts import Array, Rows, Values
from surpass.checks.finding import Finding, numbered, only, percent
from surpass.checks.form import is_prose, of_inputs
from surpass.checks.phrases import telling_phrase
from surpass.checks.raters import kappa, vote_table
from surpass.metrics import hard

OTHERS = 0.005
"""Labels are of one class when so few are of another. Stricter than for test rows, whose ground truth is known."""
SAME = 0.98
KAPPA = 0.9
RANK = 0.99
MOST_ROWS = 4000
FEWEST_ROWS = 50


class Rule(NamedTuple):
    """A rule on one feature: what it looks at, and the share of the labels that it says (or how well ranks agree)."""

    feature: str
    agreement: float


def check_labels(
    rows: Rows, values: Values, *, where: Mapping[str, str], target: str = "classification"
) -> list[Finding]:
    """Return what makes the labels of a supervisor doubtful.

    Args:
        rows: the rows that it labels, n of them, of which ground truth is not read.
        values: its labels, (n, C) probabilities or (n, 1) numbers.
        where: task and weak; other names are left out.
        target: "regression", or anything else for classes.

    >>> texts = tuple(f"{'good' if i % 2 else 'poor'} film number {i} of them" for i in range(200))
    >>> ids = tuple(map(str, range(200)))
    >>> found = check_labels(Rows(ids, texts, np.zeros(200), ids), np.eye(2)[np.arange(200) % 2], where={"task": "films"})
    >>> found[0].code, found[0].evidence["feature"]
    ('copycat-supervisor', 'the words "poor film number"')
    """
    where = only(where, "task", "weak")
    if len(rows) < FEWEST_ROWS:
        return []
    if target != "regression" and (found := _one_class(values, where)):
        return [found]
    if len(rows) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS])
        rows, values = rows.take(kept), values[kept]
    return [*_copycat(rows, values, where, target), *_one_rater(rows, values, where, target)]


def check_labelling(
    fitted_on: Iterable[str],
    labelled: Iterable[str],
    *,
    where: Mapping[str, str],
    gold: bool = True,
    meant: bool = False,
    teacher: str = "the supervisor",
) -> list[Finding]:
    """Return a finding when a teacher labels rows for a student that it was itself fitted on.

    Args:
        fitted_on: ids of the rows that the teacher was fitted on.
        labelled: ids of the rows that it labels.
        where: what the finding is about.
        gold: whether it was fitted on ground truth; labels of rows it was taught by another model are a note.
        meant: whether that is the point, as in a control; a note too.
        teacher: what to call it.

    >>> found = check_labelling(["a", "b"], ["b", "c"], where={"task": "toy"})
    >>> found[0].code, found[0].severity, found[0].evidence["rows"]
    ('trained-on-labelled-rows', 'error', 1)
    """
    known, rows = set(fitted_on), list(labelled)
    shared = sum(name in known for name in rows)
    if not shared:
        return []
    grave = gold and not meant
    harm = (
        "so its labels there are ground truth that it remembers: give it rows of its own (the weak split)"
        if grave
        else "so its labels there are partly what it was taught: take fresh rows for each step if that matters"
    )
    what = "ground truth" if gold else "weak labels"
    return [
        Finding(
            "trained-on-labelled-rows",
            "error" if grave else "note",
            f"{teacher} was fitted on {what} of {shared} of the {len(rows)} rows that it labels, {harm}.",
            dict(where),
            {"rows": shared, "of": len(rows), "gold": int(gold)},
        )
    ]


def _one_class(values: Values, where: Mapping[str, str]) -> Finding | None:
    counts = np.bincount(hard(values), minlength=values.shape[1])
    share = float(counts.max()) / len(values)
    if share < 1 - OTHERS:
        return None
    text = (
        f"the supervisor gives class {int(counts.argmax())} to {percent(share)} of the rows that it labels for students, so "
        "there is nothing to learn from it: balance the rows, or fit a better supervisor."
    )
    return Finding("one-class-supervisor", "error", text, where, {"share": share, "rows": len(values)})


def _copycat(rows: Rows, values: Values, where: Mapping[str, str], target: str) -> Iterator[Finding]:
    rule = ranked_alike(rows, values[:, 0]) if target == "regression" else one_feature(rows, hard(values))
    if rule is None:
        return
    how = "rank correlation" if target == "regression" else "agreement"
    yield Finding(
        "copycat-supervisor",
        "warning",
        f"the supervisor's labels are a function of one feature, {rule.feature} ({how} {rule.agreement:.3f} on {len(rows)} "
        "rows), so a student can learn that feature and nothing else: use a supervisor that looks at more, or several that "
        "look at different things.",
        where,
        {"feature": rule.feature, "agreement": rule.agreement, "rows": len(rows)},
    )


def one_feature(rows: Rows, labels: Array) -> Rule | None:
    """Return the rule on one feature that says the labels (class indices), or None."""
    if len(np.unique(labels)) < 2:
        return None
    phrase = telling_phrase(rows.inputs, labels) if len(np.unique(labels)) == 2 else None
    if phrase is not None:
        right = phrase.inside + phrase.of_others - phrase.outside
        agreement = right / (phrase.of_class + phrase.of_others)
        if agreement >= SAME and phrase.skill >= KAPPA:
            return Rule(f'the words "{phrase.words}"', agreement)
    table, names = _columns(rows)
    if not table.shape[1]:
        return None
    from sklearn.tree import DecisionTreeClassifier

    classes = len(np.unique(labels))
    first = DecisionTreeClassifier(max_leaf_nodes=classes, random_state=0).fit(table, labels)
    column = int(first.tree_.feature[0])
    if column < 0:  # no cut helps
        return None
    one = table[:, [column]]
    said = DecisionTreeClassifier(max_leaf_nodes=2 * classes, random_state=0).fit(one, labels).predict(one)
    agreement = float((said == labels).mean())
    alike = agreement >= SAME and kappa(said.astype(np.float64), labels.astype(np.float64)) >= KAPPA
    return Rule(names[column], agreement) if alike else None


def ranked_alike(rows: Rows, values: Values) -> Rule | None:
    """Return the feature whose ranks are those of the values, up or down, or None."""
    table, names = _columns(rows)
    if not table.shape[1] or np.ptp(values) == 0:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(np.column_stack([values, table]), axis=0)
    ranks -= ranks.mean(axis=0)
    spread = np.sqrt((ranks**2).sum(axis=0))
    found = np.abs(ranks[:, 1:].T @ ranks[:, 0]) / np.maximum(spread[1:] * spread[0], 1e-12)
    best = int(found.argmax())
    return Rule(names[best], float(found[best])) if found[best] >= RANK else None


def _columns(rows: Rows) -> tuple[Values, Sequence[str]]:
    """Return the features of rows one by one, (n, d), and what they are called."""
    parts: list[tuple[Values, Sequence[str]]] = []
    if isinstance(rows.inputs, np.ndarray):
        table = rows.inputs.reshape(len(rows), -1).astype(np.float64)
        parts.append((table, [f"number {i} of the input" for i in range(table.shape[1])]))
    elif is_prose(rows.inputs):
        table, names = of_inputs(rows.inputs)
        parts.append((table, [f"its {name}" for name in names]))
    if len(set(rows.domains)) > 1:
        numbers = numbered(rows.domains)
        parts.append((numbers.astype(np.float64)[:, None], ["its domain"]))
    if not parts:
        return np.zeros((len(rows), 0)), ()
    return np.hstack([table for table, _ in parts]), [name for _, names in parts for name in names]


def _one_rater(rows: Rows, values: Values, where: Mapping[str, str], target: str) -> Iterator[Finding]:
    """Yield a note when one column of votes is what the supervisor says, so that the other columns add nothing."""
    votes = vote_table(rows)
    if votes.shape[1] < 2 or target == "regression":
        return
    labels = hard(values).astype(np.float64)
    for column in range(votes.shape[1]):
        known = ~np.isnan(votes[:, column])
        if known.sum() < max(FEWEST_ROWS, len(rows) / 2) or kappa(votes[known, column], labels[known]) < KAPPA:
            continue
        agreement = float((votes[known, column] == labels[known]).mean())
        if agreement >= SAME:
            yield Finding(
                "copycat-supervisor",
                "note",
                f"the supervisor's labels are those of vote column {column + 1} on {percent(agreement)} of the {known.sum()} "
                "rows that it judged: the other columns add nothing.",
                where,
                {"feature": f"vote column {column + 1}", "agreement": agreement, "rows": int(known.sum())},
            )
            return
