"""Losses against wrong labels: reverse, confidence-adaptive, symmetric and generalized cross-entropy."""

import math

import pytest
import torch
from one_step import batch, gradient, losses, plain_cross_entropy, probabilities

from surpass.errors import SpecError
from surpass.methods.cace import CACE
from surpass.methods.generalized_ce import GeneralizedCE
from surpass.methods.reverse_ce import ReverseCE
from surpass.methods.soft import Soft
from surpass.methods.symmetric_ce import SymmetricCE
from surpass.testing import check_method

CLASSES = pytest.mark.parametrize("classes", [2, 5])


def _rows(step):
    return zip(step.logits.tolist(), step.targets.tolist(), strict=True)


def _reverse(z, t, floor):
    logs = [max(floor, math.log(y)) if y > 0 else floor for y in t]
    return -sum(p * log for p, log in zip(probabilities(z), logs, strict=True))


def _with_hard_rows(classes):
    """Return a step whose first two labels hold zeros."""
    step = batch(classes)
    targets = step.targets.clone()
    targets[:2] = torch.eye(classes)[[0, 1]]
    return batch(classes, targets=targets)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reverse-ce", {}),
        ("reverse-ce", {"floor": -4.0}),
        ("cace", {}),
        ("cace", {"threshold": 0.3, "floor": -4.0}),
        ("symmetric-ce", {}),
        ("symmetric-ce", {"alpha": 0.1, "beta": 1.0, "floor": -100.0}),
        ("generalized-ce", {}),
        ("generalized-ce", {"q": 1.0}),
        ("generalized-ce", {"q": 1e-4}),
    ],
)
def test_contract(name, options):
    check_method(name, **options)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        (ReverseCE, {"floor": 0.0}),
        (CACE, {"threshold": 0.6}),
        (CACE, {"threshold": -0.1}),
        (SymmetricCE, {"beta": -1.0}),
        (SymmetricCE, {"floor": -101.0}),
        (GeneralizedCE, {"q": -0.1}),
        (GeneralizedCE, {"q": 1.5}),
    ],
)
def test_options_out_of_range_are_refused(method, option):
    with pytest.raises(SpecError, match=next(iter(option))):
        method(**option)


@CLASSES
@pytest.mark.parametrize("floor", [-100.0, -4.0])
def test_reverse_cross_entropy_changes_the_slots(classes, floor):
    step = _with_hard_rows(classes)
    wanted = [_reverse(z, t, floor) for z, t in _rows(step)]
    assert losses(ReverseCE(floor=floor), step) == pytest.approx(wanted, rel=1e-5)


def test_reverse_cross_entropy_of_a_hard_label_is_limited_as_pytorch_limits_it():
    """The released code calls PyTorch's binary cross-entropy with label and prediction exchanged."""
    step = batch(logits=torch.tensor([[0.4, -0.3]]), targets=torch.tensor([[0.0, 1.0]]))
    p = torch.softmax(step.logits.detach(), dim=-1)[:, 1]
    theirs = torch.nn.functional.binary_cross_entropy(step.targets[:, 1], p)
    assert losses(ReverseCE(), step) == pytest.approx([theirs.item()], rel=1e-5)


@CLASSES
def test_cace_reverses_doubtful_labels(classes):
    targets = torch.full((4, classes), 0.0)
    for i, top in enumerate((1.0, 0.9, 0.62, 1 / classes)):
        targets[i] = (1 - top) / (classes - 1)
        targets[i, i % 2] = top
    step = batch(classes, size=4, targets=targets)
    wanted, kinds = [], []
    for z, t in _rows(step):
        sure = 0.5 * (max(t) - 1 / classes) / (1 - 1 / classes)
        kinds.append(sure >= 0.3)
        wanted.append(plain_cross_entropy(z, t) if kinds[-1] else _reverse(z, t, -100.0))
    assert kinds == [True, True, False, False]
    assert losses(CACE(threshold=0.3), step) == pytest.approx(wanted, rel=1e-4)


def test_cace_looks_at_the_distance_from_a_half_for_two_classes():
    targets = torch.tensor([[0.505, 0.495], [0.48, 0.52]])
    step = batch(size=2, targets=targets)
    (z0, z1), (t0, t1) = step.logits.tolist(), targets.tolist()
    wanted = [_reverse(z0, t0, -100.0), plain_cross_entropy(z1, t1)]  # |y - 1/2| is 0.005, then 0.02; c is 0.01
    assert losses(CACE(), step) == pytest.approx(wanted, rel=1e-5)


def test_cace_never_reverses_ground_truth():
    doubtful = torch.tensor([[0.5, 0.5]])
    step = batch(size=1, targets=doubtful, gold=torch.tensor([True]))
    assert losses(CACE(threshold=0.5), step) == losses(Soft(), step)


@CLASSES
@pytest.mark.parametrize(("alpha", "beta", "floor"), [(1.0, 0.1, -4.0), (0.1, 1.0, -4.0), (6.0, 0.1, -100.0)])
def test_symmetric_cross_entropy_adds_both(classes, alpha, beta, floor):
    step = _with_hard_rows(classes)
    wanted = [alpha * plain_cross_entropy(z, t) + beta * _reverse(z, t, floor) for z, t in _rows(step)]
    assert losses(SymmetricCE(alpha=alpha, beta=beta, floor=floor), step) == pytest.approx(wanted, rel=1e-5)


def test_symmetric_reverse_term_of_a_hard_label_is_four_times_the_missing_probability():
    """Equation 7 of the source: with log 0 = A the reverse term is -A (1 - p_y)."""
    step = batch(5, size=1, targets=torch.eye(5)[[2]])
    (z,) = step.logits.tolist()
    found = losses(SymmetricCE(alpha=0.0, beta=1.0), step)
    assert found == pytest.approx([4 * (1 - probabilities(z)[2])], rel=1e-5)


@CLASSES
@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_generalized_cross_entropy(classes, q):
    step = _with_hard_rows(classes)
    wanted = [sum(y * (1 - p**q) / q for y, p in zip(t, probabilities(z), strict=True)) for z, t in _rows(step)]
    assert losses(GeneralizedCE(q=q), step) == pytest.approx(wanted, rel=1e-4)


def test_generalized_cross_entropy_holds_down_the_pull_of_misfits():
    """For a hard label the gradient is that of cross-entropy times p_y^q."""
    step = batch(5, targets=torch.eye(5)[[0, 1, 2, 3, 4, 0]])
    fit = (torch.softmax(step.logits.detach(), dim=-1) * step.targets).sum(dim=-1, keepdim=True)
    assert torch.allclose(gradient(GeneralizedCE(q=0.7), step), fit**0.7 * gradient(Soft(), step), atol=1e-6)


def test_generalized_cross_entropy_tends_to_cross_entropy():
    step = batch(5)
    assert losses(GeneralizedCE(q=1e-5), step) == pytest.approx(losses(Soft(), step), rel=1e-3)
    assert losses(GeneralizedCE(q=0.0), step) == losses(Soft(), step)
