"""Losses that lean on the student's own confidence: kl, product, entropy, window, adaptconf."""

import math
import statistics

import numpy as np
import pytest
import torch
from one_step import batch, gradient, losses, plain_cross_entropy, probabilities

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.adaptconf import AdaptConf
from surpass.methods.base import Given
from surpass.methods.entropy import Entropy
from surpass.methods.kl import KL
from surpass.methods.product import Product
from surpass.methods.soft import Soft
from surpass.methods.window import Window
from surpass.testing import check_method

CLASSES = pytest.mark.parametrize("classes", [2, 5])


def _rows(step):
    return zip(step.logits.tolist(), step.targets.tolist(), strict=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kl", {}),
        ("kl", {"direction": "reverse"}),
        ("product", {}),
        ("product", {"alpha": 0.5, "beta": 0.5}),
        ("product", {"alpha": 0.0, "beta": 10.0}),
        ("entropy", {}),
        ("entropy", {"variant": "square", "strength": 1.0}),
        ("entropy", {"variant": "eleuther", "strength": 1.0}),
        ("window", {}),
        ("window", {"radius": 0.15}),
        ("adaptconf", {}),
        ("adaptconf", {"temperature": 0.01}),
    ],
)
def test_contract(name, options):
    check_method(name, **options)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        (KL, {"direction": "backward"}),
        (KL, {"floor": 0.0}),
        (Product, {"alpha": -1.0}),
        (Product, {"beta": 11.0}),
        (Entropy, {"variant": "paper"}),
        (Entropy, {"strength": 1.1}),
        (Window, {"radius": 0.0}),
        (AdaptConf, {"temperature": 0.0}),
        (AdaptConf, {"strength": 2.0}),
    ],
)
def test_options_out_of_range_are_refused(method, option):
    with pytest.raises(SpecError, match=next(iter(option))):
        method(**option)


@CLASSES
def test_kl_is_the_divergence_from_the_weak_label(classes):
    step = batch(classes)
    wanted = [sum(y * math.log(y / p) for y, p in zip(t, probabilities(z), strict=True)) for z, t in _rows(step)]
    assert losses(KL(), step) == pytest.approx(wanted, abs=1e-5)


def test_kl_of_a_hard_label_is_its_cross_entropy():
    step = batch(targets=torch.eye(2)[[0, 1, 1]], logits=torch.randn(3, 2, generator=torch.Generator().manual_seed(1)))
    assert losses(KL(), step) == pytest.approx([plain_cross_entropy(z, t) for z, t in _rows(step)], abs=1e-5)


@CLASSES
def test_reverse_kl_has_the_student_first(classes):
    step = batch(classes)
    wanted = [sum(p * math.log(p / y) for y, p in zip(t, probabilities(z), strict=True)) for z, t in _rows(step)]
    assert losses(KL(direction="reverse"), step) == pytest.approx(wanted, abs=1e-5)


def test_reverse_kl_counts_a_label_of_zero_as_its_floor():
    step = batch(logits=torch.zeros(1, 2), targets=torch.tensor([[1.0, 0.0]]))
    assert losses(KL(direction="reverse", floor=-8.0), step) == pytest.approx([math.log(0.5) + 4.0], abs=1e-5)


@CLASSES
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.5), (2.0, 0.0), (0.0, 1.0)])
def test_product_is_cross_entropy_on_the_normalized_product(classes, alpha, beta):
    step = batch(classes)
    wanted, slopes = [], []
    for z, t in _rows(step):
        p = probabilities(z)
        powers = [q**beta * y**alpha for q, y in zip(p, t, strict=True)]
        target = [power / sum(powers) for power in powers]
        wanted.append(plain_cross_entropy(z, target))
        slopes.append([q - y for q, y in zip(p, target, strict=True)])  # of a target held constant
    method = Product(alpha=alpha, beta=beta)
    assert losses(method, step) == pytest.approx(wanted, abs=1e-5)
    assert gradient(method, step).numpy() == pytest.approx(np.array(slopes), abs=1e-5)


def test_product_has_no_warm_up_though_the_released_code_takes_one():
    step = batch()
    assert losses(Product(), step, 0.0) == losses(Product(), step, 0.99)


def test_product_of_classes_that_exclude_each_other_is_a_number():
    step = batch(logits=torch.tensor([[1e4, -1e4]]), targets=torch.tensor([[0.0, 1.0]]))
    assert torch.isfinite(Product().loss(step, 0.5)).all()
    assert torch.isfinite(gradient(Product(), step)).all()


@CLASSES
@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)])
def test_entropy_penalty_ramps_over_a_fifth_of_training(classes, progress, share):
    step = batch(classes, step=7)
    penalty, square = [], []
    for z, t in _rows(step):
        p = probabilities(z)
        a = 0.6 * share
        penalty.append(plain_cross_entropy(z, t) - a * sum(q * math.log(q) for q in p))
        square.append(plain_cross_entropy(z, t) - a * sum((q - 1 / classes) ** 2 for q in p) / 2)
    assert losses(Entropy(strength=0.6), step, progress) == pytest.approx(penalty, abs=1e-5)
    assert losses(Entropy(strength=0.6, variant="square"), step, progress) == pytest.approx(square, abs=1e-5)


def test_square_is_the_paper_s_term_for_two_classes():
    step = batch()
    wanted = [plain_cross_entropy(z, t) - (probabilities(z)[1] - 0.5) ** 2 for z, t in _rows(step)]
    assert losses(Entropy(strength=1.0, variant="square"), step) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("variant", ["penalty", "square"])
