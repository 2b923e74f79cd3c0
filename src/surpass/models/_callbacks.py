"""What happens at the steps of a training: readings and checkpoints."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainerCallback

from surpass.artifacts import Values
from surpass.models import _checkpoint
from surpass.models._average import Average
from surpass.models._backbone import Tokens

log = logging.getLogger(__name__)
SHARE = 50  # a checkpoint waits for so many times what the last one cost


class Reader(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Predicts the watched rows at the asked steps, with the averaged weights when there are any."""

    def __init__(
        self, at: tuple[int, ...], watched: Tokens, predict: Callable[[], Values], average: Average | None
    ) -> None:
        self.at, self.watched, self.predict, self.average = at, watched, predict, average
        self.found: list[Values] = []

    def content(self) -> tuple[NDArray[np.int64], ...]:
        """Return what the readings are of, for the identity of a checkpoint."""
        return _checkpoint.content(self.watched)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Average, and read when it is time."""
        if self.average:
            self.average.update()
        if state.global_step in self.at:
            with self.average.shown() if self.average else contextlib.nullcontext():
                self.found.append(self.predict())

    def state(self) -> _checkpoint.State:
        """Return the readings so far, and the average."""
        average = self.average.state() if self.average else None
        return {"found": [torch.from_numpy(values) for values in self.found], "average": average}

    def restore(self, state: _checkpoint.State) -> None:
        """Take what `state` returned."""
        self.found = [values.numpy() for values in state["found"]]
        if self.average:
            self.average.restore(state["average"])


class Saver(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Writes a checkpoint now and then, so that it takes a small share of the time, and at the end of a long training.

    Without a `file` it writes none, but may be given the state of one.
    """

    def __init__(self, trainer: Any, *, total: int) -> None:
        self.trainer, self.total = trainer, total
        self.file: Path | None = None
        self.about: _checkpoint.State = {}
        self.keepers = [trainer.step_loss]
        self.keepers += [held for held in trainer.callback_handler.callbacks if hasattr(held, "restore")]
        self.began = self.last = time.monotonic()
        self.cost = 0.0
        self.resumed: _checkpoint.State | None = None

    def state(self) -> _checkpoint.State:
        """Return all that the next step depends on and the steps before it have changed."""
        trainer, device = self.trainer, self.trainer.noise.device
        states = trainer.optimizer.state_dict()
        return {
            "losses": trainer.losses,
            "weights": trainer.trained,
            "optimizer": [[i, held] for i, held in states["state"].items()],
            "rates": [group["lr"] for group in states["param_groups"]],
            "schedule": trainer.lr_scheduler.state_dict(),
            "noise": trainer.noise.get_state(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "kept": [keeper.state() for keeper in self.keepers],
        }

    @torch.no_grad()
    def restore(self, state: _checkpoint.State) -> None:
        """Take what `state` returned; optimizer, schedule and global generators wait until training begins."""
        for parameter, held in zip(self.trainer.trained, state["weights"], strict=True):
            parameter.copy_(held)
        for keeper, held in zip(self.keepers, state["kept"], strict=True):
            keeper.restore(held)
        self.trainer.losses, self.resumed = list(state["losses"]), state
        self.trainer.noise.set_state(state["noise"])

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on where the checkpoint was, if there was one."""
        held, self.resumed, trainer = self.resumed, None, self.trainer
        if held is None:
            return
        fresh = trainer.optimizer.state_dict()
        groups = [{**group, "lr": rate} for group, rate in zip(fresh["param_groups"], held["rates"], strict=True)]
        trainer.optimizer.load_state_dict({"state": dict(held["optimizer"]), "param_groups": groups})
        trainer.lr_scheduler.load_state_dict(held["schedule"])
        torch.set_rng_state(held["random"])
        if held["random_cuda"] is not None:
            torch.cuda.set_rng_state(held["random_cuda"], trainer.noise.device)
        state.global_step = len(trainer.losses)
        state.max_steps += state.global_step

    def due(self, step: int) -> bool:
        """Return whether a checkpoint is due after a step."""
        now, seconds = time.monotonic(), float(self.trainer.runtime.checkpoint_seconds)
        if step == self.total:
            return now - self.began >= seconds
        return now - self.last >= max(seconds, SHARE * self.cost)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write one when it is time."""
        if self.file is None or not self.due(state.global_step):
            return
        now = time.monotonic()
        try:
            _checkpoint.write(self.file, self.about, self.state())
        except OSError as error:  # what a checkpoint costs is never the fit
            log.warning("no checkpoint of step %d could be written: %s.", state.global_step, error)
        self.last = time.monotonic()
        self.cost = self.last - now
