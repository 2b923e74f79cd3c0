"""The mixture of logistic heads against its stated formulas, and as a student in a study."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from surpass import testing
from surpass.artifacts import Targets
from surpass.errors import DataError, IncompatibleError, StageError
from surpass.methods.base import Method
from surpass.methods.kl import KL
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models._mixture import Heads
from surpass.models.base import Work
from surpass.models.mixture import Mixture
from surpass.runtime import Runtime

QUICK = {"lr": 1e-2, "epochs": 30, "batch_size": 32}


def job(n=120, classes=3, *, method=None, seed=0, watch=30, values=None):
    rng = np.random.default_rng(5)
    vectors = rng.normal([0, 3, 0, -2, 0, 1], size=(n + watch, 6)).astype(np.float32)
    found = softmax(vectors @ rng.normal(size=(6, classes)), axis=1)[:n] if values is None else values
    targets = Targets.of([str(i) for i in range(n)], found)
    return Work(
        inputs=vectors[:n],
        targets=targets,
        watch=vectors[n:],
        target="classification",
        classes=classes,
        method=method or Soft(),
        seed=seed,
    )


def fitted(work, **options):
    return Mixture(**{**QUICK, **options}).fit(work, Runtime())


def drawn(width, heads, classes, seed, size=3.0):
    """Heads with random weights, of which some rows' probabilities are next to 0."""
    made, rng = Heads(width, heads, classes), np.random.default_rng(seed)
    with torch.no_grad():
        for part in made.parameters():
            part.copy_(torch.from_numpy(rng.normal(scale=size, size=tuple(part.shape))))
    return made.double()


def plainly(heads, vectors, k, classes):
    """The formula of the module's text, head by head."""
    weight, bias = (part.detach().numpy() for part in (heads.linear.weight, heads.linear.bias))
    shares, rows = softmax(heads.mixing.detach().numpy()), [slice(h * classes, (h + 1) * classes) for h in range(k)]
    return sum(a * softmax(vectors @ weight[at].T + bias[at], axis=1) for a, at in zip(shares, rows, strict=True))


SIZES = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(2, 5), st.integers(0, 10_000))


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_log_probabilities_are_those_of_the_formula_and_sum_to_1(sizes):
    width, k, classes, seed = sizes
    heads, vectors = drawn(width, k, classes, seed), np.random.default_rng(seed).normal(size=(9, width))
    with torch.no_grad():
        found = heads(torch.from_numpy(vectors)).exp().numpy()
    assert np.allclose(found, plainly(heads, vectors, k, classes), atol=1e-12)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 7), st.floats(0.01, 0.99))
def test_a_mixture_of_two_mixtures_is_one_of_all_their_heads(sizes, more, share):
    width, k, classes, seed = sizes
    left, right = drawn(width, k, classes, seed), drawn(width, more, classes, seed + 1)
    both = Heads(width, k + more, classes).double()
    with torch.no_grad():
        for name in ("weight", "bias"):
            parts = [getattr(one.linear, name) for one in (left, right)]
            getattr(both.linear, name).copy_(torch.cat(parts))
        mixing = [
            part + np.log(a)
            for part, a in zip((left.log_shares(), right.log_shares()), (share, 1 - share), strict=True)
        ]
        both.mixing.copy_(torch.cat(mixing))
        vectors = torch.from_numpy(np.random.default_rng(seed).normal(size=(9, width)))
        between = share * left(vectors).exp() + (1 - share) * right(vectors).exp()
        assert torch.allclose(both(vectors).exp(), between, atol=1e-12)


def test_one_head_is_a_logistic_head():
    work = job()
    model = fitted(work, heads=1, held_out=0.0)
    logits = np.log(model.predict(work.inputs))
    design = np.column_stack([work.inputs, np.ones(len(work.inputs))])
    odds = logits - logits[:, :1]
    residual = odds - design @ np.linalg.lstsq(design, odds, rcond=None)[0]
    assert np.abs(residual).max() < 1e-4
    ten = np.log(fitted(work, heads=10, lr=0.05).predict(work.inputs))
    curved = ten - ten[:, :1]
    assert np.abs(curved - design @ np.linalg.lstsq(design, curved, rcond=None)[0]).max() > 0.1


