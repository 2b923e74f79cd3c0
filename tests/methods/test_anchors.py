"""Anchors beside the label: the pretrained model's prediction, the supervisor's features."""

import dataclasses
import math

import numpy as np
import pytest
import tiny
import torch
from one_step import batch, gradient, losses, plain_cross_entropy, probabilities

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError, SpecError
from surpass.methods.anchored import Anchored
from surpass.methods.base import Given
from surpass.methods.representation import Representation, principal
from surpass.methods.soft import Soft
from surpass.models.hf import HF
from surpass.runtime import Runtime
from surpass.testing import check_method
from surpass.testing._methods import sample_weak

CLASSES = pytest.mark.parametrize("classes", [2, 5])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("anchored", {}),
        ("anchored", {"strength": 100.0}),
        ("representation", {}),
        ("representation", {"width": 1, "strength": 5.0}),
    ],
)
def test_contract(name, options):
    check_method(name, **options)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        (Anchored, {"strength": -1.0}),
        (Representation, {"strength": 101.0}),
        (Representation, {"width": 0}),
    ],
)
def test_options_out_of_range_are_refused(method, option):
    with pytest.raises(SpecError, match=next(iter(option))):
        method(**option)


@pytest.mark.parametrize("method", [Anchored(), Representation()])
def test_what_is_asked_for_must_be_given(method):
    with pytest.raises(IncompatibleError, match="was given none"):
        method.prepare(sample_weak(2)[0], Given(), np.random.default_rng(0))


@CLASSES
def test_anchored_adds_the_divergence_from_the_pretrained_model(classes):
    weak, given = sample_weak(classes)
    columns = Anchored().prepare(weak, given, np.random.default_rng(0)).columns
    assert columns.tolist() == given.pretrained.tolist()
    step = batch(classes, columns=torch.tensor(columns[:6], dtype=torch.float32))
    wanted = []
    for z, y, q in zip(step.logits.tolist(), step.targets.tolist(), columns.tolist(), strict=False):
        p = probabilities(z)
        drift = sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))
        wanted.append(plain_cross_entropy(z, y) + 0.7 * drift)
    assert losses(Anchored(strength=0.7), step) == pytest.approx(wanted, rel=1e-4)


def test_anchored_is_cross_entropy_on_mixed_labels_rescaled():
    q = torch.softmax(torch.randn(6, 2, generator=torch.Generator().manual_seed(3)), dim=-1)
    step = batch(columns=q)
    p = torch.softmax(step.logits.detach(), dim=-1)
    mixed = (step.targets + 0.5 * q) / 1.5
    assert torch.allclose(gradient(Anchored(), step), 1.5 * (p - mixed), atol=1e-5)


def _features(n=40, k=5, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(k, k))
    return (rng.normal(size=(n, k)) @ mixing * rng.uniform(0.1, 50, size=k) + rng.normal(size=k)).astype(np.float32)


def _slow_components(features, width):
    """The components from their definition, by power iteration on the correlation matrix with deflation."""
    columns = [[float(x) for x in column] for column in features.T]
    standard = []
    for column in columns:
        mean = sum(column) / len(column)
        spread = math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
        standard.append([(x - mean) / spread for x in column])
    left = np.array(standard).T
    found = []
    for _ in range(width):
        direction = np.ones(left.shape[1]) + np.arange(left.shape[1]) / 7
        for _ in range(20_000):
            direction = left.T @ (left @ direction)
            direction /= math.sqrt(float(direction @ direction))
        found.append(np.array(standard).T @ direction)
        left = left - np.outer(left @ direction, direction)
    return np.stack(found, axis=1)


def test_columns_are_the_principal_components_at_mean_square_one():
    features = _features()
    slow = _slow_components(features, 3)
    slow /= math.sqrt(float((slow**2).mean()))
    found = principal(features, 3)
    signs = np.sign((slow * found).sum(axis=0))
    assert found == pytest.approx(slow * signs, abs=1e-4)
    assert float((found**2).mean()) == pytest.approx(1.0)


