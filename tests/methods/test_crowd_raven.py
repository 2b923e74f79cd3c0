"""RAVEN: its steps against torch's own gradients and optimizers, and what its weights find."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.base import Given
from surpass.methods.raven import Raven
from surpass.testing import check_method

RNG = np.random.default_rng
FAR = Raven(lr=0.01, weight_lr=0.1)
"""Ten times as far as the defaults go."""


@pytest.mark.parametrize(
    "options", [{}, {"epochs": 0}, {"epochs": 5, "epochs_agree": 9}, {"weight_lr": 0.0, "lr": 0.1}]
)
def test_contract(options):
    check_method(Raven(**options))


def crowd(
    classes: int = 2, n: int = 120, right=(0.9, 0.7, 0.6), gold: int = 0, seed: int = 0
) -> tuple[Targets, Given, np.ndarray]:
    """Return members of unequal merit over rows whose features tell the truth, mostly; the first `gold` rows are known."""
    rng = RNG(seed)
    truth = rng.integers(classes, size=n)
    features = rng.normal(size=(classes, 6))[truth] * 2 + rng.normal(size=(n, 6))
    members = []
    for share in right:
        said = np.where(rng.random(n) < share, truth, (truth + rng.integers(1, classes, size=n)) % classes)
        members.append(np.eye(classes)[said] * 0.7 + 0.3 / classes)
    stacked = np.stack(members)
    marks = np.arange(n) < gold
    values = np.where(marks[:, None], np.eye(classes)[truth], stacked.mean(axis=0))
    weak = Targets.of([f"row{i:03}" for i in range(n)], values, gold=marks)
    return weak, Given(features=(features * 3 + 5).astype(np.float32), members=stacked), truth


def by_torch(method: Raven, weak: Targets, given: Given) -> np.ndarray:
    """Return the weights by automatic gradients of the loss itself and by torch's Adam and SGD."""
    x = torch.tensor(given.features, dtype=torch.float64)
    x = (x - x.mean(dim=0)) / x.std(dim=0, unbiased=False)
    members = torch.tensor(given.members)
    known = torch.tensor(weak.gold)
    layer = torch.nn.Linear(x.shape[1], members.shape[2], dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    weights = torch.full((len(members),), 1 / len(members), dtype=torch.float64, requires_grad=True)
    adam, plain = torch.optim.Adam(layer.parameters(), lr=method.lr), torch.optim.SGD([weights], lr=method.weight_lr)
    decided = members.argmax(dim=2)
    agreed = (decided == decided[0]).all(dim=0) | known
    for epoch in range(method.epochs):
        rows = agreed if epoch < method.epochs_agree and agreed.any() else torch.ones_like(agreed)
        mixed = (weights[:, None, None] * members).sum(dim=0)
        labels = mixed / mixed.sum(dim=1, keepdim=True)  # the released code scales here, which centres the gradient
        labels = torch.where(known[:, None], torch.tensor(weak.values), labels)
        loss = torch.nn.functional.cross_entropy(layer(x[rows]), labels[rows])
        adam.zero_grad()
        plain.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        plain.step()
        with torch.no_grad():
            weights.clamp_(min=1e-6)
            weights /= weights.sum()
    return weights.detach().numpy()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("gold", [0, 30])
@pytest.mark.parametrize(
    "options", [{"lr": 0.01, "weight_lr": 0.1}, {"epochs_agree": 0, "lr": 0.1}, {"epochs": 40, "weight_lr": 3.0}]
)
def test_weights_are_those_of_torch(classes, gold, options):
    weak, given, _ = crowd(classes, gold=gold)
    method = Raven(**options)
    found = method.prepare(weak, given, RNG(0))
    weights = by_torch(method, weak, given)
    assert np.ptp(weights) > 0.01
    mean = sum(w * member for w, member in zip(weights, given.members, strict=True))
    assert found.values[gold:] == pytest.approx(mean[gold:], abs=1e-6)
    assert found.values[:gold].tolist() == weak.values[:gold].tolist()


def weights_of(method: Raven, weak: Targets, given: Given) -> np.ndarray:
    return method.learned(given.features, given.members, np.full(weak.values.shape, np.nan))


def test_the_better_member_weighs_more_and_its_labels_are_better_than_the_mean():
    weak, given, truth = crowd(n=600, right=(0.95, 0.6, 0.6, 0.6))
    weights = weights_of(FAR, weak, given)
    assert weights[0] > 2 * weights[1:].max()
    assert weights.sum() == pytest.approx(1)
    labels = FAR.prepare(weak, given, RNG(0)).values
    assert (labels.argmax(axis=1) == truth).mean() > (weak.values.argmax(axis=1) == truth).mean() + 0.05


def test_equal_members_weigh_alike():
    weak, given, _ = crowd()
    same = Given(features=given.features, members=np.stack([given.members[1]] * 3))
    assert weights_of(Raven(), weak, same) == pytest.approx([1 / 3] * 3, abs=1e-12)
    assert Raven().prepare(weak, same, RNG(0)).values == pytest.approx(given.members[1])


def test_of_two_members_that_decide_alike_the_surer_one_weighs_more():
    weak, given, _ = crowd()
    surer = np.stack([given.members[0], given.members[0] * 0.5 + 0.25])
    weights = weights_of(FAR, weak, Given(features=given.features, members=surer))
    assert weights[0] > weights[1] + 0.1


def test_long_training_ends_with_one_member():
    weak, given, _ = crowd(n=600, right=(0.8, 0.7, 0.6))
    assert weights_of(Raven(epochs=1000, weight_lr=1.0), weak, given) == pytest.approx([1, 0, 0], abs=1e-5)


def test_without_steps_or_with_rate_0_the_labels_are_the_mean():
    weak, given, _ = crowd()
    for method in (Raven(epochs=0), Raven(weight_lr=0.0)):
        assert method.prepare(weak, given, RNG(0)).values == pytest.approx(given.members.mean(axis=0))


def test_the_first_epochs_see_rows_of_agreement_alone():
    """Whatever the others say elsewhere: while only agreement counts, other rows change nothing."""
    weak, given, _ = crowd(classes=3)
    decided = given.members.argmax(axis=2)
    apart = ~(decided == decided[0]).all(axis=0)
    assert 10 < apart.sum() < 110
    other = given.members.copy()
    other[:, apart] = other[::-1, apart]
    moved = Given(features=given.features, members=other)
    early, late = Raven(epochs=30, epochs_agree=30), Raven(epochs=30, epochs_agree=10)
    assert weights_of(early, weak, given).tolist() == weights_of(early, weak, moved).tolist()
    assert np.abs(weights_of(late, weak, given) - weights_of(late, weak, moved)).max() > 1e-3


def test_members_that_never_agree_start_on_all_rows():
    weak, given, _ = crowd()
    torn = np.stack([given.members[0], given.members[0][:, ::-1]])
    against = Given(features=given.features, members=torn)
    first, second = (weights_of(Raven(epochs=25, epochs_agree=n), weak, against) for n in (25, 0))
    assert first.tolist() == second.tolist()
    assert first[0] == pytest.approx(0.5)  # the mean of opposites says nothing, so nothing is learned


def test_the_weights_are_logged(caplog):
    weak, given, _ = crowd()
    with caplog.at_level(logging.INFO, logger="surpass.methods.raven"):
        Raven().prepare(weak, given, RNG(0))
    weights = weights_of(Raven(), weak, given)
    assert f"raven: weights {weights[0]:.3f} {weights[1]:.3f} {weights[2]:.3f}" in caplog.text


def test_options_out_of_range():
    with pytest.raises(SpecError, match=r"lr=0.0, but it must be above 0"):
        Raven(lr=0)
    with pytest.raises(SpecError, match=r"weight_lr=-1.0, but at least 0 is needed"):
        Raven(weight_lr=-1)