def test_one_head_reaches_the_least_cross_entropy():
    work = job(values=softmax(np.random.default_rng(2).normal(size=(120, 3)), axis=1))
    x = np.column_stack([work.inputs - work.inputs.mean(axis=0), np.ones(120)])

    def objective(flat):
        return -(work.targets.values * log_softmax(x @ flat.reshape(7, 3), axis=1)).sum(axis=1).mean()

    least = minimize(objective, np.zeros(21)).fun
    found = fitted(work, heads=1, held_out=0.0, weight_decay=0.0, epochs=600, batch_size=120, lr=0.02)
    reached = -(work.targets.values * np.log(found.predict(work.inputs))).sum(axis=1).mean()
    assert least - 1e-6 < reached < least + 1e-4


def test_heads_begin_and_stay_different():
    heads = fitted(job(), heads=5).heads
    weight = heads.linear.weight.detach().reshape(5, -1)
    assert torch.pdist(weight).min() > 0.1


def test_more_heads_come_closer_to_labels_that_no_head_has():
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(400, 2)).astype(np.float32)
    inside = (np.abs(vectors[:, 0]) < 0.7).astype(float)  # between two values: no half-plane
    values = np.column_stack([0.8 - 0.6 * inside, 0.2 + 0.6 * inside])
    work = dataclasses.replace(job(400, 2, values=values), inputs=vectors, watch=vectors[:5])
    misses = [np.abs(fitted(work, heads=k, epochs=150, lr=0.03).predict(vectors) - values).mean() for k in (1, 10)]
    assert misses[1] < 0.5 * misses[0]


@pytest.mark.parametrize("method", [Soft(), KL(), KL(direction="reverse"), LogConf()])
def test_labels_of_0_and_1_leave_numbers(method):
    values = np.eye(2)[np.arange(120) % 2]
    model = fitted(job(classes=2, method=method, values=values), heads=4, lr=0.5)
    found = model.predict(job().inputs * 100)  # far from everything it saw
    assert np.isfinite(found).all()
    assert np.isfinite(model.facts["train_loss"])


def test_direction_is_the_methods():
    """Between the two peaks of a label a single head settles on one with the student first, and covers both else."""
    values = np.tile([0.49, 0.49, 0.02], (120, 1)) + np.random.default_rng(0).dirichlet([1, 1, 1], 120) * 0.01
    values[::2] = [0.02, 0.02, 0.96]
    work = job(values=values / values.sum(axis=1, keepdims=True))
    shapes = []
    for method in (Soft(), KL(direction="reverse")):
        found = fitted(dataclasses.replace(work, method=method), heads=1, epochs=100).predict(work.inputs)
        shapes.append(found)
        forward = (work.targets.values * np.log(work.targets.values / found)).sum(axis=1).mean()
        reverse = (found * np.log(found / work.targets.values)).sum(axis=1).mean()
        shapes.append((forward, reverse))
    (_, (f0, r0), _, (f1, r1)) = shapes
    assert f0 < f1
    assert r1 < r0


def test_the_epoch_is_the_best_on_the_rows_held_out_and_reads_no_others():
    """Labels that are noise: every pass fits more of it, so the best epoch is an early one."""
    noise = np.eye(3)[np.random.default_rng(3).integers(0, 3, 120)]
    model = fitted(job(values=noise), heads=10, lr=0.05, epochs=40)
    assert model.facts["held_out"] == 24
    assert model.facts["epoch"] < 20
    last = fitted(job(values=noise), heads=10, lr=0.05, epochs=40, held_out=0.0)
    assert last.facts["epoch"] == 40
    assert last.predict(job().inputs).max(axis=1).mean() > model.predict(job().inputs).max(axis=1).mean()


class _Later(Method):
    """A loss that doubles at every step: the best epoch must be judged by one and the same."""

    def loss(self, batch, progress):
        return super().loss(batch, progress) * (1 + 100 * progress)


def test_a_loss_that_changes_while_training_is_judged_as_at_the_end():
    plain, growing = (fitted(job(method=method), heads=2, lr=1e-3, epochs=20) for method in (Soft(), _Later()))
    assert plain.facts["epoch"] == growing.facts["epoch"] == 20


