"""The confidence loss against slow implementations written from the papers and the released codes, for two classes."""

import dataclasses

import numpy as np
import pytest
import torch

from surpass.artifacts import Targets
from surpass.methods.base import Batch, cross_entropy
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models._steps import Goal, StepLoss


def _batch(size: int = 16, *, seed: int = 0, step: int = 0, classes: int = 2, recent: int = 0, rows=None) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, classes, generator=rng, dtype=torch.float64).float()
    targets = torch.softmax(2 * torch.randn(size, classes, generator=rng), dim=-1)
    before = torch.softmax(torch.randn(recent, classes, generator=rng), dim=-1)
    chosen = torch.arange(size) if rows is None else torch.tensor(rows)
    return Batch(
        logits=logits[chosen].requires_grad_(),
        targets=targets[chosen],
        gold=torch.zeros(len(chosen), dtype=torch.bool),
        hidden=None,
        rows=chosen,
        step_probs=torch.softmax(logits, dim=-1),
        step_targets=targets,
        step_gold=torch.zeros(len(targets), dtype=torch.bool),
        recent_probs=before,
        step=step,
        columns=torch.zeros(len(chosen), 0),
    )


def _slow_quantile(values, share):
    """The linear quantile, from its definition on sorted values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(np.floor(place))
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _slow(batch: Batch, coefficients, thresholds):
    """CE of each row against (1 - c) y + c h, h = [p0 >= t, p0 < t], row by row in float64."""
    found = []
    for i, row in enumerate(batch.rows.tolist()):
        z = batch.logits[i].detach().double().numpy()
        log_p = z - np.log(np.exp(z).sum())
        p0 = float(batch.step_probs[row, 0])
        hard = np.array([p0 >= thresholds[i], p0 < thresholds[i]], dtype=float)
        target = (1 - coefficients) * batch.targets[i].double().numpy() + coefficients * hard
        found.append(-(target * log_p).sum())
    return np.array(found)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.05, 0.25), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)])
def test_paper_is_a_linear_ramp_and_the_median_of_the_step(progress, share):
    batch = _batch(15)
    median = _slow_quantile(batch.step_probs[:, 0].tolist(), 0.5)
    got = LogConf(strength=0.6).loss(batch, progress).detach().numpy()
    assert got == pytest.approx(_slow(batch, 0.6 * share, [median] * 15), abs=1e-5)


def test_paper_puts_half_of_the_step_in_each_class():
    hard = LogConf().hardened(_batch(16, seed=5))
    assert hard.sum(dim=0).tolist() == [8, 8]


@pytest.mark.parametrize(
    ("progress", "coefficient"), [(0.0, 0.0), (0.05, 0.025), (0.1, 0.05), (0.100001, 0.5), (0.9, 0.5)]
)
def test_openai_jumps_and_matches_the_weak_labels_share(progress, coefficient):
    method, batch = LogConf(variant="openai"), _batch(16, seed=1)
    assert method.coefficient(progress, 7) == pytest.approx(coefficient)
    threshold = _slow_quantile(batch.step_probs[:, 0].tolist(), float(batch.step_targets[:, 1].mean()))
    expected = _slow(batch, coefficient, [threshold] * 16)
    assert method.loss(batch, progress).detach().numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("step", "coefficient"), [(0, 0.0), (1, 0.005), (50, 0.25), (100, 0.5), (400, 0.5)])
def test_eleuther_warms_up_over_a_hundred_steps_whatever_the_length(step, coefficient):
    method = LogConf(variant="eleuther")
    assert method.coefficient(0.0, step) == method.coefficient(0.99, step) == pytest.approx(coefficient)


@pytest.mark.parametrize("recent", [0, 3, 8, 20])
def test_eleuther_threshold_is_the_running_median_row_by_row(recent):
    """A deque of the last B predictions, one row appended at a time: the release with a micro-batch of 1.

    With 20 predictions before it, a step of 8 rows is the short last one of an epoch whose steps have 20.
    """
    for seed in range(25):
        batch = _batch(8, seed=seed, step=200, recent=recent)
        window = [float(p) for p in batch.recent_probs[:, 0]]
        thresholds = []
        for p in batch.step_probs[:, 0].tolist():
            window = [*window, p][-max(8, recent) :]
            thresholds.append(_slow_quantile(window, 0.5))
        got = LogConf(variant="eleuther").loss(batch, 0.5).detach().numpy()
        assert got == pytest.approx(_slow(batch, 0.5, thresholds), abs=1e-5)


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
@pytest.mark.parametrize("classes", [2, 4])
def test_cut_of_the_step_changes_nothing(variant, classes):
    method = LogConf(variant=variant)
    whole = method.loss(_batch(12, seed=3, step=150, classes=classes, recent=5), 0.7).detach()
    parts = ([7, 1, 4], [0, 11, 2, 3, 5], [6, 8, 9, 10])
    for part in parts:
        piece = method.loss(_batch(12, seed=3, step=150, classes=classes, recent=5, rows=part), 0.7).detach()
        assert torch.allclose(piece, whole[part], atol=1e-6)


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
def test_strength_zero_is_soft(variant):
    batch = _batch(step=300, recent=4)
    assert torch.equal(LogConf(variant=variant, strength=0.0).loss(batch, 0.9), Soft().loss(batch, 0.9))


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
def test_own_prediction_is_a_constant_target(variant):
    """The gradient is softmax(z) - target: none flows through the hardened prediction."""
    batch = _batch(8, step=300, recent=8)
    method = LogConf(variant=variant)
    method.loss(batch, 0.9).sum().backward()
    target = 0.5 * batch.targets + 0.5 * method.hardened(batch)
    assert torch.allclose(batch.logits.grad, torch.softmax(batch.logits.detach(), dim=-1) - target, atol=1e-6)


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
def test_extreme_and_equal_logits_stay_finite(variant):
    logits = torch.tensor([[1e4, -1e4], [0.0, 0.0], [-1e4, 1e4], [0.0, 0.0]], requires_grad=True)
    probs = torch.softmax(logits.detach(), dim=-1)
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.3, 0.7]])
    gold, rows = torch.zeros(4, dtype=torch.bool), torch.arange(4)
    batch = Batch(logits, targets, gold, None, rows, probs, targets, gold, probs[:0], 500, torch.zeros(4, 0))
    loss = LogConf(variant=variant).loss(batch, 0.9)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("variant", "own"), [("paper", False), ("openai", False), ("eleuther", True)])
def test_several_classes_keep_their_share(variant, own):
    """Each class's threshold is its quantile at the weak labels' mean over the step, as footnote 7 of the paper asks.

    EleutherAI's micro-batch of 1 takes an even prior instead, over the last predictions.
    """
    batch = _batch(40, classes=4, seed=9)
    tilted = batch.step_targets * torch.tensor([4.0, 1.0, 1.0, 1.0])
    tilted = tilted / tilted.sum(dim=1, keepdim=True)
    batch = dataclasses.replace(batch, targets=tilted, step_targets=tilted)
    shares = [0.25] * 4 if own else [sum(column) / 40 for column in tilted.T.tolist()]
    wanted = []
    for i in range(40):
        seen = batch.step_probs[: i + 1] if own else batch.step_probs
        lifts = [float(batch.step_probs[i, c]) - _slow_quantile(seen[:, c].tolist(), 1 - shares[c]) for c in range(4)]
        wanted.append(lifts.index(max(lifts)))
    hard = LogConf(variant=variant).hardened(batch)
    assert hard.sum(dim=1).tolist() == [1] * 40
    assert hard.argmax(dim=1).tolist() == wanted


def test_paper_gives_a_rare_class_its_share_of_several():
    """With even shares a quarter of the rows would be moved to each of four classes, however rare."""
    batch = _batch(400, classes=4, seed=2)
    weak = torch.tensor([[0.7, 0.2, 0.05, 0.05]]).repeat(400, 1)
    counts = LogConf().hardened(dataclasses.replace(batch, targets=weak, step_targets=weak)).mean(dim=0)
    assert counts[0] > 0.55
    assert counts[2:].max() < 0.12


def test_window_holds_training_predictions_only_and_never_more_than_a_step():
    """The trainer's side: recent predictions are those of earlier steps, in the order the rows were drawn."""
    targets = Targets.of([str(i) for i in range(6)], np.full((6, 2), 0.5))
    seen: list[torch.Tensor] = []

    class Spy(LogConf):
        def loss(self, batch, progress):
            seen.append(batch.recent_probs)
            return cross_entropy(batch.logits, batch.targets)

    loss = StepLoss(Goal.of(targets, "classification"), Spy(variant="eleuther"), batch_size=4, total=3)
    steps = [torch.randn(4, 2), torch.randn(2, 2), torch.randn(4, 2)]
    for logits in steps:
        loss.begin(logits)
        drawn = torch.arange(len(logits))
        loss.part(logits, logits, drawn, drawn)
        loss.end(0.1, 1e-3)
    probs = [torch.softmax(logits, dim=-1) for logits in steps]
    assert len(seen[0]) == 0
    assert torch.equal(seen[1], probs[0])
    assert torch.equal(seen[2], torch.cat([probs[0][2:], probs[1]]))
