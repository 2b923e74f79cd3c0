"""Weights, gradients and optimizer spread over the processes of a fit, each layer gathered when it is run (FSDP).

Body and head are sharded by torch's `fully_shard`, layer by layer, where gradients are summed over the processes as they
are elsewhere (`_ranks.py`).
"""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor

from surpass.models import _backbone
from surpass.models._classifier import Classifier


def shard(model: Classifier) -> None:
    """Shard body and head of a model in place."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    mesh = init_device_mesh(model.backbone.device.type, (dist.get_world_size(),))
    layers = _backbone.stack_of(model.body, model.backbone.layers)
    for module in (*(layers or ()), model.body, model.head):
        fully_shard(module, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no scaled sums


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with the parts of all processes; all have to ask for it."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
