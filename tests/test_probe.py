"""The probe against independent solutions of its stated objective."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from surpass.artifacts import Targets
from surpass.errors import DataError, StageError
from surpass.methods.base import Method, cross_entropy
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.probe import Probe
from surpass.runtime import Runtime


def _work(n=80, classes=2, *, method=None, seed=0, target="classification", watch=30):
    rng = np.random.default_rng(11)
    features = (rng.normal(size=(n + watch, 6)) * [1, 5, 0.1, 1, 2, 1] + [0, 3, 0, -2, 0, 1]).astype(np.float32)
    logits = features @ rng.normal(size=(6, classes)) + rng.normal(size=(n + watch, classes))
    values = logits if target == "regression" else softmax(logits, axis=1)
    targets = Targets.of([str(i) for i in range(n)], values[:n])
    return Work(
        inputs=features[:n],
        targets=targets,
        watch=features[n:],
        target=target,
        classes=classes,
        method=method or Soft(),
        seed=seed,
    )


def _probe(**changes):
    return Probe(**{"backbone": "path:unused", "precision": "fp32", "l2": 0.05, **changes})


def _fit(probe, work):
    return probe.fit(work, Runtime())


def _standard(work, inputs):
    train = work.inputs.astype(np.float64)
    return (inputs - train.mean(axis=0)) / train.std(axis=0)


def _minimum(work, l2):
    """The objective of the module's text, handed to a general minimizer without gradients of ours."""
    x, y, w = _standard(work, work.inputs), work.targets.values, work.targets.weight
    d, classes = x.shape[1], y.shape[1]
    free = 1 if classes == 2 else classes

    def split(flat):
        matrix = flat.reshape(d + 1, free)
        return np.hstack([np.zeros((d + 1, 1)), matrix]) if free == 1 else matrix

    def objective(flat):
        matrix = split(flat)
        loss = -(w * (y * log_softmax(x @ matrix[:-1] + matrix[-1], axis=1)).sum(axis=1)).mean()
        return loss + l2 / 2 * (matrix[:-1] ** 2).sum()

    found = minimize(objective, np.zeros((d + 1) * free), method="BFGS", options={"gtol": 1e-7, "maxiter": 3000})
    matrix = split(found.x)
    return lambda inputs: softmax(_standard(work, inputs) @ matrix[:-1] + matrix[-1], axis=1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [0.01, 0.3])
def test_exact_is_the_minimum_for_soft_targets_and_weights(classes, l2):
    work = _work(classes=classes)
    weight = np.linspace(0, 2, 80)
    work = dataclasses.replace(work, targets=dataclasses.replace(work.targets, weight=weight / weight.mean()))
    got = _fit(_probe(l2=l2), work).predict(work.watch)
    assert got == pytest.approx(_minimum(work, l2)(work.watch), abs=2e-4)
    assert got.sum(axis=1) == pytest.approx(1)


def test_penalty_means_the_same_for_any_number_of_rows():
    work = _work()
    twice = dataclasses.replace(
        work,
        inputs=np.concatenate([work.inputs, work.inputs]),
        targets=Targets.of([str(i) for i in range(160)], np.tile(work.targets.values, (2, 1))),
    )
    for probe in (_probe(), _probe(l2=1.0)):
        assert _fit(probe, twice).predict(work.watch) == pytest.approx(_fit(probe, work).predict(work.watch), abs=1e-4)


def test_scale_and_origin_of_a_feature_do_not_matter():
    work = _work()
    moved = dataclasses.replace(work, inputs=work.inputs * 8 + 64, watch=work.watch * 8 + 64)
    assert _fit(_probe(), moved).predict(moved.watch) == pytest.approx(
        _fit(_probe(), work).predict(work.watch), abs=1e-3
    )


def test_standardization_comes_from_training_rows_alone():
    work = _work()
    fitted = _fit(_probe(), work)
    both = fitted.predict(np.concatenate([work.watch, work.watch * 1000]))
    assert both[: len(work.watch)] == pytest.approx(fitted.predict(work.watch), abs=1e-12)


def test_constant_feature_is_harmless():
    work = _work()
    column = np.full((80, 1), 7.0, dtype=np.float32)
    wide = dataclasses.replace(work, inputs=np.hstack([work.inputs, column]))
    got = _fit(_probe(), wide).predict(np.hstack([work.watch, column[:30]]))
    assert got == pytest.approx(_fit(_probe(), work).predict(work.watch), abs=1e-4)


def test_rows_of_weight_zero_change_nothing():
    work = _work()
    weight = np.ones(80)
    weight[::4] = 0
    turned = work.targets.values.copy()
    turned[::4] = turned[::4, ::-1]
    for solver in ("exact", "adam"):
        probe = _probe(solver=solver, epochs=5)
        found = [
            _fit(
                probe,
                dataclasses.replace(work, targets=dataclasses.replace(work.targets, weight=weight, values=values)),
            ).predict(work.watch)
            for values in (work.targets.values, turned)
        ]
        assert found[0] == pytest.approx(found[1], abs=1e-9)


