"""Probes fitted together: one table of features, the same numbers as alone, and errors that stay with their job."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from surpass.artifacts import Targets
from surpass.errors import DataError
from surpass.methods.soft import Soft
from surpass.models import _joint
from surpass.models.base import Fitted, Work
from surpass.models.probe import Probe
from surpass.runtime import Runtime

N, D = 90, 7
RNG = np.random.default_rng(5)
TABLE = (RNG.normal(size=(N, D)) * [1, 9, 0.2, 1, 1, 3, 1] + [0, 3, 0, 0, -5, 0, 0]).astype(np.float32)
NEW = (RNG.normal(size=(11, D)) * 3).astype(np.float32)
EXACT = Probe(backbone="path:none", precision="fp32", l2=0.05)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def work(values: np.ndarray, kept: np.ndarray | None = None, **changes: Any) -> Work:
    """Return the fit of the kept rows' targets within the table."""
    kept = np.arange(N) if kept is None else kept
    targets = Targets.of([f"r{i}" for i in kept], values[kept])
    settings = {"target": "classification", "method": Soft(), "seed": 0, "watch": NEW, **changes}
    return Work(inputs=TABLE[kept], targets=targets, classes=values.shape[1], reference=TABLE, kept=kept, **settings)


def labels(classes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return softmax(TABLE[:, :classes] + rng.normal(size=(N, classes)), axis=1)


def together(*jobs: tuple[Probe, Work]) -> list[Fitted | Exception]:
    return Probe.fit_all(iter(jobs), Runtime(device="cpu"))


def predictions(found: Fitted | Exception) -> np.ndarray:
    assert not isinstance(found, Exception), found
    return found.predict(NEW)


def test_together_they_are_what_each_is_alone():
    some = np.arange(0, N, 2)
    jobs = [(dataclasses.replace(EXACT, l2=l2), work(labels(2, seed))) for l2 in (0.05, 2.0) for seed in range(4)]
    jobs += [(EXACT, work(labels(2, 9), some)), (EXACT, work(labels(3)))]
    jobs += [(dataclasses.replace(EXACT, first=3), work(labels(2, 1)))]
    jobs += [(EXACT, work(TABLE[:, :2].astype(float), target="regression"))]
    jobs += [(dataclasses.replace(EXACT, solver="adam", epochs=2), work(labels(2, 2)))]
    for found, (probe, each) in zip(together(*jobs), jobs, strict=True):
        assert np.array_equal(predictions(found), predictions(probe.fit(each, Runtime(device="cpu"))))


def test_an_error_stays_with_its_job():
    one_class = np.tile([1.0, 0.0], (N, 1))
    good, bad, wide, again = together(
        (EXACT, work(labels(2))),
        (EXACT, work(one_class)),
        (dataclasses.replace(EXACT, first=D + 1), work(labels(2))),
        (EXACT, work(labels(2))),
    )
    assert np.array_equal(predictions(good), predictions(again))
    assert isinstance(bad, DataError)
    assert "all 90 training labels are of one class" in str(bad)
    assert isinstance(wide, DataError)
    assert "first=8, but the features have 7 columns" in str(wide)


def test_other_rows_cannot_be_fitted_along():
    other = dataclasses.replace(work(labels(2)), reference=TABLE + 1)
    good, bad = together((EXACT, work(labels(2))), (EXACT, other))
    assert isinstance(bad, ValueError)
    assert predictions(good).shape == (11, 2)


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_features_are_scaled_by_all_rows_whatever_a_method_keeps(solver):
    """The penalty is on weights of scaled features, so the scale shows: it is that of 90 rows, not of the 30 kept."""
    kept, values = np.sort(np.argsort(TABLE[:, 0])[:30]), labels(2)
    probe = dataclasses.replace(EXACT, solver=solver, epochs=30)
    whole = predictions(probe.fit(work(values, kept), Runtime()))
    scaled = ((TABLE.astype(float) - TABLE.mean(axis=0)) / TABLE.astype(float).std(axis=0)).astype(np.float32)
    ready = np.vstack([scaled, -scaled])  # mean 0 and nearly spread 1: scaling it again changes nothing
    again = dataclasses.replace(work(values, kept), inputs=scaled[kept], reference=ready / ready.std(axis=0))
    fitted = probe.fit(again, Runtime())
    moved = (NEW - TABLE.astype(float).mean(axis=0)) / TABLE.astype(float).std(axis=0)
    assert fitted.predict(moved) == pytest.approx(whole, abs=1e-4)
    alone = probe.fit(dataclasses.replace(work(values, kept), reference=None, kept=None), Runtime())
    assert np.abs(alone.predict(NEW) - whole).max() > 1e-3


def test_the_first_features_are_all_that_is_read():
    probe, values = dataclasses.replace(EXACT, first=3), labels(2)
    found = predictions(probe.fit(work(values), Runtime()))
    narrow = dataclasses.replace(work(values), inputs=TABLE[:, :3], reference=TABLE[:, :3])
    assert np.array_equal(found, EXACT.fit(narrow, Runtime()).predict(NEW[:, :3]))
    other = NEW.copy()
    other[:, 3:] = 1e3
    assert np.array_equal(found, probe.fit(work(values), Runtime()).predict(other))


def test_a_class_that_only_rows_of_no_weight_have_gets_no_probability():
    values = np.eye(3)[np.arange(N) % 2]
    values[:5] = [0, 0, 1]
    weight = np.where(np.arange(N) < 5, 0.0, N / (N - 5))
    one = work(values)
    weighed = dataclasses.replace(one, targets=dataclasses.replace(one.targets, weight=weight))
    found = predictions(EXACT.fit(weighed, Runtime()))
    assert (found[:, 2] == 0).all()
    dropped = predictions(EXACT.fit(work(values, np.arange(5, N)), Runtime()))
    assert found == pytest.approx(dropped, abs=1e-8)
    rest = dataclasses.replace(one.targets, values=np.eye(3)[(np.arange(N) < 5) * 2], weight=weight)
    with pytest.raises(DataError, match="are of one class"):
        EXACT.fit(dataclasses.replace(one, targets=rest), Runtime())


@pytest.mark.parametrize("classes", [2, 3])
def test_what_the_joint_solver_cannot_scikit_learn_solves(classes, monkeypatch):
    values = labels(classes)
    values = np.hstack([values[:, :1], np.zeros((N, 1)), values[:, 1:]])  # with a class that no row has
    wanted = predictions(EXACT.fit(work(values), Runtime()))
    free = [predictions(dataclasses.replace(EXACT, l2=l2).fit(work(values), Runtime())) for l2 in (0.0, 1e-5)]
    assert free[0] == pytest.approx(free[1], abs=0.02)  # on either side of what the joint solver takes
    monkeypatch.setattr(_joint, "STEPS", 1)
    found = predictions(EXACT.fit(work(values), Runtime()))
    assert found == pytest.approx(wanted, abs=1e-4)
    assert (found[:, 1] == 0).all()
    assert not np.array_equal(found, wanted)  # it was the other solver
