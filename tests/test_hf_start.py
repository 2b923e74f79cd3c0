"""How a student may start and be held: the probe as its head, averaged weights, L2-SP, a companion of the loss."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.base import Method, cross_entropy
from surpass.models import _linear, _trainer
from surpass.models.prompt import Prompt
from surpass.runtime import Runtime
from surpass.spec import key

CUTS = (100_000, 1)
STILL = {"lr": 1e-12, "epochs": 1}


def _states(reference, inputs):
    """Return the untrained pooled states, row by row: the last token's for a decoder, the mean for an encoder."""
    from transformers import AutoModel, AutoTokenizer

    folder = reference.removeprefix("path:")
    model, tokenizer, found = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder), []
    for text in inputs:
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        found.append(states[-1] if "Llama" in type(model).__name__ else states.mean(0))
    return torch.stack(found).double()


# The head as a probe


def _slope(matrix, states, values, weight, *, l2):
    """Return the gradient of the probe's loss by autograd; two classes share one vector of log odds."""
    spread = states.std(dim=0, correction=0)
    odds = torch.tensor(matrix[1:] - matrix[:1] if len(matrix) == 2 else matrix, requires_grad=True)
    logits = states @ odds.T
    if len(matrix) == 2:
        logits = torch.cat([torch.zeros(len(states), 1), logits], dim=1)
    loss = (torch.tensor(weight) * -(torch.tensor(values) * torch.log_softmax(logits, -1)).sum(-1)).mean()
    loss = loss + l2 / 2 * (odds * spread).square().sum()
    return torch.autograd.grad(loss, odds)[0] / spread


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_where_its_loss_is_flat(classes):
    rng = np.random.default_rng(classes)
    states = rng.normal(1.0, (0.1, 1.0, 5.0, 2.0), size=(60, 4))
    values = rng.dirichlet(np.ones(classes), size=60)
    weight = rng.uniform(size=60)
    targets = dataclasses.replace(Targets.of([str(i) for i in range(60)], values), weight=weight)
    matrix = _linear.solved(states, targets, "classification")
    assert np.abs(matrix).max() > 0.05
    assert float(_slope(matrix, torch.tensor(states), values, weight, l2=0.3).abs().max()) < 1e-4
    assert float(_slope(matrix * 1.1, torch.tensor(states), values, weight, l2=0.3).abs().max()) > 1e-3


def test_the_probe_of_numbers_is_the_ridge_in_closed_form():
    rng = np.random.default_rng(0)
    states, values, weight = rng.normal(size=(30, 5)) + 1, rng.normal(size=(30, 2)), rng.uniform(size=30)
    targets = dataclasses.replace(Targets.of([str(i) for i in range(30)], values), weight=weight)
    # the slope of mean_i w_i |W x_i - y_i|^2 / 2 columns + l2 / 2 |W D|^2 is zero
    left = (states * weight[:, None]).T @ states / 30 + 0.3 * np.diag(states.var(axis=0))
    wanted = np.linalg.solve(left, (states * weight[:, None]).T @ values / 30)
    assert _linear.solved(states, targets, "regression") == pytest.approx(wanted.T, abs=1e-8)


def test_labels_that_miss_a_class_leave_its_weights_at_zero():
    states, named = np.random.default_rng(0).normal(size=(20, 3)), np.eye(3)[[0, 2] * 10]
    matrix = _linear.solved(states, Targets.of([str(i) for i in range(20)], named), "classification")
    assert np.array_equal(matrix[1], np.zeros(3))
    assert np.array_equal(matrix[0], -matrix[2])
    one = Targets.of([str(i) for i in range(20)], np.eye(3)[[1] * 20])
    assert np.array_equal(_linear.solved(states, one, "classification"), np.zeros((3, 3)))


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_training_starts_at_the_probe(request, family):
    reference, work = request.getfixturevalue(family), tiny.work(40)
    fitted = tiny.hf(reference, head="probe", **STILL).fit(work, Runtime())
    states = _states(reference, work.inputs)
    head = fitted.model.head.weight.detach().double()
    assert float(_slope(head.numpy(), states, work.targets.values, np.ones(40), l2=0.3).abs().max()) < 1e-3
    assert fitted.predict(work.inputs) == pytest.approx(torch.softmax(states @ head.T, -1).numpy(), abs=1e-4)
    zero = tiny.hf(reference, **STILL).fit(work, Runtime())
    assert zero.predict(work.inputs) == pytest.approx(0.5, abs=1e-6)
    assert fitted.facts["train_loss"] < zero.facts["train_loss"] - 0.03


