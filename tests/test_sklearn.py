"""The scikit-learn family: soft targets exactly, its refusals, its names."""

from __future__ import annotations

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.errors import DataError, IncompatibleError
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime

VECTORS = Sklearn(features="none")
LABELS = np.array([0, 0, 1, 1, 0, 1])
INPUTS = np.array([[0.0, 1], [0.2, 1], [1, 0], [1, 0.3], [0.5, 0.4], [0.4, 0.6]])


def work(inputs, values, *, weight=None, target="classification", seed=0):
    ids = tuple(f"r{i}" for i in range(len(values)))
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=float)
    targets = Targets(ids, np.asarray(values, dtype=float), weight, np.zeros(len(values), dtype=bool))
    columns = targets.values.shape[1]
    return Work(inputs=inputs, targets=targets, watch=inputs, target=target, classes=columns, method=Soft(), seed=seed)


def test_soft_targets_are_weighted_repeats_exactly():
    """p = (3/4, 1/4) is the fit of four copies of the row, three of class 0 and one of class 1, each of weight 1/4."""
    from sklearn.linear_model import LogisticRegression

    quarters = np.array([3, 4, 0, 1, 2, 2])  # of class 0
    values = np.column_stack([quarters, 4 - quarters]) / 4
    found = VECTORS.fit(work(INPUTS, values), Runtime()).predict(INPUTS)
    copies = [(x, c) for x, k in zip(INPUTS, quarters, strict=True) for c in [0] * k + [1] * (4 - k)]
    reference = LogisticRegression(max_iter=1000, tol=1e-10).fit(
        np.array([x for x, _ in copies]), [c for _, c in copies], sample_weight=np.full(len(copies), 0.25)
    )
    exact = Sklearn(features="none", params=(("tol", 1e-10),)).fit(work(INPUTS, values), Runtime()).predict(INPUTS)
    assert exact == pytest.approx(reference.predict_proba(INPUTS), abs=1e-8)
    assert found == pytest.approx(exact, abs=1e-3)


def test_row_weights_are_repeats_too():
    values = np.eye(2)[LABELS]
    weight = np.array([2, 1, 1, 1, 1, 0])
    rows = [0, 0, 1, 2, 3, 4]
    tight = Sklearn(features="none", params=(("tol", 1e-10),))
    weighted = tight.fit(work(INPUTS, values, weight=weight), Runtime()).predict(INPUTS)
    repeated = tight.fit(work(INPUTS[rows], values[rows]), Runtime()).predict(INPUTS)
    assert weighted == pytest.approx(repeated, abs=1e-7)


def test_hard_targets_are_the_plain_fit():
    from sklearn.linear_model import LogisticRegression

    found = VECTORS.fit(work(INPUTS, np.eye(2)[LABELS]), Runtime()).predict(INPUTS)
    plain = LogisticRegression(max_iter=1000).fit(INPUTS, LABELS).predict_proba(INPUTS)
    assert found == pytest.approx(plain, abs=1e-12)


def test_a_class_that_no_label_names_has_probability_zero():
    found = VECTORS.fit(work(INPUTS, np.eye(4)[LABELS * 2]), Runtime()).predict(INPUTS)
    assert found.shape == (6, 4)
    assert (found[:, [1, 3]] == 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(6))


def test_one_class_is_refused():
    with pytest.raises(DataError, match="all 6 training labels are of one class; a classifier needs two"):
        VECTORS.fit(work(INPUTS, np.eye(2)[np.zeros(6, dtype=int)]), Runtime())


def test_features_and_inputs_must_fit():
    with pytest.raises(IncompatibleError, match="features='tfidf' on vectors"):
        Sklearn().fit(work(INPUTS, np.eye(2)[LABELS]), Runtime())
    with pytest.raises(IncompatibleError, match="features='none' on texts"):
        VECTORS.fit(work(("a", "b"), np.eye(2)), Runtime())


def test_pairs_of_texts_are_read_together():
    pairs = (("warm", "yes"), ("cold", "yes"), ("warm", "no"), ("cold", "no"))
    found = Sklearn(ngrams=1).fit(work(pairs, np.eye(2)[[1, 0, 1, 0]]), Runtime()).predict(pairs)
    assert found.argmax(axis=1).tolist() == [1, 0, 1, 0]


def test_regression():
    ridge = Sklearn(estimator="sklearn.linear_model.Ridge", features="none", params=(("alpha", 1e-9),))
    values = INPUTS @ np.array([[2.0], [-1.0]]) + 3
    fitted = ridge.fit(work(INPUTS, values, target="regression"), Runtime())
    assert fitted.predict(INPUTS) == pytest.approx(values, abs=1e-6)


def test_other_estimators_take_the_seed():
    forest = Sklearn(
        estimator="sklearn.ensemble.RandomForestClassifier", features="none", params=(("n_estimators", 5),)
    )
    assert forest.problem() is None
    first, again, other = (
        forest.fit(work(INPUTS, np.eye(2)[LABELS], seed=seed), Runtime()).predict(INPUTS) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Sklearn(estimator="sklearn.linear_model.Logistic"),
            "estimator='sklearn.linear_model.Logistic' .*no attribute",
        ),
        (Sklearn(estimator="nosuch.Thing"), "estimator='nosuch.Thing' is of a package that a study file cannot import"),
        (
            Sklearn(estimator="sklearn.nosuch.Thing"),
            r"No module named 'sklearn\.nosuch'\. Mend the name or its params\.$",
        ),
        (Sklearn(params=(("C", -1.0),)), r"Got -1\.0 instead\. Mend"),
        (Sklearn(estimator="Thing"), "estimator='Thing'"),
        (Sklearn(params=(("D", 1.0),)), "unexpected keyword argument 'D'"),
        (Sklearn(estimator="sklearn.neighbors.KNeighborsClassifier"), "fit takes no sample_weight"),
    ],
)
def test_estimators_that_cannot_serve_are_said_while_planning(model, message):
    import re

    assert re.search(message, model.problem() or "")


def test_names():
    assert Sklearn().label() == "tfidf LogisticRegression"
    assert Sklearn(ngrams=1, params=(("C", 2.0),)).label() == "tfidf LogisticRegression(C=2.0, ngrams=1)"
    assert VECTORS.label() == "LogisticRegression"


def test_a_fitted_model_is_saved(tmp_path):
    import skops.io

    fitted = VECTORS.fit(work(INPUTS, np.eye(2)[LABELS]), Runtime())
    fitted.save(tmp_path)
    path = tmp_path / "model.skops"
    _, estimator, *_ = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert estimator.predict_proba(INPUTS) == pytest.approx(fitted.predict(INPUTS))
