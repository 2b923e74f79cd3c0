"""Rows packed side by side: every row once, none sees another, and states and gradients are those of padded rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tiny
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from surpass.methods.logconf import LogConf
from surpass.models import _attention, _backbone, _classifier, _norms, _packing, _probing
from surpass.runtime import Runtime

ANY = 1 << 30
many_lengths = st.lists(st.integers(1, 700), min_size=1, max_size=60)


@given(many_lengths)
def test_every_row_lies_in_one_bin_that_holds_it(lengths):
    bins = _packing.lay(np.array(lengths))
    assert sorted(row for _, rows in bins for row in rows) == list(range(len(lengths)))
    for size, rows in bins:
        assert sum(lengths[row] for row in rows) <= size == _packing.size_of(lengths[rows[0]])


@given(many_lengths, st.integers(1, 2000))
def test_rows_of_a_batch_laid_again_keep_to_the_budget(lengths, budget):
    tokens = np.array(lengths)
    found = list(_packing.batches(tokens, budget, ANY))
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    for rows in found:
        bins = _packing.lay(tokens[rows])
        assert len({size for size, _ in bins}) == 1
        assert len(bins) == 1 or sum(size for size, _ in bins) <= budget


@given(many_lengths, st.integers(1, 2000), st.integers(0, 700))
def test_rows_beyond_the_longest_stand_alone_first(lengths, budget, longest):
    tokens = np.array(lengths)
    found = list(_packing.batches(tokens, budget, longest))
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    beyond = [bool((tokens[rows] > longest).all()) for rows in found]
    assert beyond == sorted(beyond, reverse=True)
    assert all((tokens[rows] <= longest).all() for rows, alone in zip(found, beyond, strict=True) if not alone)


def test_little_is_left_empty():
    lengths = np.random.default_rng(0).integers(3, 60, size=300)
    bins = _packing.lay(lengths)
    assert lengths.sum() / sum(size for size, _ in bins) > 0.95


@pytest.fixture(scope="module", params=["llama", "bert"])
def backbone(request, tmp_path_factory):
    reference = getattr(tiny, f"save_{request.param}")(tmp_path_factory.mktemp(request.param))
    return _backbone.load(reference, "", "fp32", Runtime())


def rows(backbone, lengths=(7, 60, 3, 31, 90), seed=0):
    drawn = np.random.default_rng(seed)
    most = backbone.model.config.vocab_size
    kinds = "token_type_ids" in backbone.tokenizer.model_input_names
    ids = tuple(drawn.integers(1, most, size=length).tolist() for length in lengths)
    types = tuple([0] * (length // 2) + [1] * (length - length // 2) for length in lengths)
    return _backbone.Tokens(ids, types if kinds else None, 0.0).batch(range(len(lengths)), backbone.device)


def states_of(backbone, batch, packed):
    found = _packing.pack(batch, causal=backbone.causal, longest=ANY if packed else 0, dtype=torch.float32)
    _backbone.choose_attention(backbone.model, found.batch, training=True)
    return found.take(backbone.model(**found.batch).last_hidden_state)


def test_packed_states_are_padded_states(backbone):
    assert backbone.packs == _packing.longest(_backbone.positions(backbone.model.config)) > 0
    batch = rows(backbone)
    real = batch["attention_mask"].bool()
    packed, padded = states_of(backbone, batch, True), states_of(backbone, batch, False)
    assert packed.shape == padded.shape
    assert torch.allclose(packed[real], padded[real], atol=1e-5)


def test_a_row_does_not_see_its_neighbours(backbone):
    batch = rows(backbone, (20, 20, 20))
    other = {name: value.clone() for name, value in batch.items()}
    other["input_ids"][1:] = rows(backbone, (20, 20, 20), seed=1)["input_ids"][1:]
    first, second = states_of(backbone, batch, True), states_of(backbone, other, True)
    assert torch.equal(first[0], second[0])
    assert not torch.allclose(first[1], second[1], atol=1e-2)


def test_states_go_into_bins_and_come_back(backbone):
    batch = rows(backbone)
    states = torch.randn(*batch["input_ids"].shape, 4)
    real = batch["attention_mask"].bool()
    for longest in (ANY, 0):
        packed = _packing.pack(batch, causal=True, longest=longest, dtype=torch.float32)
        assert packed.put(states).shape[:2] == packed.batch["input_ids"].shape
        assert torch.equal(packed.take(packed.put(states))[real], states[real])


@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}, {"tune": "lora", "layers": 2}], ids=str)
def test_packing_changes_a_training_by_rounding_alone(tune, tmp_path, monkeypatch):
    reference = tiny.save_llama(tmp_path)
    work, model = tiny.work(40, method=LogConf()), tiny.hf(reference, precision="fp32", **tune)
    packed = model.fit(work, Runtime())
    monkeypatch.setattr(_probing, "_packs", lambda *given: 0)
    padded = model.fit(work, Runtime())
    assert packed.watched == pytest.approx(padded.watched, abs=1e-4)


def gemma2(**changes):
    config = transformers.Gemma2Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.Gemma2Model(config).eval()


def wrapped(model, **changes):
    config = model.config
    key = ("path:none", "", "fp32", "cpu")
    found = _backbone.Backbone("path:none", key, model, None, model.layers, 2, 32, torch.device("cpu"))
    config.use_cache = False
    _probing.observe(found)
    return dataclasses.replace(found, **changes)


def test_an_attention_with_more_than_a_product_and_a_mask_is_not_packed():
    assert wrapped(gemma2(attn_logit_softcapping=50.0)).packs == 0
    assert wrapped(gemma2(attn_logit_softcapping=None, sliding_window=128)).packs == 128
    assert wrapped(gemma2(attn_logit_softcapping=None, sliding_window=32)).packs == 0


def test_layers_that_carry_something_from_token_to_token_are_not_packed():
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    kinds = ["conv", "full_attention"]
    config = transformers.Lfm2Config(
        vocab_size=64, num_hidden_layers=2, layer_types=kinds, initializer_range=0.2, **sizes
    )
    torch.manual_seed(0)
    assert wrapped(transformers.Lfm2Model(config).eval()).packs == 0


def test_no_row_is_longer_than_the_model_takes():
    model = wrapped(gemma2(attn_logit_softcapping=None, max_position_embeddings=90))
    assert model.packs == 64
    packed = _backbone.pack(model, _backbone.Tokens(([1] * 86, [1] * 3), None, 0.0).batch([0, 1], torch.device("cpu")))
    assert packed.batch["input_ids"].shape == packed.batch["attention_mask"].shape == (2, 90)


def test_fused_attention_only_where_layers_know_it(tmp_path):
    """MPNet's layers add a mask to their scores, and that of the fused attention says yes and no."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    config = transformers.MPNetConfig(vocab_size=64, num_hidden_layers=2, initializer_range=0.2, **sizes)
    torch.manual_seed(0)
    model = transformers.MPNetModel(config, add_pooling_layer=False).eval()
    tokens = _backbone.Tokens(([5] * 100, [7] * 70), None, 0.0)
    found = []
    for chosen in ([0, 1], [1]):
        batch = tokens.batch(chosen, torch.device("cpu"))
        _backbone.choose_attention(model, batch, training=False)
        found.append(model(**batch).last_hidden_state[-1, :70])
    assert torch.allclose(*found, atol=1e-5)
    backbone = _backbone.load(tiny.save_llama(tmp_path), "", "fp32", Runtime())
    shape = _classifier.Shape(tune="lora", layers=None, pool=None, rank=2, alpha=4.0, columns=2, max_length=32)
    for llama in (backbone.model, _classifier.Classifier(backbone, shape).body):
        _backbone.choose_attention(llama, tokens.batch([0], torch.device("cpu")), training=False)
        assert llama.config._attn_implementation == "sdpa"


