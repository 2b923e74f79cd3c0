"""Layers that keep their input alone while a model trains, and are run again for the gradient: memory for time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from surpass.models._backbone import stack_of


@contextlib.contextmanager
def recomputed(body: Any, layers: int, *, enabled: bool) -> Iterator[None]:
    """Let the `layers` layers of a model be recomputed inside this context, if enabled.

    transformers' own switch works in training mode alone, which turns on dropout as well.
    """
    held = list(stack_of(body, layers) or ()) if enabled else []
    for layer in held:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer in held:
            del layer.forward
