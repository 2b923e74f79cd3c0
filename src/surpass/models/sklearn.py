"""Any scikit-learn estimator, on numbers made of texts, molecules, images or vectors, fitted to soft targets exactly.

A row with probabilities (p_1, ..., p_C) enters the fit once per class c with weight p_c, which for a log-loss estimator is
the cross-entropy on soft targets itself.

A preference is a row of differences d = phi(first) - phi(second). It enters twice, as (d, p) and as (-d, 1 - p), with half
the weight each, and is predicted by (f(d) + 1 - f(-d)) / 2: swapped candidates have swapped probabilities, whatever the
estimator. Of a logistic regression this is the model of Bradley & Terry (1952) with the same penalty: its intercept is 0.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from typing import Any, Literal, NamedTuple

import numpy as np

from surpass.artifacts import Array, Inputs, Values, candidates
from surpass.errors import DataError, IncompatibleError
from surpass.models._pixels import numbers
from surpass.models.base import Model, Solved, Work
from surpass.runtime import Runtime
from surpass.spec import option

DEFAULT = "sklearn.linear_model.LogisticRegression"
OF_TEXTS = ("tfidf", "chars", "descriptors", "morgan")
OF_MOLECULES = ("descriptors", "morgan")
LIBRARIES = {
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "imblearn": "imbalanced-learn",
}
"""Packages whose classes a study file may name: it must not run just anything that is installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sklearn(Model):
    """A scikit-learn estimator.

    Attributes:
        estimator: import path of the class; it must take `sample_weight` in `fit`. One that gives probabilities serves
            classes and preferences, any other numbers.
        features: of texts "tfidf" (word n-grams) or "chars" (n-grams of characters within words, case kept); of molecules in
            SMILES "descriptors" (ten numbers of rdkit, standardized: weight, logP, polar surface, ...) or "morgan"
            (fingerprints of radius 2, 2,048 bits); of vectors and images "none" (as they are) or "standard" (mean 0 and
            spread 1 over the training rows, which linear models need where units differ). Bytes, as of images, become 0 to 1.
        ngrams: longest n-gram of "tfidf" (words) and "chars" (characters, where 3 to 5 are usual).
        shrink: images are averaged over blocks of `shrink` x `shrink` pixels first.
        params: (name, value) pairs for the estimator's constructor.
    """

    estimator: str = DEFAULT
    features: Literal["tfidf", "chars", "descriptors", "morgan", "none", "standard"] = "tfidf"
    ngrams: int = option(2, low=1, high=5)
    shrink: int = option(1, low=1)
    params: tuple[tuple[str, str | int | float | bool | None], ...] = ()

    @property
    def inputs(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """What the features are made of."""
        return frozenset({"text", "pair"} if self.features in OF_TEXTS else {"vector", "image"})

    @property
    def targets(self) -> frozenset[str]:  # type: ignore[override]
        """Classes and preferences where the estimator gives probabilities, else numbers."""
        try:
            classifies = self.estimator == DEFAULT or not self._known() or hasattr(self._class(), "predict_proba")
        except (ImportError, AttributeError, ValueError, TypeError):
            classifies = False
        if not classifies and self.problem():  # which says why
            return frozenset({"classification", "preference", "regression"})
        return frozenset({"classification", "preference"} if classifies else {"regression"})

    def problem(self) -> str | None:
        """Return why features or estimator cannot be had, or None; the default ones are not looked up."""
        if self.features in OF_MOLECULES and importlib.util.find_spec("rdkit") is None:
            return (
                f"package 'rdkit' is not installed, but features '{self.features}' needs it. "
                "pip install 'surpass[molecules]'"
            )
        if self.estimator == DEFAULT and not self.params:
            return None
        if "." not in self.estimator:
            return (
                f"model 'sklearn': estimator={self.estimator!r} names no module. Give the whole path of the class, such as "
                f"{DEFAULT}."
            )
        if not self._known():
            return (
                f"model 'sklearn': estimator={self.estimator!r} is of a package that a study file cannot import; allowed are "
                f"{', '.join(LIBRARIES)}. In a study written in Python, import its module there."
            )
        try:
            estimator = self._build(0)
            if hasattr(estimator, "_validate_params"):  # scikit-learn looks at values only once it fits
                estimator._validate_params()
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            said, remedy = str(error).rstrip("."), "Mend the name or its params"
            if isinstance(error, ModuleNotFoundError) and error.name in LIBRARIES:
                remedy = f"Install it: pip install {LIBRARIES[error.name]}"
            return f"model 'sklearn': estimator={self.estimator!r} with {dict(self.params)}: {said}. {remedy}."
        return self._useless(estimator)

    def _useless(self, estimator: Any) -> str | None:
        """Return why an estimator that can be had learns nothing from soft labels, or None."""
        if "sample_weight" not in inspect.signature(type(estimator).fit).parameters:
            return (
                f"model 'sklearn': {self.estimator}.fit takes no sample_weight, which soft labels need. "
                "Choose another estimator, such as sklearn.linear_model.LogisticRegression."
            )
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        if isinstance(estimator, ClassifierMixin) and not hasattr(estimator, "predict_proba"):
            return (
                f"model 'sklearn': {self.estimator} with {dict(self.params)} gives classes without probabilities, which "
                f"labels need. Set the option that turns them on, or choose another estimator, such as {DEFAULT}."
            )
        learns = isinstance(estimator, ClassifierMixin | RegressorMixin) or hasattr(estimator, "predict_proba")
        if isinstance(estimator, BaseEstimator) and not learns:
            return (
                f"model 'sklearn': {self.estimator} learns from no labels: it is neither a classifier nor a regressor. "
                f"Choose one that is, such as {DEFAULT}."
            )
        return None

    def label(self) -> str:
        """Return the features and the estimator's class name."""
        name = self.estimator.rpartition(".")[2]
        given = [f"{k}={v}" for k, v in self.params]
        if self.ngrams != 2 and self.features in ("tfidf", "chars"):
            given.append(f"ngrams={self.ngrams}")
        given += [f"shrink={self.shrink}"] if self.shrink > 1 else []
        name += f"({', '.join(given)})" if given else ""
        return name if self.features == "none" else f"{self.features} {name}"

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        """Return the fitted estimator.

        Raises:
            DataError: the targets name one class only, or a text is no molecule though the features need one.
            IncompatibleError: features of texts on vectors or the other way round, or `shrink` does not divide the image.
        """
        estimator, transform = self._build(work.seed), self._transform()
        values, weight = work.targets.values, work.targets.weight
        if work.target == "preference":
            sides = [self._read(side) for side in candidates(work.inputs)]
            if transform is not None:
                transform.fit(sides[0] + sides[1] if isinstance(sides[0], list) else np.concatenate(sides))
            matrix = _difference(transform, *sides)
            matrix, values = _stacked(matrix, -matrix), np.concatenate([values, values[:, ::-1]])
            weight = np.concatenate([weight, weight]) / 2
        else:
            read = self._read(work.inputs)
            matrix = read if transform is None else _fitted(transform, read)
        if work.target == "regression":
            estimator.fit(matrix, np.squeeze(values, axis=1), sample_weight=weight)
        else:
            _fit_soft(estimator, matrix, values, weight)
        return Solved(_Predictor(transform, estimator, self, work.target, work.classes), _predict, {})

    def _known(self) -> bool:
        """Whether looking at the estimator runs no code that this process has not run and that is of no known library."""
        module = self.estimator.rpartition(".")[0]
        return module.partition(".")[0] in LIBRARIES or module in sys.modules

    def _class(self) -> Any:  # any class with fit and predict
        module, _, name = self.estimator.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        if not (inspect.isclass(found) and hasattr(found, "fit")):  # `_build` would run a function such as os.system
            raise TypeError(f"{self.estimator} is no class with a method fit")
        return found

    def _build(self, seed: int) -> Any:
        found, params = self._class(), dict(self.params)
        accepted = inspect.signature(found).parameters
        if "random_state" in accepted and "random_state" not in params:
            params["random_state"] = seed
        if "max_iter" in accepted and "max_iter" not in params and found.__name__ == "LogisticRegression":
            params["max_iter"] = 1000  # its default of 100 stops short on TF-IDF
        return found(**params)

    def _transform(self) -> Any:
        """Return what is fitted on the training rows before the estimator, or None."""
        if self.features in ("standard", "descriptors"):
            from sklearn.preprocessing import StandardScaler

            return StandardScaler()
        if self.features not in ("tfidf", "chars"):
            return None
        from sklearn.feature_extraction.text import TfidfVectorizer

        how = {"analyzer": "char_wb", "lowercase": False} if self.features == "chars" else {}
        return TfidfVectorizer(ngram_range=(1, self.ngrams), sublinear_tf=True, **how)

    def _read(self, inputs: Inputs) -> list[str] | Array:
        """Return texts, or the numbers of each row, (n, d)."""
        vectors = isinstance(inputs, np.ndarray)
        if vectors == (self.features in OF_TEXTS):
            raise IncompatibleError(
                f"model 'sklearn': features={self.features!r} on {'vectors' if vectors else 'texts'}. "
                "Use features: tfidf or chars for texts (descriptors or morgan for molecules), and features: none or "
                "standard for vectors and images."
            )
        if isinstance(inputs, np.ndarray):
            return numbers(inputs, self.shrink)
        texts = [item if isinstance(item, str) else "\n".join(item) for item in inputs]
        if self.features not in OF_MOLECULES:
            return texts
        from surpass.models import _molecules

        return _molecules.descriptors(texts) if self.features == "descriptors" else _molecules.morgan(texts)


class _Predictor(NamedTuple):
    transform: Any
    estimator: Any
    model: Sklearn
    target: str
    classes: int


def _fitted(transform: Any, read: Any) -> Any:
    """Fit the transform, and return the numbers of each row; words of one letter are none."""
    try:
        return transform.fit_transform(read)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        raise DataError(
            "model 'sklearn': the texts have no word of two letters or more to count. Use features: chars, or name another "
            "column of texts."
        ) from error


def _difference(transform: Any, first: Any, second: Any) -> Any:
    """Return the numbers of the first candidates minus those of the second, dense or sparse."""
    if transform is None:
        return first - second
    return transform.transform(first) - transform.transform(second)


def _stacked(upper: Any, lower: Any) -> Any:
    if isinstance(upper, np.ndarray):
        return np.concatenate([upper, lower])
    from scipy import sparse

    return sparse.vstack([upper, lower], format="csr")


def _fit_soft(estimator: Any, matrix: Any, values: Values, weight: Values) -> None:
    """Fit with every row once per class, weighted by the class's probability."""
    rows, classes = np.nonzero(values > 0)
    if len(set(classes)) < 2:
        raise DataError(
            f"all {len(values)} training labels are of one class; a classifier needs two. Look at the labels' source."
        )
    estimator.fit(matrix[rows], classes, sample_weight=values[rows, classes] * weight[rows])


def _predict(predictor: _Predictor, inputs: Inputs) -> Values:
    transform, estimator, model, target, classes = predictor
    if target == "preference":
        matrix = _difference(transform, *(model._read(side) for side in candidates(inputs)))
        there, back = (_probabilities(estimator, each, classes) for each in (matrix, -matrix))
        return (there + back[:, ::-1]) / 2
    read = model._read(inputs)
    matrix = read if transform is None else transform.transform(read)
    if target == "regression":
        return np.asarray(estimator.predict(matrix), dtype=np.float64).reshape(len(inputs), -1)
    return _probabilities(estimator, matrix, classes)


def _probabilities(estimator: Any, matrix: Any, classes: int) -> Values:
    values = np.zeros((matrix.shape[0], classes))
    values[:, estimator.classes_] = estimator.predict_proba(matrix)
    return values
