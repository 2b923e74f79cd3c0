"""A frozen pretrained model: loaded once per process, its texts as tokens, and the hidden state that a layer reads."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surpass.artifacts import Inputs
from surpass.assets import backbones
from surpass.errors import DataError, SpecError
from surpass.models import _loading, _packing, _precision
from surpass.models.base import Precision
from surpass.runtime import Runtime

KEPT_BACKBONES = 2  # a study walks through its pairs in order: the weak and the strong one
# Larger padded batches leave the processor's cache: SmolLM2-135M ran 2,255 tokens/s at 1,000 tokens and 1,850 at 4,000.
# Packed: 1,340 at 1,000 and 1,790 at 4,000; with gradient 530 at 500, 655 at 1,500, 590 at 3,000.
CPU_TOKENS = 1024
CPU_TRAINING_TOKENS = 1536
# Tokens of a row up to which plain attention beat the fused one, with and without gradient.
PLAIN_TRAINING, PLAIN_FORWARD = 256, 64
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
SAME = 1e-2  # of the largest state: far above the rounding of bf16, far below a token that is seen and should not be

Batch = _packing.Batch  # what a transformers model is called with: input_ids, attention_mask, perhaps token_type_ids


@dataclasses.dataclass(eq=False)
class Backbone:
    """A pretrained model without its head, frozen and in evaluation mode.

    Attributes:
        reference: where it came from.
        key: reference, digest, precision, device, and how it was loaded if not as usual: equal keys, equal numbers.
        model: the transformers base model.
        tokenizer: its tokenizer.
        stack: the list of its layers, inside `model`; None where the architecture has no such list.
        layers: how many layers it has.
        width: size of a hidden state.
        causal: whether a token sees only what stands before it, measured on two rows.
        tuples: whether a layer returns a tuple rather than its hidden state alone.
        packs: tokens of the longest row that may share a bin with others, tried on two rows; 0: none may; UNPADDED: no row
            may even be padded.
    """

    reference: str
    key: tuple[str, ...]
    model: Any  # a transformers model, which has no type here
    tokenizer: Any
    stack: nn.ModuleList | None
    layers: int
    width: int
    device: torch.device
    causal: bool = True
    tuples: bool = False
    packs: int = 0

    @property
    def precision(self) -> str:
        """Return "fp32" or "bf16"."""
        return self.key[2]


def load(reference: str, digest: str, precision: Precision, runtime: Runtime, how: _loading.How = ()) -> Backbone:
    """Return the backbone, loaded as `how` says, from the runtime's memo when this process has loaded it before."""
    resolved, device = _precision.resolve(precision), runtime.torch_device()
    key = (reference, digest or backbones.digest(reference), resolved, device, *how)
    memo = runtime.memo
    found: Backbone | None = memo.pop(("backbone", key), None)
    if found is None:
        for old in [name for name in memo if name[0] == "backbone"][: -(KEPT_BACKBONES - 1)]:
            del memo[old]
        found = _loaded(reference, key, torch.device(device))
    memo["backbone", key] = found  # the newest stands last
    return found


def _loaded(reference: str, key: tuple[str, ...], device: torch.device) -> Backbone:
    from surpass.models import _probing

    model = _loading.load(reference, DTYPES[key[2]], device, key[4:])
    tokenizer = backbones.load_tokenizer(reference)
    model.config.use_cache = False
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # a BERT's head for sentence pairs, which no pooling here reads
    model.requires_grad_(False).eval()
    config = model.config.get_text_config()
    stack = stack_of(model, config.num_hidden_layers)
    backbone = Backbone(
        reference, key, model, tokenizer, stack, config.num_hidden_layers, config.hidden_size, device=device
    )
    _probing.observe(backbone)
    return backbone


def stack_of(model: nn.Module, layers: int) -> nn.ModuleList | None:
    """Return the list of a model's `layers` layers, None where its architecture has no such list."""
    return next((m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == layers), None)


def dtype(backbone: Backbone) -> torch.dtype:
    """Return the precision of the products as torch names it."""
    found: torch.dtype = getattr(torch, DTYPES[backbone.precision])
    return found


