"""A pretrained Hugging Face encoder or decoder with a linear head: full finetuning, LoRA, or the top layers only.

The head is linear, without bias, in fp32, and starts at zero, as in openai/weak-to-strong. Training runs without dropout in
the backbone, so that the cut of a step into micro-batches cannot change a number. When only the top layers train, the
frozen layers below run once per set of rows and process.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Facts, Inputs, Targets, Values
from surpass.errors import DataError, SpecError
from surpass.methods.base import Need
from surpass.models.base import Encoder, Model, Precision, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option

LEARNING_RATES = {"full": 5e-5, "top": 1e-4, "lora": 5e-4}


@dataclasses.dataclass(frozen=True, kw_only=True)
class HF(Model):
    """A finetuned pretrained model.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`.
        tune: "full" trains all parameters, "lora" low-rank adapters on every linear map, "top" the top `layers` layers.
        layers: with "top" and "lora", how many layers, counted from the top, train; all when none.
        pool: the vector under the head: the last real token or the mean; none is "last" for decoders, "mean" for encoders.
        lr: peak learning rate; none is 5e-5 for "full", 1e-4 for "top" and 5e-4 for "lora".
        epochs: passes over the training rows, each in a new order.
        batch_size: rows of an optimizer step; the last step of an epoch takes what is left.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: of AdamW; not for normalizations.
        beta2: of AdamW.
        schedule: of the learning rate after the warm-up.
        clip: largest norm of the gradient; 0 does not clip.
        rank: of the adapters.
        alpha: of the adapters, whose product is scaled by alpha / rank.
        dropout: share of the pooled state that is zeroed while training.
        max_length: tokens per row; longer rows are truncated and counted.
        precision: of frozen weights and matrix products; what trains is kept in fp32. "auto" is settled by `resolve`.
        points: readings of the watched rows, evenly spaced, the end included.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression"})

    backbone: str
    tune: Literal["full", "lora", "top"] = "full"
    layers: int | None = option(None, low=1)
    pool: Literal["last", "mean"] | None = None
    lr: float | None = option(None, above=0.0)
    epochs: int = option(2, low=1)
    batch_size: int = option(32, low=1)
    warmup: float = option(0.0, low=0.0, high=1.0)
    weight_decay: float = option(0.0, low=0.0)
    beta2: float = option(0.999, above=0.0, high=1.0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = option(1.0, low=0.0)
    rank: int = option(8, low=1)
    alpha: float = option(16.0, above=0.0)
    dropout: float = option(0.0, low=0.0, high=0.9)
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    points: int = option(5, low=1)
    digest: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tune == "top" and self.layers is None:
            raise SpecError("model 'hf': tune='top' needs `layers`, the number of layers to train, such as layers=4.")
        if self.tune == "full" and self.layers is not None:
            raise SpecError(
                f"model 'hf': layers={self.layers}, but tune='full' trains them all. Write tune='top' or leave it out."
            )

    @property
    def can(self) -> frozenset[Need]:
        """Any loss, and frozen features of the same backbone for methods that ask for them."""
        return frozenset({"custom_loss", "features"})

    def encoder(self) -> Encoder:
        """Return the features of the middle layer of the same backbone."""
        return Encoder(backbone=self.backbone, max_length=self.max_length, precision=self.precision, digest=self.digest)

    def resolve(self) -> HF:
        """Fill the digest of the backbone and the precision that this machine runs faster."""
        known = self.encoder().resolve()
        return dataclasses.replace(self, digest=known.digest, precision=known.precision)

    def problem(self) -> str | None:
        """Return why this model cannot run here: backbone, packages, or more layers asked for than there are."""
        import importlib.util

        if found := self.encoder().problem():
            return found
        for name in ("accelerate", "peft") if self.tune == "lora" else ("accelerate",):
            if importlib.util.find_spec(name) is None:
                return f"package '{name}' is not installed, but model 'hf' needs it. pip install 'surpass[hf]'"
        if self.layers is None or self.backbone.startswith("hub:"):
            return None
        from surpass.assets import backbones

        held = backbones.config(self.backbone).get("num_hidden_layers", self.layers)
        if self.layers > held:
            return (
                f"model 'hf': layers={self.layers}, but backbone '{self.backbone}' has {held} layers. Lower `layers`."
            )
        return None

    def label(self) -> str:
        """Return the backbone's short name, how it is tuned, and the options that are not the defaults."""
        return backbone_label(self, self.tune)

    def fit(self, work: Work, runtime: Runtime) -> Finetuned:
        """Return the finetuned model; see `Model.fit`."""
        from surpass.models import _backbone, _classifier, _trainer
        from surpass.models._steps import Goal

        if len(work.inputs) == 0:
            raise DataError("model 'hf' was given no rows to train on. Raise n_transfer, or let the method keep rows.")
        backbone = _backbone.load(self.backbone, self.digest, self.precision, runtime)
        shape = _classifier.Shape(
            tune=self.tune,
            layers=self.layers,
            pool=self.pool,
            rank=self.rank,
            alpha=self.alpha,
            columns=work.classes,
            max_length=self.max_length,
        )
        model = _trainer.seeded(lambda: _classifier.Classifier(backbone, shape), work.seed)
        rows = model.prepare(work.inputs, runtime, keep=True)
        watch = model.prepare(work.watch, runtime, keep=True)
        targets, mean, spread = _standardized(work)
        goal = Goal.of(targets, work.target, backbone.device)
        trained = _trainer.train(
            model, rows, watch, goal, plan=self._plan(work.seed), method=work.method, runtime=runtime
        )
        return Finetuned(
            model=model,
            runtime=runtime,
            regression=work.target == "regression",
            mean=mean,
            spread=spread,
            steps=trained.steps,
            watched=trained.watched * spread + mean,
            known=dict(zip(work.watch, trained.watched[-1], strict=True)),
            seen=({row: i for i, row in enumerate(work.inputs)}, rows),
            facts={
                "train_loss": trained.loss,
                "truncated": rows.tokens.truncated,
                "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            },
        )

    def _plan(self, seed: int) -> Any:
        from surpass.models._trainer import Plan

        names = [field.name for field in dataclasses.fields(Plan) if field.name not in ("lr", "seed")]
        rate = LEARNING_RATES[self.tune] if self.lr is None else self.lr
        return Plan(lr=rate, seed=seed, **{name: getattr(self, name) for name in names})


def _standardized(work: Work) -> tuple[Targets, Values | float, Values | float]:
    """Return targets on which a head that starts at zero starts well: numbers with mean 0 and spread 1."""
    if work.target != "regression":
        return work.targets, 0.0, 1.0
    from surpass.models._classifier import scaled

    mean, spread = scaled(work.targets.values, work.targets.weight)
    return dataclasses.replace(work.targets, values=(work.targets.values - mean) / spread), mean, spread


@dataclasses.dataclass(kw_only=True)
class Finetuned:
    """A finetuned model.

    Predictions of the watched rows at the end of training are kept, and so is what the frozen layers made of the rows it
    was trained on: neither is computed again. Other fits' states are not asked for: see `_lower`.
    """

    model: Any  # a torch module, whose type would import torch here
    runtime: Runtime
    regression: bool
    mean: Values | float
    spread: Values | float
    steps: tuple[int, ...]
    watched: Values
    known: dict[Any, Values]
    seen: tuple[dict[Any, int], Any]
    facts: Facts

    def predict(self, inputs: Inputs) -> Values:
        """Return (n, C) probabilities, or (n, k) numbers for regression."""
        places, rows = self.seen
        values = np.zeros((len(inputs), self.model.shape.columns))
        read = [i for i, row in enumerate(inputs) if row in self.known]
        for i in read:
            values[i] = self.known[inputs[i]]
        trained = [i for i, row in enumerate(inputs) if row in places and row not in self.known]
        if trained:
            values[trained] = self._predict(rows.take([places[inputs[i]] for i in trained]))
        fresh = sorted(set(range(len(inputs))).difference(read, trained))
        if fresh:
            new = tuple(inputs[i] for i in fresh)
            values[fresh] = self._predict(self.model.prepare(new, self.runtime, keep=False))
        return values * self.spread + self.mean

    def _predict(self, rows: Any) -> Values:
        from surpass.models._steps import outputs

        return outputs(self.model.logits(rows, self.runtime), squared=self.regression)

    def save(self, folder: Path) -> None:
        """Write adapters and head ("lora"), or the whole model, its tokenizer and the head."""
        self.model.save(folder)
