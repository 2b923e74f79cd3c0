"""Any scikit-learn estimator, on TF-IDF of texts or on vectors, fitted to soft targets exactly.

A row with probabilities (p_1, ..., p_C) enters the fit once per class c with weight p_c, which for a log-loss estimator is
the cross-entropy on soft targets itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Inputs, Values
from surpass.errors import DataError, IncompatibleError
from surpass.models.base import Model, Solved, Work
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sklearn(Model):
    """A scikit-learn estimator.

    Attributes:
        estimator: import path of the class; it must take `sample_weight` in `fit`.
        features: "tfidf" for texts, "none" for vectors.
        ngrams: longest word n-gram of TF-IDF.
        params: (name, value) pairs for the estimator's constructor.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair", "vector"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression"})

    estimator: str = "sklearn.linear_model.LogisticRegression"
    features: Literal["tfidf", "none"] = "tfidf"
    ngrams: int = option(2, low=1, high=5)
    params: tuple[tuple[str, str | int | float | bool | None], ...] = ()

    def problem(self) -> str | None:
        """Return why the estimator cannot be had, or None; the default one is not looked up."""
        if self.estimator == "sklearn.linear_model.LogisticRegression" and not self.params:
            return None
        try:
            self._build(0)
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            return f"model 'sklearn': estimator={self.estimator!r} with {dict(self.params)}: {error}."
        if "sample_weight" not in inspect.signature(self._class().fit).parameters:
            return (
                f"model 'sklearn': {self.estimator}.fit takes no sample_weight, which soft labels need. "
                "Choose another estimator, such as sklearn.linear_model.LogisticRegression."
            )
        return None

    def label(self) -> str:
        """Return the features and the estimator's class name."""
        name = self.estimator.rpartition(".")[2]
        given = [f"{k}={v}" for k, v in self.params]
        if self.ngrams != 2 and self.features == "tfidf":
            given.append(f"ngrams={self.ngrams}")
        name += f"({', '.join(given)})" if given else ""
        return f"tfidf {name}" if self.features == "tfidf" else name

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        """Return the fitted estimator.

        Raises:
            DataError: the targets name one class only.
            IncompatibleError: features "tfidf" on vectors, or "none" on texts.
        """
        estimator = self._build(work.seed)
        vectorizer = self._vectorizer(work.inputs)
        matrix = vectorizer.fit_transform(_texts(work.inputs)) if vectorizer else np.asarray(work.inputs)
        if work.target == "regression":
            estimator.fit(matrix, np.squeeze(work.targets.values, axis=1), sample_weight=work.targets.weight)
        else:
            _fit_soft(estimator, matrix, work)
        return Solved((vectorizer, estimator, work.target, work.classes), _predict, {})

    def _class(self) -> Any:  # any class with fit and predict
        module, _, name = self.estimator.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def _build(self, seed: int) -> Any:
        found, params = self._class(), dict(self.params)
        accepted = inspect.signature(found).parameters
        if "random_state" in accepted and "random_state" not in params:
            params["random_state"] = seed
        if "max_iter" in accepted and "max_iter" not in params and found.__name__ == "LogisticRegression":
            params["max_iter"] = 1000  # its default of 100 stops short on TF-IDF
        return found(**params)

    def _vectorizer(self, inputs: Inputs) -> Any:
        vectors = isinstance(inputs, np.ndarray)
        if vectors != (self.features == "none"):
            raise IncompatibleError(
                f"model 'sklearn': features={self.features!r} on {'vectors' if vectors else 'texts'}. "
                "Use features: tfidf for texts and features: none for vectors."
            )
        if vectors:
            return None
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(ngram_range=(1, self.ngrams), sublinear_tf=True)


def _fit_soft(estimator: Any, matrix: Any, work: Work) -> None:
    """Fit with every row once per class, weighted by the class's probability."""
    values = work.targets.values
    rows, classes = np.nonzero(values > 0)
    if len(set(classes)) < 2:
        raise DataError(
            f"all {len(values)} training labels are of one class; a classifier needs two. Look at the labels' source."
        )
    estimator.fit(matrix[rows], classes, sample_weight=values[rows, classes] * work.targets.weight[rows])


def _predict(predictor: tuple[Any, Any, str, int], inputs: Inputs) -> Values:
    vectorizer, estimator, target, classes = predictor
    matrix = vectorizer.transform(_texts(inputs)) if vectorizer else np.asarray(inputs)
    if target == "regression":
        return np.asarray(estimator.predict(matrix), dtype=np.float64).reshape(len(inputs), -1)
    values = np.zeros((len(inputs), classes))
    values[:, estimator.classes_] = estimator.predict_proba(matrix)
    return values


def _texts(inputs: Inputs) -> list[str]:
    return [item if isinstance(item, str) else "\n".join(item) for item in inputs]