def pack(backbone: Backbone, batch: Batch) -> _packing.Packed:
    """Return a batch of padded rows as the backbone reads it fastest."""
    held = positions(backbone.model.config)
    if backbone.packs == _packing.UNPADDED:
        held = batch["input_ids"].shape[1]
        if not batch["attention_mask"].all():
            raise SpecError(
                f"backbone '{backbone.reference}' reads what fills up a batch of rows of several lengths, such as the two "
                "candidates of a preference. Use another backbone."
            )
    return _packing.pack(batch, causal=backbone.causal, longest=backbone.packs, dtype=dtype(backbone), held=held)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """Rows as tokens: `ids` of each row, never empty; `types` where the model tells the texts of a pair apart."""

    ids: tuple[list[int], ...]
    types: tuple[list[int], ...] | None
    truncated: float

    @property
    def lengths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the tokens of each row."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def take(self, rows: Sequence[int]) -> Tokens:
        """Return the rows at the given positions; the share of truncated rows stays that of all."""
        types = None if self.types is None else tuple(self.types[i] for i in rows)
        return Tokens(tuple(self.ids[i] for i in rows), types, self.truncated)

    def batch(self, rows: Sequence[int], device: torch.device) -> Batch:
        """Return the rows padded on the right to the longest, with the mask that says which tokens are real."""
        longest = max(len(self.ids[i]) for i in rows)

        def padded(values: Sequence[Sequence[int]]) -> Tensor:
            return torch.tensor([[*row, *[0] * (longest - len(row))] for row in values], device=device)

        batch = {
            "input_ids": padded([self.ids[i] for i in rows]),
            "attention_mask": padded([[1] * len(self.ids[i]) for i in rows]),
        }
        if self.types is not None:
            batch["token_type_ids"] = padded([self.types[i] for i in rows])
        return batch


def tokenize(backbone: Backbone, inputs: Inputs, max_length: int) -> Tokens:
    """Return texts, or pairs of texts, as tokens, cut at `max_length` or at what the model can take."""
    if isinstance(inputs, np.ndarray):
        raise DataError(
            f"backbone '{backbone.reference}' reads texts or pairs of texts, but the rows are an array of shape "
            f"{inputs.shape}. Choose a model that takes vectors."
        )
    tokenizer = backbone.tokenizer
    limit = min(max_length, tokenizer.model_max_length, positions(backbone.model.config))
    if not inputs:
        return Tokens((), None, 0.0)
    pairs = not isinstance(inputs[0], str)
    columns: tuple[list[Any], ...] = tuple(map(list, zip(*inputs, strict=True))) if pairs else (list(inputs),)
    if len(columns) > 2:
        raise DataError(
            f"rows hold {len(columns)} texts each, but backbone '{backbone.reference}' reads one text or a pair. "
            "Join them into one text in the task."
        )
    encoded = tokenizer(*columns, truncation=False, verbose=False, return_token_type_ids=True)
    ids, types = encoded["input_ids"], encoded["token_type_ids"]
    long = [i for i, row in enumerate(ids) if len(row) > limit]
    if long:
        cut = [[column[i] for i in long] for column in columns]
        tokenizer.truncation_side = "right"
        again = tokenizer(*cut, truncation=True, max_length=limit, return_token_type_ids=True)
        for i, row, kind in zip(long, again["input_ids"], again["token_type_ids"], strict=True):
            ids[i], types[i] = row, kind
    for i, row in enumerate(ids):
        if not row:  # an empty text, where the tokenizer adds no token of its own
            ids[i], types[i] = [tokenizer.pad_token_id], [0]
    wanted = "token_type_ids" in tokenizer.model_input_names
    return Tokens(tuple(ids), tuple(types) if wanted else None, len(long) / len(ids))


def positions(config: Any) -> int:
    """Return the tokens that a model takes at once, by its config; without bound where it names none."""
    held = int(getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 30)
    return held - 2 if config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"} else held


