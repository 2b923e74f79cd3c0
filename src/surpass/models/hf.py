"""A pretrained Hugging Face encoder or decoder with a linear head: full finetuning, LoRA, or the top layers only.

The head is linear, without bias, in fp32, and starts at zero, as in openai/weak-to-strong. Training runs without dropout in
the backbone, so that the cut of a step into micro-batches cannot change a number. When only the top layers train, the
frozen layers below run once per set of rows and process.

A student may start otherwise, all off unless asked for: `generative` finetuning on the texts alone (Burns et al. 2023, arXiv
2312.09390, section 5.2.2), the linear `probe` as its head before everything trains (LP-FT: Kumar et al. 2022, arXiv
2202.10054), a pull back to where it started (L2-SP: Li, Grandvalet & Davoine 2018, arXiv 1802.01483), averaged weights.
Supervisor, student and ceiling that are one spec start alike.

Both candidates of a preference go through the model in the same step, and the head is one score: the logit of "first" over
"second" is s(first) - s(second) (Bradley & Terry 1952; Burns et al. 2023, appendix A.3). Methods see the difference of the
candidates' states as the pooled state of a row.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Facts, Inputs, Targets, Values
from surpass.errors import DataError, SpecError
from surpass.methods.base import Need
from surpass.models import _tuning
from surpass.models._pretrain import Backbone
from surpass.models.base import Model, Precision, Quantization, TextEncoder, Work, backbone_label
from surpass.registry import REGISTRIES
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class HF(Model):
    """A finetuned pretrained model.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`.
        tune: "full" trains all parameters, "lora" low-rank adapters on every linear map, "top" the top `layers` layers.
        layers: with "top" and "lora", how many layers, counted from the top, train; all when none.
        pool: the vector under the head: the last real token or the mean; none is "last" for decoders, "mean" for encoders.
        lr: peak learning rate; none is 5e-5 for "full", 1e-4 for "top" and 5e-4 for "lora".
        epochs: passes over the training rows, each in a new order.
        batch_size: rows of an optimizer step; the last step of an epoch takes what is left.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: of AdamW, times the learning rate; not for normalizations and biases.
        beta2: of AdamW.
        schedule: of the learning rate after the warm-up.
        clip: largest norm of the gradient; 0 does not clip.
        rank: of the adapters.
        alpha: of the adapters, whose product is scaled by alpha / rank.
        dropout: share of the pooled state that is zeroed while training; the backbone's own layers have none.
        generative: epochs of next-token loss on the training rows' texts before the head trains, on the parameters that
            `tune` names and with the same options, but a schedule of its own; decoders only. A map to the vocabulary
            that is not the embeddings stays frozen. Each candidate of a preference is a text of its own.
        head: what the head starts as: "zero", or "probe", the exact linear probe of the targets on the pooled states as
            they are before training (after `generative`), without bias as the head is.
        ema: decay d of an average of the trained weights after each step, with weights d^(steps ago) that sum to 1; what is
            predicted, saved and read comes from it. None keeps the last weights.
        l2_sp: the loss of a step has l2_sp / 2 * ||w - w_start||^2 added over what trains of the backbone or its adapters,
            once however the step is cut; w_start is where training on the targets starts. It passes through Adam.
        max_length: tokens per row, and per candidate of a preference; longer ones are truncated and counted.
        precision: of frozen weights and matrix products; what trains is kept in fp32. "auto" is settled by `resolve`.
        quantization: of the frozen weights of linear maps, "8bit" or "4bit", by bitsandbytes; with "lora" alone.
        points: readings of the watched rows, evenly spaced, the end included.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    spreads: ClassVar[bool] = True
    whole: ClassVar[tuple[str, ...]] = ("ema", "l2_sp", "generative")
    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression", "preference"})

    backbone: Backbone
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
    generative: int = option(0, low=0)
    head: Literal["zero", "probe"] = "zero"
    ema: float | None = option(None, above=0.0, high=1.0)
    l2_sp: float = option(0.0, low=0.0)
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    quantization: Quantization = None
    points: int = option(5, low=1)
    digest: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _tuning.check(self)
        if self.quantization and self.tune != "lora":
            raise SpecError(
                f"model 'hf': quantization='{self.quantization}', but tune='{self.tune}' trains the weights themselves. "
                "Write tune='lora', which trains adapters beside them."
            )
        if self.ema == 1:
            raise SpecError("model 'hf': ema=1 never leaves the first weights. Give a decay below 1, such as ema=0.99.")

    @property
    def can(self) -> frozenset[Need]:
        """Any loss, its trained state, features of the same backbone, and of a decoder what it says before training."""
        from surpass.models import _causal

        own: frozenset[Need] = frozenset({"custom_loss", "features", "hidden"})
        return own if _causal.problem(self.backbone) else own | {"pretrained"}

    def pretrained(self) -> Model | None:
        """Return the same backbone, prompted with the task's instruction alone; None for encoders."""
        if "pretrained" not in self.can:
            return None
        prompt: Any = REGISTRIES["model"].get("prompt")
        found: Model = prompt(backbone=self.backbone, precision=self.precision, digest=self.digest)
        return found

    def encoder(self) -> TextEncoder:
        """Return the features of the middle layer of the same backbone."""
        return TextEncoder(
            backbone=self.backbone,
            max_length=self.max_length,
            precision=self.precision,
            quantization=self.quantization,
            digest=self.digest,
        )

    def resolve(self) -> HF:
        """Fill the digest of the backbone and the precision that this machine runs faster."""
        found: HF = _tuning.resolved(self)
        return found

    def problem(self) -> str | None:
        """Return why this model cannot run here: backbone, packages, or more layers asked for than there are."""
        from surpass.models import _causal

        if found := _tuning.lacking(self):
            return found
        if self.generative and (found := _causal.problem(self.backbone)):
            return f"model 'hf': generative={self.generative}, but {found}"
        return _tuning.too_deep(self)

    def label(self) -> str:
        """Return the backbone's short name, how it is tuned, and the options that are not the defaults."""
        return backbone_label(self, self.tune)

    def warm(self, inputs: Inputs, runtime: Runtime) -> None:
        """Keep the states of the frozen lower layers, from which every fit on some of these rows takes its own."""
        from surpass.models import _classifier

        if self.layers is None or isinstance(inputs, np.ndarray):
            return
        backbone = self._load(runtime)
        _classifier.warm(backbone, _tuning.shape(self, columns=1), inputs, runtime)

    def fit(self, work: Work, runtime: Runtime) -> Finetuned:
        """Return the finetuned model; see `Model.fit`."""
        from surpass.models import _classifier, _trainer
        from surpass.models._steps import Goal

        if refusal := self.unshardable(work.method, runtime):
            raise SpecError(refusal)
        if len(work.inputs) == 0:
            raise DataError("model 'hf' was given no rows to train on. Raise n_transfer, or let the method keep rows.")
        backbone = self._load(runtime)
        shape = _tuning.shape(self, columns=work.classes, preference=work.target == "preference")
        model = _trainer.seeded(lambda: _classifier.Classifier(backbone, shape), work.seed)
        rows = model.prepare(work.inputs, runtime, keep=True)
        watch = model.prepare(work.watch, runtime, keep=True)
        targets, mean, spread = _standardized(work)
        plan = _tuning.plan(self, work.seed)
        language: Facts = {}
        if self.generative:
            from surpass.models import _language

            language = _language.tune(model, rows, dataclasses.replace(plan, epochs=self.generative), runtime)
        if self.head == "probe":
            model.start_head(rows, targets, work.target, runtime)
        goal = Goal.of(targets, work.target, backbone.device)
        trained = _trainer.train(model, rows, watch, goal, plan=plan, method=work.method, runtime=runtime)
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
                "parameters": sum(p.numel() for p in backbone.model.parameters()),
                "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
                **language,
            },
        )

    def _load(self, runtime: Runtime) -> Any:
        from surpass.models import _backbone, _loading

        how = _loading.quantized(self.quantization)
        return _backbone.load(str(self.backbone), self.digest, self.precision, runtime, how)


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
    was trained on: neither is computed again. Other fits' states are asked for only where rows were announced by `warm`.
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

    def states(self, inputs: Inputs) -> Values:
        """Return the trained pooled states under the head, (n, d)."""
        places, rows = self.seen
        if all(row in places for row in inputs):
            rows = rows.take([places[row] for row in inputs])
        else:
            rows = self.model.prepare(inputs, self.runtime, keep=False)
        found: Values = self.model.states(rows, self.runtime).double().cpu().numpy()
        return found

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
