"""Whole trainings against loops written out: the losses of every step in plain Python, and finetuning in plain torch."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import plain_logconf as plain
import pytest
import tiny
import torch

from surpass.artifacts import Targets
from surpass.errors import AssetError, StageError
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models import _backbone, _packing, _trainer
from surpass.models._steps import Goal, StepLoss
from surpass.models.base import Work
from surpass.models.hf import HF
from surpass.runtime import Runtime

VARIANTS = ("paper", "openai", "eleuther")
SIZE = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


# The losses of every step


@dataclasses.dataclass(frozen=True)
class Run:
    """Made-up training: the logits and drawn rows of every step."""

    logits: list[torch.Tensor]
    drawn: list[torch.Tensor]
    targets: Targets

    @classmethod
    def of(cls, total: int, *, rows: int = 21, classes: int = 2, seed: int = 0) -> Run:
        rng = np.random.default_rng(seed)
        drawn: list[torch.Tensor] = []
        while len(drawn) < total:  # epochs in new orders; the last step of each is short
            drawn += torch.split(torch.tensor(rng.permutation(rows)), SIZE)
        logits = [torch.tensor(rng.normal(0.4, 1.5, (len(d), classes)), dtype=torch.float32) for d in drawn[:total]]
        values = rng.dirichlet(np.ones(classes) * 0.7, size=rows)
        return cls(logits, drawn[:total], Targets.of([f"r{i}" for i in range(rows)], values))

    def losses(self, method: Any, *, cut: int = 1, noise: float = 0.0) -> list[list[float]]:
        """Return the loss of every micro-batch of `cut` rows at every step, times the rows of its step."""
        loss = StepLoss(Goal.of(self.targets, "classification"), method, SIZE, len(self.logits))
        found = []
        for logits, drawn in zip(self.logits, self.drawn, strict=True):
            if loss.statistics:
                loss.begin(logits)
            again = logits + noise * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
            parts = [
                loss.part(again[rows], again[rows], rows, drawn) * len(drawn)
                for rows in torch.split(torch.arange(len(drawn)), cut)
            ]
            loss.end(float(sum(parts)), 0.1)
            found.append([float(part) for part in parts])
        return found

    def expected(self, variant: str, strength: float) -> list[list[float]]:
        """Return the published loss of every row at every step."""
        buffer: list[float] = []
        found = []
        for step, (logits, drawn) in enumerate(zip(self.logits, self.drawn, strict=True)):
            weak = self.targets.values[drawn.numpy()].tolist()
            own = plain.hardened(variant, torch.softmax(logits, dim=-1).tolist(), weak, buffer, SIZE)
            mixed = plain.mixed(weak, own, plain.coefficient(variant, strength, step, len(self.logits)))
            found.append([plain.cross_entropy(z, y) for z, y in zip(logits.tolist(), mixed, strict=True)])
        return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("strength", "total"), [(0.5, 40), (0.75, 130), (1.0, 7)])
def test_every_row_of_every_step_has_the_published_loss(variant, strength, total):
    """Steps of 8, 8 and 5 rows; 40 and 130 steps hit 10 % of training exactly, where openai's weight is a tenth."""
    run = Run.of(total, seed=total)
    found, wanted = run.losses(LogConf(variant=variant, strength=strength)), run.expected(variant, strength)
    for step, (left, right) in enumerate(zip(found, wanted, strict=True)):
        assert left == pytest.approx(right, abs=2e-5), f"step {step}"


def test_the_variants_differ():
    run = Run.of(60)
    assert len({str(run.losses(LogConf(variant=variant))[30:]) for variant in VARIANTS}) == 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_strength_zero_is_soft_to_the_bit(variant):
    run = Run.of(30)
    assert run.losses(LogConf(variant=variant, strength=0.0)) == run.losses(Soft())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("classes", [2, 5])
def test_the_cut_into_micro_batches_changes_no_step(variant, classes):
    run, method = Run.of(50, classes=classes), LogConf(variant=variant)
    whole = [sum(parts) for parts in run.losses(method, cut=SIZE)]
    assert np.isfinite(whole).all()
    for cut in (1, 3, 4):
        assert [sum(parts) for parts in run.losses(method, cut=cut)] == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_second_forward_pass_that_rounds_otherwise_flips_no_row(variant, classes):
    """The row at the median of an odd step is compared with itself: as it was predicted for the whole step."""
    run, method = Run.of(50, classes=classes), LogConf(variant=variant)
    for found, wanted in zip(run.losses(method, noise=1e-6), run.losses(method), strict=True):
        assert found == pytest.approx(wanted, abs=1e-4)


# Finetuning in plain torch

