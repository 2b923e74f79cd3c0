"""How a study runs: speed, place and noise. Nothing here can change a number, so nothing here is hashed."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from surpass.errors import SpecError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """Settings of a run that only change speed, place or noise.

    Attributes:
        jobs: worker processes; 0 runs every stage in this process.
        device: "auto", "cpu", "cuda" or "cuda:1".
        threads: math threads of each worker; batches of a pretrained model that run side by side in it.
        tokens_per_batch: tokens, padding included, that a forward pass takes at once.
        keep_weights: keep the fitted model beside its predictions.
        memo: loaded backbones and cached hidden states of this process, handed from stage to stage; never pickled.
    """

    jobs: int = 0
    device: str = "auto"
    threads: int = 1
    tokens_per_batch: int = 4096
    keep_weights: bool = False
    memo: dict[Any, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "memo": {}}

    def torch_device(self) -> str:
        """Return the device as torch names it; SpecError when torch sees no such GPU."""
        if self.device == "cpu":
            return self.device
        import torch

        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.device == "auto":
            return "cuda" if seen else "cpu"
        if int(self.device.partition(":")[2] or 0) >= seen:
            raise SpecError(f"device '{self.device}': PyTorch sees {seen} GPUs here. Use cpu, or auto.")
        return self.device


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Return how many cores nothing else keeps busy, by the load of the last minute; at least 1.

    A math thread that waits for its core holds up all others: two threads beside one busy process were several times slower
    than one.
    """
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, cores() - round(busy))