@pytest.mark.parametrize("columns", [1, 2])
def test_numbers_by_the_normal_equations(columns):
    work = _work(classes=columns, target="regression")
    x, y = _standard(work, work.inputs), work.targets.values
    middle = y.mean(axis=0)
    small = _fit(_probe(l2=1e-8), work).predict(work.watch)
    solution = np.linalg.lstsq(x, y - middle, rcond=None)[0]
    assert small == pytest.approx(_standard(work, work.watch) @ solution + middle, abs=1e-3)
    strong = _fit(_probe(l2=1e6), work).predict(work.watch)
    assert strong == pytest.approx(np.tile(middle, (30, 1)), abs=1e-2)


@pytest.mark.parametrize("classes", [2, 3])
def test_adam_goes_where_exact_is(classes):
    """Two classes share one penalty too: it belongs to the difference of their weights, whoever solves it."""
    work = _work(classes=classes)
    adam = _fit(_probe(solver="adam", lr=0.01, epochs=600, batch_size=80), work)
    assert adam.predict(work.watch) == pytest.approx(_fit(_probe(), work).predict(work.watch), abs=0.02)


def test_adam_is_read_on_the_way():
    work = _work()
    fitted = _fit(_probe(solver="adam", epochs=10, batch_size=32, points=5), work)
    assert fitted.steps == (6, 12, 18, 24, 30)
    assert fitted.watched.shape == (5, 30, 2)
    assert fitted.watched[-1] == pytest.approx(fitted.predict(work.watch))
    assert not np.allclose(fitted.watched[0], fitted.watched[-1])


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
def test_adam_takes_the_loss_of_a_method(variant):
    work = _work(160)
    probe = _probe(solver="adam", epochs=30, lr=0.01, batch_size=32)
    soft = _fit(probe, work).predict(work.watch)
    confident = _fit(probe, dataclasses.replace(work, method=LogConf(variant=variant))).predict(work.watch)
    assert np.abs(confident - soft).max() > 0.01
    same = _fit(probe, dataclasses.replace(work, method=LogConf(variant=variant, strength=0.0))).predict(work.watch)
    assert np.array_equal(same, soft)


def test_same_seed_same_numbers():
    probe = _probe(solver="adam", epochs=3, batch_size=16)
    first, again, other = (_fit(probe, _work(seed=seed)).predict(_work().watch) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    exact = [_fit(_probe(), _work(seed=seed)).predict(_work().watch) for seed in (1, 2)]
    assert np.array_equal(*exact)


def test_one_class_is_refused():
    work = _work()
    values = np.tile([1.0, 0.0], (80, 1))
    for solver in ("exact", "adam"):
        with pytest.raises(DataError, match="are of one class"):
            _fit(_probe(solver=solver), dataclasses.replace(work, targets=Targets.of(work.targets.ids, values)))


def test_loss_that_is_no_number_names_step_and_rate():
    class Broken(Method):
        def loss(self, batch, progress):
            return cross_entropy(batch.logits, batch.targets) * (float("inf") if batch.step == 4 else 1.0)

    with pytest.raises(StageError, match=r"at step 5 of 10, with learning rate 0\.001"):
        _fit(_probe(solver="adam", epochs=10), _work(method=Broken()))


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_saved_head_is_written(tmp_path, solver):
    _fit(_probe(solver=solver, epochs=2), _work()).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]


def test_what_it_can_and_reads():
    assert _probe().can == {"features"}
    assert _probe(solver="adam").can == {"features", "custom_loss"}
    encoder = _probe(layer=4, pool="mean", max_length=33).encoder()
    assert (encoder.layer, encoder.pool, encoder.max_length, encoder.precision) == (4, "mean", 33, "fp32")
    assert Probe.reads_features


def test_what_a_loss_trains_beside_the_head_moves_with_it_and_starts_from_the_seed():
    """The companion here is a gate on each row's loss; a third party's method may bring any module."""
    made = []

    class Gated(Method):
        def companion(self, width, columns):
            made.append(torch.nn.Linear(width, 1))
            made[-1].start = made[-1].weight.detach().clone()
            return made[-1]

        def loss(self, batch, progress):
            gate = batch.companion(batch.hidden)[:, 0]
            return cross_entropy(batch.logits, batch.targets) * torch.exp(gate) - gate

    before = torch.get_rng_state()
    probe = _probe(solver="adam", epochs=3, batch_size=16)
    first, again, other = (_fit(probe, _work(seed=seed, method=Gated())).predict(_work().watch) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(made[0].start, made[1].start)
    assert not torch.equal(made[0].start, made[2].start)
    assert (made[0].weight != made[0].start).all()
    assert torch.equal(before, torch.get_rng_state())
