"""Rows side by side in bins of one length, so that a batch holds next to no padding and comes in few shapes.

A batch of rows of mixed lengths is mostly padding, and on a processor every new shape of a bf16 product costs several known
ones. Here rows are laid into bins of 64, 128, 256 or 512 tokens, the longest first and each into the fullest bin that has
room; a row sees its own tokens alone, by a mask for every bin and by positions that start anew. Callers hand in padded rows
and get padded states back: how rows were laid moves results by rounding alone. Architectures whose states would differ are
found out when they are loaded, and keep their padding.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from surpass.models import _attention

BINS = (64, 128, 256, 512)
STEP = 64  # longer rows get bins of their own, a multiple of this
ALIGNED = 16  # what is not packed is padded to a multiple of this: fewer shapes
UNPADDED = -1  # in the place of the longest row that may be packed: of a model that reads its padding
NAME = "surpass_packed"  # of the attention, in transformers' list

# Median distance of packed states to padded ones, of their norm: SmolLM2-135M had .016 in bf16 (one token .24), 2e-6 in
# fp32, and 1 in both when rows saw each other; MiniLM 0, 1e-6 and .7.
ALIKE = {"fp32": 1e-3, "bf16": 0.1}

Batch = dict[str, Tensor]
Lengths = np.ndarray[Any, np.dtype[np.int64]]

AttentionInterface.register(NAME, _attention.attend)
AttentionMaskInterface.register(NAME, eager_mask)  # of batches that are called unpacked


def size_of(length: int) -> int:
    """Return the tokens of the bin that a row opens.

    >>> size_of(3), size_of(65), size_of(513)
    (64, 128, 576)
    """
    return next((size for size in BINS if length <= size), -(-length // STEP) * STEP)


def longest(held: int) -> int:
    """Return the tokens of the longest row whose bin is no longer than `held`.

    >>> longest(50), longest(300), longest(600)
    (0, 256, 576)
    """
    return held // STEP * STEP if held > BINS[-1] else max((size for size in BINS if size <= held), default=0)


def lay(lengths: Lengths) -> list[tuple[int, list[int]]]:
    """Return bins, each its size and the rows (positions in `lengths`) in it, in the order in which they were opened.

    Any whole bins of the answer, laid again, come out the same.
    """
    bins: list[tuple[int, list[int]]] = []
    room: list[tuple[int, int]] = []  # of open bins: free tokens and number, ascending
    for row in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[row])
        place = bisect.bisect_left(room, (length, -1))
        if place == len(room):
            free, number = size_of(length), len(bins)
            bins.append((free, []))
        else:
            free, number = room.pop(place)
        bins[number][1].append(row)
        bisect.insort(room, (free - length, number))
    return bins


def padded(lengths: Lengths, budget: int) -> Iterator[list[int]]:
    """Yield rows (positions) of similar length, longest first, each batch within the token budget, padding included."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        yield order[start : start + size].tolist()
        start += size