class _Turned(Method):
    """A loss whose first step is the other way round: an epoch judged by it would be the worst."""

    def loss(self, batch, progress):
        found = super().loss(batch, progress)
        return found if progress > 0 else 100 - found


def test_epochs_are_judged_by_the_loss_of_the_end_not_of_the_start():
    assert fitted(job(method=_Turned()), heads=2, lr=1e-3, epochs=20).facts["epoch"] == 20


def test_rows_count_by_their_weight():
    work, weight = job(), np.where(np.arange(120) % 3, 1.5, 0.0)
    turned = np.where(weight[:, None] > 0, work.targets.values, work.targets.values[:, ::-1])
    both = [
        fitted(dataclasses.replace(work, targets=dataclasses.replace(work.targets, values=values, weight=weight)))
        for values in (work.targets.values, turned)
    ]
    assert np.array_equal(*(one.predict(work.inputs) for one in both))
    assert not np.array_equal(both[0].predict(work.inputs), fitted(work).predict(work.inputs))


def test_only_the_weights_of_heads_decay():
    free, decayed = (fitted(job(), heads=1, weight_decay=decay, held_out=0.0) for decay in (0.0, 10.0))
    size = [float(one.heads.linear.weight.detach().norm()) for one in (free, decayed)]
    assert size[1] < 0.5 * size[0]
    biased = job(values=np.tile([0.9, 0.05, 0.05], (120, 1)))
    held = fitted(biased, heads=1, weight_decay=10.0, held_out=0.0, epochs=200)
    assert held.predict(biased.inputs).mean(axis=0) == pytest.approx([0.9, 0.05, 0.05], abs=0.01)


def test_images_are_read_as_they_are_or_by_blocks():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 80, size=(120, 4, 4), dtype=np.uint8)
    kinds = np.arange(120) % 2
    images[kinds == 1, :2, :2] += 150
    work = dataclasses.replace(job(classes=2, values=np.eye(2)[kinds]), inputs=images, watch=images[:5])
    model = fitted(work, heads=2, shrink=2)
    assert model.heads.linear.in_features == 4
    assert (model.predict(images).argmax(axis=1) == kinds).mean() > 0.95
    with pytest.raises(IncompatibleError, match="shrink=3 on rows of shape"):
        fitted(work, shrink=3)


def test_features_are_scaled_by_the_training_split_whatever_a_method_keeps():
    work = job()
    some = dataclasses.replace(
        work, inputs=work.inputs[:50], targets=work.targets.take(np.arange(50)), reference=work.inputs
    )
    assert np.allclose(fitted(some).scale.mean, work.inputs.mean(axis=0))


def test_seeds_differ_and_repeat():
    first, again, other = (fitted(job(seed=seed)).predict(job().inputs) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_what_cannot_be_fitted_says_why():
    with pytest.raises(DataError, match="all 120 training labels are of one class"):
        fitted(job(values=np.tile([1.0, 0, 0], (120, 1))))
    few = job(2, values=np.eye(3)[[0, 1]])
    with pytest.raises(DataError, match=r"held_out=0\.2 of 2 training rows leaves 0"):
        fitted(few)
    assert np.isfinite(fitted(few, held_out=0.0).predict(few.inputs)).all()
    with pytest.raises(StageError, match="Lower lr"):
        fitted(job(), lr=1e30)


def test_names_say_how_many_heads():
    assert Mixture().label() == "mixture of 10"
    assert Mixture(heads=1, shrink=2).label() == "mixture of 1(shrink=2)"
    on = Mixture(heads=100, backbone="package:smollm2-135m", epochs=9)
    assert on.label() == "smollm2-135m mixture of 100(epochs=9)"
    assert Mixture(backbone="package:smollm2-135m").label() == "smollm2-135m mixture of 10"


def test_a_mixture_reads_texts_with_a_backbone_and_numbers_without():
    assert Mixture().inputs == {"vector", "image"}
    assert Mixture().encoder() is None
    on = Mixture(backbone="package:smollm2-135m")
    assert on.inputs == {"text", "pair"}
    assert on.reads_features
    assert on.encoder().backbone == "package:smollm2-135m"
    testing.check_model(Mixture(backbone="path:none", **QUICK))
