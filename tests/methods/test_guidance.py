"""Guidance of a student with narrow ground truth by a broad supervisor: gold-only, consistency, ranking."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from one_step import batch, gradient, losses, plain_cross_entropy, probabilities

from surpass.artifacts import Targets
from surpass.errors import SpecError, StageError
from surpass.methods.base import Given
from surpass.methods.consistency import Consistency
from surpass.methods.gold_only import GoldOnly
from surpass.methods.ranking import Ranking
from surpass.methods.soft import Soft
from surpass.testing import check_method

CLASSES = pytest.mark.parametrize("classes", [2, 4])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gold-only", {}),
        ("consistency", {}),
        ("consistency", {"strength": 100.0}),
        ("ranking", {}),
        ("ranking", {"pairs": "hard"}),
        ("ranking", {"strength": 0.3}),
    ],
)
def test_contract(name, options):
    check_method(name, **options)


@pytest.mark.parametrize(
    ("method", "option"),
    [(Consistency, {"strength": 0.0}), (Ranking, {"strength": 1.1}), (Ranking, {"pairs": "both"})],
)
def test_options_out_of_range_are_refused(method, option):
    with pytest.raises(SpecError, match=next(iter(option))):
        method(**option)


def _blend(gold, classes=2):
    values = np.random.default_rng(0).dirichlet(np.ones(classes), size=len(gold))
    values[gold] = np.eye(classes)[1]
    return Targets.of([f"r{i}" for i in range(len(gold))], values, gold=gold)


def _prepared(method, weak):
    return method.prepare(weak, Given(), np.random.default_rng(0))


def test_gold_only_keeps_ground_truth():
    kept = _prepared(GoldOnly(), _blend(np.array([False, True, False, True])))
    assert kept.ids == ("r1", "r3")
    assert kept.gold.all()
    assert kept.weight.tolist() == [1, 1]
    assert kept.values.tolist() == [[0, 1], [0, 1]]


def test_gold_only_without_ground_truth_asks_for_a_blend():
    with pytest.raises(StageError, match=r"none of 3 has it\. Use labels that are a blend"):
        _prepared(GoldOnly(), _blend(np.zeros(3, dtype=bool)))


def test_consistency_weighs_weak_labels_against_ground_truth():
    weak = _blend(np.array([True, False, False, False]))
    found = _prepared(Consistency(strength=0.25), weak)
    assert found.weight.tolist() == pytest.approx([4 / 1.75, 1 / 1.75, 1 / 1.75, 1 / 1.75])
    assert found.values.tolist() == weak.values.tolist()


@pytest.mark.parametrize("gold", [True, False])
def test_consistency_with_one_kind_of_label_is_soft(gold):
    assert _prepared(Consistency(), _blend(np.full(3, gold))).weight.tolist() == [1, 1, 1]


def test_consistency_needs_no_gradient_training():
    assert not Consistency().needs


def _odds(p):
    return [math.log(q / sum(p[:c] + p[c + 1 :])) for c, q in enumerate(p)]


def _slow_ranking(step, pairs, own=None):
    """Return R of each row of a whole step by loops over pairs and classes, weak rows being those with doubt."""
    logits = step.logits.tolist() if own is None else own
    student = [_odds(probabilities(z)) for z in logits]
    label = [_odds(t) if min(t) > 0 else None for t in step.targets.tolist()]
    weak = [i for i, odds in enumerate(label) if odds]
    found = []
    for i in range(len(label)):
        terms = []
        for j in (j for j in weak if j != i and label[i]):
            for s, other, w, beyond in zip(student[i], student[j], label[i], label[j], strict=True):
                above = 1 / (1 + math.exp(beyond - w)) if pairs == "soft" else (w > beyond) + (w == beyond) / 2
                q = 1 / (1 + math.exp(other - s))
                terms.append(-above * math.log(q) - (1 - above) * math.log(1 - q))
        found.append(sum(terms) / len(terms) if terms else 0.0)
    return found


def _step(classes, size=7, gold=(1, 4), **changes):
    step = batch(classes, size=size)
    targets, marks = step.targets.clone(), torch.zeros(size, dtype=torch.bool)
    for row in gold:
        targets[row], marks[row] = torch.eye(classes)[row % classes], True
    return batch(classes, size=size, targets=targets, gold=marks, **changes)


@CLASSES
@pytest.mark.parametrize("pairs", ["soft", "hard"])
@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_ranking_compares_weak_rows_with_each_other(classes, pairs, strength):
    step = _step(classes)
    plain = [plain_cross_entropy(z, t) for z, t in zip(step.logits.tolist(), step.targets.tolist(), strict=True)]
    ranked = _slow_ranking(step, pairs)
    wanted = [plain[i] if step.gold[i] else (1 - strength) * plain[i] + strength * ranked[i] for i in range(len(plain))]
    assert losses(Ranking(pairs=pairs, strength=strength), step) == pytest.approx(wanted, rel=1e-4)


@CLASSES
def test_detached_pairs_have_half_the_gradient_of_the_full_pair_loss(classes):
    """The sum over ordered pairs with gradients through both of a pair, against the method's, which holds the other."""
    size = 6
    step = _step(classes, size=size, gold=())
    logits = step.logits.detach().double().requires_grad_()
    p, y = torch.softmax(logits, dim=-1), step.targets.double()
    s, w = torch.log(p / (1 - p)), torch.log(y / (1 - y))
    terms = [
        torch.nn.functional.binary_cross_entropy_with_logits(s[i] - s[j], torch.sigmoid(w[i] - w[j]))
        for i in range(size)
        for j in range(size)
        if i != j
    ]
    (full,) = torch.autograd.grad(torch.stack(terms).sum() / (size - 1), logits)
    assert full.abs().max() > 0.1
    assert torch.allclose(2 * gradient(Ranking(), step).double(), full, atol=1e-5)