def test_attention_and_its_gradient_are_torchs():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, heads, 6, 4, dtype=torch.double, requires_grad=True) for heads in (4, 2, 2))
    mask = torch.zeros(2, 1, 6, 6, dtype=torch.double).masked_fill(~torch.ones(6, 6).tril().bool(), -1e30)
    assert torch.autograd.gradcheck(lambda *x: _attention._Attention.apply(*x, mask, 0.3), (q, k, v))
    found, _ = _attention.attend(torch.nn.Identity(), q, k, v, mask, scaling=0.3)
    want = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, scale=0.3, enable_gqa=True)
    assert torch.allclose(found.transpose(1, 2), want)
    with pytest.raises(TypeError, match="softcap"):
        _attention.attend(torch.nn.Identity(), q, k, v, mask, softcap=3.0)


class _Shifted(torch.nn.Module):
    """Not a plain normalization, though its name says so."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


class OddRMSNorm(_Shifted):
    pass


def test_normalizations_are_replaced_where_they_are_what_their_name_says():
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    torch.manual_seed(0)
    plain, odd = LlamaRMSNorm(8, eps=1e-5).double(), OddRMSNorm()
    torch.nn.init.normal_(plain.weight)
    x = torch.randn(3, 5, 8, dtype=torch.double, requires_grad=True)
    want = torch.autograd.grad(plain(x).sin().sum(), (x, plain.weight))
    _norms.fuse(torch.nn.ModuleList([plain, odd]))
    assert "forward" in vars(plain)
    assert "forward" not in vars(odd)
    found = torch.autograd.grad(plain(x).sin().sum(), (x, plain.weight))
    for got, wanted in zip(found, want, strict=True):
        assert torch.allclose(got, wanted, atol=1e-6)
    assert plain(torch.full((1, 8), 1e30)).isnan().all()


def test_a_trained_body_has_fused_normalizations_and_the_backbone_does_not(tmp_path):
    backbone = _backbone.load(tiny.save_llama(tmp_path), "", "fp32", Runtime())
    shape = _classifier.Shape(tune="lora", layers=None, pool=None, rank=2, alpha=4.0, columns=2, max_length=32)
    body = _classifier.Classifier(backbone, shape).body
    fused = [module for module in body.modules() if type(module).__name__ == "LlamaRMSNorm"]
    assert fused
    assert all("forward" in vars(module) for module in fused)
    assert not any("forward" in vars(module) for module in backbone.model.modules())
