"""The stages: what each of them is and which artifacts it takes. `computing.py` has the functions that run them.

    Data -> Features -> Fit -> ...          a Fit's labels are a Label (any label source) or another Fit
    Encoder -> Features                     an encoder that has to be learned first is a stage too
    Corpus -> Corpus, Data, Pretrain        texts that a task's rows, other texts or a language model are made of
    Pretrain -> Features, Label, Fit        a backbone that is trained here

The config is the graph: `inputs_of` reads a stage's inputs off its spec, and the spec's key holds the keys of all of them.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surpass.corpora.base import Corpus
from surpass.errors import SpecError
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.models._pretrain import Pretrain, pretrains
from surpass.models.base import Encoder, Model
from surpass.spec import Spec, option
from surpass.splits import Data

Part = Literal["weak", "transfer", "evaluation"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features(Spec):
    """Frozen features of the rows of one part of the data; "evaluation" is val, test and shifted tests.

    Attributes:
        data: the rows.
        part: which of them.
        encoder: what reads them.
        hint: a stage whose hardened labels are written under each text; see label source `imitation`.
    """

    kind: ClassVar[str] = "features"

    data: Data
    part: Part
    encoder: Encoder
    hint: Spec | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label(Spec):
    """The labels that a label source gives to the rows of the data."""

    kind: ClassVar[str] = "label"

    data: Data
    source: LabelSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit(Spec):
    """A fitted model: supervisor, ceiling or student, depending on where its labels come from.

    Attributes:
        data: the rows.
        model: what is fitted.
        labels: ground truth, another fit, or any label source.
        method: how the labels become a fitted model.
        seed: the only source of randomness of the training.
        part: (i, k): fitted on part i, from 0, of the split's rows cut into k parts; empty: on all. Parts are as equal in
            size as groups allow, which are never cut.
        domain: fitted on the rows of this domain of the task alone; empty: on all.
        reprobe: after the training, a linear probe on ground truth reads the model's pooled state (saliency: Burns et al.
            2023, arXiv 2312.09390, section 5.2.3).
    """

    kind: ClassVar[str] = "fit"

    data: Data
    model: Model
    labels: LabelSource | Fit
    method: Method = Soft()
    seed: int = option(0, low=0)
    part: tuple[int, ...] = ()
    domain: str = ""
    reprobe: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part and (len(self.part) != 2 or not 0 <= self.part[0] < self.part[1]):
            raise SpecError(f"fit: part={list(self.part)}; give (i, k) with 0 <= i < k.")

    @property
    def train_split(self) -> str:
        """The split whose rows the model is fitted on."""
        return "transfer" if isinstance(self.labels, Fit) else self.labels.train_split

    @property
    def hint(self) -> Label | None:
        """The stage whose labels this fit's texts are told, or None."""
        told = isinstance(self.labels, LabelSource) and self.labels.told
        return Label(data=self.data, source=self.labels) if told else None  # type: ignore[arg-type]

    def label(self) -> str:
        """Return a short name for tables: the model's."""
        return self.model.label()


Stage = Corpus | Pretrain | Data | Encoder | Features | Label | Fit


def stored_as(stage: Stage) -> str:
    """Return the word for a stage in stores: a plug-in's family, or its own kind."""
    return stage.family or stage.kind


def label_stage(labels: LabelSource | Fit, data: Data) -> Label | Fit:
    """Return the stage that yields the labels: a fit is one itself."""
    return labels if isinstance(labels, Fit) else Label(data=data, source=labels)


def supervisor_of(labels: Spec) -> Fit | None:
    """Return the one fit behind labels, itself or inside a label source; None when there is none or several."""
    if isinstance(labels, Fit):
        return labels
    found = [supervisor_of(source) for source in labels.sources()] if isinstance(labels, LabelSource) else []
    return found[0] if len(found) == 1 else None


def inputs_of(spec: Stage) -> tuple[Stage, ...]:
    """Return the stages whose artifacts `compute` takes, in order."""
    return tuple(stage for _, stage in named_inputs(spec))


def named_inputs(spec: Stage) -> list[tuple[str, Stage]]:
    """Return the inputs of a stage with what each is for."""
    if isinstance(spec, Corpus):
        return [("source", each) for each in spec.sources()]
    if isinstance(spec, Data):
        return [("source", each) for each in spec.task.sources()]
    if isinstance(spec, Pretrain):
        return [("source", spec.corpus)]
    if isinstance(spec, Encoder):
        return []
    trained: list[tuple[str, Stage]] = [("backbone", each) for each in pretrains_of(spec)]
    if isinstance(spec, Features):
        hints: list[tuple[str, Stage]] = [("hint", spec.hint)] if spec.hint else []  # type: ignore[list-item]
        learned: list[tuple[str, Stage]] = [("encoder", spec.encoder)] if spec.encoder.learns else []
        return [("data", spec.data), *hints, *learned, *trained]
    halves: list[tuple[str, Stage]] = [("data", spec.data.training()), ("data", spec.data.evaluation())]
    if isinstance(spec, Label):
        sources = [("source", label_stage(source, spec.data)) for source in spec.source.sources()]  # type: ignore[arg-type]
        return [*halves, *sources, *trained]
    labels = label_stage(spec.labels, spec.data)
    return [*halves, ("labels", labels), *_features_of(spec), *_asked_by_method(spec), *trained]


def pretrains_of(spec: Features | Label | Fit) -> tuple[Pretrain, ...]:
    """Return the backbones that have to be trained before a stage, in the order in which it names them."""
    part = spec.encoder if isinstance(spec, Features) else spec.source if isinstance(spec, Label) else spec.model
    return tuple(dict.fromkeys(pretrains(part, (Fit,))))


def _features_of(fit: Fit) -> list[tuple[str, Stage]]:
    """Return the feature stages a fit reads: for the model's inputs, or for a method that asks for them."""
    encoder = fit.model.encoder()
    reads = fit.model.reads_features or fit.method.solves
    if encoder is None or not (reads or "features" in fit.method.needs):
        return []
    parts = dict.fromkeys((fit.train_split, "transfer"))
    found = [Features(data=fit.data.training(), part=part, encoder=encoder, hint=fit.hint) for part in parts]  # type: ignore[arg-type]
    if reads:
        found.append(Features(data=fit.data.evaluation(), part="evaluation", encoder=encoder, hint=fit.hint))
    return [("features", stage) for stage in found]


def _asked_by_method(fit: Fit) -> list[tuple[str, Stage]]:
    """Return what else the method asks for; planning has checked that it can be had."""
    needs, found = fit.method.needs, list[tuple[str, Stage]]()
    supervisor = supervisor_of(fit.labels)
    encoder = supervisor.model.encoder() if supervisor else None
    if "supervisor_features" in needs and encoder:
        parts = dict.fromkeys((fit.train_split, "weak"))
        stages = [Features(data=fit.data.training(), part=part, encoder=encoder) for part in parts]  # type: ignore[arg-type]
        found += [("supervisor_features", stage) for stage in stages]
    if "members" in needs:
        members = fit.method.sources() or (fit.labels.sources() if isinstance(fit.labels, LabelSource) else ())
        found += [("member", label_stage(source, fit.data)) for source in members]  # type: ignore[arg-type]
    if "pretrained" in needs and (model := fit.model.pretrained()):
        found.append(("pretrained", Fit(data=fit.data, model=model, labels=Gold(split=fit.train_split))))  # type: ignore[arg-type]
    return found
