"""Frozen lower layers, run once: their output is kept and training runs only what lies above.

When only the top layers train, everything below them gives the same numbers in every epoch, at every reading and in every
other fit over the same rows. The states are kept in the runtime's memo by the whole block of rows they were computed
with, never row by row: a bf16 product rounds by the shape of its batch, so a row taken from another fit's block would make
a result depend on what ran before in the process. Whoever knows all rows beforehand announces them by `warm`: then that
block serves every fit on some of them.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from surpass.models import _backbone, _lanes, _probing
from surpass.models._backbone import Backbone, Batch, Tokens
from surpass.runtime import Runtime

KEPT_BYTES = 2 << 30
"""Bound of all states kept in a process; a block above it is computed anew whenever it is read."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows ready for a model: tokens, and what the frozen lower layers make of them when that is kept.

    `sides` is the number of texts of a row, 2 for preferences: first the first candidates of all rows, then the second ones.
    """

    tokens: Tokens
    device: torch.device
    states: tuple[Tensor, ...] | None = None
    sides: int = 1

    def __len__(self) -> int:
        return len(self.tokens.ids) // self.sides

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """Tokens of each row, padding of its own texts included, (n,)."""
        longest: np.ndarray[Any, Any] = self.tokens.lengths.reshape(self.sides, -1).max(axis=0) * self.sides
        return longest

    def texts(self) -> Rows:
        """Return every text as a row of its own."""
        return dataclasses.replace(self, sides=1)

    def _of(self, rows: Sequence[int]) -> list[int]:
        """Return where the texts of the rows are."""
        return [side * len(self) + i for side in range(self.sides) for i in rows]

    def batch(self, rows: Sequence[int]) -> tuple[Batch, Tensor | None]:
        """Return the padded batch of b texts, and its states (b, tokens, width) when they are kept."""
        texts = self._of(rows)
        batch = self.tokens.batch(texts, self.device)
        if self.states is None:
            return batch, None
        return batch, pad_sequence([self.states[i] for i in texts], batch_first=True)

    def take(self, rows: Sequence[int]) -> Rows:
        """Return the rows at the given positions, with their states."""
        texts = self._of(rows)
        states = None if self.states is None else tuple(self.states[i] for i in texts)
        return Rows(self.tokens.take(texts), self.device, states, self.sides)


def prepare(backbone: Backbone, tokens: Tokens, depth: int, runtime: Runtime, *, keep: bool = True) -> Rows:
    """Return the rows with the states that layer `depth` reads: from the memo, or computed and kept there if `keep`."""
    size = _size(backbone, tokens)
    if depth == 0 or size > KEPT_BYTES or not tokens.ids:
        return Rows(tokens, backbone.device)
    known: Warm | None = runtime.memo.get(("warm", backbone.key, depth))
    if known is not None and (held := known.of(tokens)) is not None:
        return Rows(tokens, backbone.device, held)
    if not keep:
        return Rows(tokens, backbone.device)
    content = hashlib.sha256(repr((tokens.ids, tokens.types)).encode()).hexdigest()
    key = ("lower", backbone.key, depth, content)
    memo = runtime.memo
    states: tuple[Tensor, ...] | None = memo.pop(key, None)
    if states is None:
        _make_room(memo, size)
        states = _states(backbone, tokens, depth, runtime)
    memo[key] = states  # the newest stands last
    return Rows(tokens, backbone.device, states)


class Warm:
    """States of one block of rows that was announced before any fit, so that it is the same block whatever runs then."""

    def __init__(self, tokens: Tokens, states: tuple[Tensor, ...]) -> None:
        """Take the states, (tokens, width), of each row."""
        self.states = dict(zip(_texts(tokens), states, strict=True))

    def of(self, tokens: Tokens) -> tuple[Tensor, ...] | None:
        """Return the states of these rows; None unless all are here."""
        found = [self.states.get(text) for text in _texts(tokens)]
        return None if any(state is None for state in found) else tuple(state for state in found if state is not None)


def warm(backbone: Backbone, tokens: Tokens, depth: int, runtime: Runtime) -> None:
    """Keep the states of a block of rows, in place of an older block, for all fits on some of them, if they fit the bound."""
    name, memo = ("warm", backbone.key, depth), runtime.memo
    if name in memo and list(memo[name].states) == list(dict.fromkeys(_texts(tokens))):
        return
    memo.pop(name, None)
    if tokens.ids and _size(backbone, tokens) <= KEPT_BYTES:
        memo[name] = Warm(tokens, _states(backbone, tokens, depth, runtime))


def _size(backbone: Backbone, tokens: Tokens) -> int:
    return int(tokens.lengths.sum()) * backbone.width * (2 if backbone.precision == "bf16" else 4)


def _texts(tokens: Tokens) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    types = tokens.types or ((),) * len(tokens.ids)
    return [(tuple(ids), tuple(kinds)) for ids, kinds in zip(tokens.ids, types, strict=True)]


def _make_room(memo: dict[Any, Any], size: int) -> None:
    held = {name: sum(t.nbytes for t in memo[name]) for name in memo if name[0] == "lower"}
    total = sum(held.values())
    for name, nbytes in held.items():
        if total + size <= KEPT_BYTES:
            return
        del memo[name]
        total -= nbytes


def _states(backbone: Backbone, tokens: Tokens, depth: int, runtime: Runtime) -> tuple[Tensor, ...]:
    found: list[Tensor | None] = [None] * len(tokens.ids)

    def real(rows: Sequence[int], batch: Batch, states: Tensor) -> list[Tensor]:
        return [states[place, : len(tokens.ids[i])].clone() for place, i in enumerate(rows)]  # a view keeps the padding

    for rows, states in _lanes.over(backbone, tokens, depth, runtime, real, autocast=True):
        for i, row in zip(rows, states, strict=True):
            found[i] = row
    return tuple(row for row in found if row is not None)


class _Done(nn.Module):
    """Stands where a frozen layer stood: hands on the states it was given, or those that come in."""

    states: Tensor | None

    def __init__(self, layer: nn.Module, *, tuples: bool) -> None:
        super().__init__()
        self.__dict__["layer"] = layer  # not a submodule: it is neither moved, nor saved, nor counted
        self.states = None
        self.tuples = tuples

    def __getattr__(self, name: str) -> Any:
        """Return what the layer says of itself: some models ask a layer which mask it wants."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["layer"], name)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        states = hidden_states if self.states is None else self.states
        return (states,) if self.tuples else states


