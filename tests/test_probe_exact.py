"""The probe's solution to five digits, its head on disk, and what planning says of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import tiny
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from surpass.artifacts import Targets
from surpass.errors import StageError, StudyError
from surpass.feasibility import problems_of
from surpass.methods.hard import Hard
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import Fitted, Work
from surpass.models.probe import Probe, _predict
from surpass.runner import plan
from surpass.runtime import Runtime
from surpass.study import Pair
from surpass.studyfile import parse

RNG = np.random.default_rng(7)
N, D = 60, 6
VECTORS = RNG.normal(size=(N, D)) * [1, 10, 0.1, 1, 1, 1] + [0, 3, 0, 0, -5, 0]
NEW = RNG.normal(size=(9, D))
EXACT = Probe(backbone="path:none")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def soft_labels(classes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return softmax(VECTORS[:, :classes] / VECTORS[:, :classes].std(axis=0) + rng.normal(size=(N, classes)), axis=1)


def work_of(vectors: np.ndarray, values: np.ndarray, **changes: Any) -> Work:
    weight = np.asarray(changes.pop("weight", np.ones(len(values))), dtype=float)
    ids, gold = tuple(f"r{i}" for i in range(len(values))), np.zeros(len(values), dtype=bool)
    settings = {"watch": vectors[:3], "target": "classification", "method": Soft(), "seed": 0, **changes}
    targets = Targets(ids, np.asarray(values, dtype=float), weight, gold)
    return Work(inputs=vectors, targets=targets, classes=values.shape[1], **settings)


def fit(probe: Probe, work: Work) -> Fitted:
    return probe.fit(work, Runtime(device="cpu"))


def standardized(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (rows - train.mean(axis=0)) / train.std(axis=0)


def optimum(values: np.ndarray, l2: float, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the predictions for NEW at the minimum of mean_i w_i CE_i + l2 / 2 ||W||^2, found by SciPy.

    With two classes W is one vector and the first class's logit is 0.
    """
    x, n, classes = standardized(VECTORS, VECTORS), N, values.shape[1]
    weight = np.ones(n) if weight is None else weight
    columns = 1 if classes == 2 else classes

    def logits(flat: np.ndarray, rows: np.ndarray) -> np.ndarray:
        z = rows @ flat[: D * columns].reshape(D, columns) + flat[D * columns :]
        return np.hstack([np.zeros((len(rows), 1)), z]) if classes == 2 else z

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z, matrix = logits(flat, x), flat[: D * columns]
        value = -(weight[:, None] * values * log_softmax(z, axis=1)).sum() / n + l2 / 2 * (matrix**2).sum()
        error = (weight[:, None] * (softmax(z, axis=1) - values) / n)[:, -columns:]
        return value, np.concatenate([(x.T @ error).ravel() + l2 * matrix, error.sum(axis=0)])

    options = {"gtol": 1e-10, "ftol": 1e-16}
    found = minimize(objective, np.zeros((D + 1) * columns), jac=True, method="L-BFGS-B", options=options)
    return softmax(logits(found.x, standardized(VECTORS, NEW)), axis=1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [0.003, 0.3, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_exact_solution_is_the_minimum_of_the_documented_objective(classes, l2, weighted):
    values = soft_labels(classes)
    weight = np.random.default_rng(1).exponential(size=N) if weighted else np.ones(N)
    weight /= weight.mean()
    found = fit(dataclasses.replace(EXACT, l2=l2), work_of(VECTORS, values, weight=weight)).predict(NEW)
    assert found == pytest.approx(optimum(values, l2, weight), abs=1e-5)


def test_hard_labels_are_the_minimum_too():
    values = np.eye(2)[soft_labels(2).argmax(axis=1)]
    found = fit(EXACT, work_of(VECTORS, values)).predict(NEW)
    assert found == pytest.approx(optimum(values, 0.3), abs=1e-5)


def signs() -> np.ndarray:
    """Return rows of 1 and -1 in opposite pairs: repeating a pair leaves mean 0 and spread 1."""
    half = np.random.default_rng(2).choice([-1.0, 1.0], size=(10, 4))
    return np.vstack([half, -half])


def test_a_repeated_row_is_a_row_of_more_weight():
    x, values = signs(), np.random.default_rng(3).dirichlet((1, 1), size=20)
    counts = np.tile([1, 2, 3, 1, 1, 1, 2, 1, 4, 1], 2)
    weighted = fit(EXACT, work_of(x, values, weight=counts * 20 / counts.sum())).predict(x)
    repeated = fit(EXACT, work_of(np.repeat(x, counts, axis=0), np.repeat(values, counts, axis=0))).predict(x)
    assert weighted == pytest.approx(repeated, abs=1e-5)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_regression_is_the_closed_form_of_the_documented_objective(columns, weighted):
    """Minimum of mean_i w_i mean_k (W x_i + b - y_i)_k^2 + l2 / 2 ||W||^2, from its normal equations."""
    rng, l2 = np.random.default_rng(4), 0.7
    y = VECTORS[:, :columns] * 2 + rng.normal(size=(N, columns)) + 10
    weight = rng.exponential(size=N) if weighted else np.ones(N)
    weight /= weight.mean()
    found = fit(dataclasses.replace(EXACT, l2=l2), work_of(VECTORS, y, weight=weight, target="regression"))
    x = np.hstack([standardized(VECTORS, VECTORS), np.ones((N, 1))])
    penalty = l2 / 2 * N * columns * np.diag([1.0] * D + [0.0])
    solution = np.linalg.solve(x.T @ (weight[:, None] * x) + penalty, x.T @ (weight[:, None] * y))
    wanted = np.hstack([standardized(VECTORS, NEW), np.ones((9, 1))]) @ solution
    assert found.predict(NEW) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("target", "columns", "l2"),
    [("classification", 2, 0.3), ("classification", 3, 0.03), ("regression", 1, 0.3), ("regression", 2, 0.3)],
)
def test_adam_goes_to_the_exact_solution(target, columns, l2):
    values = soft_labels(columns) if target == "classification" else VECTORS[:, [0, 4]][:, :columns] / 3
    probe = dataclasses.replace(EXACT, l2=l2)
    adam = dataclasses.replace(probe, solver="adam", lr=0.02, epochs=1500, batch_size=N, points=3)
    weight = np.linspace(0, 2, N)
    work = work_of(VECTORS, values, weight=weight, target=target, watch=NEW)
    exact, found = fit(probe, work).predict(NEW), fit(adam, work)
    assert found.predict(NEW) == pytest.approx(exact, abs=1e-3)
    assert found.steps == (500, 1000, 1500)
    assert found.watched[-1] == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_a_class_without_labels_gets_next_to_nothing(solver):
    values = np.insert(np.eye(2)[soft_labels(2).argmax(axis=1)], 1, 0.0, axis=1)
    adam = dataclasses.replace(EXACT, solver=solver, epochs=300, lr=0.05)
    found = fit(adam, work_of(VECTORS, values)).predict(NEW)
    assert found[:, 1].max() < (1e-12 if solver == "exact" else 0.01)
    assert found.sum(axis=1) == pytest.approx(np.ones(9))


def test_a_loss_that_is_no_number_ends_the_fit():
    adam = dataclasses.replace(EXACT, solver="adam", lr=1e30, epochs=5)
    with pytest.raises(StageError, match=r"the training loss is (nan|inf) at step \d of 5, with learning rate 1e\+30"):
        fit(adam, work_of(VECTORS, soft_labels(2)))


@pytest.mark.parametrize("target", ["classification", "regression"])
@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_a_saved_head_predicts_as_before(solver, target, tmp_path):
    probe = dataclasses.replace(EXACT, solver=solver, epochs=3)
    values = soft_labels(3) if target == "classification" else VECTORS[:, :1]
    fitted = fit(probe, work_of(VECTORS, values, target=target))
    fitted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]
    path = tmp_path / "model.skops"
    read = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert _predict(read, NEW) == pytest.approx(fitted.predict(NEW), abs=1e-5)


