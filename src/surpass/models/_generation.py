"""Finetuning on target tokens: the loss of a text is the mean over its tokens and its end, whatever stands before them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from surpass.artifacts import Facts, Targets
from surpass.assets import backbones
from surpass.errors import DataError
from surpass.models import _backbone, _decoding, _export, _lower, _trainer
from surpass.models._backbone import Backbone, Tokens
from surpass.models._callbacks import Reader
from surpass.models._candidates import Candidates
from surpass.models._classifier import Classifier, Shape
from surpass.models._language import OutputMap
from surpass.models._lower import Rows
from surpass.models._script import Script
from surpass.models._steps import check_finite, readings
from surpass.models.base import Work
from surpass.runtime import Runtime


class Author(Classifier):
    """A backbone that writes: what trains is what `tune` names, and of a map to the vocabulary of its own all with "full"."""

    def __init__(self, backbone: Backbone, shape: Shape, runtime: Runtime) -> None:
        """Build the model; SpecError when the backbone is no causal language model."""
        super().__init__(backbone, shape)
        self.head.requires_grad_(False)
        body = self.body.get_base_model() if hasattr(self.body, "get_base_model") else self.body
        embeddings = body.get_input_embeddings()
        self.output = OutputMap(backbone, runtime, embeddings)
        found = self.output.shell.get_submodule(self.output.name)
        self.tied = found.weight is embeddings.weight
        if shape.tune == "full" and not self.tied:
            for name, value in list(found.named_parameters()):
                setattr(found, name, nn.Parameter(value.detach().float().clone()))
            self.map: nn.Module = found

    @classmethod
    def frozen(cls, backbone: Backbone, shape: Shape, runtime: Runtime) -> Author:
        """Return the model as it is before any training, sharing the backbone's weights where its layers are known."""
        if backbone.stack is not None:
            shape = dataclasses.replace(shape, tune="top", layers=0)
        return cls(backbone, shape, runtime)

    def whole(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the frozen lower layers run, where training leaves them out."""
        return contextlib.nullcontext() if self.upper is None else self.upper.whole()

    def rows(self, tokens: Tokens, runtime: Runtime) -> Rows:
        """Return rows of tokens ready for training, with the states of frozen lower layers where those are skipped."""
        if self.skips:
            return _lower.prepare(self.backbone, tokens, self.depth, runtime, keep=True)
        return Rows(tokens, self.backbone.device)

    def save(self, folder: Path) -> None:
        """Write the adapters, or the whole causal language model with its tokenizer; transformers and peft load either."""
        if self.shape.tune == "lora":
            self._save_adapters(folder)
        else:
            self.save_whole(folder)

    def save_whole(self, folder: Path) -> None:
        """Write the whole causal language model in fp32, adapters merged, with its tokenizer."""
        whole = backbones.load_model(self.backbone.reference, dtype="float32", auto_class="AutoModelForCausalLM")
        whole.base_model.load_state_dict(_export.merged(self), strict=False)
        if hasattr(self, "map"):
            whole.get_output_embeddings().load_state_dict(self.map.state_dict())
        with _export.quiet():
            whole.save_pretrained(str(folder))
        self.backbone.tokenizer.save_pretrained(str(folder))

    def _save_adapters(self, folder: Path) -> None:
        """Write the adapters under the names that they have in the causal model, whose body trained alone."""
        from safetensors.torch import load_file, save_file

        self.body.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
        inside, path = f"{self.output.shell.base_model_prefix}.", folder / "adapter_model.safetensors"
        start = "base_model.model."
        tensors = {f"{start}{inside}{name.removeprefix(start)}": value for name, value in load_file(str(path)).items()}
        save_file(tensors, str(path), metadata={"format": "pt"})
        about = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        about |= {"task_type": "CAUSAL_LM", "target_modules": [inside + name for name in about["target_modules"]]}
        (folder / "adapter_config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


@dataclasses.dataclass
class TargetLoss:
    """The loss of target tokens.

    Attributes:
        output: from states to logits of the next token.
        starts: (n,) where the target of each row starts.
        weight: (n,) of each row.
        total: steps of the training.
        step: steps taken.
    """

    output: OutputMap
    starts: Tensor
    weight: Tensor
    total: int
    step: int = 0

    def part(self, states: Tensor, batch: _backbone.Batch, rows: Sequence[int], size: int) -> Tensor:
        """Return the summed loss of a micro-batch over the rows of its step: of each row its weight x mean token loss.

        Args:
            states: (b, tokens, width).
            batch: the tokens.
            rows: (b,) positions among the training rows.
            size: rows of the whole step.
        """
        ids, real = batch["input_ids"], batch["attention_mask"].bool()
        places = torch.arange(1, ids.shape[1], device=ids.device)
        wanted = real[:, 1:] & (places >= self.starts[list(rows)][:, None])
        logits = self.output(states[:, :-1][wanted])
        losses = cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="none")
        counts = wanted.sum(dim=1)
        shares = self.weight[list(rows)] / counts / size
        return (losses * shares.repeat_interleave(counts)).sum()

    def end(self, loss: float, lr: float, norm: float) -> None:
        """Close the step; a loss or a gradient that is no number ends the training."""
        check_finite(loss, norm, lr=lr, step=self.step + 1, total=self.total)
        self.step += 1

    def name(self) -> str:
        """Return what is learned."""
        return "target tokens"

    def content(self) -> tuple[Tensor, ...]:
        """Return where targets start and what they weigh."""
        return (self.starts, self.weight)

    def state(self) -> dict[str, Any]:
        """Return the steps taken."""
        return {"step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""
        self.step = int(state["step"])


class TargetTrainer(_trainer.StepTrainer):
    """Trainer on target tokens."""

    def accumulate(self, drawn: Tensor) -> Tensor:
        """Add the gradient of the step's mean loss, and return that loss."""
        total = torch.zeros((), device=drawn.device)
        for part in self.parts(drawn):
            rows = drawn[part].tolist()
            batch, states = self.rows.batch(rows)
            found = self.model.hidden(batch, states)
            with _backbone.autocast(self.model.backbone):
                loss = self.step_loss.part(found, batch, rows, len(drawn))
            self.accelerator.backward(loss)
            total += loss.detach()
        return total


def exploded(targets: Targets) -> tuple[NDArray[np.int64], list[str], NDArray[np.float64]]:
    """Return the texts to learn with the row of each and its weight, mean 1: the row's weight x the text's share of it."""
    if targets.texts is None:
        raise DataError("model 'generator' learns texts, but its targets are numbers. Choose a model for those.")
    rows, places = np.nonzero(targets.values > 0)
    shares = targets.values[rows, places] / targets.values.sum(axis=1)[rows]
    weight = targets.weight[rows] * shares
    total = weight.sum()
    return rows, targets.texts[rows, places].tolist(), weight * (len(weight) / total) if total > 0 else weight


def step_texts(rows: int, texts: int, of_rows: int) -> int:
    """Return how many texts a step of so many rows holds, where `of_rows` rows have `texts` texts in all.

    So an epoch has the steps that it would have with one text for each row, and a row moves the model as far.

    >>> step_texts(32, 100, 100), step_texts(32, 250, 100)
    (32, 80)
    """
    return -(-rows * texts // of_rows)


@dataclasses.dataclass(frozen=True)
class Taught:
    """What finetuning yields: the steps of the readings, and at each the texts of the watched rows as `Found.array`."""

    steps: tuple[int, ...]
    found: NDArray[np.float64]
    facts: Facts


def tune(
    author: Author,
    script: Script,
    work: Work,
    plan: _trainer.Plan,
    way: _decoding.Way,
    runtime: Runtime,
    *,
    candidates: Candidates | None = None,
) -> Taught:
    """Train the model in place on the work's texts, reading the watched rows at several points."""
    rows, texts, weight = exploded(work.targets)
    lesson = script.joined([str(work.inputs[i]) for i in rows], texts)
    ready, device = author.rows(lesson.tokens, runtime), author.backbone.device
    plan = dataclasses.replace(plan, batch_size=step_texts(plan.batch_size, len(texts), len(np.unique(rows))))
    total = _trainer.steps(ready, plan)
    starts, shares = torch.tensor(lesson.starts, device=device), torch.tensor(weight, device=device).float()
    loss = TargetLoss(author.output, starts, shares, total)
    watch = [str(text) for text in work.watch]
    prompts, _ = script.fitting(watch)
    choices = candidates.choices(watch) if candidates else None
    at = readings(total, plan.points)
    watched = Tokens(tuple(prompts), None, 0.0)
    read = functools.partial(_decoding.write, author, script, prompts, way, runtime, choices)
    reader = Reader(at, watched, lambda: read().array(), None)
    losses = _trainer.run(TargetTrainer, author, ready, loss, plan=plan, runtime=runtime, callbacks=[reader])
    facts = {
        "train_loss": _trainer.tenth(losses[::-1]),
        "truncated": lesson.tokens.truncated,
        "long_targets": lesson.long,
        "trained_texts": len(texts),
    }
    return Taught(at, np.stack(reader.found), facts)
