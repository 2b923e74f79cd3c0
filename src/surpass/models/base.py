"""What a model family is: a spec that fits targets and predicts, and the frozen features it may ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Facts, Inputs, Parameters, Targets, Values, Written
from surpass.methods.base import Method, Need
from surpass.models._pretrain import Backbone
from surpass.runtime import Runtime
from surpass.spec import Spec, describe_kind, name_of, option

Precision = Literal["auto", "fp32", "bf16"]
Quantization = Literal["8bit", "4bit"] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder(Spec):
    """What turns inputs into frozen features, one vector a row: a pretrained model, a representation network, ...

    A kind of its own (`surpass.spec.CORE`) names each of them, so that equal features have one key.
    """

    learns: ClassVar[bool] = False
    """Whether it has to be learned first: then it is a stage of its own, whose parameters `encode` is given."""

    def learn(self, runtime: Runtime) -> Parameters:
        """Return what is learned before any input is read, from the spec alone."""
        raise NotImplementedError

    def encode(
        self, inputs: Inputs, runtime: Runtime, learned: Parameters | None = None
    ) -> tuple[NDArray[np.float32], Facts]:
        """Return features (n, d) and facts about them; what has to be learned and is not given is learned here."""
        raise NotImplementedError

    def label(self) -> str:
        """Return a short name for progress lines."""
        return name_of(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """Frozen features of a pretrained model: which backbone, which layer, how a text becomes one vector.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`.
        layer: "middle", "last", or the number of a hidden state (0 is the embeddings); "middle" is half of the layers,
            rounded up.
        pool: the last real token, the mean over real tokens, or both side by side.
        max_length: tokens per text; longer texts are truncated and counted.
        precision: "auto" becomes the faster of the two, measured once per machine, when the spec is resolved.
        quantization: of the weights of linear maps, "8bit" or "4bit", by bitsandbytes; none keeps them.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    kind: ClassVar[str] = "encoder"

    backbone: Backbone
    layer: str | int = "middle"
    pool: Literal["last", "mean", "last+mean"] = "last+mean"
    max_length: int = option(512, low=2)
    precision: Precision = "auto"
    quantization: Quantization = None
    digest: str = ""

    @classmethod
    def of(cls, model: Any) -> TextEncoder:
        """Return the features that a model reads which has the same fields, or most of them."""
        names = [field.name for field in dataclasses.fields(cls) if hasattr(model, field.name)]
        return cls(**{name: getattr(model, name) for name in names})

    def resolve(self) -> TextEncoder:
        """Fill the digest of the backbone and the precision that this machine runs faster."""
        from surpass.assets import backbones
        from surpass.models import _precision

        backbone, wanted = self.backbone, self.precision
        if not isinstance(backbone, str):
            backbone = backbone.resolve()
            wanted = backbone.precision if wanted == "auto" else wanted
        precision = _precision.resolve(wanted)
        return dataclasses.replace(self, backbone=backbone, digest=backbones.digest(backbone), precision=precision)

    def problem(self) -> str | None:
        """Return why the backbone cannot be read here, or None."""
        from surpass.assets import backbones

        return backbones.check(self.backbone) or _missing_package(self.quantization)

    def encode(
        self, inputs: Inputs, runtime: Runtime, learned: Parameters | None = None
    ) -> tuple[NDArray[np.float32], Facts]:
        """Return features (n, d) and facts (`truncated`: share of rows cut at `max_length`)."""
        from surpass.models._features import encode

        return encode(self, inputs, runtime)

    def label(self) -> str:
        """Return the backbone."""
        return self.backbone if isinstance(self.backbone, str) else self.backbone.label()


def _missing_package(quantization: Quantization = None) -> str | None:
    import importlib.util

    for name in ("torch", "transformers"):
        if importlib.util.find_spec(name) is None:
            return f"package '{name}' is not installed, but a pretrained model needs it. pip install 'surpass[hf]'"
    if quantization and importlib.util.find_spec("bitsandbytes") is None:
        return (
            f"package 'bitsandbytes' is not installed, but quantization='{quantization}' needs it. "
            "pip install 'surpass[quantized]'"
        )
    return None


class Fitted(Protocol):
    """A fitted model.

    Attributes:
        steps: optimizer steps at which the watched inputs were predicted, ascending; the last is the end of training.
        watched: (p, m, C) predictions of the watched inputs at those steps.
        facts: numbers worth keeping, such as the final loss and the truncation rate.
    """

    steps: tuple[int, ...]
    watched: Values
    facts: Facts

    def predict(self, inputs: Inputs) -> Values:
        """Return (n, C) probabilities, rows summing to 1, or (n, k) numbers for regression."""

    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing empty folder."""


class Writer(Fitted, Protocol):
    """A fitted model that answers with texts; its `watched` are (p, m, 1) their probabilities.

    Attributes:
        watched_texts: (p, m) texts of the watched inputs at `steps`.
    """

    watched_texts: Written

    def write(self, inputs: Inputs) -> tuple[Values, Written]:
        """Return the probabilities (n, k) of k texts a row, the most probable first, and the texts (n, k)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """One fit as a model sees it.

    Attributes:
        inputs: n rows to train on: texts, pairs, or vectors (frozen features when the model's `encoder()` is not None
            and `reads_features` is true).
        targets: what to fit, for the same n rows.
        watch: m rows to predict at several points of training (validation, test and shifted tests), for models that
            train by steps; models with a closed solution predict them once.
        target: "classification", "regression", "generation", ...
        classes: number of classes, or of output columns.
        method: its `loss`, when `method.needs` has "custom_loss", is what to minimize.
        seed: the only source of randomness.
        reference: vectors of all rows of the training split, also of those that the method left out; None: `inputs`.
        kept: (n,) positions of the rows to train on within `reference`.
        instruction: what a row is and what its classes mean, in words, for models that are prompted.
        class_names: of the classes, in order; empty for regression.
        candidates: the texts that could answer a prompt, `Task.candidates`; None where the task names none.
    """

    inputs: Inputs
    targets: Targets
    watch: Inputs
    target: str
    classes: int
    method: Method
    seed: int
    reference: Inputs | None = None
    kept: NDArray[np.int64] | None = None
    instruction: str = ""
    class_names: tuple[str, ...] = ()
    candidates: Callable[[str], Sequence[str]] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Spec):
    """A model family. `fit` must be deterministic in (self, work) on the processor."""

    family: ClassVar[str] = "model"
    required: ClassVar[tuple[tuple[str, ...], ...]] = (("fit", "fit_all"),)
    """What a plug-in has to define, at least one of each group."""
    spreads: ClassVar[bool] = False
    """Whether several processes can compute one fit together; see `Runtime.team`."""
    whole: ClassVar[tuple[str, ...]] = ()
    """Options that, where they are set, need all weights on every device."""
    inputs: ClassVar[frozenset[str]] = frozenset({"text"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification"})
    reads_features: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    """Whether labels change what it predicts by training; a model that is only asked is not expected to learn a task."""

    @property
    def can(self) -> frozenset[Need]:
        """What methods may ask of this model.

        "custom_loss": it trains by gradient on the method's loss; "hidden": its pooled state is trained too;
        "features": frozen features of its backbone; "pretrained": `pretrained` is not None.
        """
        return frozenset()

    @property
    def needs_candidates(self) -> bool:
        """Whether, as it is set, it writes one of the texts that `Task.candidates` gives for a prompt."""
        return False

    def encoder(self) -> Encoder | None:
        """Return the frozen features that belong to this model: its inputs when `reads_features`, else for methods."""
        return None

    def pretrained(self) -> Model | None:
        """Return the model whose predictions are this one's before any training (zero-shot), or None."""
        return None

    def unshardable(self, method: Method, runtime: Runtime) -> str | None:
        """Return why a fit cannot be computed with the sharded weights that the runtime's team has, or None."""
        if not self.spreads or runtime.team != "shards":
            return None
        used = [f"{name}={value}" for name in self.whole if (value := getattr(self, name))]
        used += [describe_kind(method)] if type(method).companion is not Method.companion else []
        used += ["--keep-weights"] if runtime.keep_weights else []
        return (
            f"{describe_kind(self)} cannot take {' or '.join(used)} with sharded weights (FSDP). Leave it out, or launch "
            "without --use_fsdp: then every process holds all weights."
            if used
            else None
        )

    def warm(self, inputs: Inputs, runtime: Runtime) -> None:
        """Keep in the runtime's memo what fits on any of these rows share; nothing unless a family has such a thing."""

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        """Return the model fitted to `work.targets`. A loss that is not a number raises StageError with step and rate."""
        raise NotImplementedError

    @property
    def together(self) -> bool:
        """Whether fits over the same rows gain from `fit_all`."""
        return False

    @classmethod
    def fit_all(cls, jobs: Iterable[tuple[Self, Work]], runtime: Runtime) -> list[Fitted | Exception]:
        """Return the fitted model of each job over the same rows, or its error.

        No bit of a fitted model may depend on the other jobs: which of them meet is up to the runner. `jobs` may be a
        generator; what is not kept of a work needs no memory.

        Args:
            jobs: models of this class with their work; all have the same `reference`.
            runtime: speed, place and noise.
        """
        found: list[Fitted | Exception] = []
        for model, work in jobs:
            try:
                found.append(model.fit(work, runtime))
            except Exception as error:  # one job's error; whoever gave the jobs decides what becomes of it
                found.append(error)
        return found

    def label(self) -> str:
        """Return a short name for tables."""
        return name_of(self)


def backbone_label(model: Any, how: str) -> str:
    """Return a table's name for a model on a backbone: `smollm2-135m lora(layers=4)`.

    Options at their defaults are left out, and so is the precision that `resolve` chooses: bf16 wherever it is the faster,
    or that in which the backbone was trained here.
    """
    from surpass.spec import options_of

    name = str(model.backbone).partition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0]
    usual = model.precision in ("bf16", getattr(model.backbone, "precision", ""))
    hidden = ("backbone", "tune", *(("precision",) if usual else ()))
    options = options_of(model, leave_out=hidden)
    return f"{name} {how}" + (f"({', '.join(options)})" if options else "")


@dataclasses.dataclass
class Solved:
    """A fitted model whose training has no steps: it is read at the end alone."""

    predictor: Any  # whatever the family uses; `function` knows how to call it
    function: Any
    facts: Mapping[str, float | int | str]
    steps: tuple[int, ...] = (0,)
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 0)))

    def predict(self, inputs: Inputs) -> Values:
        """Return predictions for the inputs."""
        return np.asarray(self.function(self.predictor, inputs), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the fitted predictor with skops."""
        from surpass.models import _skops

        _skops.keep(folder, self.predictor)
