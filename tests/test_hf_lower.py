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


def _counting(backbone):
    ran: list[int] = []
    backbone.stack[0].register_forward_hook(lambda *call: ran.append(len(call[2][0])))
    return ran


def test_announced_rows_run_once_for_fits_on_parts_of_them(llama):
    runtime, model = Runtime(), tiny.hf(llama, tune="lora", layers=1, precision="fp32")
    inputs, _ = tiny.texts(60)
    work = tiny.work(40)
    plain = model.fit(work, Runtime())
    model.warm((*inputs, *work.inputs, *work.watch), runtime)
    backbone = _backbone.load(llama, "", "fp32", runtime)
    ran = _counting(backbone)
    found = model.fit(work, runtime)
    assert found.predict(inputs) == pytest.approx(plain.predict(inputs), abs=1e-5)
    assert len(ran) <= 3  # whether the lower layers can be skipped is tried on two rows
    assert not any(name[0] == "lower" for name in runtime.memo)
    assert len(found.predict(("a row that was not announced",))) == 1
    assert len(ran) > 0


def test_a_new_announcement_takes_the_place_of_the_old_one(llama):
    runtime, model = Runtime(), tiny.hf(llama, tune="lora", layers=1, precision="fp32")
    backbone = _backbone.load(llama, "", "fp32", runtime)
    first, second = (tiny.texts(30, seed=seed)[0] for seed in (1, 2))
    model.warm(first, runtime)
    ran = _counting(backbone)
    model.warm(first, runtime)
    assert len(ran) <= 3
    model.warm(second, runtime)
    (name,) = [name for name in runtime.memo if name[0] == "warm"]
    tokens = _backbone.tokenize(backbone, first, 64)
    assert runtime.memo[name].of(_backbone.tokenize(backbone, second, 64)) is not None
    assert runtime.memo[name].of(tokens) is None