def test_no_more_components_than_directions():
    flat = np.repeat(_features(k=2), 3, axis=1)  # six features of rank 2
    assert principal(flat, 32).shape == (40, 2)
    assert principal(_features(n=3, k=9), 32).shape == (3, 2)


@pytest.mark.parametrize("features", [np.full((4, 3), 7.0), np.ones((1, 3)), np.zeros((4, 0))])
def test_features_that_do_not_vary_say_nothing(features):
    found = principal(features.astype(np.float32), 8)
    assert found.tolist() == [[0.0]] * len(features)


def test_a_constant_feature_changes_nothing():
    features = _features()
    wider = np.concatenate([features, np.full((40, 1), 1e6, dtype=np.float32)], axis=1)
    assert principal(wider, 3) == pytest.approx(principal(features, 3), abs=1e-9)


@pytest.mark.parametrize("features", [_features(), _features(k=2)])
def test_signs_do_not_hang_on_rounding(features):
    """Two standardized features have loadings of equal size, whose larger one only rounding could tell."""
    order = np.random.default_rng(1).permutation(len(features))
    assert principal(features[order], 3) == pytest.approx(principal(features, 3)[order], abs=1e-6)


def test_prepared_columns_belong_to_their_rows():
    features = _features()
    ids = [f"r{(7 * i) % 40}" for i in range(40)]
    weak = Targets.of(ids, np.full((40, 2), 0.5))
    prepared = Representation(width=2).prepare(weak, Given(supervisor_features=features), np.random.default_rng(0))
    assert prepared.ids == tuple(ids)
    assert prepared.columns == pytest.approx(principal(features, 2), abs=1e-9)


def test_representation_adds_the_error_of_a_linear_map():
    method = Representation(strength=2.0)
    torch.manual_seed(0)
    companion = method.companion(4, 3)
    columns, hidden = torch.randn(6, 3), torch.randn(6, 4, requires_grad=True)
    step = dataclasses.replace(batch(columns=columns), hidden=hidden, companion=companion)
    weight, offset = companion.weight.tolist(), companion.bias.tolist()
    wanted = []
    for z, y, h, t in zip(*(x.tolist() for x in (step.logits, step.targets, hidden, columns)), strict=True):
        guess = [sum(a * b for a, b in zip(row, h, strict=True)) + c for row, c in zip(weight, offset, strict=True)]
        missed = sum((g - x) ** 2 for g, x in zip(guess, t, strict=True)) / 3
        wanted.append(plain_cross_entropy(z, y) + 2 * missed)
    assert losses(method, step) == pytest.approx(wanted, rel=1e-5)
    method.loss(step, 0.5).sum().backward()
    assert hidden.grad.abs().min() > 0
    assert companion.weight.grad.abs().min() > 0


_missed: list[float] = []


class _Watched(Representation):
    """The method, noting at each step how much of the supervisor's features the map misses."""

    def loss(self, batch, progress):
        guess = batch.companion(batch.hidden)
        _missed.append(float((guess - batch.columns).square().mean().detach()))
        return super().loss(batch, progress)


@pytest.mark.slow
def test_a_finetuned_student_learns_the_features_and_keeps_no_map(tiny_backbone):
    _missed.clear()
    work = tiny.work(24, method=_Watched(width=2))
    features = np.stack([work.targets.values[:, 0], np.arange(24) % 3], axis=1).astype(np.float32)
    prepared = work.method.prepare(work.targets, Given(supervisor_features=features), np.random.default_rng(0))
    work = dataclasses.replace(work, targets=prepared)
    model = HF(backbone=tiny_backbone, lr=1e-2, epochs=8, batch_size=8, max_length=16, precision="fp32")
    fitted = model.fit(work, Runtime())
    assert np.mean(_missed[-3:]) < 0.7 * np.mean(_missed[:3])
    assert not hasattr(fitted.model, "companion")
    plain = model.fit(dataclasses.replace(work, method=Soft()), Runtime())
    assert not np.allclose(fitted.watched, plain.watched, atol=1e-3)