def test_ranking_ignores_a_shift_of_the_supervisor():
    """A supervisor whose log-odds are all too high by 2 gives the same losses; plain cross-entropy notices."""
    step = _step(2, gold=())
    odds = torch.log(step.targets[:, 1] / step.targets[:, 0]) + 2
    shifted = torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)
    other = dataclasses.replace(step, targets=shifted, step_targets=shifted)
    assert losses(Ranking(), other) == pytest.approx(losses(Ranking(), step), rel=1e-4)
    assert losses(Soft(), other) != pytest.approx(losses(Soft(), step), rel=0.1)


def test_ranking_is_least_where_the_student_orders_as_the_supervisor_does():
    step = _step(2, gold=())
    odds = torch.log(step.targets[:, 1] / step.targets[:, 0])
    logits = torch.stack([torch.zeros(7), odds - 3], dim=-1)  # the supervisor's odds, shifted
    best = batch(targets=step.targets, logits=logits)
    assert gradient(Ranking(), best).abs().max() < 1e-5
    assert sum(losses(Ranking(), best)) < sum(losses(Ranking(), step))


@pytest.mark.parametrize("gold", [(), (0,)])
@pytest.mark.parametrize("size", [1, 2])
def test_ranking_of_too_few_weak_rows_is_finite(size, gold):
    step = _step(2, size=size, gold=gold)
    method = Ranking()
    assert torch.isfinite(gradient(method, step)).all()
    weak = [loss for loss, known in zip(losses(method, step), step.gold, strict=True) if not known]
    assert size - len(gold) > 1 or weak == [0.0] * len(weak)


def test_ranking_tells_hard_weak_labels_from_ground_truth():
    """One-hot weak labels are ranked with the others; one-hot ground truth is not, by its mark alone."""
    hard = torch.eye(2)[[0, 1, 1, 0]]
    marks = torch.tensor([True, False, False, False])
    step = batch(2, size=4, targets=hard, gold=marks)
    plain = [plain_cross_entropy(z, t) for z, t in zip(step.logits.tolist(), hard.tolist(), strict=True)]
    found = losses(Ranking(pairs="hard"), step)
    assert found[0] == pytest.approx(plain[0], rel=1e-4)
    student = [_odds(probabilities(z)) for z in step.logits.tolist()]
    pairs = {1: [(2, 0.5), (3, 1.0)], 2: [(1, 0.5), (3, 1.0)], 3: [(1, 0.0), (2, 0.0)]}  # P(i above j) for class 1
    for i, others in pairs.items():
        margins = [(student[i][1] - student[j][1], above) for j, above in others]
        terms = [above * math.log1p(math.exp(-m)) + (1 - above) * math.log1p(math.exp(m)) for m, above in margins]
        assert found[i] == pytest.approx(sum(terms) / 2, rel=1e-4)


def test_ranking_reads_surely_ranked_others_exactly():
    """Probabilities near 1 have no room for their own log-odds in float32; those of the other classes have."""
    logits = torch.tensor([[0.0, 12.0], [0.0, 40.0]])
    targets = torch.tensor([[0.5, 0.5], [0.3, 0.7]])
    wanted = _slow_ranking_of_margins(12.0 - 40.0, targets)
    assert losses(Ranking(), batch(logits=logits, targets=targets))[0] == pytest.approx(wanted, rel=1e-4)


def _slow_ranking_of_margins(margin, targets):
    """Return R of the first of two rows whose log-odds of class 1 differ by `margin`; both classes give the same."""
    beyond = math.log(targets[0, 1] / targets[0, 0]) - math.log(targets[1, 1] / targets[1, 0])
    above = 1 / (1 + math.exp(-beyond))
    return above * math.log1p(math.exp(-margin)) + (1 - above) * math.log1p(math.exp(margin))
