"""Generative finetuning: the loss of next tokens as the causal model has it, and training on texts without a label."""

import dataclasses
import math

import numpy as np
import pytest
import tiny
import torch

from surpass.artifacts import Targets
from surpass.errors import SpecError, StageError
from surpass.methods.base import Method, cross_entropy
from surpass.models import _backbone, _classifier, _language, _lower, _trainer, _tuning
from surpass.models.hf import HF
from surpass.runtime import Runtime

SMALL = {"vocab_size": len(tiny.VOCABULARY), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
RATE, BATCH = 2e-3, 16
CUTS = (100_000, 48, 1)


def _save(folder, kind):
    """Save a random causal model of a kind with the tiny tokenizer, and return its address."""
    import transformers as t

    shape = {**SMALL, **SIZES, "max_position_embeddings": 128, "initializer_range": 0.2}
    grouped = {**shape, "num_key_value_heads": 2}
    torch.manual_seed(1)
    config = {
        "llama": lambda: t.LlamaConfig(**grouped),
        "tied": lambda: t.LlamaConfig(**grouped, tie_word_embeddings=True),
        "gpt2": lambda: t.GPT2Config(**SMALL, n_embd=32, n_layer=2, n_head=4, n_positions=128),
        "gemma2": lambda: t.Gemma2Config(**grouped, head_dim=8, final_logit_softcapping=0.5),
        "phi": lambda: t.PhiConfig(**shape),
        "granite": lambda: t.GraniteConfig(**shape, logits_scaling=8.0),
        "opt": lambda: t.OPTConfig(
            **SMALL,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            max_position_embeddings=128,
            word_embed_proj_dim=16,
        ),
    }[kind]()
    model = t.AutoModelForCausalLM.from_config(config)
    if kind == "phi":
        torch.nn.init.normal_(model.lm_head.bias)  # a map that is more than its weights
    model.save_pretrained(folder)
    tiny._tokenizer(special=False).save_pretrained(folder)
    return f"path:{folder}"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return the addresses of models, saved when first asked for."""
    known: dict[str, str] = {}

    def address(kind):
        if kind not in known:
            known[kind] = _save(tmp_path_factory.mktemp(kind), kind)
        return known[kind]

    return address


def _hf(backbone, **changes):
    return HF(backbone=backbone, **{"precision": "fp32", "batch_size": BATCH, "lr": RATE, "generative": 2, **changes})


def _causal(reference):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = reference.removeprefix("path:")
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def _row_losses(model, tokenizer, text):
    """Return the loss of each token but the first of one text, without padding."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    logits = model(input_ids=ids).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="none")


def _written_out(reference, work, epochs):
    """Train the whole causal model by full steps; return its body's weights and the loss of each step."""
    model, tokenizer = _causal(reference)
    body = model.base_model
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    if not tied:
        model.get_output_embeddings().requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0)
    rng, step, total = np.random.default_rng(work.seed), 0, epochs * math.ceil(len(work.inputs) / BATCH)
    found = []
    for _ in range(epochs):
        for drawn in np.split(rng.permutation(len(work.inputs)), range(BATCH, len(work.inputs), BATCH)):
            loss = torch.cat([_row_losses(model, tokenizer, work.inputs[i]) for i in drawn]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / total))
            optimizer.step()
            found.append(float(loss.detach()))
            step += 1
    return dict(body.named_parameters()), found


def _tuned(reference, work, runtime, *, epochs=2, **shape):
    """Return a classifier after the generative part alone, and its facts."""
    model = _hf(reference, epochs=epochs, **shape)
    backbone = _backbone.load(reference, "", "fp32", runtime)
    built = _trainer.seeded(lambda: _classifier.Classifier(backbone, _tuning.shape(model, columns=2)), work.seed)
    rows = built.prepare(work.inputs, runtime, keep=True)
    facts = _language.tune(built, rows, _tuning.plan(model, work.seed), runtime)
    return built, facts


