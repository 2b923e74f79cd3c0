"""How texts are written: in batches as alone, with their probability, and samples by theirs."""

from __future__ import annotations

import dataclasses
from typing import Any

import letters
import numpy as np
import pytest

PROMPTS = [[4, 5, 6, 3], [7], [9, 10, 11, 4, 5, 6, 7, 8, 3], [8, 3], [4, 5, 6, 3], [11, 11, 11, 11, 3]]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mamba"])
def test_batched_decoding_is_that_of_one_by_one_token_for_token(tmp_path, kind):
    """GPT-2 knows places by number, so that padding would move them; Mamba hands out no keys and values."""
    import torch
    from transformers import AutoModelForCausalLM

    from surpass.models import _decoding

    reference = letters.save_model(tmp_path, seed=5, kind=kind)
    author, script, runtime = letters.author(reference, room=12)
    together = _decoding.write(author, script, PROMPTS, _decoding.Way(), runtime)
    alone = [_decoding.write(author, script, [row], _decoding.Way(), runtime) for row in PROMPTS]
    assert np.array_equal(together.tokens, np.concatenate([one.tokens for one in alone]))
    assert np.allclose(together.logs, np.concatenate([one.logs for one in alone]), atol=1e-5)
    assert runtime.memo["left", author.backbone.key]
    model = AutoModelForCausalLM.from_pretrained(reference.removeprefix("path:"), dtype=torch.float32)
    for row, tokens in zip(PROMPTS, together.tokens[:, 0].tolist(), strict=True):
        found = model.generate(torch.tensor([row]), max_new_tokens=12, do_sample=False, eos_token_id=0, pad_token_id=1)
        assert [token for token in tokens if token >= 0] == found[0, len(row) :].tolist()


def test_a_row_that_ends_leaves_the_others_as_they_are(author):
    """Rows end at different steps here; who leaves the batch changes nobody's tokens."""
    from surpass.models import _decoding

    model, script, runtime = author
    ends = _decoding.write(model, script, PROMPTS, _decoding.Way(), runtime).tokens[:, 0, 1]
    early = dataclasses.replace(script, end=int(ends[0]), room=12)
    found = _decoding.write(model, early, PROMPTS, _decoding.Way(), runtime)
    alone = [_decoding.write(model, early, [row], _decoding.Way(), runtime).tokens for row in PROMPTS]
    assert np.array_equal(found.tokens, np.concatenate(alone))
    lengths = (found.tokens[:, 0] >= 0).sum(axis=1)
    assert lengths.min() < lengths.max()


def test_probabilities_are_those_of_the_text_and_its_end(author):
    import torch

    from surpass.models import _decoding

    model, script, runtime = author
    found = _decoding.write(model, script, PROMPTS, _decoding.Way(), runtime)
    for row, tokens, log in zip(PROMPTS, found.tokens[:, 0].tolist(), found.logs[:, 0], strict=True):
        said = [token for token in tokens if token >= 0]
        batch = {"input_ids": torch.tensor([row + said]), "attention_mask": torch.ones(1, len(row + said)).long()}
        with torch.no_grad():
            scores = torch.log_softmax(model.output(model.hidden(batch, None)[0]).float(), dim=-1)
        wanted = sum(float(scores[len(row) - 1 + i, token]) for i, token in enumerate(said))
        assert log == pytest.approx(wanted, abs=1e-4)


def test_samples_depend_on_seed_and_prompt_and_not_on_the_batch(author):
    from surpass.models import _decoding

    model, script, runtime = author
    way = _decoding.Way(samples=5, seed=3)
    found = _decoding.write(model, script, PROMPTS, way, runtime)
    alone = [_decoding.write(model, script, [row], way, runtime).tokens for row in PROMPTS]
    assert found.tokens.shape == (6, 5, script.room)
    assert np.array_equal(found.tokens, np.concatenate(alone))
    assert np.array_equal(found.tokens[0], found.tokens[4])  # the same prompt
    other = _decoding.write(model, script, PROMPTS, dataclasses.replace(way, seed=4), runtime)
    assert not np.array_equal(found.tokens, other.tokens)
    sure = _decoding.write(model, script, PROMPTS, _decoding.Way(samples=2, top_p=1e-6), runtime)
    greedy = _decoding.write(model, script, PROMPTS, _decoding.Way(), runtime)
    assert np.array_equal(sure.tokens, np.repeat(greedy.tokens, 2, axis=1))


def test_samples_are_drawn_by_their_probability(author):
    """First tokens of many samples against the model's own probabilities, at a temperature and within a nucleus."""
    import torch

    from surpass.models import _decoding

    model, script, runtime = author
    one = dataclasses.replace(script, room=1)
    way = _decoding.Way(samples=4000, temperature=2.0, top_p=0.8)
    found = _decoding.write(model, one, [PROMPTS[0]], way, runtime).tokens[0, :, 0]
    with torch.no_grad():
        probs = torch.softmax(_decoding.Stream(model, [PROMPTS[0]]).logits[0] / 2.0, dim=-1).double().numpy()
    order = np.argsort(-probs)
    inside = order[: int(np.searchsorted(np.cumsum(probs[order]), 0.8)) + 1]
    wanted = np.zeros(len(probs))
    wanted[inside] = probs[inside] / probs[inside].sum()
    share = np.bincount(found, minlength=len(probs)) / len(found)
    assert np.abs(share - wanted).max() < 4 * np.sqrt(0.25 / len(found))


@pytest.mark.parametrize("does", ["sees padding", "refuses padding"])
def test_a_model_that_cannot_take_padding_writes_one_by_one(llama, does):
    """Its forward pass takes padding for text, or raises at it, as architectures do that know no mask."""
    import torch

    from surpass.models import _decoding

    author, script, runtime = letters.author(llama, room=12)
    sizes = []

    def before(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        mask = kwargs["attention_mask"]
        sizes.append(len(mask))
        if does == "refuses padding" and not mask.all():
            raise ValueError("padding is not supported")
        return args, {**kwargs, "attention_mask": torch.ones_like(mask)}

    author.body.register_forward_pre_hook(before, with_kwargs=True)
    way = _decoding.Way()
    alone = [_decoding.write(author, script, [row], way, runtime) for row in PROMPTS]
    sizes.clear()
    found = _decoding.write(author, script, PROMPTS, way, runtime)
    assert np.array_equal(found.tokens, np.concatenate([one.tokens for one in alone]))
    assert np.allclose(found.logs, np.concatenate([one.logs for one in alone]), atol=1e-5)
    assert runtime.memo["left", author.backbone.key] is False
    assert sizes.count(1) > len(PROMPTS)
