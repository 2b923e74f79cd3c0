"""Frozen features against transformers' own hidden states, row by row and without padding."""

import json

import numpy as np
import pytest
import tiny
import torch

from surpass.errors import AssetError, DataError, SpecError
from surpass.models import _backbone, _precision
from surpass.models._features import encode
from surpass.models.base import TextEncoder
from surpass.runtime import Runtime


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return tiny.save_llama(tmp_path_factory.mktemp("llama"), layers=5)


def _alone(reference, inputs, layer, pool):
    """One row at a time, without padding, by output_hidden_states."""
    from transformers import AutoModel, AutoTokenizer

    folder = reference.removeprefix("path:")
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for row in inputs:
        pair = (row,) if isinstance(row, str) else row
        with torch.no_grad():
            states = model(**tokenizer(*pair, return_tensors="pt"), output_hidden_states=True).hidden_states[layer][0]
        parts = {"last": [states[-1]], "mean": [states.mean(0)], "last+mean": [states[-1], states.mean(0)]}[pool]
        found.append(torch.cat(parts).numpy())
    return np.stack(found)


@pytest.mark.parametrize("pool", ["last", "mean", "last+mean"])
@pytest.mark.parametrize(("layer", "number"), [("middle", 3), ("last", 5), (0, 0), (1, 1), (5, 5)])
def test_decoder_features_are_the_hidden_states_of_single_rows(llama, layer, number, pool):
    inputs, _ = tiny.texts(20)
    assert any(text.endswith("! !") for text in inputs)  # "!" is the padding token
    encoder = TextEncoder(backbone=llama, layer=layer, pool=pool, precision="fp32")
    vectors, facts = encode(encoder, inputs, Runtime(tokens_per_batch=40))
    assert vectors.dtype == np.float32
    assert facts["truncated"] == 0.0
    assert vectors == pytest.approx(_alone(llama, inputs, number, pool), abs=2e-5)