def test_entropy_term_pushes_away_from_doubt(variant):
    """With the sign as printed in the paper the added entropy term would pull p towards 1/2."""
    step = batch(logits=torch.tensor([[0.3, 0.0]]), targets=torch.tensor([probabilities([0.3, 0.0])]))
    slope = gradient(Entropy(variant=variant, strength=1.0), step)
    assert slope[0, 0] < -0.01  # descent raises the likelier class, where the label alone would change nothing
    assert gradient(Soft(), step).abs().max() < 1e-6


@CLASSES
@pytest.mark.parametrize(("steps", "a"), [(0, 0.0), (50, 0.25), (100, 0.5), (1000, 0.5)])
def test_eleuther_entropy_is_cross_entropy_rescaled_and_no_penalty(classes, steps, a):
    method, step = Entropy(variant="eleuther"), batch(classes, step=steps)
    assert torch.allclose(gradient(method, step), (1 - a) * gradient(Soft(), step), atol=1e-6)
    wanted = [
        plain_cross_entropy(z, [(1 - a) * y + a * p for y, p in zip(t, probabilities(z), strict=True)])
        for z, t in _rows(step)
    ]
    assert losses(method, step, 0.01) == pytest.approx(wanted, abs=1e-5)


def _weak(classes=2, n=31, gold=0):
    values = np.random.default_rng(0).dirichlet(np.ones(classes), size=n)
    values[:gold] = np.eye(classes)[0]
    return Targets.of([f"r{i}" for i in range(n)], values, gold=np.arange(n) < gold)


def _prepared(method, weak):
    return method.prepare(weak, Given(), np.random.default_rng(0))


def test_window_keeps_what_the_student_is_unsure_of():
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.6], [1.0, 0.0], [0.0, 9.0], [3.0, 0.0]])
    border = torch.tensor(_prepared(Window(radius=0.15), _weak()).columns[:5], dtype=torch.float32)
    step = batch(logits=logits, targets=torch.full((5, 2), 0.5), columns=border)
    wanted = [plain_cross_entropy(z, t) if max(probabilities(z)) < 0.5 + 0.15 else 0.0 for z, t in _rows(step)]
    assert [loss > 0 for loss in wanted] == [True, True, False, False, False]
    assert losses(Window(radius=0.15), step) == pytest.approx(wanted, abs=1e-5)


def test_midweak_radius_is_the_median_distance_of_weak_labels_from_a_half():
    weak = _weak()
    radius = statistics.median(abs(y - 0.5) for y in weak.values[:, 1])
    assert _prepared(Window(), weak).columns == pytest.approx(np.full((31, 1), 0.5 + radius))


def test_midweak_window_never_grows():
    """The border is part of the targets: no step, progress, or prediction before it moves the rows that count."""
    columns = torch.tensor(_prepared(Window(), _weak()).columns[:6], dtype=torch.float32)
    first = losses(Window(), batch(columns=columns), 0.0)
    assert 0 in first
    assert any(first)
    sure = torch.tensor([[1.0, 0.0]]).repeat(32, 1)
    later = batch(columns=columns, step=10_000, recent_probs=sure, step_probs=sure[:6])
    assert losses(Window(), later, 0.99) == first


@CLASSES
def test_window_never_drops_ground_truth_nor_counts_it(classes):
    weak = _weak(classes, gold=20)
    columns = _prepared(Window(), weak).columns
    assert columns[0, 0] == pytest.approx(statistics.median(max(row) for row in weak.values[20:].tolist()))
    logits = 50 * torch.eye(classes)[[1, 1]]
    targets = torch.eye(classes)[[0, 0]]
    step = batch(logits=logits, targets=targets, gold=torch.tensor([True, False]), columns=torch.tensor(columns[:2]))
    assert losses(Window(), step) == pytest.approx([50.0, 0.0], abs=1e-3)


def test_window_of_ground_truth_alone_is_soft():
    weak = Targets.of(["a", "b"], np.eye(2), gold=True)
    columns = torch.tensor(_prepared(Window(), weak).columns)
    step = batch(size=2, gold=torch.tensor([True, True]), columns=columns)
    assert losses(Window(), step) == losses(Soft(), step)


@CLASSES
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_adaptconf_weighs_by_both_cross_entropies(classes, temperature):
    step = batch(classes, size=12)
    wanted, slopes = [], []
    for z, t in _rows(step):
        p = probabilities(z)
        own, theirs = p.index(max(p)), t.index(max(t))
        self_term = math.exp(-math.log(p[own]) / temperature)
        weak_term = math.exp(-math.log(p[theirs]) / temperature)
        a = self_term / (self_term + weak_term)
        wanted.append((1 - a) * plain_cross_entropy(z, t) - a * math.log(p[own]))
        slopes.append([q - (1 - a) * y - a * (c == own) for c, (q, y) in enumerate(zip(p, t, strict=True))])
    method = AdaptConf(temperature=temperature)
    assert losses(method, step) == pytest.approx(wanted, abs=1e-5)
    assert gradient(method, step).numpy() == pytest.approx(np.array(slopes), abs=1e-5)


def test_adaptconf_trusts_itself_by_half_at_most_and_least_where_it_disagrees_surely():
    """As its formula has it: agreement gives 1/2, sure disagreement leaves the supervisor's label."""
    targets = torch.tensor([[0.7, 0.3], [0.7, 0.3]])
    step = batch(logits=torch.tensor([[4.0, 0.0], [0.0, 40.0]]), targets=targets)
    p = torch.softmax(step.logits.detach(), dim=-1)
    slope = gradient(AdaptConf(), step)
    assert torch.allclose(slope[0], p[0] - torch.tensor([0.85, 0.15]), atol=1e-5)
    assert torch.allclose(slope[1], p[1] - targets[1], atol=1e-5)