N, BATCH, EPOCHS, RATE = 40, 16, 2, 2e-3  # steps of 16, 16 and 8 rows


def linear_maps(model: torch.nn.Module) -> list[str]:
    return [name for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "layer" in name]


def written_out(
    reference: str, work: Work, tune: str, variant: str, *, l2_sp: float = 0.0, decay: float = 0.0
) -> tuple[dict[str, torch.Tensor], np.ndarray, list[float]]:
    """Train by full batches, one backward pass per step; return trained weights, watched predictions, gradient norms."""
    import peft
    from transformers import AutoModel, AutoTokenizer, set_seed

    folder = reference.removeprefix("path:")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModel.from_pretrained(folder).eval()  # no dropout, as here
    encoder = hasattr(model, "pooler")
    if encoder:
        model.pooler = None
    if tune == "lora":
        set_seed(work.seed)
        model = peft.get_peft_model(
            model, peft.LoraConfig(r=8, lora_alpha=16, target_modules=linear_maps(model), lora_dropout=0.0)
        )
    head = torch.zeros(2, model.config.hidden_size, requires_grad=True)

    def predict(texts: list[str]) -> torch.Tensor:
        batch = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
        states, mask = model(**batch).last_hidden_state, batch["attention_mask"]
        if encoder:
            return (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True) @ head.T
        return states[torch.arange(len(texts)), mask.sum(1) - 1] @ head.T

    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    parameters = [*trained.values(), head]
    starts = [p.detach().clone() for p in trained.values()]
    free = [p for name, p in trained.items() if "norm" in name.lower() or name.endswith("bias")]
    bound = [p for p in parameters if not any(p is other for other in free)]
    optimizer = torch.optim.AdamW([{"params": bound, "weight_decay": decay}, {"params": free}], lr=RATE, weight_decay=0)
    rng, step, total, buffer = np.random.default_rng(work.seed), 0, EPOCHS * math.ceil(N / BATCH), []
    norms: list[float] = []
    for _ in range(EPOCHS):
        for drawn in np.split(rng.permutation(N), range(BATCH, N, BATCH)):
            logits = predict([work.inputs[i] for i in drawn])
            y = work.targets.values[drawn].tolist()
            if variant != "soft":
                own = plain.hardened(variant, torch.softmax(logits, -1).tolist(), y, buffer, BATCH)
                y = plain.mixed(y, own, plain.coefficient(variant, 0.75, step, total))
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y))
            pulls = (((p - start) ** 2).sum() for p, start in zip(trained.values(), starts, strict=True))
            loss = loss + l2_sp / 2 * sum(pulls) if l2_sp else loss
            optimizer.zero_grad()
            loss.backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, 1.0)))
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / total))
            optimizer.step()
            step += 1
    with torch.no_grad():
        values = torch.softmax(predict(list(work.watch)).double(), -1).numpy()
    return {**{name: p.detach() for name, p in trained.items()}, "head": head.detach()}, values, norms


def fit(reference: str, work: Work, tune: str, *, tokens: int = 100_000, **changes: Any) -> Any:
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "lr": RATE, "precision": "fp32", "tune": tune, **changes}
    return HF(backbone=reference, **settings).fit(work, Runtime(device="cpu", tokens_per_batch=tokens))


def job(variant: str, *, seed: int = 0) -> Work:
    method = Soft() if variant == "soft" else LogConf(variant=variant, strength=0.75)
    found = tiny.work(N, method=method, seed=seed)
    values = np.random.default_rng(6).dirichlet((0.8, 1.2), size=N)  # a mean unlike 1/2 tells openai's threshold apart
    return dataclasses.replace(found, targets=Targets.of(found.targets.ids, values))


CUTS = (100_000, 48, 1)


def test_the_budgets_of_these_tests_cut_a_step_into_one_four_or_more_and_sixteen(llama):
    lengths = _backbone.tokenize(
        _backbone.load(llama, "", "fp32", Runtime(device="cpu")), job("soft").inputs, 64
    ).lengths
    runtimes = [Runtime(device="cpu", tokens_per_batch=tokens) for tokens in CUTS]
    budgets = [_backbone.training_budget(runtime, torch.device("cpu")) for runtime in runtimes]
    parts = [len(list(_packing.padded(lengths[:16], budget))) for budget in budgets]
    assert parts[0] == 1
    assert 4 <= parts[1] <= 8
    assert parts[2] == 16


@pytest.fixture
def norms(monkeypatch) -> list[float]:
    """Return where the norm of every step's gradient is written, as training leaves it for the optimizer."""
    found: list[float] = []
    step = _trainer.StepTrainer.training_step

    def recorded(self: Any, model: Any, *args: Any) -> torch.Tensor:
        loss = step(self, model, *args)
        squares = [p.grad.double().square().sum() for p in model.parameters() if p.grad is not None]
        found.append(math.sqrt(sum(map(float, squares))))
        return loss

    monkeypatch.setattr(_trainer.StepTrainer, "training_step", recorded)
    return found


