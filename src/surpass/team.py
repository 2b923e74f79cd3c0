"""The processes of one launch (`accelerate launch`, `torchrun`): the first leads, the others compute fits along with it.

The leader runs the command as if it were alone. Each fit of a model that trains by steps it hands to the others, spec and
inputs, and all compute it (`models/_ranks.py`); they throw the result away, and need no store. What is wrong with a study is
found by all alike, and the leader goes on. An error of one process alone, such as want of memory, ends that process at once,
and the launcher ends the others: the next run goes on from what is in the store and from the fit's checkpoint.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from surpass import computing
from surpass.artifacts import Artifact
from surpass.errors import AssetError, MissingPackageError, StoreError, SurpassError, reason
from surpass.runtime import Launch, Runtime
from surpass.stages import Fit, Stage

log = logging.getLogger(__name__)
PATIENCE = datetime.timedelta(days=30)
"""How long a process waits for the leader, whose other stages may take long."""
OWN = (AssetError, MissingPackageError, StoreError)
"""Errors that may be of one machine alone."""


@contextmanager
def assembled(launch: Launch) -> Iterator[bool]:
    """Join the processes of a launch while the context lasts; yields whether this one leads."""
    launch.hide()
    import torch
    import torch.distributed as dist

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    place: dict[str, Any] = {"rank": launch.rank, "world_size": launch.count}
    try:
        dist.init_process_group(backend, init_method="env://", timeout=PATIENCE, **place)
    except (ValueError, RuntimeError) as error:
        raise SurpassError(
            f"the {launch.count} processes of this launch did not meet: {reason(error)}. Start them with `accelerate launch` "
            "or `torchrun`, or unset RANK and WORLD_SIZE for a run of one process."
        ) from error
    logging.getLogger("transformers.training_args").setLevel(logging.ERROR)  # warns that Trainer trains alone
    leads = launch.rank == 0
    try:
        yield leads
    except (Exception, SystemExit):
        if leads:
            _send(None)
        raise
    else:
        if leads:
            _send(None)
    dist.destroy_process_group()


def follow() -> None:
    """Compute along with the leader until it ends."""
    memo: dict[Any, Any] = {}
    while (task := _send(None)) is not None:
        spec, inputs, runtime = task
        _compute(spec, inputs, dataclasses.replace(runtime, memo=memo), quiet=True)


def compute(spec: Stage, inputs: Sequence[Artifact], runtime: Runtime) -> Artifact:
    """Return the artifact of a stage, computed by all processes of the runtime's team if its model can, else by this one."""
    if not runtime.team or not isinstance(spec, Fit) or not spec.model.spreads or spec.method.solves:
        return computing.compute(spec, inputs, dataclasses.replace(runtime, team=""))
    _send((spec, inputs, dataclasses.replace(runtime, scratch=None)))
    found = _compute(spec, inputs, runtime, quiet=False)
    assert found is not None
    return found


def _compute(spec: Stage, inputs: Sequence[Artifact], runtime: Runtime, *, quiet: bool) -> Artifact | None:
    """Return the artifact; `quiet` leaves it to the leader to say what is wrong with the study."""
    try:
        return computing.compute(spec, inputs, runtime)
    except SurpassError as error:
        if not isinstance(error, OWN):
            if quiet:
                return None
            raise
        log.exception("this process cannot go on, and the others are waiting for it")
    except Exception:
        log.exception("this process cannot go on, and the others are waiting for it")
    os._exit(1)  # any gentler end would wait for the others


def _send(task: Any) -> Any:
    """Return the leader's task in every process; what others give is not read."""
    import torch
    import torch.distributed as dist

    held = [task]
    dist.broadcast_object_list(held, src=0, device=torch.device("cpu"))
    return held[0]
