"""A backbone with a linear head: which of its parameters train, how a batch becomes logits, how it is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from surpass.artifacts import Inputs, Targets, Values, candidates
from surpass.errors import SpecError
from surpass.models import _backbone, _lower, _norms, _packing
from surpass.models._backbone import Backbone, Batch
from surpass.models._lower import Rows
from surpass.models._preference import Score
from surpass.models._ranks import Ranks
from surpass.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

Tune = Literal["full", "lora", "top"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """What a classifier is: which parameters train and how a row is pooled; see the fields of `HF`."""

    tune: Tune
    layers: int | None
    pool: Literal["last", "mean"] | None
    rank: int
    alpha: float
    columns: int
    max_length: int
    preference: bool = False
    skip_lower: bool = True


class Classifier(nn.Module):
    """Backbone, pooling and head.

    Frozen weights have the spec's precision and are shared with the process's loaded backbone. What trains is fp32; in
    bf16 its matrix products run in bf16 through autocast. Pooling and head are fp32.

    The head has no bias and starts at zero: every class starts equally probable, whatever the pretrained model thinks of
    its own tokens, so a seed stands for the order of the data and the adapters' start and for nothing else. `start_head`
    gives it another start, which takes nothing from the seed either.

    A row of a preference is two texts, which go through the backbone in one batch. Its state is the difference of theirs, the
    first to the second, and its head the score of one text (`_preference.py`).
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, shape: Shape) -> None:
        """Build the classifier; the adapters' start comes from torch's global generator."""
        super().__init__()
        self.__dict__["backbone"] = backbone  # not a submodule: it is shared and frozen
        self.shape = shape
        self.pool = shape.pool or ("last" if backbone.causal else "mean")
        self.depth = _depth(backbone, shape)
        self.skips = shape.skip_lower and _lower.can_skip(backbone, self.depth)
        self.body, self.upper = _body(backbone, shape, self.depth, skips=self.skips)
        self.head: nn.Linear = (
            Score(backbone.width, backbone.device)
            if shape.preference
            else nn.Linear(backbone.width, shape.columns, bias=False, device=backbone.device)
        )
        nn.init.zeros_(self.head.weight)

    def train(self, mode: bool = True) -> Classifier:
        """Stay in evaluation mode: a dropout mask would depend on how a step is cut into micro-batches."""
        return super().train(False)

    def prepare(self, inputs: Inputs, runtime: Runtime, *, keep: bool) -> Rows:
        """Return rows ready for this model; `keep` computes and keeps the output of the lower layers."""
        if self.shape.preference and not isinstance(inputs, np.ndarray):
            first, second = candidates(inputs)
            inputs = (*first, *second)
        tokens = _backbone.tokenize(self.backbone, inputs, self.shape.max_length)
        found = Rows(tokens, self.backbone.device)
        if self.skips:
            found = _lower.prepare(self.backbone, tokens, self.depth, runtime, keep=keep)
        return dataclasses.replace(found, sides=1 + self.shape.preference)

    def hidden(self, batch: Batch, states: Tensor | None) -> Tensor:
        """Return what the body makes of every token, (b, tokens, width); `states`: of the lower layers when known."""
        packed = _backbone.pack(self.backbone, batch)
        with _backbone.autocast(self.backbone):
            if self.upper is not None:
                below = states if states is not None else _backbone.hidden(self.backbone, batch, self.depth)
                self.upper.give(packed.put(below))
            _backbone.choose_attention(self.body, packed.batch, training=torch.is_grad_enabled())
            found: Tensor = packed.take(self.body(**packed.batch).last_hidden_state)
        if self.upper is not None:
            self.upper.give(None)
        return found

    def pooled(self, batch: Batch, states: Tensor | None) -> Tensor:
        """Return the pooled hidden state of each row, (b, width) fp32, of a preference the difference of its candidates'.

        `states` is the output of the lower layers when known.
        """
        found = _backbone.pool(self.hidden(batch, states), batch["attention_mask"], self.pool)
        if not self.shape.preference:
            return found
        first, second = found.chunk(2)
        return first - second

    def forward(self, batch: Batch, states: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits (b, C) and the pooled state under the head (b, width)."""
        pooled = self.pooled(batch, states)
        return self.head(pooled), pooled

    @torch.no_grad()
    def states(self, rows: Rows, runtime: Runtime) -> Tensor:
        """Return the pooled states of all rows, (n, width) fp32, in their order."""
        found = torch.zeros(len(rows), self.backbone.width, device=self.backbone.device)
        packs = self.backbone.packs
        budget = _backbone.forward_budget(runtime, self.backbone.device, packed=packs > 0)
        ranks = Ranks.of(runtime)
        mine = ranks.mine(rows.lengths)
        parts = [mine[part] for part in _packing.batches(rows.lengths[mine], budget, packs)]
        for chosen in ranks.alike([part.tolist() for part in parts]):
            pooled = self.pooled(*rows.batch(chosen or [0]))
            found[chosen] = pooled[: len(chosen)]
        return ranks.total(found)

    @torch.no_grad()
    def logits(self, rows: Rows, runtime: Runtime) -> Tensor:
        """Return the logits of all rows, (n, C), in their order."""
        logits: Tensor = self.head(self.states(rows, runtime))
        return logits

    def start_head(self, rows: Rows, targets: Targets, target: str, runtime: Runtime) -> None:
        """Let the head start as the linear probe of the targets on the states as they are now; see `_linear.solved`."""
        from surpass.models import _linear

        states = self.states(rows, runtime).double().cpu().numpy()
        matrix = _linear.solved(states, targets, target)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(matrix))

    def save(self, folder: Path) -> None:
        """Write the adapters and the head, or the whole model with its tokenizer and the head."""
        from safetensors.torch import save_file

        save_file({"weight": self.head.weight.detach().cpu().contiguous()}, str(folder / "head.safetensors"))
        if self.shape.tune == "lora":
            self.body.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
            return
        whole = _lower.shared(self.backbone.model)
        for name, value in self.body.named_parameters():
            if value.requires_grad:
                parent, _, last = name.rpartition(".")
                setattr(whole.get_submodule(parent), last, value)
        whole.save_pretrained(str(folder))
        self.backbone.tokenizer.save_pretrained(str(folder))


def warm(backbone: Backbone, shape: Shape, inputs: Inputs, runtime: Runtime) -> None:
    """Keep the states of the frozen lower layers of all texts in `inputs`, rows or pairs of candidates."""
    depth = _depth(backbone, shape)
    if _lower.can_skip(backbone, depth):
        _lower.warm(backbone, _backbone.tokenize(backbone, inputs, shape.max_length), depth, runtime)


def _depth(backbone: Backbone, shape: Shape) -> int:
    """Return how many layers stay frozen and see no gradient."""
    if shape.layers is None:
        return 0
    if shape.layers > backbone.layers or backbone.stack is None:
        raise SpecError(
            f"model 'hf': layers={shape.layers}, but backbone '{backbone.reference}' has "
            f"{backbone.layers if backbone.stack is not None else 'no list of'} layers. Lower `layers`."
        )
    return backbone.layers - shape.layers


def _body(backbone: Backbone, shape: Shape, depth: int, *, skips: bool) -> tuple[Any, _lower.Upper | None]:
    """Return the model to train and, when the lower layers are cut off, the handle that feeds the rest."""
    trains = _trained(backbone, shape, depth)
    body = _lower.shared(backbone.model, trains)
    for name, value in body.named_parameters():
        if trains(name):
            value.data = value.data.float()
            value.requires_grad_(True)
    _norms.fuse(body)
    upper = _lower.Upper(body, backbone, depth) if skips else None
    if shape.tune == "lora":
        body = _with_adapters(body, backbone, shape, depth)
    return body, upper


def _trained(backbone: Backbone, shape: Shape, depth: int) -> Callable[[str], bool]:
    """Return which of the backbone's own parameters train, by name: none, all, or all from layer `depth` on."""
    if shape.tune == "lora":
        return lambda name: False
    if shape.tune == "full":
        return lambda name: True
    stack = next(name for name, module in backbone.model.named_modules() if module is backbone.stack)
    names = [name for name, _ in backbone.model.named_parameters()]
    inside = [name.startswith(f"{stack}.") for name in names]
    after = {name for i, name in enumerate(names) if not inside[i] and any(inside[:i])}  # the final normalization
    above = tuple(f"{stack}.{i}." for i in range(depth, backbone.layers))
    return lambda name: name.startswith(above) or name in after


def _with_adapters(body: Any, backbone: Backbone, shape: Shape, depth: int) -> Any:
    """Return the model with LoRA on every linear map of the layers from `depth` on."""
    from surpass.models import _lora

    stack = next((name for name, module in backbone.model.named_modules() if module is backbone.stack), None)
    targets = [
        name
        for name, module in backbone.model.named_modules()
        if isinstance(module, _lora.LINEAR)
        and (stack is None or (name.startswith(f"{stack}.") and int(name[len(stack) + 1 :].split(".")[0]) >= depth))
    ]
    return _lora.adapted(body, targets, rank=shape.rank, alpha=shape.alpha, reference=backbone.reference)


def scaled(values: Values, weight: Values) -> tuple[Values, Values]:
    """Return mean and spread of each column of numbers to fit; a constant column has spread 1."""
    total = max(weight.sum(), 1e-12)
    mean = (values * weight[:, None]).sum(axis=0) / total
    spread = np.sqrt(((values - mean) ** 2 * weight[:, None]).sum(axis=0) / total)
    return mean, np.where(spread > 1e-12, spread, 1.0)
