"""Does the form of an input give its label away? A shallow model on lengths, marks and endings is asked to predict it.

The known case is a formatter that writes right answers as `Answer: B` and wrong ones as `Answer: the text of an option`:
every model then scores above .999, weak ones too. Balanced accuracy b of boosted trees of depth 3 on the features of
`surpass.checks.form`, 5 folds by group, as measured (skill = (b - 1/C)/(1 - 1/C), b = (1 + skill)/2 for two classes):

| b | rows | what it means |
|---|---|---|
| .49 to .54 | toy, movie reviews, NYT and Amazon sentences; questions + an option (QuaRTz, SocialIQA, MMLU, radio) | clean |
| .65 to .68 | sarcasm: headlines of two sites | style that goes with the label |
| .69 | tweets, pleasant or not: smileys, exclamation marks | the same |
| .60 (C = 3), .89 | Corr2Cause, PARARULE-Plus: generated from templates | size tells |
| .93 | a singer after three listed ones, of which the first is the right one in 90 % of the rows | leak |
| .97 | malicious strings | the form is the matter |
| .995 to 1.00 | the four option sets with right options as letters, after "Answer:" or after a space | leak |

So a skill below NOTE (b = .60) is silence, up to WARNING (.75) a note, up to ERROR (.95) a warning, and beyond that an
error; and it must stand Z standard errors above chance, so that few rows do not raise it. On PARARULE-Plus a linear model
(.49) and a single tree of depth 5 (.59) see next to nothing, hence the boosted trees.

A silent check is no proof: words that only one class uses are content to it (`surpass.checks.phrases` looks for those), and
vectors, images, regression and texts without spaces (molecules) are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Rows, Values
from surpass.checks.finding import Finding, Severity, numbered, only
from surpass.checks.form import is_prose, of_inputs

NOTE, WARNING, ERROR = 0.2, 0.5, 0.9
Z = 5.0
MOST_ROWS = 4000
FEWEST_ROWS = 30  # of each class
FOLDS = 5

Numbers = NDArray[np.int64]


class Surface(NamedTuple):
    """How well the form predicts the label: balanced accuracy, standard errors above chance, and the telling features."""

    accuracy: float
    chance: float
    z: float
    rows: int
    telling: tuple[str, ...]

    @property
    def skill(self) -> float:
        """0 at chance, 1 when every row is right."""
        return (self.accuracy - self.chance) / (1 - self.chance)


def check_surface(rows: Rows, *, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding when the form of the inputs gives the labels away; nothing but for enough prose."""
    seen = surface(rows)
    if seen is None or seen.z < Z or seen.skill < NOTE:
        return []
    severity: Severity = "error" if seen.skill >= ERROR else "warning" if seen.skill >= WARNING else "note"
    advice = {
        "error": "any model will score high without reading; write all labels' inputs in one form, or drop the task",
        "warning": "look at rows of each class, and write their inputs in one form",
        "note": "part of every score here may be style; keep that in mind",
    }
    score = f"{seen.accuracy:.2f} balanced accuracy (chance {seen.chance:.2f})"
    return [
        Finding(
            "surface-cues" if severity == "note" else "surface-leak",
            severity,
            f"length, punctuation and endings of the inputs alone predict the label with {score}, most by "
            f"{' and '.join(seen.telling)}: {advice[severity]}.",
            only(where, "task"),
            {
                "balanced_accuracy": seen.accuracy,
                "chance": seen.chance,
                "z": seen.z,
                "rows": seen.rows,
                "telling": ", ".join(seen.telling),
            },
        )
    ]


def surface(rows: Rows) -> Surface | None:
    """Return how well the form of texts or pairs predicts the label, cross-validated by group; None if it cannot be said."""
    if not is_prose(rows.inputs):
        return None
    if len(rows) > MOST_ROWS:
        rows = rows.take(np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]))
    labels, counts = _classes(rows.labels)
    folds = _folds(rows.groups)
    if len(counts) < 2 or counts.min() < FEWEST_ROWS or len(set(folds.tolist())) < FOLDS:
        return None
    from threadpoolctl import threadpool_limits

    features, names = of_inputs(rows.inputs)
    chance = 1 / len(counts)
    with threadpool_limits(1):  # trees this small spend their time waiting for threads: 20 s for .5 s on a busy machine
        guesses = _cross_validated(features, labels, folds)
        accuracy = float(np.mean([(guesses[labels == c] == c).mean() for c in range(len(counts))]))
        telling = _telling(features, labels, names) if accuracy - chance > NOTE * (1 - chance) else ()
    noise = float(np.sqrt((chance * (1 - chance) / counts).sum()) / len(counts))
    return Surface(accuracy, chance, (accuracy - chance) / noise, len(labels), telling)


def _classes(labels: NDArray[Any]) -> tuple[Numbers, Numbers]:
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return numbers.astype(np.int64), counts.astype(np.int64)


def _folds(groups: Sequence[str]) -> Numbers:
    """Return a fold of 0..FOLDS-1 for each row; rows of one group share it."""
    numbers = numbered(groups)
    return np.asarray(np.random.default_rng(0).permutation(int(numbers.max()) + 1)[numbers] % FOLDS)


def _model() -> Any:  # scikit-learn has no types
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_depth=3, max_iter=60, class_weight="balanced", early_stopping=False, random_state=0
    )


def _cross_validated(features: Values, labels: Numbers, folds: Numbers) -> Numbers:
    guesses = np.full(len(labels), -1, dtype=np.int64)
    for fold in range(FOLDS):
        inside = folds != fold
        if len(np.unique(labels[inside])) > 1:
            guesses[~inside] = _model().fit(features[inside], labels[inside]).predict(features[~inside])
    return guesses


def _telling(features: Values, labels: Numbers, names: Sequence[str]) -> tuple[str, ...]:
    """Return the one or two features whose shuffling costs a fitted model most."""
    from sklearn.inspection import permutation_importance

    model = _model().fit(features, labels)
    lost = permutation_importance(model, features, labels, n_repeats=1, random_state=0).importances_mean
    best = np.argsort(-lost, kind="stable")[:2]
    return tuple(names[i] for i in best if lost[i] >= 0.2 * lost[best[0]])
