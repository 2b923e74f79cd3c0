"""Weak-to-strong generalization by scikit-learn's conventions: fit, predict, predict_proba, clone, cross_val_score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: TID253  # loads with this module alone
from sklearn.utils.multiclass import check_classification_targets  # noqa: TID253
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: TID253

from surpass.artifacts import Inputs, Values
from surpass.errors import DataError, SpecError
from surpass.own import parts
from surpass.own.choosing import MOST_ROWS, Choice, choose, unchosen
from surpass.own.crowd import Combine, combined
from surpass.own.fitting import Pool, Student, one_hot
from surpass.runtime import Runtime, free_cores


class BadInput(DataError, ValueError):
    """Rows or labels that cannot serve; a ValueError as well, which scikit-learn's tools expect."""


class WeakToStrongClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not checked
    """A strong model fitted to weak labels.

    >>> from surpass import WeakToStrongClassifier
    >>> texts = ["a fine film", "fine music", "a dull film", "dull music"] * 5
    >>> student = WeakToStrongClassifier(strong="tfidf").fit(texts, ["good", "good", "bad", "bad"] * 5)
    >>> student.predict(["dull actors"]).tolist()
    ['bad']

    Args:
        strong: the strong model: `tfidf`; a pretrained model's address (`hub:...`, `path:...`, `package:...`), which is
            finetuned; a mapping as in study files; or a spec such as `Probe(backbone=...)`. Vectors need a model that reads
            them, such as `{"model": "sklearn", "features": "none"}`.
        method: how weak labels become a student: a name, a mapping or a spec; "auto" is soft, unless at least 100 gold labels
            are given and logconf has the lower log loss on them.
        supervisor: a weak model, given as `strong` is, which is fitted on the rows with gold labels and labels the others;
            `fit` then takes no weak labels.
        combine: how the votes of several raters become one label: "mean" or "dawid-skene".
        labels: what `y` holds: "classes" (n,), "probabilities" (n, C) or "votes" (n, k); "auto" tells by the shape, and
            takes rows of numbers that all sum to 1 for probabilities.
        seed: of the training.
        device: "auto", "cpu" or "cuda".

    Attributes:
        classes_: the classes, in the order of the columns of `predict_proba`.
        choice_: the method and why.
        student_: the fitted student.
        supervisor_: the fitted supervisor, or None.
    """

    def __init__(
        self,
        strong: Any = "tfidf",
        method: Any = parts.AUTO,
        supervisor: Any = None,
        combine: Combine = "mean",
        labels: str = "auto",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.strong = strong
        self.method = method
        self.supervisor = supervisor
        self.combine = combine
        self.labels = labels
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any = None, gold: Any = None) -> Self:
        """Fit the student.

        Args:
            X: n texts, n pairs of texts, or vectors (n, d).
            y: weak labels: classes (n,), probabilities (n, C), or votes of k raters (n, k) with NaN or None where one gave
                none; None with a supervisor.
            gold: (n,) ground truth, NaN or None where it is not known. Known rows are given to the student as they are.

        Raises:
            BadInput: shapes that do not fit, fewer than two classes, or a row with neither weak label nor gold.
            IncompatibleError: the method needs what these labels or this model do not have.
        """
        if (y is None) == (self.supervisor is None):
            raise SpecError("give weak labels y, or a supervisor that makes them from gold; not both, not neither.")
        inputs = self._inputs(X, reset=True)
        n = len(inputs)
        kind = None if y is None else _kind(y, self.labels)
        known = _column(gold, n, "gold")
        if kind == "classes" and not any(map(_missing, _column(y, n, "y"))):
            check_classification_targets(y)
        self.classes_ = _classes(y, kind, known)
        index = {name: i for i, name in enumerate(self.classes_.tolist())}
        strong = parts.model(self.strong).resolve()
        pool = Pool(inputs, tuple(map(str, self.classes_)), Runtime(device=self.device, threads=free_cores()))
        marks = np.array([not _missing(item) for item in known], dtype=bool)
        truth = np.array([index[item] if mark else -1 for item, mark in zip(known, marks, strict=True)], dtype=np.int64)
        weak = self._weak(y, kind, index, pool, marks, truth)
        self.choice_ = self._chosen(pool, strong, weak, marks, truth)
        parts.check(strong, self.choice_.method, len(index), some_gold=bool(marks.any()))
        values = np.where(marks[:, None], one_hot(truth.clip(min=0), len(index)), weak)
        rows = np.flatnonzero(np.isfinite(values).all(axis=1))
        if len(rows) < n:
            raise BadInput(f"{n - len(rows)} of {n} rows have neither a weak label nor gold. Leave them out.")
        self.student_: Student = pool.fit(
            parts.sized(self.strong, strong, len(rows)),
            self.choice_.method,
            rows,
            values[rows],
            gold=marks[rows],
            seed=self.seed,
        )
        return self

    def _inputs(self, X: Any, *, reset: bool) -> Inputs:
        """Return rows as models take them: a tuple of texts or pairs, or an array of vectors."""
        if hasattr(X, "tolist") and getattr(X, "ndim", 2) == 1:
            X = X.tolist()
        if isinstance(X, Sequence) and not isinstance(X, str) and len(X) and isinstance(X[0], str | tuple):
            return tuple(X)
        vectors: NDArray[Any] = validate_data(self, X, reset=reset, dtype=np.float64)
        return vectors

    def _weak(self, y: Any, kind: str | None, index: Mapping[Any, int], pool: Pool, marks: Any, truth: Any) -> Values:
        """Return weak labels as probabilities (n, C), NaN where there are none."""
        n = len(pool.inputs)
        self.supervisor_ = None
        if kind is None:
            rows, others = np.flatnonzero(marks), np.flatnonzero(~marks)
            if not len(rows) or not len(others):
                raise BadInput(
                    f"{len(rows)} of {n} rows have gold labels; a supervisor needs some to be fitted on and others to label."
                )
            weak = parts.model(self.supervisor, "supervisor").resolve()
            gold = one_hot(truth[rows], len(index))
            self.supervisor_ = pool.fit(weak, parts.method("soft"), rows, gold, seed=self.seed)
            values = np.full((n, len(index)), np.nan)
            values[others] = pool.predict(self.supervisor_, others)
            return values
        if kind == "probabilities":
            return _checked(y, n, len(index))
        votes = _column(y, n, "y") if kind == "classes" else _table(y, n)
        cells = votes[:, None] if votes.ndim == 1 else votes
        places = np.array([[np.nan if _missing(v) else index[v] for v in row] for row in cells], dtype=np.float64)
        return combined(places, len(index), self.combine if cells.shape[1] > 1 else "mean")

    def _chosen(self, pool: Pool, strong: Any, weak: Values, marks: Any, truth: Any) -> Choice:
        if self.method != parts.AUTO:
            found = parts.method(self.method)
            return Choice(found, "as given")
        if self.supervisor_ is not None:
            return unchosen()
        judges = np.flatnonzero(marks)
        train = np.flatnonzero(~marks & np.isfinite(weak).all(axis=1))
        if not len(train):  # every row has gold: nothing is left to choose by
            return Choice(parts.method("soft"), "soft: every row has a gold label")
        sized = parts.sized(self.strong, strong, min(len(train), MOST_ROWS))
        return choose(pool, sized, train, weak[train], judges, truth[judges], seed=self.seed)

    def predict_proba(self, X: Any) -> Values:
        """Return probabilities (n, C), columns in the order of `classes_`."""
        check_is_fitted(self, "student_")
        return self.student_.predict(self._inputs(X, reset=False))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (n,)."""
        values = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[values.argmax(axis=1)]
        return found


def _missing(item: Any) -> bool:
    return item is None or item == "" or (isinstance(item, float) and np.isnan(item))


def _column(items: Any, n: int, name: str) -> NDArray[Any]:
    """Return n labels as Python values; all missing when there are none."""
    held = [None] * n if items is None else items.tolist() if hasattr(items, "tolist") else list(items)
    found = np.empty(len(held), dtype=object)
    found[:] = held
    if len(found) != n or any(isinstance(item, list | tuple) for item in held):
        raise BadInput(f"{name} has shape {np.shape(items)} for {n} rows of X; one label for each row is needed.")
    return found


def _table(votes: ArrayLike, n: int) -> NDArray[Any]:
    found = np.array(np.asarray(votes, dtype=object).tolist(), dtype=object)
    if found.ndim != 2 or len(found) != n:
        raise BadInput(f"votes have shape {found.shape}; ({n}, k) is needed, one column for each rater.")
    return found


def _kind(y: Any, asked: str) -> str:
    """Return what y holds; see `labels`."""
    if asked not in ("auto", "classes", "probabilities", "votes"):
        raise SpecError(f"labels={asked!r}; allowed are auto, classes, probabilities, votes.")
    if asked != "auto":
        return asked
    shape = np.shape(y)
    if len(shape) == 1:
        return "classes"
    if len(shape) != 2:
        raise BadInput(f"y has shape {shape}; allowed are classes (n,), probabilities (n, C) and votes (n, k).")
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        return "votes"
    sums = np.isfinite(values).all() and bool((values >= 0).all()) and np.allclose(values.sum(axis=1), 1.0, atol=1e-3)
    return "probabilities" if sums and shape[1] > 1 else "votes"


def _classes(y: Any, kind: str | None, gold: NDArray[Any]) -> NDArray[Any]:
    """Return the classes that the labels name, sorted; DataError when there are fewer than two."""
    held = {item for item in gold if not _missing(item)}
    if kind == "probabilities":
        found = np.arange(np.shape(y)[1])
        if not held <= set(found.tolist()):
            raise BadInput(
                f"gold has classes {sorted(map(str, held))}, but y has {len(found)} columns, 0 to {len(found) - 1}."
            )
        return found
    if kind is not None:
        held |= {item for item in np.asarray(y, dtype=object).ravel().tolist() if not _missing(item)}
    try:
        found = np.array(sorted(held))
    except TypeError as error:
        raise BadInput(
            f"labels are of several types: {sorted(map(repr, held))[:5]}. Give all as text or as numbers."
        ) from error
    if len(found) < 2:
        raise BadInput(
            f"the labels are of one class{f', {found[0]}' if len(found) else ''}; a classifier needs two or more."
        )
    return found


def _checked(y: Any, n: int, classes: int) -> Values:
    values = np.asarray(y, dtype=np.float64)
    if values.shape != (n, classes):
        raise BadInput(f"y has shape {values.shape} for {n} rows of X; ({n}, {classes}) is needed.")
    if not (values >= 0).all() or not np.allclose(values.sum(axis=1), 1.0, atol=1e-3):
        raise BadInput("y has rows that are no probabilities: none may be below 0, and each row must sum to 1.")
    return np.asarray(values / values.sum(axis=1, keepdims=True))
