"""Training by steps: the only importer of `transformers.Trainer` and the only caller of `set_seed`.

A batch of the dataloader is a whole optimizer step. `training_step` cuts it into micro-batches by the token budget, so
neither a loss over the step nor its gradient depends on the cut, and Trainer's own gradient accumulation, whose scaling
has changed between its versions, is not used.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from surpass.artifacts import Values
from surpass.models import _backbone
from surpass.models._classifier import Classifier
from surpass.models._lower import Rows
from surpass.models._steps import Goal, StepLoss, outputs, readings
from surpass.runtime import Runtime

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train; see the fields of `HF`."""

    lr: float
    epochs: int
    batch_size: int
    warmup: float
    weight_decay: float
    beta2: float
    schedule: str
    clip: float
    points: int
    dropout: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training yields: the steps and values of the readings, and the mean loss of the last tenth of the steps."""

    steps: tuple[int, ...]
    watched: Values
    loss: float


def seeded(build: Callable[[], Classifier], seed: int) -> Classifier:
    """Return a model built with all global generators started from the seed."""
    set_seed(seed)
    return build()


def _collate(rows: list[int]) -> dict[str, Tensor]:
    return {"rows": torch.tensor(rows)}


class _Shuffled(Sampler[int]):
    """The training rows in a new order every epoch, from the seed alone."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.rng = n, np.random.default_rng(seed)

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(self.rng.permutation(self.n).tolist())


class _Reader(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Predicts the watched rows at the asked steps."""

    def __init__(self, at: tuple[int, ...], predict: Callable[[], Values]) -> None:
        self.at, self.predict = at, predict
        self.found: list[Values] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read when it is time."""
        if state.global_step in self.at:
            self.found.append(self.predict())


class StepTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """Trainer whose batch is a whole optimizer step."""

    def __init__(self, *, model: Classifier, rows: Rows, loss: StepLoss, plan: Plan, runtime: Runtime, **kwargs: Any):
        """Take rows and loss; `kwargs` are Trainer's own."""
        self.rows, self.step_loss, self.plan, self.runtime = rows, loss, plan, runtime
        self.lengths = rows.tokens.lengths
        self.losses: list[float] = []
        self.noise = torch.Generator(device=model.backbone.device).manual_seed(plan.seed)
        super().__init__(model=model, train_dataset=range(len(rows.tokens.ids)), data_collator=_collate, **kwargs)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return _Shuffled(len(self.rows.tokens.ids), self.plan.seed)

    def training_step(self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None) -> Tensor:
        """Accumulate the gradient of one step and return its loss."""
        drawn = inputs["rows"].to(self.rows.device)
        lengths = self.lengths[drawn.numpy(force=True)]
        parts = list(_backbone.batches(lengths, _backbone.training_budget(self.runtime, self.rows.device)))
        kept = self._kept(len(drawn))
        held = self._begin(parts, lengths, drawn, kept) if self.step_loss.statistics else {}
        total = torch.zeros((), device=drawn.device)
        for i, part in enumerate(parts):
            logits, hidden = held.pop(i, None) or self._forward(part, drawn, kept)
            loss = self.step_loss.part(logits, hidden, torch.tensor(part, device=drawn.device), drawn)
            self.accelerator.backward(loss)
            total += loss.detach()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        self.step_loss.end(float(total), self._get_learning_rate(), norm)
        self.losses.append(float(total))
        return total

    def _begin(self, parts: list[list[int]], lengths: Any, drawn: Tensor, kept: Tensor | None) -> dict[int, Any]:
        """Predict the whole step before its first loss; return what can be kept for the losses, by part.

        A step that fits into the runtime's budget is run once, with all its graphs; a larger one is run once more.
        """
        fits = sum(len(part) * int(lengths[part].max()) for part in parts) <= self.runtime.tokens_per_batch
        with torch.set_grad_enabled(fits):
            found = [self._forward(part, drawn, kept) for part in parts]
        order = torch.tensor(np.argsort(np.concatenate(parts)), device=drawn.device)
        self.step_loss.begin(torch.cat([logits.detach() for logits, _ in found])[order])
        return dict(enumerate(found)) if fits else {}

    def _kept(self, size: int) -> Tensor | None:
        """Return the dropout mask of the pooled states of a whole step, (B, width), drawn before the step is cut."""
        if self.plan.dropout == 0:
            return None
        shape = (size, self.model.backbone.width)
        drawn = torch.rand(shape, generator=self.noise, device=self.noise.device)
        return (drawn >= self.plan.dropout).float() / (1 - self.plan.dropout)

    def _forward(self, part: list[int], drawn: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        batch, states = self.rows.batch(drawn[part].tolist())
        hidden = self.model.pooled(batch, states)
        if kept is not None:
            hidden = hidden * kept[part]
        return self.model.head(hidden), hidden


def train(
    model: Classifier, rows: Rows, watch: Rows, goal: Goal, *, plan: Plan, method: Any, runtime: Runtime
) -> Trained:
    """Train the model in place and return the readings of the watched rows.

    Raises:
        StageError: the loss is no longer a number; the message has step and learning rate.
    """
    total = plan.epochs * math.ceil(len(rows.tokens.ids) / plan.batch_size)
    at = readings(total, plan.points)
    reader = _Reader(at, lambda: outputs(model.logits(watch, runtime), squared=goal.squared))
    with tempfile.TemporaryDirectory(prefix="surpass-") as folder:
        trainer = StepTrainer(
            model=model,
            rows=rows,
            loss=StepLoss(goal, method, plan.batch_size, total),
            plan=plan,
            runtime=runtime,
            args=_arguments(plan, total, Path(folder), runtime),
            callbacks=[reader],
        )
        trainer.remove_callback(PrinterCallback)
        gc.freeze()  # Trainer collects garbage before its first step: over all of transformers that takes a second
        try:
            trainer.train()
        finally:
            gc.unfreeze()
    last = trainer.losses[-max(1, total // 10) :]
    return Trained(at, np.stack(reader.found), float(np.mean(last)))


def _arguments(plan: Plan, total: int, folder: Path, runtime: Runtime) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size,
        learning_rate=plan.lr,
        lr_scheduler_type=SCHEDULES[plan.schedule],
        warmup_steps=math.ceil(plan.warmup * total),
        weight_decay=plan.weight_decay,
        adam_beta2=plan.beta2,
        max_grad_norm=plan.clip,
        optim="adamw_torch",
        seed=plan.seed,
        use_cpu=runtime.torch_device() == "cpu",
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # Trainer would wrap the model for every device that it sees
    return arguments
