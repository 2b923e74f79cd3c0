"""What the predictions of a cell say: a role that gives one class, a ruined seed, no room to gain, a mere copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from surpass.artifacts import Facts, Values
from surpass.checks.finding import Code, Finding, Severity, only, percent
from surpass.metrics import hard, metric
from surpass.stats import Run

OTHERS = 0.05
"""A classifier has collapsed when so few rows get another class than its favourite, and when it is also less than
SEEN of the rows that belong to others: 95 % of a balanced test of two classes, all but 1 % of one with 90 % "yes"."""
SEEN = 0.1
STILL = 1e-3
"""A regression has collapsed when its predictions vary less than this share of the labels' standard deviation."""
DROP = 0.05
ROWS, SEEDS, FAR = 4.0, 3.0, 8.0
"""A seed has collapsed when it is DROP and ROWS standard errors of the test rows below the median of the others, and

- has lost half of their skill above chance and is SEEDS robust standard deviations of the others away, or
- is FAR standard deviations of at least four others away.

Simulated normal seeds around .75 with a standard deviation up to .03 raise it in less than 1 % of cells (.05: 5 %);
With .05, one seed of five at chance is found in .96 of cells, and each of two in .63 (up to .03: in .92).
"""
FULL = 0.98
SAME = 0.995
TRUNCATED = 0.05

ROLES = {"supervisor": "floor", "ceiling": "ceiling", "student": "student"}
_TOUCHES = {
    "supervisor": ("task", "split", "weak"),
    "ceiling": ("task", "split", "strong"),
    "student": ("task", "split", "weak", "strong", "method"),
}
_ONE_CLASS: dict[str, Code] = {
    "supervisor": "one-class-supervisor",
    "ceiling": "one-class-ceiling",
    "student": "one-class-student",
}
_SO = {
    "supervisor": "there is nothing to learn from it: balance the rows, or fit a better supervisor",
    "ceiling": "it is no ceiling: tune the strong model's training (learning rate, epochs) on ground truth first",
    "student": "its score says nothing about the method: look at the weak labels and the training",
}


class _Seen(NamedTuple):
    """A role's predictions as checks need them, one item per seed."""

    labels: list[Values]
    values: list[Values]
    scores: list[float]


def check_predictions(
    runs: Sequence[Run],
    *,
    where: Mapping[str, str],
    seeds: Sequence[int | str] = (),
    target: str = "classification",
) -> list[Finding]:
    """Return what makes the predictions of one cell on one test split doubtful.

    Args:
        runs: one per seed, as `stats.compare` takes them.
        where: task, split, weak, strong and method; each finding keeps those it depends on.
        seeds: names of the runs; default 0, 1, ...
        target: "regression", or anything else for classes.

    >>> rows = [str(i) for i in range(100)]
    >>> labels = [i % 2 for i in range(100)]
    >>> yes = [0.9] * 100  # says yes to everything
    >>> run = Run(labels, rows, student=yes, floor=yes, ceiling=[0.1 + 0.8 * y for y in labels])
    >>> [finding.code for finding in check_predictions([run], where={"task": "boolq"})]
    ['one-class-supervisor', 'one-class-student', 'copy']
    """
    names = [str(name) for name in (seeds or range(len(runs)))]
    kind = "regression" if target == "regression" else "classification"
    score = metric("r2" if kind == "regression" else "accuracy")
    seen = {}
    for role, field in ROLES.items():
        pairs = [run.read(kind, field) for run in runs]
        labels, values = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        seen[role] = _Seen(labels, values, [score.known(*pair) for pair in pairs])
    found: list[Finding] = []
    for role, one in seen.items():
        at = only(where, *_TOUCHES[role])
        lost = [_constant(*pair) for pair in zip(one.labels, one.values, strict=True)]
        if any(lost):
            found.append(_one_class(role, lost, names, at))
        found += _ruined(role, one, [bool(text) for text in lost], names, at, kind=kind)
    found += _alike(runs, where)
    if runs:
        found += _saturated(seen, only(where, *_TOUCHES["supervisor"]), kind=kind)
    if kind == "classification" and runs:
        found += _copied(seen, where)
    return found


def _constant(labels: Values, values: Values) -> str:
    """Return how a model has collapsed on its test rows, in words, or ''."""
    if values.ndim == 1:
        wide, spread = float(values.std()), float(labels.std())
        return f"varies by {wide:.2g} where labels vary by {spread:.2g}" if wide < STILL * spread else ""
    classes = np.bincount(hard(values), minlength=values.shape[1])
    top = int(classes.argmax())
    others, belong = 1 - classes[top] / len(values), float((labels != top).mean())
    text = f"gives class {top} to {percent(classes[top] / len(values))} of the rows"
    if float(np.ptp(values, axis=0).max()) < 1e-6 and len(values) > 1:
        return f"{text}, with the same probabilities for all"
    return text if others < min(OTHERS, SEEN * belong) else ""


def _one_class(role: str, lost: Sequence[str], names: Sequence[str], at: Mapping[str, str]) -> Finding:
    ruined = [name for name, text in zip(names, lost, strict=True) if text]
    severity: Severity = "warning" if role == "student" else "error"
    which = f"seed {ruined[0]}" if len(ruined) == 1 else f"{len(ruined)} of {len(names)} seeds"
    how = next(text for text in lost if text)
    return Finding(
        _ONE_CLASS[role],
        severity,
        f"the {role} {how} ({which}), so {_SO[role]}.",
        {**at, "seed": ruined[0]} if len(ruined) == 1 and len(names) > 1 else dict(at),
        {"collapsed": len(ruined), "seeds": len(names), "which": ", ".join(ruined)},
    )


