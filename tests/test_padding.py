"""Models that read their padding: their rows come in batches of one length, so that no batch changes a number."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers

from surpass.errors import SpecError
from surpass.models import _backbone, _packing
from surpass.models.base import TextEncoder
from surpass.runtime import Runtime

PARTS = ("inputs", "watch")
SIZES = {"vocab_size": len(tiny.VOCABULARY), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "initializer_range": 0.2, "max_position_embeddings": 128}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "fnet": ("FNet", {**SIZES, "max_position_embeddings": 128, "initializer_range": 0.2}),
    "convbert": ("ConvBert", {**SIZES, **HEADS, "embedding_size": 32}),
    "mobilebert": ("MobileBert", {**SIZES, **HEADS, "embedding_size": 16, "intra_bottleneck_size": 16}),
}


@pytest.fixture(scope="module", params=KINDS)
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp(request.param)
    tiny.save_bert(folder)  # for its tokenizer
    name, options = KINDS[request.param]
    torch.manual_seed(4)
    getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**options)).save_pretrained(folder)
    return f"path:{folder}"


def test_what_reads_its_padding_is_found_out(reference, bert, llama):
    assert _backbone.load(reference, "", "fp32", Runtime()).packs == _packing.UNPADDED
    for sound in (bert, llama):
        assert _backbone.load(sound, "", "fp32", Runtime()).packs > 0


def test_features_are_those_of_each_row_alone_whatever_the_batch(reference):
    backbone = _backbone.load(reference, "", "fp32", Runtime())
    texts, _ = tiny.texts(24)
    alone = []
    for ids in _backbone.tokenize(backbone, texts, 64).ids:
        with torch.no_grad():
            states = backbone.model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        alone.append(torch.cat([states[-1], states.mean(dim=0)]).numpy())
    encoder = TextEncoder(backbone=reference, layer="last", precision="fp32")
    for tokens in (64, 4096):
        found, _ = encoder.encode(texts, Runtime(tokens_per_batch=tokens))
        assert found == pytest.approx(np.array(alone), abs=1e-4)


@pytest.mark.slow
def test_training_does_not_depend_on_the_micro_batch(reference):
    model, work = tiny.hf(reference, epochs=1), tiny.work(24)
    longer = {name: tuple(" ".join([row] * (1 + i % 4)) for i, row in enumerate(getattr(work, name))) for name in PARTS}
    few, many = (
        model.fit(dataclasses.replace(work, **longer), Runtime(tokens_per_batch=tokens)) for tokens in (64, 4096)
    )
    assert few.watched == pytest.approx(many.watched, abs=1e-4)
    assert few.watched.std() > 1e-3


def test_candidates_of_two_lengths_are_refused(reference):
    backbone = _backbone.load(reference, "", "fp32", Runtime())
    batch = _backbone.Tokens(([2, 5, 3], [2, 6, 7, 3]), None, 0.0).batch([0, 1], backbone.device)
    with pytest.raises(SpecError, match=r"reads what fills up a batch .* Use another backbone\."):
        _backbone.hidden(backbone, batch, 2)