def test_numbers_start_at_their_probe_too(llama):
    work = tiny.work(40)
    targets = Targets.of([str(i) for i in range(40)], np.array([[100.0 + len(text)] for text in work.inputs]))
    work = dataclasses.replace(work, targets=targets, target="regression", classes=1)
    fits = [tiny.hf(llama, pool="mean", head=head, **STILL).fit(work, Runtime()) for head in ("zero", "probe")]
    off = [float(((fitted.predict(work.inputs) - targets.values) ** 2).mean()) for fitted in fits]
    assert off[0] == pytest.approx(targets.values.var(), rel=1e-4)
    assert off[1] < off[0] / 2


# Averaged weights


@pytest.fixture
def weights(monkeypatch):
    """Return where the trained weights before every step are kept."""
    found: list[dict[str, torch.Tensor]] = []
    step = _trainer.StepTrainer.training_step

    def recorded(self, model, *args):
        found.append({name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad})
        return step(self, model, *args)

    monkeypatch.setattr(_trainer.StepTrainer, "training_step", recorded)
    return found


@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora", "layers": 2}], ids=str)
def test_the_average_is_the_weighted_mean_of_all_steps(llama, tune, weights):
    work, decay = tiny.work(40), 0.7
    plain = tiny.hf(llama, epochs=3, points=9, **tune).fit(work, Runtime())
    path = [*weights[1:], {n: p.detach() for n, p in plain.model.named_parameters() if p.requires_grad}]
    shares = np.array([decay ** (len(path) - 1 - i) for i in range(len(path))])
    fitted = tiny.hf(llama, epochs=3, points=9, ema=decay, **tune).fit(work, Runtime())
    for name, parameter in fitted.model.named_parameters():
        if parameter.requires_grad:
            mean = sum(share * step[name].double() for share, step in zip(shares / shares.sum(), path, strict=True))
            assert torch.allclose(parameter.detach().double(), mean, atol=1e-6), name
    # training goes its way, the first reading is after one step, and the last is what the model then predicts
    assert fitted.facts["train_loss"] == plain.facts["train_loss"]
    assert fitted.watched[0] == pytest.approx(plain.watched[0], abs=1e-6)
    assert not np.allclose(fitted.watched[-1], plain.watched[-1], atol=1e-4)
    tokens = fitted.model.prepare(work.watch, Runtime(), keep=False)
    again = torch.softmax(fitted.model.logits(tokens, Runtime()).double(), -1).numpy()
    assert again == pytest.approx(fitted.watched[-1], abs=1e-5)


def test_a_decay_of_one_is_refused(llama):
    with pytest.raises(SpecError, match="ema=1 never leaves the first weights"):
        tiny.hf(llama, ema=1.0)
    with pytest.raises(SpecError, match="must be above 0"):
        tiny.hf(llama, ema=0.0)


# L2-SP; that its gradient is the penalty's is in test_training.py


def test_a_strong_pull_keeps_the_body_and_not_the_head(llama):
    work = tiny.work(40)
    fits = [tiny.hf(llama, epochs=4, l2_sp=strength).fit(work, Runtime()) for strength in (0.0, 100.0)]
    start = dict(fits[0].model.backbone.model.named_parameters())

    def moved(fitted):
        own = [(n.removeprefix("body."), p) for n, p in fitted.model.named_parameters() if n.startswith("body.")]
        return sum(float((p.detach() - start[name]).square().sum()) for name, p in own)

    assert moved(fits[1]) < moved(fits[0]) / 3
    assert float(fits[1].model.head.weight.detach().abs().max()) > 1e-3


