"""Finetuning: what trains, and that neither memory settings nor speed tricks change a number."""

import dataclasses
import json

import numpy as np
import pytest
import tiny
import torch

from surpass.artifacts import Targets
from surpass.errors import AssetError, DataError, SpecError
from surpass.methods.logconf import LogConf
from surpass.models import _backbone, _classifier, _trainer, _tuning
from surpass.models.hf import HF
from surpass.runtime import Runtime

TUNES = [{"tune": "full"}, {"tune": "lora"}, {"tune": "lora", "layers": 2}, {"tune": "top", "layers": 2}]
LOGCONFS = [LogConf(variant=name) for name in ("paper", "openai", "eleuther")]


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("tune", TUNES, ids=str)
def test_trained_parameters_move_and_frozen_ones_do_not(request, family, tune):
    reference, runtime = request.getfixturevalue(family), Runtime()
    shared = _backbone.load(reference, "", "fp32", runtime)
    before = {name: p.clone() for name, p in shared.model.named_parameters()}
    fresh = _classifier.Classifier(shared, _shape(**tune))
    start = {name: p.detach().clone() for name, p in fresh.named_parameters()}
    fitted = tiny.hf(reference, **tune).fit(tiny.work(), runtime)
    after = dict(fitted.model.named_parameters())
    trained = {name for name, p in after.items() if p.requires_grad}
    # BERT's key biases add the same to all scores of a query, so that attention cannot see them.
    blind = {name for name in trained if family == "bert" and name.endswith("attention.self.key.bias")}
    for name in after:
        if "lora_A" not in name and name not in blind:
            unused = "token_type" in name or "position_emb" in name or "word_emb" in name or "embed_tokens" in name
            moved = not torch.equal(after[name], start[name])
            assert moved == (name in trained) or (unused and moved), name
        elif "lora_A" in name:
            assert after[name].requires_grad
    assert all(torch.equal(before[name], p) for name, p in shared.model.named_parameters())
    if "layers" in tune:
        layers = shared.layers
        assert not any(f"layers.{i}." in n or f"layer.{i}." in n for n in trained for i in range(layers - 2))
        assert any(f"layers.{layers - 1}." in n or f"layer.{layers - 1}." in n for n in trained)
    assert fitted.facts["trained_parameters"] == sum(after[name].numel() for name in trained)


def _shape(**changes):
    values = {"tune": "full", "layers": None, "pool": None, "rank": 8, "alpha": 16.0, "columns": 2, "max_length": 64}
    return _classifier.Shape(**{**values, **changes})


def test_lora_start_matters_and_moves(llama):
    """A second epoch moves A as well: B has left zero."""
    one = tiny.weights(tiny.hf(llama, tune="lora", epochs=1, batch_size=32).fit(tiny.work(), Runtime()))
    two = tiny.weights(tiny.hf(llama, tune="lora", epochs=3, batch_size=8).fit(tiny.work(), Runtime()))
    assert all(not torch.equal(one[name], two[name]) for name in one if "lora_A" in name)


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_padding_and_exclamation_marks_change_nothing(request, family, precision):
    runtime = Runtime()
    backbone = _backbone.load(request.getfixturevalue(family), "", precision, runtime)
    model = _classifier.Classifier(backbone, _shape(tune="lora"))
    torch.nn.init.normal_(model.head.weight)
    inputs, _ = tiny.texts(24)
    together = model.logits(model.prepare(inputs, runtime, keep=False), runtime)
    alone = torch.cat([model.logits(model.prepare((text,), runtime, keep=False), runtime) for text in inputs])
    close = 1e-5 if precision == "fp32" else 2e-2
    assert torch.allclose(together, alone, atol=close * float(alone.abs().max()))
    if precision == "fp32":
        bang = [i for i, text in enumerate(inputs) if text.endswith("!")]
        short = [inputs[i].rstrip("! ") for i in bang]
        cut = torch.cat([model.logits(model.prepare((text,), runtime, keep=False), runtime) for text in short])
        assert not torch.allclose(alone[bang], cut, atol=1e-3)  # "!" is read, although its id is that of the padding


def test_it_learns_and_predicts_what_it_watched(llama):
    work = tiny.work(64, watch=20)
    fitted = tiny.hf(llama, epochs=15, lr=5e-3).fit(work, Runtime())
    gold = tiny.texts(84, seed=3)[1]
    assert (fitted.predict(work.inputs).argmax(axis=1) == gold[:64]).mean() > 0.9
    assert np.array_equal(fitted.predict(work.watch), fitted.watched[-1])
    assert fitted.predict(work.inputs).sum(axis=1) == pytest.approx(1, abs=1e-12)
    mixed = (*work.watch[:3], *work.inputs[:3], "an unseen text")
    got = fitted.predict(mixed)
    assert np.array_equal(got[:3], fitted.watched[-1][:3])
    assert got[3:6] == pytest.approx(fitted.predict(work.inputs)[:3], abs=1e-5)


