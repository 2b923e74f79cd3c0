"""What config files do not say in one way, found out on two short rows when a backbone is loaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from surpass.models import _backbone, _packing
from surpass.models._backbone import Backbone, Batch

WINDOWS = ("sliding_window", "local_attention", "attention_chunk_size")  # in configs: tokens that a layer sees at most
SEEN = 1e-4  # of the largest state: states that other padding moves by more have read it


def probe_batch(backbone: Backbone) -> Batch:
    """Return two short rows that differ in their third token, the last position padded."""
    last = _last(backbone)
    ids = torch.tensor([[1, 2, 3, 0], [1, 2, last, 0]], device=backbone.device).clamp(max=last)
    return {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1, 0]] * 2, device=backbone.device)}


@torch.no_grad()
def observe(backbone: Backbone) -> None:
    """Find out whether a backbone is causal, what a layer returns, and which rows may share a batch."""
    seen: list[Any] = []
    hook = backbone.stack[0].register_forward_hook(lambda *call: seen.append(call[2])) if backbone.stack else None
    states = backbone.model(**probe_batch(backbone)).last_hidden_state.float()
    if hook:
        hook.remove()
    backbone.tuples = bool(seen) and isinstance(seen[0], tuple)
    backbone.causal = bool(torch.allclose(states[0, :2], states[1, :2], rtol=1e-6, atol=1e-7))
    backbone.packs = _packing.UNPADDED if _reads_padding(backbone, states) else _packs(backbone, states)


def _last(backbone: Backbone) -> int:
    return int(backbone.model.config.get_text_config().vocab_size) - 1


def _reads_padding(backbone: Backbone, states: Tensor) -> bool:
    """Return whether another token as padding changes the states of the tokens before it, whatever the mask says.

    So it is with mixtures over positions (FNet), convolutions (ConvBERT) and neighbouring embeddings (MobileBERT): what
    they make of a row would depend on the batch that it came in.
    """
    if backbone.causal:  # padding stands behind
        return False
    batch = probe_batch(backbone)
    real = batch["attention_mask"].bool()
    batch["input_ids"] = batch["input_ids"].where(real, _last(backbone))
    other = backbone.model(**batch).last_hidden_state.float()
    return bool((other - states)[real].abs().max() > SEEN * states[real].abs().max())


def _packs(backbone: Backbone, states: Tensor) -> int:
    """Return the longest row that may be packed, on the processor.

    Two packed rows must have the states they had padded, and those whichever stands first in the bin.
    """
    config, held = backbone.model.config.get_text_config(), _backbone.positions(backbone.model.config)
    most = min(_packing.longest(held), *(getattr(config, name, None) or held for name in WINDOWS))
    if backbone.device.type != "cpu" or most < min(_packing.BINS):
        return 0
    batch, kept, found = probe_batch(backbone), backbone.model.config._attn_implementation, []
    try:
        backbone.model.config._attn_implementation = _packing.NAME
        for rows in (batch, {name: value.flip(0) for name, value in batch.items()}):
            packed = _packing.pack(rows, causal=backbone.causal, longest=most, dtype=_backbone.dtype(backbone))
            found.append(packed.take(backbone.model(**packed.batch).last_hidden_state).float())
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError):
        return 0  # an architecture with an attention of its own
    finally:
        backbone.model.config._attn_implementation = kept
    real, (got, turned) = batch["attention_mask"].bool(), found
    alike = _packing.alike(got, turned.flip(0), states, real, precision=backbone.precision)
    return most if alike else 0
