"""Ways to load a frozen model other than whole and as it is: in 8 or 4 bit, or spread over devices, memory and disk."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from typing import Any

import torch

from surpass.assets import backbones
from surpass.models.base import Quantization
from surpass.runtime import Runtime

# bitsandbytes warns of every cast to fp16, and of a package without which it is slower, also where nothing is quantized.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


BITS: dict[str, dict[str, Any]] = {
    "8bit": {"load_in_8bit": True},
    "4bit": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
}
How = tuple[str, ...]
"""What is not as usual, and part of a loaded model's key: "map" where its layers are spread, and its quantization."""


def frozen(runtime: Runtime, quantization: Quantization = None) -> How:
    """Return how a model is loaded that nothing trains: where the runtime's device is "map", in parts."""
    return (*(("map",) if runtime.device == "map" else ()), *quantized(quantization))


def quantized(quantization: Quantization) -> How:
    """Return how a model is loaded beside which adapters may train."""
    return (quantization,) if quantization else ()


def load(reference: str, dtype: str, device: torch.device, how: How) -> Any:
    """Return a pretrained model, placed where it will run.

    Args:
        reference: see `assets.backbones`.
        dtype: of all but quantized weights, and of the products of 4-bit weights.
        device: where a model that is not spread goes.
        how: "8bit" (LLM.int8(), Dettmers et al. 2022, arXiv 2208.07339) or "4bit" (NF4, Dettmers et al. 2023, arXiv
            2305.14314) quantizes linear maps by bitsandbytes; "map" lets accelerate place the layers, and what fits nowhere
            stays on disk as long as the model lives.
    """
    options: dict[str, Any] = {}
    if bits := next((BITS[name] for name in how if name in BITS), None):
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(**bits, bnb_4bit_compute_dtype=getattr(torch, dtype))
        options["device_map"] = {"": device}
    if "map" in how:
        options |= {"device_map": "auto", "offload_folder": tempfile.mkdtemp(prefix="surpass-")}
    model = backbones.load_model(reference, dtype=dtype, settings=options)
    if "map" in how:
        weakref.finalize(model, shutil.rmtree, options["offload_folder"], ignore_errors=True)
    _settle(model)
    return model if how else model.to(device)


def _settle(model: Any) -> None:
    """Keep 4-bit weights as they were read.

    On processors with bf16 units bitsandbytes 0.50 packs them anew in the first forward pass of a model in evaluation mode,
    and what is packed passes no gradient on: all adapters below the last one would stand still without a word.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