def shared(model: nn.Module, own: Callable[[str], bool] = lambda name: False) -> Any:
    """Return a copy of a model that shares every tensor but the parameters whose name `own` accepts."""
    tensors = itertools.chain(model.named_parameters(), model.named_buffers())
    return copy.deepcopy(model, {id(tensor): tensor for name, tensor in tensors if not own(name)})


class Upper:
    """A model whose first `depth` layers are not run: `run` starts from their output."""

    def __init__(self, model: Any, backbone: Backbone, depth: int) -> None:
        """Replace the first layers of `model`, which must be a copy of the backbone's."""
        self.stack = _stack_of(model, backbone)
        for i in range(depth):
            self.stack[i] = _Done(self.stack[i], tuples=backbone.tuples)
        self.first: Any = self.stack[0]  # a _Done, or a layer when there is nothing to skip

    def give(self, states: Tensor | None) -> None:
        """Set what the first layer that is run reads."""
        self.first.states = states

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Let the first layers run in their places for a while."""
        held = list(self.stack)
        try:
            for i, layer in enumerate(held):
                if isinstance(layer, _Done):
                    self.stack[i] = layer.__dict__["layer"]
            yield
        finally:
            for i, layer in enumerate(held):
                self.stack[i] = layer


def _stack_of(model: Any, backbone: Backbone) -> nn.ModuleList:
    name = next(name for name, module in backbone.model.named_modules() if module is backbone.stack)
    found: nn.ModuleList = model.get_submodule(name)
    return found


@torch.no_grad()
def can_skip(backbone: Backbone, depth: int) -> bool:
    """Return whether running the upper layers alone gives what the whole model gives: tried on two rows.

    Architectures whose layers pass on more than a hidden state fail this and run as a whole, with the same numbers.
    """
    if backbone.stack is None or not 0 < depth < backbone.layers:
        return False
    batch = _probing.probe_batch(backbone)
    model = shared(backbone.model)
    try:
        upper = Upper(model, backbone, depth)
        _backbone.choose_attention(backbone.model, batch, training=False)
        _backbone.choose_attention(model, batch, training=False)
        with _backbone.left_at(backbone, depth):
            upper.give(_backbone.run(backbone, batch, depth))  # unpacked, as the whole model runs below
        got = model(**batch).last_hidden_state
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError):
        return False  # whatever the architecture does with its layers, it is not what is needed here
    want = backbone.model(**batch).last_hidden_state
    real = batch["attention_mask"].bool()
    off = (got[real].float() - want[real].float()).abs().max()
    return bool(off <= _backbone.SAME * want[real].float().abs().max())
