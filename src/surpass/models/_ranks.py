"""The processes that compute one fit together: which rows each of them takes, and how their parts become the whole.

Everything is a sum: a part that another process has is zero here. So a step may have fewer rows than there are processes,
and what is summed (losses, gradients, predictions) is what one process would have computed, but for the order of adding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from surpass.runtime import Runtime

BUCKET = 16 << 20
"""Numbers that are sent at once: 64 MB in fp32."""


@dataclasses.dataclass(frozen=True)
class Ranks:
    """This process's number among those that compute together, and how many they are; `sharded`: none holds all weights."""

    rank: int = 0
    count: int = 1
    sharded: bool = False

    @classmethod
    def of(cls, runtime: Runtime) -> Ranks:
        """Return the processes of the runtime's team, or this one alone."""
        if not runtime.team:
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), runtime.team == "shards")

    def mine(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows (positions) of this process: dealt out by length, so that all have about as many tokens."""
        if self.count == 1:
            return np.arange(len(lengths))
        return np.argsort(-lengths, kind="stable")[self.rank :: self.count]

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over the processes; the part given is overwritten."""
        if self.count > 1:
            dist.all_reduce(part)
        return part

    def alike(self, parts: list[list[int]]) -> list[list[int]]:
        """Return the batches of rows followed by as many empty ones as make the number of batches the same everywhere.

        Only sharded weights need that: every process has to take part in every pass.
        """
        if not self.sharded:
            return parts
        most = torch.tensor(len(parts))
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        return parts + [[] for _ in range(int(most) - len(parts))]

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Give every parameter the sum of its gradients; one that no process has a gradient for is left without."""
        if self.count == 1 or self.sharded:
            return
        has = self.total(torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32))
        held = [p for p, count in zip(parameters, has.tolist(), strict=True) if count]
        for parameter in held:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([p.grad for p in held if p.grad is not None]):
            whole = self.total(torch.cat([grad.flatten() for grad in bucket]))
            for grad, part in zip(bucket, whole.split_with_sizes([grad.numel() for grad in bucket]), strict=True):
                grad.copy_(part.view_as(grad))

    @torch.no_grad()
    def agree(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the first one's values, whose start other processors may have rounded otherwise."""
        if self.count > 1 and not self.sharded:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def shared(self, value: Any) -> Any:
        """Return the first process's value."""
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]


def _buckets(grads: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return gradients in lists of one type and bounded size, in order."""
    found: list[list[Tensor]] = []
    for grad in grads:
        last = found[-1] if found else []
        if not last or last[0].dtype != grad.dtype or sum(g.numel() for g in last) + grad.numel() > BUCKET:
            found.append([])
        found[-1].append(grad)
    return found
