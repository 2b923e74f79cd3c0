"""Frozen lower layers: run once, kept within bounds, and without a trace in any number."""

import dataclasses

import numpy as np
import pytest
import tiny

from surpass.artifacts import take
from surpass.methods.logconf import LogConf
from surpass.models import _backbone, _lower
from surpass.runtime import Runtime

TUNES = [{"tune": "lora", "layers": 2}, {"tune": "top", "layers": 2}]


@pytest.mark.parametrize("family", ["llama", "bert"])
@pytest.mark.parametrize("tune", TUNES, ids=str)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cached_lower_layers_give_the_trajectory_of_the_plain_path(request, monkeypatch, family, tune, precision):
    reference = request.getfixturevalue(family)
    work, model = tiny.work(40, method=LogConf()), tiny.hf(reference, precision=precision, **tune)
    cached = model.fit(work, Runtime())
    monkeypatch.setattr(_lower, "KEPT_BYTES", 0)
    lean = model.fit(work, Runtime())  # lower layers apart from the upper ones, but not kept
    monkeypatch.setattr(_lower, "can_skip", lambda backbone, depth: False)
    plain = model.fit(work, Runtime())  # the whole model, as for an unknown architecture
    assert cached.model.skips
    assert not plain.model.skips
    close = 1e-5 if precision == "fp32" else 3e-2
    assert lean.watched == pytest.approx(cached.watched, abs=close)
    assert plain.watched == pytest.approx(cached.watched, abs=close)
    assert plain.predict(work.inputs) == pytest.approx(cached.predict(work.inputs), abs=close)


def test_lower_layers_run_once_for_all_fits_of_a_process(llama):
    runtime, model = Runtime(), tiny.hf(llama, tune="lora", layers=1)
    backbone = _backbone.load(llama, "", "fp32", runtime)
    ran: list[int] = []
    backbone.stack[0].register_forward_hook(lambda *call: ran.append(len(call[1][0] if call[1] else "")))
    work = tiny.work()
    first = model.fit(work, runtime)
    once = len(ran)
    second = model.fit(dataclasses.replace(work, method=LogConf()), runtime)
    first.predict(work.inputs)
    second.predict(work.watch)
    probes = len(ran) - once  # each fit tries on two rows whether the lower layers can be skipped
    assert probes <= 3
    assert sum(name[0] == "lower" for name in runtime.memo) == 2  # training rows and watched rows


def test_kept_states_are_bounded(llama, monkeypatch):
    monkeypatch.setattr(_lower, "KEPT_BYTES", 60_000)
    runtime = Runtime()
    for seed in range(4):
        inputs, _ = tiny.texts(40, seed=seed)
        tiny.hf(llama, tune="lora", layers=1, epochs=1).fit(dataclasses.replace(tiny.work(40), inputs=inputs), runtime)
        held = sum(t.nbytes for name, states in runtime.memo.items() if name[0] == "lower" for t in states)
        assert 0 < held <= 60_000


def test_result_does_not_depend_on_what_ran_before(llama):
    """bf16 rounds by the shape of a batch, so states are shared by whole blocks of rows, never row by row."""
    model, work = tiny.hf(llama, tune="lora", layers=1, precision="bf16"), tiny.work(40)
    runtime = Runtime()
    other = dataclasses.replace(work, inputs=take(work.inputs, np.arange(20)), targets=work.targets.take(np.arange(20)))
    model.fit(other, runtime).predict(work.inputs)
    assert np.array_equal(model.fit(work, runtime).watched, model.fit(work, Runtime()).watched)