@pytest.mark.parametrize(("layer", "number"), [("middle", 2), ("last", 3)])
def test_encoder_features_of_texts_and_pairs(bert, layer, number):
    inputs, _ = tiny.texts(16)
    pairs = tuple(zip(inputs[:8], inputs[8:], strict=True))
    for rows in (inputs, pairs):
        vectors, _ = encode(
            TextEncoder(backbone=bert, layer=layer, precision="fp32"), rows, Runtime(tokens_per_batch=64)
        )
        assert vectors == pytest.approx(_alone(bert, rows, number, "last+mean"), abs=2e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_order_and_batches_change_rounding_alone(llama, precision):
    inputs, _ = tiny.texts(24)
    encoder = TextEncoder(backbone=llama, precision=precision)
    whole, _ = encode(encoder, inputs, Runtime(tokens_per_batch=4096))
    single, _ = encode(encoder, inputs, Runtime(tokens_per_batch=1))
    turned, _ = encode(encoder, inputs[::-1], Runtime(tokens_per_batch=50))
    scale = float(np.abs(whole).max()) * (1e-5 if precision == "fp32" else 3e-2)
    assert whole == pytest.approx(single, abs=scale)
    assert whole == pytest.approx(turned[::-1], abs=scale)


def test_truncation_is_counted_and_cuts_at_the_end(llama):
    inputs = ("the film was fine", "the film was fine and the plot", "a")
    encoder = TextEncoder(backbone=llama, max_length=4, precision="fp32")
    vectors, facts = encode(encoder, inputs, Runtime())
    assert facts["truncated"] == pytest.approx(1 / 3)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_empty_text_and_no_rows(llama):
    vectors, _ = encode(TextEncoder(backbone=llama, precision="fp32"), ("", "fine"), Runtime())
    assert np.isfinite(vectors).all()
    vectors, facts = encode(TextEncoder(backbone=llama, precision="fp32"), (), Runtime())
    assert vectors.shape == (0, 64)
    assert facts["truncated"] == 0.0


def test_layers_above_are_not_run_and_the_model_is_not_changed(llama):
    runtime = Runtime()
    backbone = _backbone.load(llama, "", "fp32", runtime)
    ran: list[int] = []
    for i, layer in enumerate(backbone.stack):
        layer.register_forward_hook(lambda *call, i=i: ran.append(i))
    encode(TextEncoder(backbone=llama, layer=2, precision="fp32"), ("the film",), runtime)
    assert ran == [0, 1]
    encode(TextEncoder(backbone=llama, layer="last", precision="fp32"), ("the film",), runtime)
    assert ran[2:] == [0, 1, 2, 3, 4]


def test_backbones_are_loaded_once_and_two_are_kept(llama, bert, tmp_path):
    other = tiny.save_llama(tmp_path / "other", layers=2)
    runtime = Runtime()
    first = _backbone.load(llama, "", "fp32", runtime)
    assert _backbone.load(llama, "", "fp32", runtime) is first
    for reference in (bert, other):
        _backbone.load(reference, "", "fp32", runtime)
    assert sum(name[0] == "backbone" for name in runtime.memo) == 2
    assert _backbone.load(llama, "", "fp32", runtime) is not first


def test_causality_is_seen(llama, bert):
    assert _backbone.load(llama, "", "fp32", Runtime()).causal
    assert not _backbone.load(bert, "", "fp32", Runtime()).causal


@pytest.mark.slow
def test_same_features_in_two_fresh_processes(llama, python):
    code = f"""
import hashlib, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {str(tiny.__file__).rpartition("/")[0]!r})
import tiny
from surpass.models.base import TextEncoder
from surpass.runtime import Runtime
vectors, _ = TextEncoder(backbone={llama!r}, precision="bf16").encode(tiny.texts(40)[0], Runtime())
print(hashlib.sha256(vectors.tobytes()).hexdigest())
"""
    assert python(code) == python(code)


def test_wrong_layer_names_the_layers_there_are(llama):
    with pytest.raises(SpecError, match=r"layer=6, but backbone .* has 5 layers"):
        encode(TextEncoder(backbone=llama, layer=6, precision="fp32"), ("a",), Runtime())
    with pytest.raises(SpecError, match="layer='top'"):
        encode(TextEncoder(backbone=llama, layer="top", precision="fp32"), ("a",), Runtime())


def test_wrong_inputs_and_folder(llama, tmp_path):
    with pytest.raises(DataError, match=r"array of shape \(2, 3\)"):
        encode(TextEncoder(backbone=llama, precision="fp32"), np.zeros((2, 3)), Runtime())
    with pytest.raises(DataError, match="3 texts each"):
        encode(TextEncoder(backbone=llama, precision="fp32"), (("a", "a", "a"),), Runtime())
    with pytest.raises(AssetError, match="there is no folder"):
        encode(TextEncoder(backbone=f"path:{tmp_path}/none", precision="fp32"), ("a",), Runtime())


def test_precision_is_measured_once_and_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path))
    monkeypatch.setattr(_precision, "_may_have_cuda", lambda: False)
    monkeypatch.setattr(_precision, "_ratio", lambda: 3.0)
    assert _precision.resolve("auto") == "bf16"
    monkeypatch.setattr(_precision, "_ratio", lambda: pytest.fail("measured again"))
    assert _precision.resolve("auto") == "bf16"
    (tmp_path / "precision.json").write_text("not json")
    monkeypatch.setattr(_precision, "_ratio", lambda: 1.4)
    assert _precision.resolve("auto") == "fp32"
    assert list(json.loads((tmp_path / "precision.json").read_text()).values()) == ["fp32"]


def test_given_precision_asks_nothing(python):
    code = (
        "import sys; from surpass.models import _precision; print(_precision.resolve('fp32'), 'torch' in sys.modules)"
    )
    assert python(code) == "fp32 False"


def test_measured_ratio_is_a_positive_number():
    assert 0 < _precision._ratio() < 1000


def test_resolve_fills_digest_and_precision(llama):
    resolved = TextEncoder(backbone=llama).resolve()
    assert len(resolved.digest) == 64
    assert resolved.precision in ("fp32", "bf16")
    assert resolved.resolve() == resolved