@pytest.mark.parametrize("kind", ["llama", "tied", "gpt2", "gemma2", "phi", "granite", "opt"])
def test_logits_are_those_of_the_causal_model(models, kind):
    """Tied and untied maps, with a bias, a scale, a cap, a projection; for whole vocabularies and for a few tokens."""
    model, tokenizer = _causal(models(kind))
    runtime = Runtime(device="cpu")
    backbone = _backbone.load(models(kind), "", "fp32", runtime)
    ids = tokenizer("the film was fine !", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        want = model(input_ids=ids).logits[0]
        states = backbone.model(input_ids=ids).last_hidden_state[0]
        assert torch.allclose(_language.OutputMap(backbone, runtime)(states), want, atol=1e-5)
        assert torch.allclose(_language.OutputMap(backbone, runtime).of([7, 3])(states), want[:, [7, 3]], atol=1e-5)
        assert torch.allclose(_language.OutputMap(backbone, runtime)(states), want, atol=1e-5)  # the part left no trace


@pytest.mark.parametrize("tokens", CUTS)
@pytest.mark.parametrize("kind", ["tied", "llama", "gemma2"])
def test_training_is_the_loop_written_out(models, kind, tokens):
    """Every real token counts once, whatever the padding and the cut; tied embeddings train as a map, too."""
    work = tiny.work(40)
    weights, losses = _written_out(models(kind), work, 2)
    built, facts = _tuned(models(kind), work, Runtime(device="cpu", tokens_per_batch=tokens))
    assert facts == pytest.approx({"language_loss_start": losses[0], "language_loss": losses[-1]}, abs=1e-3)
    for name, value in built.body.named_parameters():
        assert float((value.detach() - weights[name].detach()).abs().mean()) < RATE / 50, name
    assert not built.head.weight.any()


@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}, {"tune": "top", "layers": 2}], ids=str)
def test_the_loss_falls_and_what_is_frozen_stays(tmp_path, tune):
    runtime, work = Runtime(device="cpu"), tiny.work(40)
    reference = tiny.save_llama(tmp_path)
    model = _hf(reference, generative=8, lr=5e-3, epochs=1, **tune)
    shared = _backbone.load(reference, "", "fp32", runtime).model
    before = {name: p.clone() for name, p in shared.named_parameters()}
    facts = model.fit(work, runtime).facts
    assert facts["language_loss"] < facts["language_loss_start"] - 0.1
    assert all(torch.equal(before[name], p) for name, p in shared.named_parameters())
    plain = _hf(reference, generative=0, **tune).fit(work, runtime).facts
    assert not any("language" in name for name in plain)
    assert facts["trained_parameters"] == plain["trained_parameters"]


@pytest.mark.parametrize("tune", [{"tune": "lora", "layers": 2}, {"tune": "top", "layers": 2}], ids=str)
def test_lower_layers_are_cached_with_the_same_numbers(tmp_path, monkeypatch, tune):
    reference, work = tiny.save_llama(tmp_path), tiny.work(40)
    cached = _hf(reference, **tune).fit(work, Runtime(device="cpu"))
    monkeypatch.setattr(_lower, "KEPT_BYTES", 0)
    lean = _hf(reference, **tune).fit(work, Runtime(device="cpu"))
    monkeypatch.setattr(_lower, "can_skip", lambda backbone, depth: False)
    plain = _hf(reference, **tune).fit(work, Runtime(device="cpu"))
    assert cached.model.skips
    assert not plain.model.skips
    for other in (lean, plain):
        assert other.watched == pytest.approx(cached.watched, abs=1e-5)
        assert other.facts["language_loss"] == pytest.approx(cached.facts["language_loss"], abs=1e-5)


class _First(Method):
    """Keeps the states that the head reads in the very first step."""

    seen: list = []  # noqa: RUF012  # of this class, not of a spec

    def loss(self, batch, progress):
        if batch.step == 0:
            self.seen.append(batch.hidden.detach().clone())
        return cross_entropy(batch.logits, batch.targets)


def test_labels_are_never_read(models):
    work = tiny.work(16, method=_First())
    turned = dataclasses.replace(work, targets=Targets.of(work.targets.ids, work.targets.values[:, ::-1].copy()))
    _First.seen.clear()
    fits = [_hf(models("tied")).fit(each, Runtime(device="cpu")) for each in (work, turned)]
    _hf(models("tied"), generative=0).fit(work, Runtime(device="cpu"))
    assert torch.equal(_First.seen[0], _First.seen[1])
    assert not torch.allclose(_First.seen[0], _First.seen[2], atol=1e-3)
    assert fits[0].facts["language_loss"] == fits[1].facts["language_loss"]
    assert not np.allclose(fits[0].watched, fits[1].watched, atol=1e-3)


def test_bf16_and_pairs_and_rows_of_one_token_train_too(models):
    inputs, _ = tiny.texts(40, seed=8)
    pairs = tuple(zip(inputs[:20], inputs[20:], strict=True))
    work = dataclasses.replace(tiny.work(20), inputs=pairs, watch=pairs[:3])
    fitted = _hf(models("tied"), precision="bf16", generative=6, lr=5e-3).fit(work, Runtime(device="cpu"))
    assert fitted.facts["language_loss"] < fitted.facts["language_loss_start"]
    alone = dataclasses.replace(tiny.work(20), inputs=("fine",) * 20)
    assert _hf(models("llama")).fit(alone, Runtime(device="cpu", tokens_per_batch=1)).facts["language_loss"] == 0


def test_what_cannot_predict_tokens_is_refused(bert, models):
    said = _hf(bert).problem()
    assert "generative=2, but backbone" in said
    assert "saved as BertModel, which does not predict next tokens" in said
    with pytest.raises(SpecError, match="is no causal language model"):
        _hf(bert).fit(tiny.work(), Runtime(device="cpu"))
    assert _hf(bert, generative=0).problem() is None
    assert _hf(models("llama")).problem() is None


def test_a_rate_beyond_measure_ends_in_words(models):
    with pytest.raises(StageError, match=r"is (nan|inf) at step \d+ of 6, with learning rate"):
        _hf(models("tied"), lr=1e30).fit(tiny.work(40), Runtime(device="cpu"))
