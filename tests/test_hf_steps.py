"""Optimizer steps of finetuning: what a method sees of them, and that their cut into micro-batches changes no number."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch

from surpass.errors import StageError
from surpass.methods.base import Method, cross_entropy
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models import _backbone, _classifier, _trainer, _tuning
from surpass.runtime import Runtime

TUNES = [{"tune": "full"}, {"tune": "lora", "layers": 2}]
LOGCONFS = [LogConf(variant=name) for name in ("paper", "openai", "eleuther")]


@pytest.mark.parametrize("tune", TUNES, ids=str)
@pytest.mark.parametrize("method", [Soft(), *LOGCONFS], ids=lambda m: getattr(m, "variant", "soft"))
def test_one_micro_batch_equals_four_and_sixteen(llama, tune, method):
    """The accumulation trap: a step of 16 rows is one step however it is cut; its gradient is neither 4 times larger
    nor made of other thresholds. 40 rows leave an incomplete last step in both epochs."""
    work = tiny.work(40, method=method)
    fits = [tiny.hf(llama, **tune, clip=0.0).fit(work, Runtime(tokens_per_batch=tokens)) for tokens in (100_000, 48, 1)]
    for other in fits[1:]:
        assert other.watched == pytest.approx(fits[0].watched, abs=2e-4)
        for name, value in tiny.weights(fits[0]).items():
            assert torch.allclose(tiny.weights(other)[name], value, atol=2e-4), name


@pytest.mark.parametrize("method", [Soft(), *LOGCONFS], ids=lambda m: getattr(m, "variant", "soft"))
def test_gradient_of_a_step_by_hand(llama, method):
    """One SGD-like look: the gradient that the trainer accumulates is that of the mean over the step's rows."""
    work = tiny.work(16, method=method)
    found = []
    for tokens in (100_000, 20):
        runtime = Runtime(tokens_per_batch=tokens)
        model, trainer = _single_step(llama, work, runtime)
        trainer.training_step(model, {"rows": torch.arange(16)})
        found.append(model.head.weight.grad.clone())
        model.zero_grad()
    logits, _ = model(_tokens(model, work).batch(range(16), torch.device("cpu")))
    cross_entropy(logits, torch.tensor(work.targets.values).float()).mean().backward()
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert torch.allclose(found[0], model.head.weight.grad, atol=1e-6)  # logconf is soft in its very first step


def _shape(**changes):
    values = {"tune": "full", "layers": None, "pool": None, "rank": 8, "alpha": 16.0, "columns": 2, "max_length": 64}
    return _classifier.Shape(**{**values, **changes})


def _tokens(model, work):
    return _backbone.tokenize(model.backbone, work.inputs, 64)


def _single_step(reference, work, runtime):
    from surpass.models._steps import Goal, StepLoss

    backbone = _backbone.load(reference, "", "fp32", runtime)
    model = _trainer.seeded(lambda: _classifier.Classifier(backbone, _shape()), 0)
    goal = Goal.of(work.targets, "classification")
    plan = _tuning.plan(tiny.hf(reference), 0)
    trainer = _trainer.StepTrainer(
        model=model,
        rows=model.prepare(work.inputs, runtime, keep=False),
        loss=StepLoss(goal, work.method, 16, 10),
        plan=plan,
        runtime=runtime,
        args=None,
    )
    trainer.create_optimizer_and_scheduler(10)
    return model, trainer


def test_evaluation_never_feeds_the_window(llama):
    """More readings, same training: with the running median of `eleuther` this would differ at the first leak."""
    work = tiny.work(40, method=LogConf(variant="eleuther", strength=1.0))
    fits = [tiny.hf(llama, points=points, epochs=6).fit(work, Runtime()) for points in (1, 18)]
    assert np.array_equal(fits[0].watched[-1], fits[1].watched[-1])


def test_methods_see_the_step(llama):
    seen = []

    class Spy(Method):
        @property
        def batch_statistics(self) -> bool:
            return True

        def loss(self, batch, progress):
            seen.append((batch, progress))
            return cross_entropy(batch.logits, batch.targets)

    work = tiny.work(20, method=Spy())
    gold = dataclasses.replace(work, targets=dataclasses.replace(work.targets, gold=np.arange(20) < 5))
    tiny.hf(llama, epochs=1, batch_size=8).fit(gold, Runtime())
    sizes = [len(batch.step_probs) for batch, _ in seen]
    assert sizes == [8, 8, 4]
    assert [len(batch.recent_probs) for batch, _ in seen] == [0, 8, 8]
    assert [progress for _, progress in seen] == pytest.approx([0, 1 / 3, 2 / 3])
    assert [batch.step for batch, _ in seen] == [0, 1, 2]
    assert sum(int(batch.gold.sum()) for batch, _ in seen) == 5
    for batch, _ in seen:
        assert torch.allclose(torch.softmax(batch.logits.detach(), -1), batch.step_probs[batch.rows], atol=1e-6)
        assert torch.equal(batch.step_targets[batch.rows], batch.targets)
        assert batch.hidden.shape == (len(batch.rows), 32)
    assert torch.equal(seen[1][0].recent_probs, seen[0][0].step_probs)


def test_dropout_does_not_depend_on_the_cut(llama):
    work = tiny.work(32)
    fits = [tiny.hf(llama, dropout=0.3).fit(work, Runtime(tokens_per_batch=tokens)).watched for tokens in (100_000, 1)]
    assert fits[0] == pytest.approx(fits[1], abs=2e-4)
    assert not np.allclose(fits[0], tiny.hf(llama).fit(work, Runtime()).watched, atol=1e-4)


def test_backbone_dropout_stays_off(bert):
    work = tiny.work(32)
    fits = [tiny.hf(bert).fit(work, Runtime(tokens_per_batch=tokens)).watched for tokens in (100_000, 1)]
    assert fits[0] == pytest.approx(fits[1], abs=2e-4)


def test_loss_that_is_no_number_names_step_and_rate(llama):
    class Broken(Method):
        def loss(self, batch, progress):
            return cross_entropy(batch.logits, batch.targets) * (float("nan") if batch.step == 2 else 1.0)

    with pytest.raises(StageError, match=r"loss is nan at step 3 of 6, with learning rate 0\.00"):
        tiny.hf(llama, epochs=3).fit(tiny.work(32, method=Broken()), Runtime())


def test_statistics_that_were_not_declared_are_empty(llama):
    class Undeclared(Method):
        def loss(self, batch, progress):
            assert len(batch.step_probs) == 0
            return cross_entropy(batch.logits, batch.targets)

    tiny.hf(llama, epochs=1).fit(tiny.work(method=Undeclared()), Runtime())
