"""Batches side by side: no number depends on how many lanes there are, and nothing stays behind."""

import numpy as np
import pytest
import tiny
import torch

from surpass.models import _backbone, _lower
from surpass.models._features import encode
from surpass.models.base import TextEncoder
from surpass.runtime import Runtime


@pytest.fixture
def texts():
    inputs, _ = tiny.texts(60)
    return tuple(
        text * (1 + 4 * (i % 3)) for i, text in enumerate(inputs)
    )  # some of them long enough for fused attention


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("layer", ["middle", "last"])
def test_features_do_not_depend_on_the_number_of_lanes(request, texts, family, precision, layer):
    encoder = TextEncoder(backbone=request.getfixturevalue(family), layer=layer, precision=precision)
    found = []
    for lanes in (1, 2, 3):
        found.append(encode(encoder, texts, Runtime(tokens_per_batch=100, threads=lanes))[0])
    assert len(np.unique(found[0], axis=0)) > 20
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_states_of_lower_layers_do_not_depend_on_the_number_of_lanes(llama, texts, precision):
    found = []
    for lanes in (1, 2):
        runtime = Runtime(tokens_per_batch=100, threads=lanes)
        backbone = _backbone.load(llama, "", precision, runtime)
        tokens = _backbone.tokenize(backbone, texts, 64)
        found.append(_lower.prepare(backbone, tokens, 1, runtime).states)
    lengths = [len(row) for row in tokens.ids]
    assert min(lengths) <= _backbone.PLAIN_FORWARD < max(_backbone.tokenize(backbone, texts, 512).lengths)
    assert [len(row) for row in found[0]] == lengths
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_failing_lane_leaves_threads_and_hooks_as_they_were(llama, texts, monkeypatch):
    before = torch.get_num_threads()
    runtime = Runtime(tokens_per_batch=100, threads=2)
    backbone = _backbone.load(llama, "", "fp32", runtime)

    def broken(*args):
        raise RuntimeError("no memory")

    monkeypatch.setattr(_backbone, "pool", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        encode(TextEncoder(backbone=llama, layer=1, precision="fp32"), texts, runtime)
    assert torch.get_num_threads() == before
    assert not any(layer._forward_pre_hooks for layer in backbone.stack)
