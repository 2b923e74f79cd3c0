"""Training by steps: the only importer of `transformers.Trainer` and the only caller of `set_seed`.

A batch of the dataloader is a whole optimizer step. `training_step` cuts it into micro-batches by the token budget, so
neither a loss over the step nor its gradient depends on the cut, and Trainer's own gradient accumulation, whose scaling
has changed between its versions, is not used. The penalty of L2-SP (Li, Grandvalet & Davoine 2018, arXiv 1802.01483) enters
the gradient once per step, before it is clipped; a method's companion is the model's submodule while it trains, so that
optimizer, clipping and average take it as they take the head.

To Trainer all steps of a training are one epoch: the seed gives the rows of every step, and a training that goes on from a
checkpoint (`_checkpoint.py`) is given the rest of them.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from surpass.artifacts import Values
from surpass.methods.base import Method
from surpass.models import _backbone, _checkpoint, _packing, _shards
from surpass.models._average import Average
from surpass.models._callbacks import Reader, Saver
from surpass.models._classifier import Classifier
from surpass.models._lower import Rows
from surpass.models._ranks import Ranks
from surpass.models._recomputing import recomputed
from surpass.models._steps import Goal, StepLoss, outputs, readings
from surpass.runtime import Runtime

log = logging.getLogger(__name__)
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
    ema: float | None
    l2_sp: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Trained:
    """What training yields: the steps and values of the readings, and the mean loss of the last tenth of the steps."""

    steps: tuple[int, ...]
    watched: Values
    loss: float


Built = TypeVar("Built")


def seeded(build: Callable[[], Built], seed: int) -> Built:
    """Return what `build` makes with all global generators started from the seed."""
    set_seed(seed)
    return build()


def _collate(rows: list[int]) -> dict[str, Tensor]:
    return {"rows": torch.tensor(rows)}


def _drawn(n: int, plan: Plan) -> list[list[int]]:
    """Return the rows of every step: all n in a new order every epoch, from the seed alone."""
    rng, found = np.random.default_rng(plan.seed), list[list[int]]()
    for _ in range(plan.epochs):
        order = rng.permutation(n).tolist()
        found += [order[start : start + plan.batch_size] for start in range(0, n, plan.batch_size)]
    return found


class StepTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """Trainer whose batch is a whole optimizer step."""

    phase: ClassVar[str] = "targets"

    def __init__(self, *, model: Classifier, rows: Rows, loss: Any, plan: Plan, runtime: Runtime, **kwargs: Any):
        """Take rows and loss, a StepLoss or what else `accumulate` reads; `kwargs` are Trainer's own."""
        self.rows, self.step_loss, self.plan, self.runtime = rows, loss, plan, runtime
        self.lengths, self.ranks = rows.lengths, Ranks.of(runtime)
        self.losses: list[float] = []
        self.norm = torch.zeros(())
        self.noise = torch.Generator(device=model.backbone.device).manual_seed(plan.seed)
        body = [p for p in model.body.parameters() if p.requires_grad] if plan.l2_sp else []
        self.starts = [(p, p.detach().clone()) for p in body]
        super().__init__(model=model, train_dataset=range(len(rows)), data_collator=_collate, **kwargs)
        self.trained = [p for p in model.parameters() if p.requires_grad]

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the steps that are left, each a batch; it draws from no generator that anything else reads."""
        left = _drawn(len(self.rows), self.plan)[len(self.losses) :]
        rows: Any = self.train_dataset
        return DataLoader(rows, batch_sampler=left, collate_fn=_collate, generator=torch.Generator())

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the schedule over all steps, those before a checkpoint included."""
        return super().create_scheduler(num_training_steps + len(self.losses), optimizer)

    def training_step(self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None) -> Tensor:
        """Accumulate the gradient of one step and return its loss."""
        with _backbone.casts_kept():
            part = self.accumulate(inputs["rows"].to(self.rows.device))
        self.ranks.add_gradients(self.trained)
        total = self.ranks.total(part) + self._pull()
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        self.norm = _shards.whole(torch.nn.utils.get_total_norm(gradients))
        self.step_loss.end(float(total), self._get_learning_rate(), float(self.norm))
        self.losses.append(float(total))
        return total

    def _clip_grad_norm(self, model: Any) -> Tensor:
        """Clip the gradient by the norm that `training_step` has measured: over all weights it takes as long as a cast."""
        if self.norm > self.plan.clip:
            torch.nn.utils.clip_grads_with_norm_(self.trained, self.plan.clip, self.norm)
        return self.norm

    def parts(self, drawn: Tensor) -> list[list[int]]:
        """Return this process's micro-batches of a step: positions within it, none where others have one more."""
        lengths = self.lengths[drawn.numpy(force=True)]
        mine = self.ranks.mine(lengths)
        budget = _backbone.training_budget(self.runtime, self.rows.device)
        parts = _packing.batches(lengths[mine], budget, self.model.backbone.packs)
        return self.ranks.alike([mine[part].tolist() for part in parts])

    def accumulate(self, drawn: Tensor) -> Tensor:
        """Add the gradient of the mean loss of the drawn rows, micro-batch by micro-batch, and return that loss."""
        parts, kept = self.parts(drawn), self._kept(len(drawn))
        held = self._begin(parts, drawn, kept) if self.step_loss.statistics else {}
        total = torch.zeros((), device=drawn.device)
        for i, part in enumerate(parts):
            logits, hidden = held.pop(i, None) or self._forward(part, drawn, kept)
            loss = self.step_loss.part(logits, hidden, torch.tensor(part or [0], device=drawn.device), drawn)
            loss = loss if part else loss * 0
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    @torch.no_grad()
    def _pull(self) -> float:
        """Add the gradient of l2_sp / 2 * ||w - w_start||^2 over the body's trained weights, and return that penalty."""
        total = 0.0
        for parameter, start in self.starts:
            if parameter.grad is not None:  # what no loss reaches never leaves its start
                away = parameter - start
                parameter.grad.add_(away, alpha=self.plan.l2_sp)
                total += self.plan.l2_sp / 2 * float(away.square().sum())
        return total

    def _begin(self, parts: list[list[int]], drawn: Tensor, kept: Tensor | None) -> dict[int, Any]:
        """Predict the whole step before its first loss; return what can be kept for the losses, by part.

        A step that fits into the runtime's budget is run once, with all its graphs; a larger one is run once more.
        """
        lengths = self.lengths[drawn.numpy(force=True)]
        tokens = sum(len(part) * int(lengths[part].max()) for part in parts if part)
        fits = tokens <= self.runtime.tokens_per_batch and not self.ranks.sharded
        with torch.set_grad_enabled(fits):
            found = [self._forward(part, drawn, kept) for part in parts]
        if not fits:
            torch.clear_autocast_cache()  # weights that were cast without a graph
        whole = torch.zeros(len(drawn), self.model.shape.columns, device=drawn.device)
        for part, (logits, _) in zip(parts, found, strict=True):
            whole[part] = logits.detach()[: len(part)].float()
        self.step_loss.begin(self.ranks.total(whole))
        return dict(enumerate(found)) if fits else {}

    def _kept(self, size: int) -> Tensor | None:
        """Return the dropout mask of the pooled states of a whole step, (B, width), drawn before the step is cut."""
        if self.plan.dropout == 0:
            return None
        shape = (size, self.model.backbone.width)
        drawn = torch.rand(shape, generator=self.noise, device=self.noise.device)
        return (drawn >= self.plan.dropout).float() / (1 - self.plan.dropout)

    def _forward(self, part: list[int], drawn: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        part = part or [0]
        batch, states = self.rows.batch(drawn[part].tolist())
        hidden = self.model.pooled(batch, states)
        if kept is not None:
            hidden = hidden * kept[part]
        return self.model.head(hidden), hidden


def train(
    model: Classifier, rows: Rows, watch: Rows, goal: Goal, *, plan: Plan, method: Method, runtime: Runtime
) -> Trained:
    """Train the model in place and return the readings of the watched rows.

    Raises:
        StageError: the loss is no longer a number; the message has step and learning rate.
    """
    total = steps(rows, plan)
    at = readings(total, plan.points)
    companion = seeded(lambda: method.companion(model.backbone.width, goal.columns.shape[1]), plan.seed)
    if companion is not None:
        model.companion = companion.to(model.backbone.device)
    average = Average(model, plan.ema) if plan.ema else None
    reader = Reader(at, watch.tokens, lambda: outputs(model.logits(watch, runtime), squared=goal.squared), average)
    loss = StepLoss(goal, method, plan.batch_size, total, companion)
    if runtime.team == "shards":
        _shards.shard(model)
    losses = run(StepTrainer, model, rows, loss, plan=plan, runtime=runtime, callbacks=[reader])
    if average:
        average.swap()
    if companion is not None:
        del model.companion
    return Trained(at, np.stack(reader.found), tenth(losses[::-1]))


def steps(rows: Rows, plan: Plan) -> int:
    """Return the optimizer steps of a training; the last of an epoch takes the rows that are left."""
    return plan.epochs * math.ceil(len(rows) / plan.batch_size)


def tenth(losses: list[float]) -> float:
    """Return the mean of the first tenth of the losses, or of the first."""
    return float(np.mean(losses[: max(1, len(losses) // 10)]))


def run(
    trainer: type[StepTrainer],
    model: Classifier,
    rows: Rows,
    loss: Any,
    *,
    plan: Plan,
    runtime: Runtime,
    callbacks: Sequence[TrainerCallback] = (),
) -> list[float]:
    """Train by steps with a trainer of that class and return the loss of each step."""
    total = steps(rows, plan)
    with tempfile.TemporaryDirectory(prefix="surpass-") as folder:
        arguments = _arguments(plan, total, Path(folder), runtime)
        running = trainer(
            model=model, rows=rows, loss=loss, plan=plan, runtime=runtime, args=arguments, callbacks=[*callbacks]
        )
        running.remove_callback(PrinterCallback)
        _resume(running, total)
        if len(running.losses) == total:
            return running.losses
        gc.freeze()  # Trainer collects garbage before its first step: over all of transformers that takes a second
        again = recomputed(model.body, model.backbone.layers, enabled=runtime.checkpoint_activations)
        try:
            with again:
                running.train()
        finally:
            gc.unfreeze()
    return running.losses


def _resume(running: StepTrainer, total: int) -> None:
    """Let a training go on from its checkpoint, when there is one, and write others; all processes go on alike."""
    runtime, ranks, tokens = running.runtime, running.ranks, running.rows.tokens
    saver, state = Saver(running, total=total), None
    if runtime.scratch and not ranks.sharded:
        held = [*_checkpoint.content(tokens), *running.step_loss.content()]
        for callback in running.callback_handler.callbacks:
            held += callback.content() if isinstance(callback, Reader) else ()
        key = running.model.backbone.key
        saver.file = runtime.scratch / f"{running.phase}.safetensors"
        saver.about = _checkpoint.identity(_name(running), running.plan, key, running.model.shape, total, arrays=held)
        state = _checkpoint.read(saver.file, saver.about)
    if (state := ranks.shared(state)) is not None:
        saver.restore(state)
        log.info("training goes on after step %d of %d.", len(running.losses), total)
    ranks.agree(running.trained)
    running.add_callback(saver)


def _name(running: StepTrainer) -> str:
    """Return what trains and by which loss, for the identity of a checkpoint."""
    return f"{type(running).__name__} {running.step_loss.name()}"


def _arguments(plan: Plan, total: int, folder: Path, runtime: Runtime) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=plan.batch_size,
        learning_rate=plan.lr,
        lr_scheduler_type=SCHEDULES[plan.schedule],
        warmup_steps=math.ceil(plan.warmup * total),
        weight_decay=plan.weight_decay,
        adam_beta2=plan.beta2,
        max_grad_norm=plan.clip,
        optim="adamw_torch_fused",
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
