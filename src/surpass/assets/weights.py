"""How large a pretrained model is, read off the headers of its weight files: no weight is loaded, nothing is downloaded."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from surpass.assets import backbones, conversion, manifest
from surpass.errors import SurpassError

EMBEDDINGS = ("embed", "wte", "wpe", "lm_head")
HALF = 2  # bytes of a parameter in files whose header is not read


class Size(NamedTuple):
    """Parameters of a model: all, and those that multiply every token, which embeddings do not."""

    parameters: int
    multiplied: int


@cache
def size(reference: backbones.Reference) -> Size | None:
    """Return the size of a backbone, or None when its files are not here; of one that a study makes by its spec.

    >>> size("path:/nowhere") is None
    True
    """
    if not isinstance(reference, str):
        return Size(reference.parameters(), reference.multiplied())
    try:
        folder = _folder(reference)
    except (SurpassError, OSError):
        return None
    if folder is None:
        return None
    tensors = [item for file in sorted(folder.glob("*.safetensors")) for item in _header(file)]
    if not tensors:
        whole = sum(file.stat().st_size for file in folder.glob("*.bin")) // HALF
        return Size(whole, whole) if whole else None
    multiplied = sum(n for name, n in tensors if not any(word in name for word in EMBEDDINGS))
    return Size(sum(n for _, n in tensors), multiplied)


def _folder(reference: str) -> Path | None:
    """Return the folder of the weights, None when they are still to be downloaded or converted."""
    kind, _, rest = reference.partition(":")
    if kind == "package" and manifest.info(rest).convert and not conversion.done(manifest.info(rest)):
        return None
    resolved = backbones.resolve(reference)
    if isinstance(resolved, Path):
        return resolved
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(resolved.repository, "config.json", revision=resolved.revision)
    return Path(found).parent if isinstance(found, str) else None


def _header(file: Path) -> list[tuple[str, int]]:
    """Return name and number of values of every tensor of a safetensors file: a length of 8 bytes, then JSON."""
    import math

    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            header = json.loads(handle.read(min(length, 100 << 20)))
            return [(name, math.prod(fact["shape"])) for name, fact in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return []
