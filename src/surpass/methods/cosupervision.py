"""Co-supervision: each row is labelled by the specialist that the current student finds most plausible.

Idea: several narrow supervisors know more together than their mean. A student that has learned from all of them says which
of them to believe about a row, learns from these labels anew, and so on; labels that it cannot believe are left out.

    student_0: a linear head on the labels of the label source (their mean, vote, ...)
    m_i = argmin_m KL(student(x_i) || y_mi)
    keep i when argmax y_(m_i)i is among the student's `top` most probable classes
    student_(r+1): a new head on the kept rows with labels y_(m_i)i

Source: Co-Supervised Learning (arXiv 2402.15505; repository YuejiangLIU/csl); the choice by KL is that of the copy in
mlbio-epfl/raven (`student_teacher_agreement`). A tie goes to the member that stands first.

What differs: there a hierarchy of layers holds more and narrower specialists each, and the one whose classes hold the
student's prediction is taken; here all turns have the same members and need not know what each is for. There the number of
rows with a label among the top classes says how many to keep, those on which the student's loss is least; here these rows
themselves are kept, which for two classes and top 1 is the same. The student is solved exactly (scikit-learn, penalty
l2 / 2 ||W||^2 per row on standardized features) instead of by ten epochs of Adam, and the strong model is fitted to the
labels of the last turn. Ground truth is kept as it is. `top` matters most: 3 of 1,000 classes is published; with `top` at
the number of classes nothing is left out.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.methods._logistic import standardized
from surpass.methods._selection import by_id
from surpass.methods.base import Given, Method, Need
from surpass.spec import option

SMALLEST = 1e-7
"""What a probability of 0 counts as in the divergence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosupervision(Method):
    """The labels of the most plausible member of an ensemble, row by row, without rows whose label is not plausible.

    Attributes:
        turns: how often members are chosen (`rounds` is a word of routes).
        top: how many of the student's most probable classes are plausible.
        l2: penalty of the student; see model `probe`.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features", "members"})

    turns: int = option(2, low=1)
    top: int = option(1, low=1)
    l2: float = option(0.3, above=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the chosen labels of the rows kept in the last turn."""
        if given.features is None or given.members is None:
            raise ValueError("method 'cosupervision' needs features and members")
        order = by_id(weak.ids)  # the head is solved in one order, however the rows come
        vectors = standardized(given.features.astype(np.float64))
        values, kept = weak.values, np.ones(len(weak.ids), dtype=bool)
        for _ in range(self.turns):
            rows = order[kept[order]]
            student = self._student(vectors, values, weak.weight, rows)
            if student is None:
                break
            chosen = given.members[_nearest(student, given.members), np.arange(len(values))]
            values = np.where(weak.gold[:, None], weak.values, chosen)
            kept = weak.gold | (_rank(student, values.argmax(axis=1)) < self.top)
        return dataclasses.replace(weak, values=values).take(np.flatnonzero(kept))

    def _student(self, vectors: Values, values: Values, weight: Values, rows: NDArray[np.int64]) -> Values | None:
        """Return predictions (n, C) for all rows by a head fitted to some; None when these name one class or none."""
        from sklearn.linear_model import LogisticRegression

        places, classes = np.nonzero(values[rows] > 0)
        if len(np.unique(classes)) < 2:
            return None
        model = LogisticRegression(C=1 / (self.l2 * len(rows)), tol=1e-6, max_iter=5000)
        model.fit(vectors[rows][places], classes, sample_weight=(values * weight[:, None])[rows][places, classes])
        found = np.zeros_like(values)
        found[:, model.classes_] = model.predict_proba(vectors)
        return found


def _nearest(student: Values, members: Values) -> NDArray[np.int64]:
    """Return for each row the member m with the least KL(student || member), (n,)."""
    logs = np.log(np.maximum(student, SMALLEST)) - np.log(np.maximum(members, SMALLEST))
    return np.asarray((student * logs).sum(axis=2).argmin(axis=0))


def _rank(student: Values, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes the student finds more probable than the label, (n,)."""
    own = student[np.arange(len(labels)), labels]
    return np.asarray((student > own[:, None]).sum(axis=1))