def forward_budget(runtime: Runtime, device: torch.device, *, packed: bool = False) -> int:
    """Return the tokens of a batch without gradients: what the runtime allows, or less where less is faster."""
    if packed or device.type != "cpu":
        return runtime.tokens_per_batch
    return min(runtime.tokens_per_batch, CPU_TOKENS)


def training_budget(runtime: Runtime, device: torch.device) -> int:
    """Return the tokens of a micro-batch: what the runtime allows, or less where less is faster."""
    return min(runtime.tokens_per_batch, CPU_TRAINING_TOKENS) if device.type == "cpu" else runtime.tokens_per_batch


def choose_attention(model: Any, batch: Batch, *, training: bool) -> None:
    """Set the attention that is faster on the processor for rows of this length; it moves results by rounding alone.

    torch's fused attention has a slow backward pass there: 32 rows of 25 tokens took 21 ms, the plain products 3 ms.
    """
    ids = batch["input_ids"]
    if batch["attention_mask"].ndim == 4:
        model.config._attn_implementation = _packing.NAME
    elif ids.device.type == "cpu":
        # layers that do not know the fused one would be handed masks that are not meant for them
        fused = getattr(model, "_supports_sdpa", False)
        model.config._attn_implementation = attention(ids.shape[1], training=training) if fused else "eager"


def attention(longest: int, *, training: bool = False) -> str:
    """Return the attention for rows of so many tokens on the processor."""
    return "eager" if longest <= (PLAIN_TRAINING if training else PLAIN_FORWARD) else "sdpa"


def autocast(backbone: Backbone, *, enabled: bool = True) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a model on this backbone runs: matrix products in the spec's precision."""
    if enabled and backbone.precision == "bf16":
        return torch.autocast(backbone.device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def casts_kept() -> Iterator[None]:
    """Let what autocast casts of trained weights serve all passes inside: those of one step, whose weights stand still."""
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()


class _ReachedError(Exception):
    """Carries a hidden state out of a forward pass whose later layers are not needed."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


def hidden(backbone: Backbone, batch: Batch, depth: int) -> Tensor:
    """Return hidden state number `depth`, (b, tokens, width): what layer `depth` reads, 0 being the embeddings.

    The number of layers gives the output of the last one, after the final normalization where there is one. Layers from
    `depth` on are not run: a hook leaves the forward pass there, so the model itself is never changed.
    """
    packed = pack(backbone, batch)
    choose_attention(backbone.model, packed.batch, training=False)
    with left_at(backbone, depth):
        return packed.take(run(backbone, packed.batch, depth))


@contextlib.contextmanager
def left_at(backbone: Backbone, depth: int) -> Iterator[None]:
    """Let forward passes end before layer `depth`; passes of several threads may run inside."""

    def leave(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _ReachedError(args[0] if args else kwargs["hidden_states"])

    if depth == backbone.layers or backbone.stack is None:
        yield
        return
    hook = backbone.stack[depth].register_forward_pre_hook(leave, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def run(backbone: Backbone, batch: Batch, depth: int) -> Tensor:
    """Return hidden state number `depth` as `hidden` does, inside `left_at` and with the attention that is set."""
    if depth == backbone.layers:
        states: Tensor = backbone.model(**batch).last_hidden_state
        return states.to(backbone.device)  # a layer may be elsewhere
    if backbone.stack is None:
        states = backbone.model(**batch, output_hidden_states=True).hidden_states[depth]
        return states.to(backbone.device)
    try:
        backbone.model(**batch)
    except _ReachedError as reached:
        return reached.states.to(backbone.device)
    raise SpecError(
        f"backbone '{backbone.reference}' never ran its layer {depth} of {backbone.layers}; use layer='last'."
    )


def pool(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """Return one vector per row, fp32: the last real token by the mask, the mean over real tokens, or both."""
    states = states.float()
    found = []
    if "last" in how:
        places = torch.arange(mask.shape[1], device=mask.device)
        last = (mask * places).argmax(dim=1)
        found.append(states[torch.arange(len(states), device=states.device), last])
    if "mean" in how:
        weights = mask.unsqueeze(-1).to(states.dtype)
        found.append((states * weights).sum(dim=1) / weights.sum(dim=1))
    return torch.cat(found, dim=1)