def batches(lengths: Lengths, budget: int, longest: int) -> Iterator[list[int]]:
    """Yield the rows (positions) of each batch, whose bins hold at most `budget` tokens if more than one.

    Args:
        lengths: tokens of each row, (n,).
        budget: tokens that a batch may have, room included.
        longest: tokens of the longest row that may be packed; batches of longer ones, which come first, are padded. UNPADDED:
            batches hold rows of one length.
    """
    if longest == UNPADDED:
        for length in np.unique(lengths)[::-1]:
            same = np.flatnonzero(lengths == length)
            yield from (same[rows].tolist() for rows in padded(lengths[same], budget))
        return
    alone, packed = np.flatnonzero(lengths > longest), np.flatnonzero(lengths <= longest)
    for rows in padded(lengths[alone], budget):
        yield alone[rows].tolist()
    by_size: dict[int, list[list[int]]] = {}
    for size, rows in lay(lengths[packed]):
        by_size.setdefault(size, []).append(packed[rows].tolist())
    for size, bins in by_size.items():
        most = max(1, budget // size)
        parts = -(-len(bins) // most)
        for i in range(parts):  # as equal as can be: a small rest would be a shape of its own
            yield list(chain(*bins[i * len(bins) // parts : (i + 1) * len(bins) // parts]))


@dataclasses.dataclass(frozen=True)
class Packed:
    """A batch as the model is called with it, and where the tokens of the b given rows are in it.

    Attributes:
        batch: ids, positions (bins, size) and mask (bins, 1, size, size), or padded rows as they were with their mask.
        places: (b, tokens) flat places in the bins; None: rows were only padded.
        real: (b, tokens) which tokens are no padding.
    """

    batch: Batch
    places: Tensor | None
    real: Tensor

    def put(self, states: Tensor) -> Tensor:
        """Return padded states of the rows, (b, tokens, width), as states of the packed batch."""
        shape = self.batch["input_ids"].shape
        if self.places is None:
            return pad(states, (0, 0, 0, shape[1] - states.shape[1]))
        flat = states.new_zeros(shape.numel(), states.shape[-1])
        flat[self.places[self.real]] = states[self.real]
        return flat.view(*shape, -1)

    def take(self, states: Tensor) -> Tensor:
        """Return states of the packed batch as padded states of the rows, (b, tokens, width); padding holds anything."""
        if self.places is None:
            return states[:, : self.real.shape[1]]
        flat = states.reshape(-1, states.shape[-1])
        return flat.index_select(0, self.places.flatten()).view(*self.places.shape, -1)


def pack(batch: Batch, *, causal: bool, longest: int, dtype: torch.dtype, held: int = 1 << 30) -> Packed:
    """Return a batch of rows padded on the right as bins, or padded further where a row is longer than `longest`.

    No row is padded beyond `held` tokens, the most that the model takes.
    """
    ids, real = batch["input_ids"], batch["attention_mask"].bool()
    lengths = real.sum(dim=1).numpy(force=True)
    if int(lengths.max()) > longest:
        more = min(-ids.shape[1] % ALIGNED, max(0, held - ids.shape[1])) if ids.device.type == "cpu" else 0
        return Packed({name: pad(value, (0, more)) for name, value in batch.items()}, None, real)
    bins = lay(lengths)
    size = bins[0][0]  # the longest row opened it
    starts, segments = np.zeros(len(lengths), dtype=np.int64), np.full((len(bins), size), -1)
    positions = np.zeros((len(bins), size), dtype=np.int64)
    for number, (_, rows) in enumerate(bins):
        start = 0
        for row in rows:
            end = start + int(lengths[row])
            starts[row], segments[number, start:end] = number * size + start, row
            positions[number, start:end] = np.arange(end - start)
            start = end
    columns = torch.arange(ids.shape[1])
    places = (torch.tensor(starts)[:, None] + torch.where(real.cpu(), columns, 0)).to(ids.device)
    found = {"position_ids": torch.tensor(positions, device=ids.device)}
    for name in batch.keys() - {"attention_mask"}:
        flat = ids.new_zeros(len(bins) * size)
        flat[places[real]] = batch[name][real]
        found[name] = flat.view(len(bins), size)
    found["attention_mask"] = _mask(torch.tensor(segments, device=ids.device), causal=causal, dtype=dtype)
    return Packed(found, places, real)


def alike(first: Tensor, second: Tensor, padded: Tensor, real: Tensor, *, precision: str) -> bool:
    """Return whether rows have the same states packed in two orders, and about those that they have padded.

    Where layers carry something from token to token, the row that stands first has them. States are (b, tokens, width), and
    `real` (b, tokens) are as many of each row.
    """
    norms = padded[real].norm(dim=1)
    off = ((first - padded)[real].norm(dim=1) / norms).view(len(real), -1)
    apart = (first - second)[real].norm(dim=1) / norms  # of products of the same shape: exact in any precision
    return bool(off.median(dim=1).values.max() <= ALIKE[precision] and apart.max() <= ALIKE["fp32"])


def _mask(segments: Tensor, *, causal: bool, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores, (bins, 1, size, size): 0 within a row, the least number between rows."""
    seen = segments[:, :, None] == segments[:, None, :]
    if causal:
        seen = seen.tril()
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
