"""A causal language model that writes texts: finetuned on target tokens alone, by its own words before any training.

    loss of a row = sum over its texts of share x mean over target and end tokens of -ln p(token | prompt, tokens before)

The shares are the probabilities that the labels give to the texts, divided by their sum, so that one text is learned
whatever its probability; methods read the probability as confidence. This is finetuning on weak labels as in Burns et al.
2023 (arXiv 2312.09390, chess puzzles, appendix A.2), where the supervisor's greedy texts are the labels.

Prompts that do not fit lose tokens at their start, targets never. Texts are written in batches, greedily unless samples are
asked for, token for token as one prompt alone would be answered in fp32; in bf16 a product rounds by the shape of its batch,
and where two tokens are nearly equally probable the batch may decide. Any text can be written, or one of the candidates that
the task gives for a prompt: each token is then chosen among those by which a candidate goes on. What is probable token by
token need not end in the most probable candidate, and probabilities stay those of the model as it is.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Facts, Inputs, Values, Written
from surpass.errors import DataError, SpecError
from surpass.methods.base import Need
from surpass.models import _tuning
from surpass.models._pretrain import Backbone, Pretrain
from surpass.models.base import Model, Precision, TextEncoder, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option

LEAST = 1e-300
"""Probability of a text whose own is this or less, as of very long ones: what no number holds would not be learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator(Model):
    """A causal language model that is finetuned to write targets after prompts.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`; a decoder with its map to the vocabulary.
        tune: "full" trains all parameters, "lora" low-rank adapters on every linear map, "top" the top `layers` layers.
        layers: with "top" and "lora", how many layers, counted from the top, train; all when none.
        lr: peak learning rate; none is 5e-5 for "full", 1e-4 for "top" and 5e-4 for "lora".
        epochs: passes over the training texts, each in a new order; 0 asks the pretrained model.
        batch_size: rows of an optimizer step; where rows have several texts, it holds as many texts as so many rows have on
            average.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: of AdamW, times the learning rate; not for normalizations and biases.
        beta2: of AdamW.
        schedule: of the learning rate after the warm-up.
        clip: largest norm of the gradient; 0 does not clip.
        rank: of the adapters.
        alpha: of the adapters, whose product is scaled by alpha / rank.
        max_length: tokens of prompt and target together; prompts that do not fit lose their start and are counted.
        max_new_tokens: tokens of a text that is written, its end included; prompts leave them free.
        samples: texts drawn for each row, of which equal ones count as one; 0: one text, each token the most probable.
        temperature: logits are divided by it before a sample is drawn.
        top_p: samples are drawn among the most probable tokens whose probabilities reach this sum.
        among: "any" text can be written, or one of the "candidates" that the task gives for each prompt, such as the legal
            moves; of these are temperature and top_p then.
        precision: of frozen weights and matrix products; what trains is kept in fp32. "auto" is settled by `resolve`.
        points: readings of the watched rows, evenly spaced, the end included; with samples, the most probable one is read.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text"})
    targets: ClassVar[frozenset[str]] = frozenset({"generation"})

    backbone: Backbone
    tune: Literal["full", "lora", "top"] = "full"
    layers: int | None = option(None, low=1)
    lr: float | None = option(None, above=0.0)
    epochs: int = option(2, low=0)
    batch_size: int = option(32, low=1)
    warmup: float = option(0.0, low=0.0, high=1.0)
    weight_decay: float = option(0.0, low=0.0)
    beta2: float = option(0.999, above=0.0, high=1.0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = option(1.0, low=0.0)
    rank: int = option(8, low=1)
    alpha: float = option(16.0, above=0.0)
    max_length: int = option(512, low=2)
    max_new_tokens: int = option(32, low=1)
    samples: int = option(0, low=0)
    temperature: float = option(1.0, above=0.0)
    top_p: float = option(1.0, above=0.0, high=1.0)
    among: Literal["any", "candidates"] = "any"
    precision: Precision = "auto"
    points: int = option(5, low=1)
    digest: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _tuning.check(self)
        if self.max_length <= self.max_new_tokens:
            raise SpecError(
                f"model 'generator': max_new_tokens={self.max_new_tokens} leaves nothing to a prompt of max_length="
                f"{self.max_length} tokens in all. Lower the first or raise the second."
            )
        if not self.samples and (self.temperature != 1 or self.top_p != 1):
            raise SpecError(
                f"model 'generator': temperature={self.temperature:g} and top_p={self.top_p:g} are of samples, but samples=0 "
                "takes the most probable tokens. Give `samples`, or leave them out."
            )

    @property
    def can(self) -> frozenset[Need]:
        """What it writes before any training."""
        return frozenset({"pretrained"})

    @property
    def needs_candidates(self) -> bool:
        """Whether it writes candidates alone."""
        return self.among == "candidates"

    def pretrained(self) -> Generator:
        """Return the same model without training."""
        return dataclasses.replace(self, epochs=0)

    def encoder(self) -> TextEncoder:
        """Return the features of the middle layer of the same backbone."""
        return TextEncoder.of(self)

    def resolve(self) -> Generator:
        """Fill the digest of the backbone and the precision that this machine runs faster."""
        found: Generator = _tuning.resolved(self)
        return found

    def problem(self) -> str | None:
        """Return why this model cannot run here: backbone, packages, no map to the vocabulary, or too few layers."""
        from surpass.models import _causal

        if found := self._too_short() or _tuning.lacking(self):
            return found
        if found := _causal.problem(self.backbone):
            return f"model 'generator': {found}"
        return _tuning.too_deep(self)

    def _too_short(self) -> str | None:
        """Return that a backbone trained here has no room for prompts, or none for candidates, or None."""
        if isinstance(self.backbone, Pretrain) and self.backbone.context <= self.max_new_tokens:
            return (
                f"model 'generator': max_new_tokens={self.max_new_tokens} leaves nothing to a prompt of a backbone with "
                f"context={self.backbone.context} tokens in all. Lower the first or raise the second."
            )
        if self.needs_candidates and self.max_new_tokens == 1:
            return (
                "model 'generator': max_new_tokens=1 has room for the end of a candidate alone. Raise it to the tokens "
                "of the longest candidate and its end, or set among: any."
            )
        return None

    def label(self) -> str:
        """Return the backbone's short name, how it is tuned, and the options that are not the defaults."""
        return backbone_label(self, self.tune if self.epochs else "pretrained")

    def fit(self, work: Work, runtime: Runtime) -> Finetuned:
        """Return the finetuned model; see `Model.fit`.

        Raises:
            DataError: there are no rows, their targets are no texts, or one leaves nothing to its prompt; a watched row
                has no candidates, or one that cannot be written.
            SpecError: the backbone is no causal language model, or has no end token; no candidates are known.
        """
        from surpass.models import _backbone, _decoding, _generation, _trainer
        from surpass.models._candidates import Candidates
        from surpass.models._script import Script

        if len(work.inputs) == 0:
            raise DataError(
                "model 'generator' was given no rows to train on. Raise n_transfer, or let the method keep rows."
            )
        if self.needs_candidates and work.candidates is None:
            raise SpecError(f"model 'generator': among={self.among!r}, but the task names no candidates. Leave it out.")
        backbone = _backbone.load(str(self.backbone), self.digest, self.precision, runtime)
        script = Script.of(backbone, max_length=self.max_length, max_new_tokens=self.max_new_tokens)
        way = _decoding.Way(self.samples, self.temperature, self.top_p, work.seed)
        build = _generation.Author if self.epochs else _generation.Author.frozen
        shape = _tuning.shape(self, columns=1, pool="last")
        author = _trainer.seeded(lambda: build(backbone, shape, runtime), work.seed)
        among = Candidates(script, work.candidates) if self.needs_candidates and work.candidates else None
        found = Finetuned(author=author, script=script, way=way, runtime=runtime, candidates=among)
        if self.epochs:
            plan = _tuning.plan(self, work.seed, dropout=0.0, ema=None, l2_sp=0.0)
            taught = _generation.tune(author, script, work, plan, way, runtime, candidates=among)
            found.take(taught, [str(text) for text in work.watch])
        else:  # a training counts the prompts that it cuts
            found.facts = {"truncated": script.fitting([str(text) for text in work.inputs])[1]}
        trained = sum(p.numel() for p in author.parameters() if p.requires_grad) if self.epochs else 0
        found.facts = {
            **found.facts,
            "parameters": sum(p.numel() for p in backbone.model.parameters()),
            "trained_parameters": trained,
        }
        return found