def _ruined(
    role: str, one: _Seen, lost: Sequence[bool], names: Sequence[str], at: Mapping[str, str], *, kind: str
) -> Iterator[Finding]:
    """Yield a finding for each seed far below the others that does not give one class anyway; needs three seeds."""
    scores = np.array(one.scores)
    if len(scores) < 3 or not np.isfinite(scores).all():
        return
    measure = "R2" if kind == "regression" else "accuracy"
    for i, value in enumerate(scores.tolist()):
        others = np.delete(scores, i)
        chance = 0.0 if kind == "regression" else 1 / one.values[i].shape[1]
        if lost[i] or not _far_below(value, others, chance=chance, rows=len(one.labels[i]), kind=kind):
            continue
        middle = float(np.median(others))
        yield Finding(
            "collapsed-seed",
            "warning",
            f"seed {names[i]} of the {role} has {measure} {value:.3f} where the median of the {len(others)} others is "
            f"{middle:.3f}, so the mean is of two kinds of run: lower the learning rate, or report that seed apart.",
            {**at, "seed": names[i]},
            {
                "seed": names[i],
                "score": value,
                "median_of_others": middle,
                "spread_of_others": float(others.std(ddof=1)),
            },
        )


def _far_below(value: float, others: Values, *, chance: float, rows: int, kind: str) -> bool:
    middle = float(np.median(others))
    drop = middle - value
    # Seeds may share their test rows; two independent tests of this size are the worst case.
    noise = 0.0 if kind == "regression" else float(np.sqrt(2 * middle * (1 - middle) / rows))
    if drop <= max(DROP, ROWS * noise):
        return False
    robust = 1.4826 * float(np.median(np.abs(others - middle)))
    halved = value - chance < 0.5 * (middle - chance)
    return (halved and drop > SEEDS * robust) or (len(others) >= 4 and drop > FAR * float(others.std(ddof=1)))


def _alike(runs: Sequence[Run], where: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding when all seeds of a cell made the same predictions: then they are one seed."""
    shown = [[np.asarray(getattr(run, field), dtype=np.float64) for field in ROLES.values()] for run in runs]
    if len(runs) < 2 or not all(all(map(np.array_equal, shown[0], other)) for other in shown[1:]):
        return
    yield Finding(
        "same-seeds",
        "warning",
        f"all {len(runs)} seeds made the same predictions, so they count as one: nothing in these models is drawn by chance. "
        "Let a seed change the rows (vary: both).",
        only(where, *_TOUCHES["student"]),
        {"seeds": len(runs)},
    )


def _saturated(seen: Mapping[str, _Seen], at: Mapping[str, str], *, kind: str) -> Iterator[Finding]:
    floor, ceiling = (float(np.mean(seen[role].scores)) for role in ("supervisor", "ceiling"))
    measure = "R2" if kind == "regression" else "accuracy"
    if floor >= FULL:
        yield Finding(
            "saturated",
            "warning",
            f"the supervisor already has {measure} {floor:.3f} (ceiling {ceiling:.3f}), so there is no room to gain: take a "
            "harder task or a weaker supervisor, and make sure that the label does not leak.",
            at,
            {"floor": floor, "ceiling": ceiling},
        )


def _copied(seen: Mapping[str, _Seen], where: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding when the student agrees with its supervisor everywhere, unless both are right everywhere."""
    pairs = zip(seen["student"].values, seen["supervisor"].values, strict=True)
    same = float(np.mean([(hard(a) == hard(b)).mean() for a, b in pairs]))
    if same > SAME and float(np.mean(seen["supervisor"].scores)) < FULL:
        yield Finding(
            "copy",
            "warning",
            f"the student agrees with its supervisor on {percent(same)} of the test rows, errors included, so it only "
            "copies: train it less (fewer epochs, early stopping), or use a student that differs from its supervisor.",
            only(where, *_TOUCHES["student"]),
            {"agreement": same, "floor": float(np.mean(seen["supervisor"].scores))},
        )


def check_truncation(facts: Mapping[str, Sequence[Facts]], *, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each role of which many rows were cut.

    Args:
        facts: of the predictions of each seed, by role: "supervisor", "student", "ceiling".
        where: as in `check_predictions`; student and ceiling share the strong model and its limit, so they share a finding.

    >>> found = check_truncation({"student": [{"truncated": 0.25}]}, where={"task": "imdb", "strong": "hf"})
    >>> found[0].evidence["truncated"]
    0.25
    """
    found: dict[tuple[tuple[str, str], ...], Finding] = {}
    for role, held in facts.items():
        share = max((float(one["truncated"]) for one in held if "truncated" in one), default=0.0)
        if share <= TRUNCATED:
            continue
        at = only(where, "task", "weak" if role == "supervisor" else "strong")
        model = "supervisor" if role == "supervisor" else "strong model"
        finding = Finding(
            "truncation",
            "warning",
            f"{percent(share)} of the texts are longer than the {model} reads and were cut: raise max_length, or make sure "
            "that the label does not hang on what was cut.",
            at,
            {"truncated": share},
        )
        known = found.get(tuple(at.items()))
        if known is None or float(known.evidence["truncated"]) < share:
            found[tuple(at.items())] = finding
    return list(found.values())