# Planning


def test_a_method_with_its_own_loss_needs_adam_and_planning_says_so(small_study, store, tmp_path):
    backbone = tiny.save_llama(tmp_path / "model", layers=2)
    wanted = (
        r"pair 1, method 'logconf' needs gradient training on its loss, which model 'probe' cannot do.*solver: adam"
    )
    exact, adam = (Probe(backbone=backbone, precision="fp32", solver=solver) for solver in ("exact", "adam"))
    study = small_study(pairs=(Pair(weak=exact, strong=exact),), methods=(Soft(), LogConf()))
    assert len([text for text in problems_of(study) if "solver: adam" in text]) == 1
    with pytest.raises(StudyError, match=wanted):
        plan(study, store)
    assert problems_of(dataclasses.replace(study, pairs=(Pair(weak=exact, strong=adam),))) == []
    assert problems_of(dataclasses.replace(study, methods=(Soft(), Hard()))) == []


def test_a_study_file_says_it_as_well(tmp_path):
    strong = {"model": "probe", "backbone": tiny.save_llama(tmp_path / "model", layers=2)}
    pairs = [{"weak": "sklearn", "strong": strong}]
    study = parse({"name": "x", "tasks": [{"task": "toy", "rows": 5000}], "pairs": pairs, "methods": ["logconf"]})
    assert any("for probe set solver: adam" in text for text in problems_of(study))


def test_a_backbone_that_is_not_there_is_named_while_planning(small_study, store):
    model = Probe(backbone="path:/nowhere/model")
    with pytest.raises(StudyError, match="backbone 'path:/nowhere/model': there is no folder '/nowhere/model'"):
        plan(small_study(pairs=(Pair(weak=model, strong=model),)), store)


def test_features_are_read_in_whole_studies(small_study, store, tmp_path: Path):
    """Toy's words are unknown to the tiny tokenizer; only the way from study to prediction is of interest."""
    from surpass.runner import run

    model = Probe(backbone=tiny.save_llama(tmp_path / "model", layers=2), precision="fp32", solver="adam", epochs=2)
    study = small_study(pairs=(Pair(weak=model, strong=model),), methods=(LogConf(),))
    run(study, store=store, runtime=Runtime(device="cpu"))
    assert list((store.root / "features").iterdir())
    assert plan(study, store).missing() == []
