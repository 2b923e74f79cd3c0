"""Preferences in finetuning: one score of a candidate, swapped candidates, the textbook Bradley-Terry loop."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
from candidates import CPU, FIRST, swapped, tuning
from scipy.special import expit

from surpass.methods.base import Method, cross_entropy
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.runtime import Runtime


def test_finetuning_is_the_textbook_bradley_terry_loop(llama):
    """Written out with torch alone: one score s, loss -p log sigmoid(s1 - s2) - (1 - p) log sigmoid(s2 - s1), AdamW."""
    import torch
    from torch.nn.functional import logsigmoid
    from transformers import AutoModel, AutoTokenizer

    given = tuning(24)
    settings = {"epochs": 5, "batch_size": 8, "schedule": "constant", "clip": 0.0, "points": 3}
    fitted = tiny.hf(llama, **settings).fit(given, CPU)
    folder = llama.removeprefix("path:")
    model, tokenizer = AutoModel.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    score = torch.nn.Parameter(torch.zeros(1, 32))
    optimizer = torch.optim.AdamW([*model.parameters(), score], lr=3e-3, weight_decay=0.0)

    def margin(rows: Any) -> torch.Tensor:
        def scored(text: str) -> torch.Tensor:
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            return (states[0, -1] @ score.T)[0]

        return torch.stack([scored(first) - scored(second) for first, second in rows])

    p, order, losses = torch.tensor(given.targets.values[:, 1]).float(), np.random.default_rng(0), []
    for _ in range(5):
        for drawn in np.split(order.permutation(24), 3):
            gap = margin([given.inputs[i] for i in drawn])
            loss = -(p[drawn] * logsigmoid(gap) + (1 - p[drawn]) * logsigmoid(-gap)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        wanted = torch.sigmoid(margin(given.watch)).numpy()
    assert np.ptp(wanted) > 0.3  # it moved
    assert fitted.watched[-1][:, 1] == pytest.approx(wanted, abs=2e-4)
    assert fitted.facts["train_loss"] == pytest.approx(losses[-1], abs=1e-4)
    assert fitted.model.head.weight.detach().numpy() == pytest.approx(score.detach().numpy(), abs=1e-4)


@pytest.mark.parametrize(
    "tune", [{"tune": "full"}, {"tune": "lora", "layers": 2}, {"tune": "top", "layers": 2}], ids=str
)
@pytest.mark.parametrize("method", [Soft(), LogConf(variant="openai")], ids=lambda m: m.kind)
def test_the_cut_of_a_step_changes_nothing(llama, tune, method):
    given = tuning(40, method=method)
    model = tiny.hf(llama, **tune, clip=0.0, dropout=0.2)
    fits = [model.fit(given, Runtime(device="cpu", tokens_per_batch=tokens)) for tokens in (100_000, 60, 1)]
    for other in fits[1:]:
        assert other.watched == pytest.approx(fits[0].watched, abs=2e-4)


@pytest.mark.parametrize("backbone", ["llama", "bert"])
@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}, {"tune": "top", "layers": 2}], ids=str)
def test_swapped_candidates_have_swapped_probabilities(backbone, tune, request):
    given = tuning()
    fitted = tiny.hf(request.getfixturevalue(backbone), **tune, epochs=4).fit(given, CPU)
    for inputs in (given.inputs, given.watch):
        found = fitted.predict(inputs)
        assert fitted.predict(swapped(inputs)) == pytest.approx(found[:, ::-1], abs=1e-6)
    assert fitted.watched[-1] == pytest.approx(fitted.predict(given.watch), abs=1e-6)
    states = fitted.states(given.inputs)
    assert states.shape == (32, 32)
    assert fitted.states(swapped(given.inputs)) == pytest.approx(-states, abs=1e-5)


def test_a_text_against_itself_is_even_odds(llama):
    fitted = tiny.hf(llama).fit(tuning(), CPU)
    assert np.array_equal(fitted.predict((("fine film", "fine film"),)), [[0.5, 0.5]])


def test_frozen_lower_layers_are_run_once_for_both_candidates(llama, monkeypatch):
    from surpass.models import _lower

    given, runtime = tuning(), Runtime(device="cpu")
    model = tiny.hf(llama, tune="top", layers=1)
    kept = model.fit(given, runtime)
    held = [memo for name, memo in runtime.memo.items() if name[0] == "lower"]
    assert [len(states) for states in held] == [64, 24]  # two texts for each row to train on, and to watch
    monkeypatch.setattr(_lower, "can_skip", lambda *args: False)
    assert model.fit(given, CPU).watched == pytest.approx(kept.watched, abs=1e-5)


def test_truncation_counts_both_candidates(llama):
    long = tuple((" ".join(["film"] * 20), "fine") for _ in range(8))
    given = dataclasses.replace(tuning(8), inputs=long)
    assert tiny.hf(llama, max_length=10).fit(given, CPU).facts["truncated"] == 0.5


def test_generative_finetuning_reads_both_candidates(llama):
    """As many next tokens as there are texts: the same training as on a list of the same texts."""
    given, model = tuning(), tiny.hf(llama, generative=2, epochs=1)
    texts = tuple(text for side in (0, 1) for text in (pair[side] for pair in given.inputs))
    plain = dataclasses.replace(tiny.work(64), inputs=texts)
    found, wanted = (model.fit(each, CPU).facts for each in (given, plain))
    for name in ("language_loss_start", "language_loss"):
        assert found[name] == pytest.approx(wanted[name], abs=1e-5)
    assert found["language_loss"] < found["language_loss_start"]


@pytest.mark.parametrize("backbone", ["llama", "bert"])
def test_head_starts_as_the_probe_of_the_differences(backbone, request):
    given = tuning()
    model = tiny.hf(request.getfixturevalue(backbone), head="probe", epochs=1, lr=1e-12)
    fitted = model.fit(given, CPU)
    states, wanted = fitted.states(given.inputs), FIRST
    spread = np.sqrt((states**2).mean(axis=0))
    slope = fitted.model.head.weight.detach().numpy()[0] * spread
    wanted = given.targets.values[:, 1]
    gradient = (states / spread).T @ (expit(states / spread @ slope) - wanted) / 32 + 0.3 * slope
    assert np.abs(gradient).max() < 1e-3
    assert np.abs(slope).max() > 0.05


@pytest.mark.parametrize(
    "changes",
    [{"ema": 0.9}, {"l2_sp": 0.1}, {"head": "probe", "tune": "lora"}, {"pool": "mean", "tune": "top", "layers": 2}],
)
def test_other_ways_to_train_learn_the_preference(llama, changes):
    given = tuning(256, watch=100)
    fitted = tiny.hf(llama, epochs=6, **changes).fit(given, CPU)
    good = np.array([any(word in first.split() for word in tiny.GOOD) for first, _ in given.watch])
    assert ((fitted.watched[-1][:, 1] > 0.5) == good).mean() > 0.7  # four standard errors above chance


def test_methods_see_the_difference_of_the_pooled_states(llama):
    seen = []

    class Spy(Method):
        def loss(self, batch, progress):
            seen.append(batch)
            return cross_entropy(batch.logits, batch.targets)

    given = tuning(8, method=Spy())
    fitted = tiny.hf(llama, epochs=1, batch_size=8).fit(given, CPU)
    (batch,) = seen
    assert batch.hidden.shape == (8, 32)
    assert batch.logits.shape == (8, 2)
    assert not batch.logits.sum(dim=1).any()
    fresh = tiny.hf(llama, epochs=1, lr=1e-12).fit(tuning(8), CPU)
    assert sorted(batch.hidden[:, 0].tolist()) == pytest.approx(sorted(fresh.states(given.inputs)[:, 0]), abs=1e-4)
    assert fitted.model.head.weight.shape == (1, 32)