def test_readings_are_evenly_spaced_and_end_at_the_end(llama):
    fitted = tiny.hf(llama, epochs=5, batch_size=8).fit(tiny.work(20, watch=7), Runtime())
    assert fitted.steps == (3, 6, 9, 12, 15)  # 20 rows are 3 steps: the last, of 4 rows, is not dropped
    assert fitted.watched.shape == (5, 7, 2)
    assert tiny.hf(llama, epochs=1).fit(tiny.work(16), Runtime()).steps == (1,)


def test_same_seed_same_numbers_other_seed_other_numbers(llama):
    work = tiny.work()
    fits = [
        tiny.hf(llama, tune="lora").fit(dataclasses.replace(work, seed=seed), Runtime()).watched for seed in (1, 1, 2)
    ]
    assert np.array_equal(fits[0], fits[1])
    assert not np.allclose(fits[0], fits[2], atol=1e-6)


def test_order_is_new_every_epoch():
    plan = _tuning.plan(tiny.hf("path:none", epochs=2, batch_size=16), 3)
    drawn = _trainer._drawn(50, plan)
    assert [len(rows) for rows in drawn] == [16, 16, 16, 2] * 2
    first, second = ([row for rows in drawn[start : start + 4] for row in rows] for start in (0, 4))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert drawn == _trainer._drawn(50, plan)


def test_rows_of_weight_zero_change_nothing(llama):
    work = tiny.work(40)
    weight = np.ones(40)
    weight[::4] = 0
    turned = work.targets.values.copy()
    turned[::4] = turned[::4, ::-1]
    both = [
        tiny.hf(llama).fit(
            dataclasses.replace(work, targets=dataclasses.replace(work.targets, weight=weight, values=values)),
            Runtime(),
        )
        for values in (work.targets.values, turned)
    ]
    assert np.array_equal(both[0].watched, both[1].watched)
    assert not np.array_equal(both[0].watched, tiny.hf(llama).fit(work, Runtime()).watched)


def test_pairs_and_pooling(bert, llama):
    inputs, labels = tiny.texts(60, seed=8)
    pairs = tuple(zip(inputs[:30], inputs[30:], strict=True))
    targets = Targets.of([str(i) for i in range(20)], np.eye(2)[labels[:20]])
    work = dataclasses.replace(tiny.work(20), inputs=pairs[:20], watch=pairs[20:], targets=targets)
    fitted = tiny.hf(bert).fit(work, Runtime())
    assert fitted.watched.shape == (4, 10, 2)
    turned = tuple((b, a) for a, b in pairs[:20])
    assert not np.allclose(fitted.predict(turned), fitted.predict(pairs[:20]), atol=1e-4)
    assert fitted.model.pool == "mean"
    assert tiny.hf(llama, epochs=1).fit(tiny.work(), Runtime()).model.pool == "last"


def test_numbers(llama):
    work = tiny.work(48)
    lengths = np.array([[float(len(text.split()))] for text in work.inputs])
    targets = Targets.of([str(i) for i in range(48)], 100 + 10 * lengths)
    fitted = tiny.hf(llama, epochs=25, lr=3e-3, pool="mean").fit(
        dataclasses.replace(work, targets=targets, target="regression", classes=1), Runtime()
    )
    got = fitted.predict(work.inputs)
    assert got.shape == (48, 1)
    assert ((got - targets.values) ** 2).mean() < targets.values.var() / 2


def test_truncation_is_counted(llama):
    fitted = tiny.hf(llama, max_length=5, epochs=1).fit(tiny.work(40), Runtime())
    long = np.mean([len(text.split()) > 5 for text in tiny.work(40).inputs])
    assert fitted.facts["truncated"] == pytest.approx(long)


def test_lora_saves_adapters_and_head_only(llama, tmp_path):
    from safetensors import safe_open

    tiny.hf(llama, tune="lora", layers=2).fit(tiny.work(), Runtime()).save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "head.safetensors",
    }
    with safe_open(str(tmp_path / "adapter_model.safetensors"), "pt") as file:
        names = list(file.keys())
    assert names
    assert all("lora_" in name for name in names)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == llama.removeprefix(
        "path:"
    )


