"""Frozen features: texts through the lower layers of a pretrained model, each row pooled to one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from surpass.artifacts import Facts, Inputs
from surpass.errors import SpecError
from surpass.models import _backbone, _lanes, _loading
from surpass.models._backbone import Batch
from surpass.models.base import TextEncoder
from surpass.runtime import Runtime


def encode(encoder: TextEncoder, inputs: Inputs, runtime: Runtime) -> tuple[NDArray[np.float32], Facts]:
    """Return features (n, d) in the caller's row order, and facts; see `TextEncoder.encode`."""
    how = _loading.frozen(runtime, encoder.quantization)
    backbone = _backbone.load(str(encoder.backbone), encoder.digest, encoder.precision, runtime, how)
    depth = depth_of(encoder.layer, backbone.layers, str(encoder.backbone))
    tokens = _backbone.tokenize(backbone, inputs, encoder.max_length)
    lengths = tokens.lengths
    width = backbone.width * (1 + (encoder.pool == "last+mean"))
    vectors = np.zeros((len(lengths), width), dtype=np.float32)

    def pooled(rows: Sequence[int], batch: Batch, states: Tensor) -> NDArray[np.float32]:
        found: NDArray[np.float32] = _backbone.pool(states, batch["attention_mask"], encoder.pool).cpu().numpy()
        return found

    for rows, part in _lanes.over(backbone, tokens, depth, runtime, pooled):
        vectors[rows] = part
    return vectors, {
        "truncated": tokens.truncated,
        "tokens": float(lengths.mean()) if len(lengths) else 0.0,
        "parameters": sum(value.numel() for value in backbone.model.parameters()),
    }


def depth_of(layer: str | int, layers: int, backbone: str) -> int:
    """Return the number of the hidden state that `layer` means, in [0, layers].

    >>> depth_of("middle", 5, "path:x"), depth_of("last", 5, "path:x"), depth_of(0, 5, "path:x")
    (3, 5, 0)
    """
    if layer == "middle":
        return math.ceil(layers / 2)
    if layer == "last":
        return layers
    if isinstance(layer, int) and not isinstance(layer, bool) and 0 <= layer <= layers:
        return layer
    raise SpecError(
        f"encoder: layer={layer!r}, but backbone '{backbone}' has {layers} layers. "
        f"Allowed are 'middle', 'last' and the whole numbers 0 (the embeddings) to {layers}."
    )
