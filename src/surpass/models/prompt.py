"""A causal language model that is asked, not trained: the task's instruction, perhaps examples, and then the row.

Prompting is what finetuning on weak labels is measured against (Burns et al. 2023, arXiv 2312.09390, section 5.2.1): without
examples, with labelled examples of the weak supervisor, or with true ones. The answer is a digit, one for each class, and

    P(class) = softmax over the logits of these digits alone, at the place where the answer stands.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from surpass.artifacts import Facts, Inputs, Values
from surpass.errors import IncompatibleError
from surpass.methods.base import Need
from surpass.models._pretrain import Backbone
from surpass.models.base import Model, Precision, TextEncoder, Work, backbone_label
from surpass.runtime import Runtime
from surpass.spec import option

MOST_CLASSES = 10  # one digit each


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt(Model):
    """A prompted language model, whose weights stay as they are.

    Without examples it reads no label. The examples of a prompt are training rows of weight above 0, drawn by the seed
    among those short enough to leave every other row as much room; their answers are the most probable classes of the
    targets it is given: ground truth for a ceiling, weak labels for a student.

    Attributes:
        backbone: `hub:ORG/NAME@REV`, `path:DIR` or `package:NAME`, or a `Pretrain`; a decoder.
        shots: examples in the prompt.
        balance: draw the examples so that their classes are as equally many as the labels allow; else draw them freely.
        calibrate: contextual calibration (Zhao et al. 2021, arXiv 2102.09690): probabilities are divided by those of the
            row "N/A" and scaled to sum to 1.
        template: "plain" writes text and answer in lines; "chat" uses the tokenizer's chat template, the examples as
            earlier turns.
        max_length: tokens of the whole prompt; a row that does not fit is truncated and counted, the rest never is.
        precision: of weights and matrix products; the answers' logits are fp32. "auto" is settled by `resolve`.
        digest: identity of the backbone's files, filled by `resolve`.
    """

    inputs: ClassVar[frozenset[str]] = frozenset({"text", "pair"})
    targets: ClassVar[frozenset[str]] = frozenset({"classification"})
    learns: ClassVar[bool] = False

    backbone: Backbone
    shots: int = option(0, low=0)
    balance: bool = True
    calibrate: bool = False
    template: Literal["plain", "chat"] = "plain"
    max_length: int = option(1024, low=16)
    precision: Precision = "auto"
    digest: str = ""

    @property
    def can(self) -> frozenset[Need]:
        """Frozen features of the same backbone, and what it says without examples."""
        return frozenset({"features", "pretrained"})

    def encoder(self) -> TextEncoder:
        """Return the features of the middle layer of the same backbone."""
        return TextEncoder(backbone=self.backbone, precision=self.precision, digest=self.digest)

    def pretrained(self) -> Model:
        """Return this model without examples."""
        return dataclasses.replace(self, shots=0, balance=True)

    def resolve(self) -> Prompt:
        """Fill the digest of the backbone and the precision that this machine runs faster."""
        known = self.encoder().resolve()
        return dataclasses.replace(self, backbone=known.backbone, digest=known.digest, precision=known.precision)

    def problem(self) -> str | None:
        """Return why this model cannot run here: the backbone is missing or is no decoder, or a package is missing."""
        from surpass.models import _causal

        found = self.encoder().problem() or _causal.problem(self.backbone)
        return f"model 'prompt': {found}" if found else None

    def label(self) -> str:
        """Return the backbone's short name and the options that are not the defaults."""
        return backbone_label(self, "prompt")

    def fit(self, work: Work, runtime: Runtime) -> Prompted:
        """Return the model with its prompt written; see `Model.fit`.

        Raises:
            IncompatibleError: there are more classes than digits.
            SpecError: the backbone is no decoder, has no single tokens for the digits or no chat template, or
                `max_length` leaves no room for a row.
        """
        from surpass.models import _backbone, _loading, _prompting

        if work.classes > MOST_CLASSES:
            raise IncompatibleError(
                f"model 'prompt' answers with one digit, so it takes up to {MOST_CLASSES} classes; the task has "
                f"{work.classes}. Choose a model that is finetuned."
            )
        backbone = _backbone.load(str(self.backbone), self.digest, self.precision, runtime, _loading.frozen(runtime))
        asked = _prompting.Question.of(work, chat=self.template == "chat")
        asker = _prompting.Asker(backbone, asked, limit=self.max_length, runtime=runtime)
        if self.shots:
            classes = work.targets.values.argmax(axis=1)
            rows = asker.fitting(work.inputs, self.shots) & (work.targets.weight > 0)
            chosen = draw(classes, rows, self.shots, balance=self.balance, seed=work.seed)
            examples = [(work.inputs[i], int(classes[i])) for i in chosen]
            asker = _prompting.Asker(backbone, asked.after(examples), limit=self.max_length, runtime=runtime)
        free = asker.probabilities(asker.question.content_free())[0] if self.calibrate else None
        facts = {
            "truncated": asker.tokens(work.inputs).truncated,
            "prompt_tokens": len(asker.prefix) + len(asker.tail),
            "parameters": sum(p.numel() for p in backbone.model.parameters()),
        }
        return Prompted(asker=asker, free=free, facts=facts)


def draw(classes: Any, allowed: Any, shots: int, *, balance: bool, seed: int) -> list[int]:
    """Return which rows become examples, in the order of the prompt.

    Args:
        classes: (n,) class of each row.
        allowed: (n,) whether the row may be drawn.
        shots: how many; fewer come back when fewer are allowed.
        balance: take the classes in turns, so that their counts differ by one at most while each has rows left.
        seed: of the draw.

    >>> sorted(draw(np.array([0, 0, 0, 0, 1]), np.ones(5, bool), 2, balance=True, seed=1))[1]
    4
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(allowed))
    if balance:
        turns = np.zeros(len(order), dtype=np.int64)
        for kind in np.unique(classes[order]):
            turns[classes[order] == kind] = np.arange((classes[order] == kind).sum())
        order = order[np.argsort(turns, kind="stable")]
    return [int(i) for i in rng.permutation(order[:shots])]


@dataclasses.dataclass(kw_only=True)
class Prompted:
    """A model with a prompt: nothing of it was trained, so it is read once."""

    asker: Any  # _prompting.Asker, whose module imports torch
    free: Values | None
    facts: Facts
    steps: tuple[int, ...] = (0,)
    watched: Values = dataclasses.field(default_factory=lambda: np.zeros((1, 0, 0)))

    def predict(self, inputs: Inputs) -> Values:
        """Return (n, C) probabilities."""
        values: Values = self.asker.probabilities(inputs)
        return values if self.free is None else calibrated(values, self.free)

    def save(self, folder: Path) -> None:
        """Write the prompt: what stands before and after a row, the answers' tokens, and the content-free answer."""
        asker = self.asker
        prompt = {
            "backbone": asker.backbone.reference,
            **asker.question.written(asker.tokenizer),
            "answers": asker.answers,
            "content_free": None if self.free is None else self.free.tolist(),
        }
        text = json.dumps(prompt, indent=1, ensure_ascii=False)
        (folder / "prompt.json").write_text(text + "\n", encoding="utf-8")


def calibrated(values: Values, free: Values) -> Values:
    """Return probabilities (n, C) divided by the content-free ones (C,), rows scaled to sum to 1."""
    odds = values / np.maximum(free, 1e-12)
    scaled: Values = odds / odds.sum(axis=1, keepdims=True)
    return scaled