@pytest.mark.parametrize("tune", TUNES, ids=str)
def test_saved_model_predicts_the_same_without_this_package(llama, tmp_path, tune):
    import peft
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    work = tiny.work()
    fitted = tiny.hf(llama, **tune).fit(work, Runtime())
    fitted.save(tmp_path)
    base = llama.removeprefix("path:")
    if tune["tune"] == "lora":
        model = peft.PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(base)
    else:
        model, tokenizer = AutoModel.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    head = load_file(tmp_path / "head.safetensors")["weight"]
    for i, text in enumerate(work.inputs[:5]):
        with torch.no_grad():
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1]
        assert torch.softmax(head @ state, -1).numpy() == pytest.approx(fitted.predict(work.inputs)[i], abs=1e-5)


def _gradients(reference, precision, *, fused):
    """Return logits and adapter gradients of one batch, all of them in one vector; equal adapters on every call."""
    backbone = _backbone.load(reference, "", precision, Runtime())
    model = _trainer.seeded(lambda: _classifier.Classifier(backbone, _shape(tune="lora")), 0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    for module in model.modules():
        if hasattr(module, "lora_A") and not fused:
            del module.forward  # leaves peft's own
    logits, _ = model(_backbone.tokenize(backbone, tiny.texts(12)[0], 64).batch(range(12), torch.device("cpu")))
    logits.square().sum().backward()
    return torch.cat([logits.detach().ravel(), *(p.grad.ravel() for p in model.parameters() if p.requires_grad)])


def test_fused_adapters_equal_those_of_peft(llama):
    exact = _gradients(llama, "fp32", fused=False)
    assert torch.allclose(_gradients(llama, "fp32", fused=True), exact, rtol=1e-3, atol=1e-4 * float(exact.abs().max()))
    rounded = [float((_gradients(llama, "bf16", fused=fused) - exact).norm()) for fused in (True, False)]
    assert rounded[0] < 1.3 * rounded[1]  # no worse than peft in bf16


def test_bad_specs_and_folders(llama, tmp_path):
    with pytest.raises(SpecError, match="tune='top' needs `layers`"):
        HF(backbone=llama, tune="top")
    with pytest.raises(SpecError, match="layers=3, but tune='full'"):
        HF(backbone=llama, layers=3)
    wide = tiny.hf(llama, tune="lora", layers=9)
    assert "layers=9, but backbone" in wide.problem()
    with pytest.raises(SpecError, match=r"layers=9, but backbone .* has 4"):
        wide.fit(tiny.work(), Runtime())
    with pytest.raises(DataError, match="no rows to train on"):
        tiny.hf(llama).fit(dataclasses.replace(tiny.work(), inputs=()), Runtime())
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(AssetError, match="cannot be loaded"):
        tiny.hf(f"path:{tmp_path}").fit(tiny.work(), Runtime())
    assert tiny.hf(llama).problem() is None


def test_nothing_is_printed_or_left_behind(llama, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tiny.hf(llama).fit(tiny.work(), Runtime())
    out, _ = capfd.readouterr()
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_encoder_and_can(llama):
    model = tiny.hf(llama, max_length=40).resolve()
    assert model.can == {"custom_loss", "features", "hidden", "pretrained"}
    assert (model.encoder().max_length, model.encoder().layer) == (40, "middle")
    assert model.encoder().digest == model.digest != ""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_fresh_processes_agree_to_the_bit(llama, python, precision):
    code = f"""
import hashlib, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {str(tiny.__file__).rpartition("/")[0]!r})
import tiny
from surpass.methods.logconf import LogConf
from surpass.models.hf import HF
from surpass.runtime import Runtime
model = HF(backbone={llama!r}, tune="lora", layers=2, precision={precision!r}, batch_size=16, lr=3e-3)
fitted = model.fit(tiny.work(method=LogConf()), Runtime())
print(hashlib.sha256(fitted.predict(tiny.texts(60)[0]).tobytes() + fitted.watched.tobytes()).hexdigest())
"""
    first = python(code).splitlines()[-1]
    assert len(first) == 64
    assert first == python(code, PYTHONHASHSEED="7").splitlines()[-1]


@pytest.mark.slow
@pytest.mark.assets
def test_real_model_learns_on_top_layers():
    from surpass.assets import present

    if not present("smollm2-135m"):
        pytest.skip("smollm2-135m is not here: surpass assets fetch smollm2-135m")
    work = tiny.work(64, watch=8)
    gold = tiny.texts(72, seed=3)[1]
    model = HF(backbone="package:smollm2-135m", tune="lora", layers=4, epochs=8, points=2).resolve()
    fitted = model.fit(work, Runtime())
    assert fitted.model.skips
    assert (fitted.predict(work.inputs).argmax(axis=1) == gold[:64]).mean() > 0.8