@pytest.mark.parametrize("tokens", CUTS)
@pytest.mark.parametrize("variant", ["soft", *VARIANTS])
@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_training_is_the_loop_written_out_however_its_steps_are_cut(llama, tune, variant, tokens, norms):
    """Nothing is scaled by the number of micro-batches: Adam would hide it from the weights, the gradient does not."""
    work = job(variant)
    weights, watched, wanted = written_out(llama, work, tune, variant)
    fitted = fit(llama, work, tune, tokens=tokens)
    assert norms == pytest.approx(wanted, rel=2e-3)
    found = {name.removeprefix("body."): p for name, p in fitted.model.named_parameters() if p.requires_grad}
    found["head"] = found.pop("head.weight")
    assert found.keys() == weights.keys()
    for name, value in weights.items():  # a step moves a weight by up to RATE, were its gradient but rounding
        assert float((found[name] - value).abs().mean()) < RATE / 100, name
    assert fitted.watched[-1] == pytest.approx(watched, abs=1e-3)


@pytest.mark.parametrize("tokens", CUTS)
@pytest.mark.parametrize(
    ("tune", "changes"), [("full", {"l2_sp": 3.0}), ("lora", {"l2_sp": 3.0}), ("full", {"weight_decay": 0.5})], ids=str
)
def test_penalties_are_those_of_the_loop_written_out_once_a_step(llama, tune, changes, tokens, norms):
    work = job("soft")
    options = {"l2_sp": changes.get("l2_sp", 0.0), "decay": changes.get("weight_decay", 0.0)}
    weights, watched, wanted = written_out(llama, work, tune, "soft", **options)
    fitted = fit(llama, work, tune, tokens=tokens, **changes)
    assert norms == pytest.approx(wanted, rel=2e-3)
    found = {name.removeprefix("body."): p for name, p in fitted.model.named_parameters() if p.requires_grad}
    for name, value in weights.items():
        if name != "head":
            assert float((found[name] - value).abs().mean()) < RATE / 100, name
    assert fitted.watched[-1] == pytest.approx(watched, abs=1e-3)
    plain, _, _ = written_out(llama, work, tune, "soft")
    assert max(float((plain[name] - value).abs().mean()) for name, value in weights.items()) > RATE / 20


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_an_encoder_is_trained_as_written_out(bert, tune, norms):
    work = job("paper")
    _, watched, wanted = written_out(bert, work, tune, "paper")
    for tokens in CUTS:
        norms.clear()
        assert fit(bert, work, tune, tokens=tokens).watched[-1] == pytest.approx(watched, abs=2e-3)
        assert norms == pytest.approx(wanted, rel=2e-3)


def test_a_step_of_odd_size_keeps_its_median_row_when_long_rows_are_cut(llama):
    """Rows beyond 64 tokens run another attention without gradient than with it: both round in their own way."""
    long = tuple(" ".join(text.split() * 20)[:400] for text in tiny.texts(15)[0])
    work = dataclasses.replace(tiny.work(15, method=LogConf(strength=1.0)), inputs=long, watch=long[:3])
    fits = [fit(llama, work, "full", tokens=tokens, batch_size=5, epochs=4, max_length=100) for tokens in (100_000, 1)]
    assert fits[0].facts["truncated"] < 1
    assert fits[0].watched == pytest.approx(fits[1].watched, abs=1e-3)


def test_a_learning_rate_beyond_measure_ends_in_words(llama):
    words = r"(training loss|norm of the gradient) is (nan|inf) at step \d+ of 18, with learning rate \d[.\d]*e\+0\d\."
    with pytest.raises(StageError, match=words):
        fit(llama, job("soft"), "full", lr=1e5, epochs=6)


def test_a_gradient_that_overflows_ends_the_training_too(llama):
    # clipped to zero it would leave a model that stands still and a loss that is finite
    with pytest.raises(StageError, match=r"is (nan|inf) at step \d+ of 18, with learning rate \d[.\d]*e\+\d\d\."):
        fit(llama, job("soft"), "full", lr=1e30, epochs=6)


def test_a_model_folder_that_was_cut_short_is_named(tmp_path: Path):
    reference = tiny.save_llama(tmp_path, layers=2)
    whole = tmp_path / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(
        AssetError, match=r"backbone 'path:.*' cannot be loaded as AutoModel: .* should hold config\.json"
    ):
        fit(reference, job("soft"), "full")
