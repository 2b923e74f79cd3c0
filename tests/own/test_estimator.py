"""WeakToStrongClassifier by scikit-learn's conventions."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks as checks

from surpass import WeakToStrongClassifier
from surpass.errors import DataError, IncompatibleError, SpecError
from surpass.models.sklearn import Sklearn

VECTORS = {"model": "sklearn", "features": "none"}
TEXTS, LABELS = tiny.texts(120)


def test_it_learns_and_names_classes_as_they_came():
    names = np.array(["dull", "fine"])[LABELS]
    student = WeakToStrongClassifier(strong="tfidf").fit(TEXTS[:80], names[:80])
    assert student.classes_.tolist() == ["dull", "fine"]
    assert student.predict_proba(TEXTS[80:]).sum(axis=1) == pytest.approx(np.ones(40))
    assert student.score(TEXTS[80:], names[80:]) > 0.9


def test_hard_labels_on_vectors_give_the_estimator_itself():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int)
    ours = WeakToStrongClassifier(strong=VECTORS).fit(X, y).predict_proba(X)
    theirs = LogisticRegression(max_iter=1000, random_state=0).fit(X, y).predict_proba(X)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_probabilities_votes_and_classes_that_say_the_same_give_the_same_student():
    votes = np.array([[1, 1, 0], [0, 0, None], [1, None, None]] * 40, dtype=object)
    shares = np.array([[1 / 3, 2 / 3], [1.0, 0.0], [0.0, 1.0]] * 40)
    first = WeakToStrongClassifier().fit(TEXTS, votes).predict_proba(TEXTS)
    second = WeakToStrongClassifier().fit(TEXTS, shares).predict_proba(TEXTS)
    assert first == pytest.approx(second)


def test_known_gold_replaces_the_weak_label():
    gold = [int(label) if i < 60 else None for i, label in enumerate(LABELS)]
    wrong = 1 - LABELS
    mixed = np.where(np.arange(120) < 60, LABELS, wrong)
    first = WeakToStrongClassifier().fit(TEXTS, wrong, gold=gold).predict_proba(TEXTS)
    second = WeakToStrongClassifier().fit(TEXTS, mixed).predict_proba(TEXTS)
    assert first == pytest.approx(second)


def test_a_supervisor_labels_what_has_no_gold():
    gold = np.array([float(label) if i < 40 else np.nan for i, label in enumerate(LABELS)])
    student = WeakToStrongClassifier(supervisor="tfidf").fit(TEXTS, gold=gold)
    assert student.supervisor_.trained_on == 40
    assert student.student_.trained_on == 120
    supervisor = WeakToStrongClassifier().fit(TEXTS[:40], LABELS[:40])
    rest = supervisor.predict_proba(TEXTS[40:])
    by_hand = WeakToStrongClassifier().fit(TEXTS, np.vstack([np.eye(2)[LABELS[:40]], rest]))
    assert student.predict_proba(TEXTS) == pytest.approx(by_hand.predict_proba(TEXTS))


def test_dawid_skene_trusts_the_better_rater():
    rng = np.random.default_rng(1)
    votes = np.column_stack([np.where(rng.random(120) < p, LABELS, 1 - LABELS) for p in (0.95, 0.7, 0.7, 0.6, 0.6)])
    scores = [
        (WeakToStrongClassifier(combine=how, labels="votes").fit(TEXTS, votes).predict(TEXTS) == LABELS).mean()
        for how in ("mean", "dawid-skene")
    ]
    assert scores[1] > scores[0]


def test_it_is_cloned_searched_and_crossvalidated():
    student = WeakToStrongClassifier(strong=Sklearn(ngrams=1), seed=3)
    assert clone(student).get_params() == student.get_params()
    assert student.set_params(method="hard").method == "hard"
    assert cross_val_score(student, list(TEXTS), LABELS, cv=3).mean() > 0.9
    search = GridSearchCV(WeakToStrongClassifier(), {"method": ["soft", "hard"]}, cv=2).fit(list(TEXTS), LABELS)
    assert search.best_params_["method"] in ("soft", "hard")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    pipe = make_pipeline(StandardScaler(), WeakToStrongClassifier(strong=VECTORS)).fit(X, X[:, 0] > 0)
    assert pipe.score(X, X[:, 0] > 0) > 0.9


@pytest.mark.parametrize(
    "name",
    [
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimators_unfitted",
        "check_estimators_fit_returns_self",
        "check_classifiers_classes",
        "check_classifiers_train",
        "check_classifiers_one_label",
        "check_classifiers_regression_target",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_fit_idempotent",
        "check_dict_unchanged",
        "check_methods_subset_invariance",
        "check_methods_sample_order_invariance",
        "check_fit2d_1sample",
    ],
)
def test_scikit_learns_own_checks(name):
    getattr(checks, name)("WeakToStrongClassifier", WeakToStrongClassifier(strong=VECTORS))


@pytest.mark.parametrize(
    ("options", "y", "gold", "error", "words"),
    [
        ({}, None, None, SpecError, "give weak labels y, or a supervisor"),
        ({"supervisor": "tfidf"}, LABELS, None, SpecError, "not both"),
        ({}, [1] * 120, None, DataError, "one class, 1;"),
        ({}, [1, 0], None, DataError, "one label for each row"),
        ({"labels": "probabilities"}, [[0.7, 0.7]] * 120, None, DataError, "sum to 1"),
        ({"labels": "shares"}, LABELS, None, SpecError, "labels='shares'"),
        ({}, [*LABELS[:-1], None], None, DataError, "1 of 120 rows have neither"),
        ({}, [*LABELS[:-1], "good"], None, DataError, "several types"),
        ({"method": "softt"}, LABELS, None, SpecError, "Did you mean 'soft'"),
        ({"method": "logconf"}, LABELS, None, IncompatibleError, "gradient training"),
        ({"method": "cosupervision"}, LABELS, None, IncompatibleError, "needs"),
        ({"strong": "package:minilmm"}, LABELS, None, SpecError, "package:minilmm"),
        ({"strong": 3}, LABELS, None, SpecError, "strong=3"),
        ({"strong": "{model: [}"}, LABELS, None, SpecError, "no valid YAML"),
        ({"supervisor": "tfidf"}, None, [1, 0] * 60, DataError, "needs some to be fitted on and others"),
        ({"combine": "mode"}, np.column_stack([LABELS, LABELS, LABELS]), None, SpecError, "combine='mode'"),
    ],
)
def test_mistakes_are_told(options, y, gold, error, words):
    with pytest.raises(error, match=words):
        WeakToStrongClassifier(**options).fit(TEXTS, y, gold=gold)


def test_auto_is_soft_without_enough_gold(llama):
    student = WeakToStrongClassifier(strong=tiny.hf(llama, tune="top", layers=1), method="auto")
    gold = [int(label) if i < 50 else None for i, label in enumerate(LABELS)]
    student.fit(TEXTS, LABELS, gold=gold)
    assert "fewer than 100" in student.choice_.why


def test_auto_takes_the_method_with_the_lower_log_loss(llama):
    texts, labels = tiny.texts(260, seed=5)
    gold = [int(label) if i < 120 else None for i, label in enumerate(labels)]
    student = WeakToStrongClassifier(strong=tiny.hf(llama, tune="top", layers=1)).fit(texts, labels, gold=gold)
    scores = student.choice_.scores
    assert set(scores) == {"soft", "logconf"}
    assert student.choice_.rows == 120
    assert type(student.choice_.method).__name__.lower() == min(scores, key=scores.get)
    assert student.student_.trained_on == 260
