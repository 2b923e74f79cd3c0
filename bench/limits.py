"""How near do training and features of SmolLM2-135M come to a bare loop over batches without padding?

    python bench/limits.py [--snippets 160] [--long 40] [--turns 2]

Real tokens a second, padding not counted, on one thread. Training is `surpass`'s own, from rows as tokens to the last step:
shuffled rows of mixed lengths, loss of the method, optimizer, one reading. The bare loop is forward and backward alone, of
the same adapted model on batches of 1,024 tokens whose rows have one length; full finetuning is compared with a model whose
weights are all bf16, which no optimizer could train as well. Film review snippets have 25 tokens in the mean (bare rows: 32);
long rows are six of them, cut at 128. Cases run in turns, in processor seconds. Needs `surpass assets fetch vader-ratings
smollm2-135m`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from surpass.artifacts import Targets
from surpass.benching import Claim, in_turns, processor_seconds, ratios, script
from surpass.methods.soft import Soft
from surpass.models import _backbone, _classifier, _precision, _trainer, _tuning
from surpass.models._steps import Goal
from surpass.models.base import TextEncoder
from surpass.models.hf import HF
from surpass.runtime import Runtime
from surpass.tasks.movie_reviews import MovieReviews

BACKBONE = "package:smollm2-135m"
TOKENS = 1024  # of a bare batch
DATA = {"snippets": (1, 512, 32), "long rows": (6, 128, 128)}  # snippets of a row, its most tokens, tokens of bare rows
RUNTIME = Runtime(device="cpu")
FASTEST: dict[str, str] = {}


def texts_of(count: int, joined: int = 1) -> tuple[str, ...]:
    """Return the same texts at every call, each of so many film review snippets."""
    examples = [one for one in MovieReviews().examples() if one is not None]
    places = np.random.default_rng(0).permutation(len(examples))[: count * joined]
    snippets = [str(examples[i].input) for i in places]
    return tuple(" ".join(snippets[i * joined : (i + 1) * joined]) for i in range(count))


def backbone() -> _backbone.Backbone:
    """Return the loaded model."""
    return _backbone.load(BACKBONE, "", "auto", RUNTIME)


def batch(length: int, tokens: int = TOKENS) -> dict[str, torch.Tensor]:
    """Return rows of one length without padding."""
    ids = torch.randint(5, 40_000, (tokens // length, length), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def attentions(model: Any, rows: dict[str, torch.Tensor]) -> dict[str, Callable[[], dict[str, torch.Tensor]]]:
    """Return what sets each attention of the model and gives the rows as it takes them."""

    def plain(name: str) -> dict[str, torch.Tensor]:
        model.config._attn_implementation = name
        return rows

    def packed() -> dict[str, torch.Tensor]:
        found = _backbone.pack(backbone(), rows).batch
        _backbone.choose_attention(model, found, training=True)
        return found

    return {"eager": lambda: plain("eager"), "sdpa": lambda: plain("sdpa"), "packed": packed}


def fastest(case: str, model: Any, rows: dict[str, torch.Tensor], rate: Callable[[Any], float]) -> float:
    """Return the rate with the fastest of the attentions, which is found once, in the turn that is not measured."""
    ways = attentions(model, rows)
    if case not in FASTEST:
        rate(ways["eager"]())  # products of new shapes are slow once
        rates = {name: rate(way()) for name, way in ways.items()}
        FASTEST[case] = max(rates, key=lambda name: rates[name])
        return rates[FASTEST[case]]
    return rate(ways[FASTEST[case]]())


def bare_forward(length: int, repeats: int = 2) -> float:
    """Return tokens a second of forward passes alone, in the fastest of three attentions."""
    model, rows = backbone().model, batch(length, 4 * TOKENS)

    def passes(given: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for _ in range(repeats):
                model(**given)

    tokens = repeats * 4 * TOKENS
    return fastest(f"forward {length}", model, rows, lambda given: tokens / processor_seconds(lambda: passes(given)))


def bare_training(case: str, body: Any, length: int, repeats: int = 2) -> float:
    """Return tokens a second of forward and backward passes alone, in the fastest of three attentions."""
    rows, classes = batch(length), torch.zeros(TOKENS // length, dtype=torch.long)
    head = torch.nn.Linear(576, 2, bias=False)

    def passes(given: dict[str, torch.Tensor]) -> None:
        for _ in range(repeats):
            body.zero_grad()  # to none: no pass adds to another's gradient
            with _backbone.autocast(backbone()):
                states = body(**given).last_hidden_state.reshape(len(classes), length, -1)
            cross_entropy(head(states[:, -1].float()), classes).backward()

    tokens = repeats * TOKENS
    return fastest(f"{case} {length}", body, rows, lambda given: tokens / processor_seconds(lambda: passes(given)))


def training(texts: tuple[str, ...], model: HF) -> Callable[[], float]:
    """Return a function that trains on the texts once and returns real tokens a second."""
    classifier = _trainer.seeded(lambda: _classifier.Classifier(backbone(), _tuning.shape(model, columns=2)), 0)
    rows = classifier.prepare(texts, RUNTIME, keep=True)
    watch = classifier.prepare(texts[:1], RUNTIME, keep=False)
    targets = Targets.of([str(i) for i in range(len(texts))], np.eye(2)[np.arange(len(texts)) % 2])
    goal, plan = Goal.of(targets, "classification"), _tuning.plan(model, 0)

    def work() -> None:
        _trainer.train(classifier, rows, watch, goal, plan=plan, method=Soft(), runtime=RUNTIME)

    return lambda: model.epochs * int(rows.tokens.lengths.sum()) / processor_seconds(work)


def model_of(tune: Any, limit: int, **options: Any) -> HF:
    """Return a model that trains for one epoch, read once."""
    return HF(backbone=BACKBONE, tune=tune, epochs=1, points=1, max_length=limit, lr=1e-5, **options).resolve()


def bodies() -> dict[str, Any]:
    """Return the adapted model, and the model with all weights in the best precision and trained."""
    adapted = _classifier.Classifier(backbone(), _tuning.shape(model_of("lora", 128), columns=2)).body
    whole = copy.deepcopy(backbone().model)
    return {"lora": adapted, "full": whole.requires_grad_(True)}


def features(texts: tuple[str, ...], limit: int) -> float:
    """Return real tokens a second of features of the last layer."""
    encoder = TextEncoder(backbone=BACKBONE, layer="last", max_length=limit).resolve()
    count = int(_backbone.tokenize(backbone(), texts, limit).lengths.sum())
    return count / processor_seconds(lambda: encoder.encode(texts, RUNTIME))


def claims(snippets: int = 160, long: int = 40, turns: int = 2) -> list[Claim]:
    """Return the claims of this part."""
    found: list[Claim] = []
    counts, whole = {"snippets": snippets, "long rows": long}, bodies()
    for data, (joined, limit, length) in DATA.items():
        texts = texts_of(counts[data], joined)
        cases: dict[str, Callable[[], float]] = {
            "bare forward": lambda length=length: bare_forward(length),
            "features": lambda texts=texts, limit=limit: features(texts, limit),
        }
        for tune, body in whole.items():
            cases[f"bare {tune}"] = lambda tune=tune, body=body, length=length: bare_training(tune, body, length)
            cases[tune] = training(texts, model_of(tune, limit))
        rates = in_turns(cases, turns)
        named = {f"{name}, tokens/s": values for name, values in rates.items()}
        found.append(_claim(f"features, {data}", rates["features"], rates["bare forward"], 0.92, named))
        for tune in whole:
            found.append(_claim(f"{tune} training, {data}", rates[tune], rates[f"bare {tune}"], 0.90, {}))
        third = tuple(rate / 3 for rate in rates["bare forward"])
        found.append(_claim(f"lora training, {data}, over a third of bare forward", rates["lora"], third, 0.70, {}))
    return found


def _claim(name: str, ours: tuple[float, ...], bare: tuple[float, ...], bound: float, cases: Any) -> Claim:
    text = name if "third" in name else f"{name}, over a bare loop"
    return Claim(text, "share", ratios(ours, bare), bound, cases=cases, note=_precision.resolve("auto"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    script(claims, __doc__)