# A companion


class _Bent(Method):
    """Adds what a small map of the state says to the logits, and keeps the maps it trained."""

    made: list = []  # noqa: RUF012  # of this class, not of a spec

    def companion(self, width, columns):
        assert (width, columns) == (32, 3)
        self.made.append(torch.nn.Linear(width, 2))
        return self.made[-1]

    def loss(self, batch, progress):
        assert batch.hidden.requires_grad
        assert batch.columns.shape == (len(batch.rows), 3)
        return cross_entropy(batch.logits + batch.companion(batch.hidden), batch.targets)


def _bent_work():
    work = tiny.work(40, method=_Bent())
    return dataclasses.replace(work, targets=dataclasses.replace(work.targets, columns=np.ones((40, 3))))


def test_a_companion_trains_along_and_is_not_kept(llama):
    work = _bent_work()
    _Bent.made.clear()
    torch.manual_seed(123)  # the companion's start is the fit's seed's alone
    fits = [tiny.hf(llama).fit(work, Runtime(tokens_per_batch=tokens)) for tokens in CUTS]
    first, second = (companion.weight.detach() for companion in _Bent.made)
    start = _trainer.seeded(lambda: torch.nn.Linear(32, 2), 0).weight.detach()
    assert float((first - start).abs().mean()) > 1e-3
    assert torch.allclose(first, second, atol=2e-4)
    assert fits[0].watched == pytest.approx(fits[1].watched, abs=2e-4)
    assert not hasattr(fits[0].model, "companion")
    assert (
        fits[0].facts["trained_parameters"] == tiny.hf(llama).fit(tiny.work(40), Runtime()).facts["trained_parameters"]
    )


def test_a_companion_is_averaged_too(llama):
    work = _bent_work()
    _Bent.made.clear()
    for ema in (None, 0.9):
        tiny.hf(llama, ema=ema).fit(work, Runtime())
    assert not torch.allclose(_Bent.made[0].weight, _Bent.made[1].weight, atol=1e-4)


# What others read


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "tune": "lora", "layers": 2}], ids=str)
def test_states_are_what_the_head_reads(llama, changes):
    work = tiny.work(40)
    fitted = tiny.hf(llama, **changes).fit(work, Runtime())
    for inputs in (work.inputs, work.inputs[3:7], (*work.watch, *work.inputs[:2])):
        states = fitted.states(inputs)
        assert states.shape == (len(inputs), 32)
        assert states.dtype == np.float64
        logits = states @ fitted.model.head.weight.detach().double().numpy().T
        assert torch.softmax(torch.tensor(logits), -1).numpy() == pytest.approx(fitted.predict(inputs), abs=1e-5)
    assert fitted.facts["parameters"] == sum(p.numel() for p in fitted.model.backbone.model.parameters())


def test_what_a_decoder_and_an_encoder_offer(llama, bert):
    assert tiny.hf(llama).can == {"custom_loss", "features", "hidden", "pretrained"}
    assert tiny.hf(llama, digest="d").pretrained() == Prompt(backbone=llama, precision="fp32", digest="d")
    assert tiny.hf(bert).can == {"custom_loss", "features", "hidden"}
    assert tiny.hf(bert).pretrained() is None


def test_options_that_are_off_leave_the_key_and_others_change_it(llama):
    plain = tiny.hf(llama)
    assert key(tiny.hf(llama, head="zero", ema=None, l2_sp=0.0, generative=0)) == key(plain)
    changes = ({"head": "probe"}, {"ema": 0.9}, {"l2_sp": 0.1}, {"generative": 1})
    assert len({key(plain), *(key(tiny.hf(llama, **change)) for change in changes)}) == 5
