"""Less memory for the same numbers (recomputed layers, a frozen model spread out), and for others (8 and 4 bit)."""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from surpass.errors import SpecError
from surpass.methods.logconf import LogConf
from surpass.models.base import TextEncoder
from surpass.models.probe import Probe
from surpass.runtime import Runtime
from surpass.spec import key


def kept(model, work, runtime) -> tuple[np.ndarray, int]:
    """Return the watched predictions of a fit, and the most bytes that its graphs held between forward and backward."""
    held = most = 0

    def pack(tensor):
        nonlocal held, most
        held += tensor.nbytes
        most = max(most, held)
        return tensor

    def unpack(tensor):
        nonlocal held
        held -= tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return model.fit(work, runtime).watched, most


@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}, {"tune": "top", "layers": 2}], ids=str)
def test_recomputed_layers_change_rounding_at_most_and_hold_less(llama, tune):
    model, work = tiny.hf(llama, **tune), tiny.work(32, method=LogConf())
    plain, held = kept(model, work, Runtime())
    again, less = kept(model, work, Runtime(checkpoint_activations=True))
    assert again == pytest.approx(plain, abs=1e-5)
    assert less < held / 2


def test_spread_over_memory_and_disk_gives_the_same_features(llama, monkeypatch):
    """All but about a layer has to stay on disk; prompts go the same way."""
    import transformers.integrations.accelerate as placing

    encoder, inputs = TextEncoder(backbone=llama, precision="fp32", layer="last"), tiny.texts(20)[0]
    whole, _ = encoder.encode(inputs, Runtime())
    size = sum(file.stat().st_size for file in Path(llama.removeprefix("path:")).glob("*.safetensors"))
    monkeypatch.setattr(placing, "get_max_memory", lambda most=None: {"cpu": size // 3})
    runtime = Runtime(device="map")
    spread, _ = encoder.encode(inputs, runtime)
    held = next(value for name, value in runtime.memo.items() if name[0] == "backbone")
    assert "disk" in held.model.hf_device_map.values()
    assert np.array_equal(spread, whole)
    folder = next(
        Path(hook.weights_map.dataset.save_folder) for hook in hooks(held.model) if hook.weights_map is not None
    )
    assert folder.is_dir()
    monkeypatch.undo()
    tiny.hf(llama, epochs=1).fit(tiny.work(16), runtime)  # what trains is whole
    runtime.memo.clear()
    del held
    gc.collect()
    assert not folder.exists()


def hooks(model):
    from accelerate.hooks import SequentialHook

    for module in model.modules():
        hook = getattr(module, "_hf_hook", None)
        yield from (hook.hooks if isinstance(hook, SequentialHook) else [hook] if hasattr(hook, "weights_map") else [])


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Return a decoder whose rows are longer than the blocks of 64 that are quantized together."""
    return tiny.save_llama(tmp_path_factory.mktemp("wide"), layers=2, width=128)


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantized_weights_are_other_numbers_and_train_all_adapters(wide, bits):
    pytest.importorskip("bitsandbytes")
    work, runtime = tiny.work(32), Runtime()
    model = tiny.hf(wide, tune="lora", quantization=bits)
    fitted = model.fit(work, runtime)
    moved = [bool(value.abs().sum() > 0) for name, value in tiny.weights(fitted).items() if "lora_B" in name]
    assert len(moved) == 14
    assert all(moved)
    assert fitted.watched.std() > 1e-3
    frozen = next(value for name, value in runtime.memo.items() if name[0] == "backbone").model
    assert {p.dtype for p in frozen.parameters()} & {torch.int8, torch.uint8}
    assert key(model) != key(tiny.hf(wide, tune="lora"))
    again = tiny.hf(wide, tune="lora", quantization=bits).fit(work, Runtime())
    assert again.watched.tobytes() == fitted.watched.tobytes()


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantized_features_are_near_and_have_their_own_key(wide, bits):
    pytest.importorskip("bitsandbytes")
    runtime, inputs = Runtime(), tiny.texts(20)[0]
    encoder = TextEncoder(backbone=wide, precision="fp32")
    plain, _ = encoder.encode(inputs, runtime)
    other = dataclasses.replace(encoder, quantization=bits)
    found, _ = other.encode(inputs, runtime)
    near = [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(plain, found, strict=True)]
    assert min(near) > (0.95 if bits == "8bit" else 0.8)
    assert np.abs(found - plain).max() > 1e-4
    assert key(other) != key(encoder)
    assert Probe(backbone=wide, quantization=bits).encoder().quantization == bits


def test_quantized_weights_cannot_train(wide):
    with pytest.raises(SpecError, match="tune='full' trains the weights"):
        tiny.hf(wide, quantization="4bit")


def test_quantization_without_its_package_names_the_install_line(wide, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    assert "surpass[quantized]" in (tiny.hf(wide, tune="lora", quantization="8bit").problem() or "")
