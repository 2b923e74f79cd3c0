"""Preferences in a head on frozen features: one score of a candidate, the regression without intercept."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from candidates import CPU, DIFFERENCES, FIRST, NEW, N, chances
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from surpass.artifacts import Targets
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.probe import Probe

HEAD = Probe(backbone="path:none", precision="fp32", l2=0.05)


def work(
    first: np.ndarray = FIRST, differences: np.ndarray = DIFFERENCES, kept: np.ndarray | None = None, **changes: Any
) -> Work:
    """Return a fit to differences of frozen features."""
    kept = np.arange(len(first)) if kept is None else kept
    targets = Targets.of([f"r{i}" for i in kept], chances(first[kept]))
    settings = {"target": "preference", "method": Soft(), "seed": 0, "watch": NEW, **changes}
    return Work(inputs=differences[kept], targets=targets, classes=2, reference=differences, kept=kept, **settings)


def by_sklearn(differences: np.ndarray, first: np.ndarray, l2: float) -> np.ndarray:
    """Return the predictions of scikit-learn's regression without intercept, each row once per class."""
    spread = np.sqrt((differences.astype(np.float64) ** 2).mean(axis=0))
    rows, classes = np.nonzero(chances(first) > 0)
    model = LogisticRegression(C=1 / (len(first) * l2), fit_intercept=False, tol=1e-10, max_iter=10_000)
    model.fit((differences / spread)[rows], classes, sample_weight=chances(first)[rows, classes])
    return model.predict_proba(NEW / spread)


@pytest.mark.parametrize("l2", [0.001, 0.05, 2.0])
def test_exact_head_is_the_regression_without_intercept(l2):
    found = dataclasses.replace(HEAD, l2=l2).fit(work(), CPU).predict(NEW)
    assert found == pytest.approx(by_sklearn(DIFFERENCES, FIRST, l2), abs=1e-6)


def test_exact_head_of_more_columns_than_rows_and_of_few_rows():
    wide = np.random.default_rng(1).normal(size=(40, 90)).astype(np.float32)
    first, some = FIRST[:40], np.arange(0, N, 6)
    fitted = HEAD.fit(work(first, wide, watch=wide), CPU)
    matrix, bias = fitted.predictor[1:3]
    slope = matrix[:, 1]
    scaled = wide / np.sqrt((wide.astype(np.float64) ** 2).mean(axis=0))
    gradient = scaled.T @ (expit(scaled @ slope) - first) / 40 + HEAD.l2 * slope  # of the objective in the docstring
    assert np.abs(gradient).max() < 1e-7
    assert not bias.any()
    assert not matrix[:, 0].any()
    few = HEAD.fit(work(kept=some), CPU).predictor[1][:, 1]  # features are scaled by all rows, whichever a method keeps
    scaled = (DIFFERENCES / np.sqrt((DIFFERENCES.astype(np.float64) ** 2).mean(axis=0)))[some]
    assert np.abs(scaled.T @ (expit(scaled @ few) - FIRST[some]) / len(some) + HEAD.l2 * few).max() < 1e-7


def test_a_weak_penalty_takes_the_other_solver():
    loose = [dataclasses.replace(HEAD, l2=l2).fit(work(), CPU).predict(NEW) for l2 in (9e-6, 1.1e-5)]
    assert loose[0] == pytest.approx(loose[1], abs=1e-3)
    assert loose[0] == pytest.approx(by_sklearn(DIFFERENCES, FIRST, 9e-6), abs=1e-4)


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_which_candidate_is_called_the_first_changes_nothing(solver):
    """Swapped at prediction: swapped probabilities, bit for bit. Swapped in half of the training rows: the same head."""
    probe = dataclasses.replace(HEAD, solver=solver, epochs=5)
    fitted = probe.fit(work(), CPU)
    assert np.array_equal(fitted.predict(-NEW), fitted.predict(NEW)[:, ::-1])
    turned = np.where(np.arange(N) % 2, -1, 1)
    other = probe.fit(
        work(np.where(turned > 0, FIRST, 1 - FIRST), DIFFERENCES * turned[:, None].astype(np.float32)), CPU
    )
    assert other.predict(NEW) == pytest.approx(fitted.predict(NEW), abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"l2": 1e-6}, {"solver": "adam", "epochs": 20, "lr": 0.1}], ids=str)
def test_labels_that_all_name_the_first_are_no_single_class(changes):
    """Pairs written as (chosen, rejected), as hh-rlhf has them, teach a score as any others do."""
    better = (DIFFERENCES[:, 0] > 0)[:, None]
    sorted_pairs = np.where(better, DIFFERENCES, -DIFFERENCES)
    found = dataclasses.replace(HEAD, **changes).fit(work(np.ones(N), sorted_pairs), CPU).predict(NEW)
    assert ((found[:, 1] > 0.5) == (NEW[:, 0] > 0)).mean() > 0.8
    assert 0.2 < found[:, 1].mean() < 0.8


def test_adam_comes_to_the_exact_head(tmp_path):
    adam = dataclasses.replace(HEAD, solver="adam", epochs=400, lr=0.01, batch_size=N)
    fitted = adam.fit(work(), CPU)
    assert fitted.predict(NEW) == pytest.approx(HEAD.fit(work(), CPU).predict(NEW), abs=2e-3)
    fitted.save(tmp_path)
    import skops.io

    from surpass.models.probe import _predict

    path = tmp_path / "model.skops"
    head = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert _predict(head, NEW) == pytest.approx(fitted.predict(NEW), abs=1e-6)


def test_heads_together_are_what_each_is_alone():
    some = np.arange(0, N, 2)
    jobs = [(dataclasses.replace(HEAD, l2=l2), work(np.roll(FIRST, seed))) for l2 in (0.05, 2.0) for seed in range(3)]
    jobs += [
        (HEAD, work(kept=some)),
        (HEAD, work(target="classification")),
        (dataclasses.replace(HEAD, first=3), work()),
    ]
    for (probe, each), found in zip(jobs, Probe.fit_all(iter(jobs), CPU), strict=True):
        assert not isinstance(found, Exception), found
        assert np.array_equal(found.predict(NEW), probe.fit(each, CPU).predict(NEW))