@dataclasses.dataclass(kw_only=True)
class Finetuned:
    """A finetuned writer; greedy texts of the watched rows at the end of training are kept and not written again."""

    author: Any  # a torch module, whose type would import torch here
    script: Any
    way: Any
    runtime: Runtime
    candidates: Any = None
    steps: tuple[int, ...] = (0,)
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 1)))
    watched_texts: Written = dataclasses.field(default_factory=lambda: np.zeros((1, 0), dtype=object))
    known: dict[str, tuple[Values, Written]] = dataclasses.field(default_factory=dict)
    facts: Facts = dataclasses.field(default_factory=dict)
    said: int = 0
    unfinished: int = 0

    def take(self, taught: Any, watch: list[str]) -> None:
        """Take what training yields: the readings of the watched rows, and facts."""
        from surpass.models._decoding import Found

        self.facts = {**self.facts, **taught.facts}
        self.steps = taught.steps
        read = [self._texts(Found.of(array)) for array in taught.found]
        self.watched, self.watched_texts = np.stack([v for v, _ in read]), np.stack([t[:, 0] for _, t in read])
        if not self.way.samples:
            self._count(Found.of(taught.found[-1]))
            self.known = dict(zip(watch, zip(*read[-1], strict=True), strict=True))

    def write(self, inputs: Inputs) -> tuple[Values, Written]:
        """Return the probabilities (n, k) of distinct texts, the most probable first, and the texts (n, k)."""
        from surpass.models import _decoding

        prompts = [str(text) for text in inputs]
        fresh = [text for text in dict.fromkeys(prompts) if text not in self.known]
        choices = self.candidates.choices(fresh) if self.candidates else None
        asked, _ = self.script.fitting(fresh)
        found = _decoding.write(self.author, self.script, asked, self.way, self.runtime, choices)
        self._count(found)
        rows = self.known | dict(zip(fresh, zip(*self._texts(found), strict=True), strict=True))
        values, texts = np.zeros((len(prompts), self.way.copies)), np.full((len(prompts), self.way.copies), "", object)
        for i, text in enumerate(prompts):
            values[i], texts[i] = rows[text]
        return values, texts

    def predict(self, inputs: Inputs) -> Values:
        """Return the probabilities (n, k) of what it writes."""
        return self.write(inputs)[0]

    def _texts(self, found: Any) -> tuple[Values, Written]:
        """Return probabilities and texts (n, k), equal texts as one; an empty one has no probability, any other has some."""
        values, texts = np.zeros(found.logs.shape), np.full(found.logs.shape, "", dtype=object)
        for i, (tokens, logs) in enumerate(zip(found.tokens.tolist(), found.logs.tolist(), strict=True)):
            sums: dict[str, float] = {}
            for ids, log in dict(zip(map(tuple, tokens), logs, strict=True)).items():
                text = self.script.text([token for token in ids if token >= 0])
                sums[text] = sums.get(text, 0.0) + float(np.exp(log))
            for place, (text, value) in enumerate(sorted(sums.items(), key=lambda item: -item[1])):
                values[i, place], texts[i, place] = (max(value, LEAST) if text.strip() else 0.0), text
        return values, texts

    def _count(self, found: Any) -> None:
        """Count texts, and those that did not come to their end."""
        ended = (found.tokens == self.script.end).any(axis=2)
        self.said, self.unfinished = self.said + ended.size, self.unfinished + int((~ended).sum())
        self.facts = {**self.facts, "unfinished": self.unfinished / max(1, self.said)}

    def save(self, folder: Path) -> None:
        """Write the adapters ("lora"), or the whole model and its tokenizer."""
        self.author.save(folder)
