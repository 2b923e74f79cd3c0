"""Whether this machine multiplies matrices faster in bf16 or in fp32: measured once, then remembered.

A processor with bf16 units is several times faster in bf16; one without them is slower, because torch emulates them. The
answer becomes a field of the spec, so the key of a result says in which precision it was computed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Literal

from surpass.assets import cache_root
from surpass.models.base import Precision

Resolved = Literal["fp32", "bf16"]

SPEEDUP = 1.5
"""bf16 must be this much faster to be worth its rounding."""


def resolve(precision: Precision) -> Resolved:
    """Return "fp32" or "bf16"; "auto" is the faster on this machine, and only then is anything measured.

    >>> resolve("fp32")
    'fp32'
    """
    if precision != "auto":
        return precision
    if _may_have_cuda():
        import torch

        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return _remembered()


def _may_have_cuda() -> bool:
    """Return False where torch need not be asked: a Linux machine without the driver's device files."""
    return platform.system() != "Linux" or any(Path("/dev").glob("nvidia*"))


def _remembered() -> Resolved:
    note = cache_root() / "precision.json"
    name = _machine()
    known: dict[str, Resolved] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(note.read_text("utf-8"))
        if isinstance(read, dict):
            known = read
    if known.get(name) in ("fp32", "bf16"):
        return known[name]
    found: Resolved = "bf16" if _ratio() > SPEEDUP else "fp32"
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a measurement, nothing more
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh = note.with_name(f"{note.name}.{os.getpid()}")
        fresh.write_text(json.dumps(known | {name: found}, sort_keys=True), "utf-8")
        fresh.replace(note)
    return found


def _machine() -> str:
    """Return a name for this processor and this torch, without importing torch."""
    model, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            elif name.strip() == "flags":
                flags = hashlib.sha256(value.strip().encode()).hexdigest()[:8]
                break
    return " ".join(filter(None, (model, flags, f"torch {importlib.metadata.version('torch')}")))


def _ratio() -> float:
    """Return the time of a matrix product in fp32 over that in bf16, on one thread as a worker runs it.

    Processor time, not wall time, and the best of many interleaved tries: on a busy machine a wall clock told the
    opposite once, and the answer becomes part of every key.
    """
    import torch

    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    pairs = {dtype: (torch.ones(512, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)) for dtype in best}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(25):
                for dtype, (left, right) in pairs.items():
                    start = time.thread_time()
                    torch.nn.functional.linear(left, right)
                    best[dtype] = min(best[dtype], time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return best[torch.float32] / best[torch.bfloat16]
