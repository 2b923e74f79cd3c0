"""How much faster are short targets written in batches, keys and values kept, than by a loop over `generate`?

    python bench/generation.py [--rows 64] [--tokens 8] [--turns 2]

Film review snippets as prompts, SmolLM2-135M before any training, greedy, processor seconds in turns. Every text has all
its tokens: nothing ends early. The loop is transformers' own `generate`, one prompt at a time as scripts call it, over
every fourth of them; its own batched form, padded on the left by hand, stands beside it. Needs `surpass assets fetch
vader-ratings smollm2-135m`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import limits
import torch

from surpass.assets import backbones
from surpass.benching import Claim, in_turns, processor_seconds, ratios, script
from surpass.models import _decoding
from surpass.models._classifier import Shape
from surpass.models._generation import Author
from surpass.models._script import Script
from surpass.runtime import Runtime

WORDS = 24  # of a prompt, at most


def claims(rows: int = 64, tokens: int = 8, turns: int = 2) -> list[Claim]:
    """Return the claims of this part."""
    backbone = limits.backbone()
    known = Script.of(backbone, max_length=512, max_new_tokens=tokens)
    endless = dataclasses.replace(known, end=-2)  # no model writes it: every case writes as many tokens
    texts = [" ".join(text.split()[:WORDS]) for text in limits.texts_of(rows)]
    prompts = endless.prompts(texts)
    shape = Shape(tune="full", layers=None, pool="last", rank=8, alpha=16.0, columns=1, max_length=512)
    runtime = Runtime(device="cpu")
    author = Author.frozen(backbone, shape, runtime)
    dtype = {"fp32": "float32", "bf16": "bfloat16"}[backbone.precision]
    plain = backbones.load_model(backbone.reference, dtype=dtype, auto_class="AutoModelForCausalLM")
    ways = _decoding.Way()
    some = prompts[::4]  # a loop's rate is that of any of its prompts
    cases: dict[str, tuple[int, Callable[[], Any]]] = {
        "one by one, generate": (len(some), lambda: [generated(plain, [row], tokens) for row in some]),
        "in a batch, generate": (rows, lambda: generated(plain, prompts, tokens)),
        "surpass": (rows, lambda: _decoding.write(author, endless, prompts, ways, runtime)),
    }
    measured = {name: lambda n=n, case=case: n * tokens / processor_seconds(case) for name, (n, case) in cases.items()}
    rates = in_turns(measured, turns)
    named = {f"{name}, tokens/s": values for name, values in rates.items()}
    times = ratios(rates["surpass"], rates["one by one, generate"])
    note = f"{rows} prompts of up to {WORDS} words, {tokens} tokens each, {backbone.precision}"
    return [Claim("writing in batches, over generate one by one", "times", times, 3.0, cases=named, note=note)]


@torch.no_grad()
def generated(model: Any, prompts: list[list[int]], tokens: int) -> Any:
    """Return what transformers writes after prompts, padded on the left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in prompts])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in prompts])
    return model.generate(
        ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    script(claims, __doc__)
