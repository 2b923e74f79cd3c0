"""What the scikit-learn family reads: molecules, characters, images, vectors whose units differ, and preferences."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from test_sklearn import INPUTS, LABELS, work

from surpass.errors import DataError, IncompatibleError
from surpass.models import _molecules
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime
from surpass.testing import check_model

SMILES = ("CCO", "CCCCCCCC", "c1ccccc1O", "CCCCCCO", "OCC(O)CO", "c1ccc2ccccc2c1")
TIGHT = (("tol", 1e-12), ("max_iter", 10_000))
FOREST = Sklearn(estimator="sklearn.ensemble.RandomForestClassifier", features="none", params=(("n_estimators", 20),))
BOOSTED = Sklearn(estimator="sklearn.ensemble.HistGradientBoostingClassifier", features="none")


def pairs(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of vectors (n, 2, 3) and P(first is better) by a linear score with some noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 2, 3)) * [1.0, 30.0, 0.1] + 5
    score = vectors @ np.array([0.8, -0.03, 6.0])
    better = rng.random(n) < 1 / (1 + np.exp(score[:, 1] - score[:, 0]))
    return vectors, better.astype(int)


def preferring(inputs, values, **changes):
    return dataclasses.replace(work(inputs, values, target="preference"), **changes)


def fitted(model, job):
    return model.fit(job, Runtime())


@pytest.mark.parametrize(
    "model",
    [Sklearn(features="chars", ngrams=4), Sklearn(features="standard"), FOREST],
    ids=lambda model: model.label(),
)
def test_contract(model):
    check_model(model)


@pytest.mark.parametrize(
    ("features", "inputs"),
    [
        ("tfidf", {"text", "pair"}),
        ("chars", {"text", "pair"}),
        ("morgan", {"text", "pair"}),
        ("none", {"vector", "image"}),
        ("standard", {"vector", "image"}),
    ],
)
def test_a_model_says_what_it_reads_before_it_is_fitted(features, inputs):
    assert Sklearn(features=features).inputs == inputs


def test_an_estimator_says_what_it_can_do():
    classes = {"classification", "preference"}
    assert Sklearn().targets == FOREST.targets == classes
    assert Sklearn(estimator="sklearn.svm.SVC").targets == classes
    assert Sklearn(estimator="sklearn.linear_model.Ridge").targets == {"regression"}
    assert Sklearn(estimator="nosuch.Thing").problem()
    assert "without probabilities" in (Sklearn(estimator="sklearn.svm.LinearSVC").problem() or "")


# molecules


def test_descriptors_are_those_of_textbooks():
    water, benzene, salt = _molecules.descriptors(["O", "c1ccccc1", "C[N+](C)(C)C"])
    assert water[0] == pytest.approx(18.015, abs=0.001)
    assert benzene[0] == pytest.approx(78.114, abs=0.001)
    assert benzene[2:].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
    assert salt[-1] == 1
    assert water.shape == (len(_molecules.DESCRIPTORS),)


def test_fingerprints_are_rdkits_own_and_see_no_way_of_writing():
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    own = np.array([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in SMILES])
    assert np.array_equal(_molecules.morgan(SMILES), own)
    assert np.array_equal(*_molecules.morgan(["OCC", "C(C)O"]))
    assert len(np.unique(own, axis=0)) == len(SMILES)
    assert _molecules.morgan([]).shape == (0, 2048)


@pytest.mark.parametrize("text", ["not a molecule", "C1CC", ""])
@pytest.mark.parametrize("features", ["descriptors", "morgan"])
def test_a_text_that_is_no_molecule_is_named(features, text):
    with pytest.raises(DataError, match="is no molecule in SMILES"):
        fitted(Sklearn(features=features), work((*SMILES[:5], text), np.eye(2)[LABELS]))


def test_descriptors_are_standardized():
    """Weight has hundreds and the share of sp3 carbons tenths; a penalty must not tell them apart by their units."""
    model = Sklearn(features="descriptors", params=TIGHT)
    found = fitted(model, work(SMILES, np.eye(2)[LABELS])).predict(SMILES)
    scaled = StandardScaler().fit_transform(_molecules.descriptors(SMILES))
    plain = LogisticRegression(**dict(TIGHT)).fit(scaled, LABELS).predict_proba(scaled)
    assert found == pytest.approx(plain, abs=1e-9)


def test_a_forest_on_fingerprints_and_a_regression_on_descriptors():
    forest = dataclasses.replace(FOREST, features="morgan")
    values = fitted(forest, work(SMILES, np.eye(2)[LABELS])).predict(SMILES)
    own = RandomForestClassifier(20, random_state=0).fit(_molecules.morgan(SMILES), LABELS, sample_weight=np.ones(6))
    assert values == pytest.approx(own.predict_proba(_molecules.morgan(SMILES)))
    ridge = Sklearn(estimator="sklearn.linear_model.Ridge", features="descriptors", params=(("alpha", 1e-6),))
    weights = _molecules.descriptors(SMILES)[:, :1]
    assert fitted(ridge, work(SMILES, weights, target="regression")).predict(SMILES) == pytest.approx(weights, rel=1e-4)


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.linear_model.Ridge",
        "sklearn.ensemble.RandomForestRegressor",
        "sklearn.ensemble.HistGradientBoostingRegressor",
    ],
)
def test_regression_estimators_learn_a_number_from_molecules(estimator):
    chains = tuple("C" * n + "O" * (n % 3) for n in range(1, 61))
    sizes = np.array([[float(n)] for n in range(1, 61)])
    for features in ("descriptors", "morgan"):
        found = fitted(Sklearn(estimator=estimator, features=features), work(chains, sizes, target="regression"))
        values = found.predict(chains)
        assert values.shape == (60, 1)
        if features == "descriptors":
            assert np.corrcoef(values[:, 0], sizes[:, 0])[0, 1] > 0.95


def test_without_rdkit_the_install_line_is_given(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "rdkit" else found(name, *a))
    for features in ("descriptors", "morgan"):
        assert "pip install 'surpass[molecules]'" in (Sklearn(features=features).problem() or "")
    assert Sklearn().problem() is None


# characters, vectors, images


def test_characters_keep_their_case():
    """In SMILES c is an aromatic carbon and C is not."""
    texts = ("CCCC", "cccc", "CCC", "ccc", "CCCCC", "ccccc")
    values = np.eye(2)[[0, 1, 0, 1, 0, 1]]
    chars = fitted(Sklearn(features="chars", ngrams=3), work(texts, values))
    assert chars.predict(texts).argmax(axis=1).tolist() == [0, 1, 0, 1, 0, 1]
    assert chars.predictor.transform.analyzer == "char_wb"
    assert chars.predict(["a text with none of them"]).shape == (1, 2)


def test_standard_features_make_units_irrelevant():
    units = np.array([1.0, 1000.0])
    model = Sklearn(features="standard", params=TIGHT)
    first, second = (fitted(model, work(x, np.eye(2)[LABELS])).predict(x) for x in (INPUTS, INPUTS * units + 7))
    assert first == pytest.approx(second, abs=1e-8)
    bare = Sklearn(features="none", params=TIGHT)
    first, second = (fitted(bare, work(x, np.eye(2)[LABELS])).predict(x) for x in (INPUTS, INPUTS * units))
    assert first != pytest.approx(second, abs=1e-3)


def test_images_are_flattened_and_averaged_by_blocks():
    from surpass.models._pixels import numbers

    image = np.arange(16.0).reshape(1, 4, 4)
    assert numbers(image, 1).tolist() == [list(range(16))]
    assert numbers(image, 2).tolist() == [[2.5, 4.5, 10.5, 12.5]]
    assert numbers(image, 4).tolist() == [[7.5]]
    colours = np.stack([image, image + 100], axis=-1)
    assert numbers(colours, 2).tolist() == [[2.5, 102.5, 4.5, 104.5, 10.5, 110.5, 12.5, 112.5]]
    assert numbers(np.array([[[0, 255], [255, 0]]], dtype=np.uint8), 1).tolist() == [[0, 1, 1, 0]]
    assert numbers(np.array([[0, 255]]), 1).tolist() == [[0, 255]]  # bytes alone are pixels


def test_an_image_model_learns_what_its_blocks_show():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, size=(40, 8, 8)).astype(np.uint8)
    labels = np.arange(40) % 2
    images[labels == 1, :4] += 150
    for shrink in (1, 2, 4):
        model = Sklearn(features="standard", shrink=shrink)
        values = fitted(model, work(images, np.eye(2)[labels])).predict(images)
        assert values.argmax(axis=1).tolist() == labels.tolist()


@pytest.mark.parametrize("inputs", [INPUTS, np.zeros((6, 9, 8)), np.zeros((6, 8, 9))])
def test_shrink_must_divide_an_image(inputs):
    with pytest.raises(IncompatibleError, match=r"shrink=2 on rows of shape \("):
        fitted(Sklearn(features="none", shrink=2), work(inputs, np.eye(2)[LABELS]))


@pytest.mark.parametrize("features", ["tfidf", "chars", "descriptors", "morgan"])
def test_features_of_texts_refuse_vectors(features):
    with pytest.raises(IncompatibleError, match=f"features='{features}' on vectors"):
        fitted(Sklearn(features=features), work(INPUTS, np.eye(2)[LABELS]))


@pytest.mark.parametrize("features", ["none", "standard"])
def test_features_of_vectors_refuse_texts(features):
    with pytest.raises(IncompatibleError, match=f"features='{features}' on texts"):
        fitted(Sklearn(features=features), work(SMILES, np.eye(2)[LABELS]))


# preferences


def test_a_preference_is_the_model_of_bradley_and_terry():
    vectors, first = pairs()
    found = fitted(Sklearn(features="none", params=TIGHT), preferring(vectors, np.eye(2)[first]))
    differences = vectors[:, 0] - vectors[:, 1]
    plain = LogisticRegression(fit_intercept=False, **dict(TIGHT)).fit(differences, first)
    assert found.predict(vectors) == pytest.approx(plain.predict_proba(differences), abs=1e-4)
    assert found.predictor.estimator.intercept_ == pytest.approx(0, abs=1e-6)


def test_soft_and_weighted_preferences_are_bradley_and_terry_too():
    vectors, _ = pairs()
    rng = np.random.default_rng(1)
    share, weight = rng.random(60), rng.random(60)
    weight *= 60 / weight.sum()
    model = Sklearn(features="none", params=TIGHT)
    job = work(vectors, np.column_stack([1 - share, share]), weight=weight, target="preference")
    found = fitted(model, job).predict(vectors)
    differences = vectors[:, 0] - vectors[:, 1]
    plain = LogisticRegression(fit_intercept=False, **dict(TIGHT)).fit(
        np.concatenate([differences, differences]),
        np.repeat([0, 1], 60),
        sample_weight=np.concatenate([(1 - share) * weight, share * weight]),
    )
    assert found == pytest.approx(plain.predict_proba(differences), abs=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        Sklearn(features="none"),
        Sklearn(features="standard"),
        FOREST,
        BOOSTED,
        dataclasses.replace(FOREST, features="standard"),
    ],
    ids=lambda model: model.label(),
)
def test_swapped_vectors_have_swapped_probabilities(model):
    vectors, first = pairs()
    found = fitted(model, preferring(vectors, np.eye(2)[first]))
    there, back = found.predict(vectors), found.predict(vectors[:, ::-1])
    assert np.abs(there - back[:, ::-1]).max() < 1e-9
    assert there.sum(axis=1) == pytest.approx(np.ones(60))
    assert (there.argmax(axis=1) == first).mean() > 0.65
    assert found.predict(vectors[:, [0, 0]]) == pytest.approx(np.full((60, 2), 0.5))


@pytest.mark.parametrize("features", ["tfidf", "chars", "descriptors", "morgan"])
def test_swapped_texts_have_swapped_probabilities(features):
    better, worse = ("CCCCCC", "CCCCCCC", "CCCCCCCC"), ("OCCO", "OCC(O)CO", "c1ccccc1O")
    texts = tuple((a, b) for a in better for b in worse) + tuple((b, a) for a in better for b in worse)
    values = np.eye(2)[[1] * 9 + [0] * 9]
    found = fitted(Sklearn(features=features, ngrams=3), preferring(texts, values))
    there, back = found.predict(texts), found.predict(tuple((b, a) for a, b in texts))
    assert np.abs(there - back[:, ::-1]).max() < 1e-9
    assert there.argmax(axis=1).tolist() == [1] * 9 + [0] * 9


def test_the_vocabulary_is_of_both_candidates():
    texts = (("warm day", "grey rain"), ("warm sun", "grey fog"))
    found = fitted(Sklearn(ngrams=1), preferring(texts, np.eye(2)[[1, 1]]))
    assert set(found.predictor.transform.vocabulary_) == {"warm", "day", "grey", "rain", "sun", "fog"}
    swapped = found.predict((("grey", "warm"), ("warm", "grey")))
    assert swapped.argmax(axis=1).tolist() == [0, 1]  # one class of labels is enough: the order is what is learned


def test_the_scale_of_a_preference_does_not_hang_on_the_order_of_candidates():
    vectors, first = pairs()
    model = Sklearn(features="standard", params=TIGHT)
    turned = np.where((np.arange(60) % 2 == 0)[:, None, None], vectors, vectors[:, ::-1])
    labels = np.where(np.arange(60) % 2 == 0, first, 1 - first)
    one, other = (
        fitted(model, preferring(x, np.eye(2)[y])).predict(vectors) for x, y in ((vectors, first), (turned, labels))
    )
    assert one == pytest.approx(other, abs=1e-7)


def test_names_tell_the_features():
    forest = "sklearn.ensemble.RandomForestClassifier"
    assert Sklearn(features="morgan", estimator=forest).label() == "morgan RandomForestClassifier"
    assert Sklearn(features="chars", ngrams=4).label() == "chars LogisticRegression(ngrams=4)"
    assert Sklearn(features="standard", shrink=4).label() == "standard LogisticRegression(shrink=4)"
    assert Sklearn(features="none").label() == "LogisticRegression"


def test_other_features_are_saved_and_read(tmp_path):
    import skops.io

    found = fitted(Sklearn(features="morgan"), work(SMILES, np.eye(2)[LABELS]))
    found.save(tmp_path)
    path = tmp_path / "model.skops"
    again = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert np.array_equal(found.function(again, SMILES), found.predict(SMILES))
