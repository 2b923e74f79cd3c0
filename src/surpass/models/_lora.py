"""LoRA on every linear map, by peft, with one fused step where peft takes five.

peft computes `base(x) + B(A(x)) * scale` as separate operations over full-size tensors, which on a processor cost as much as
the base product. Here the product of the adapters is added in place and the scale is applied to the small tensor. Adapters,
their files and their start are peft's.
"""

from __future__ import annotations

import types
import warnings
from typing import Any

import peft
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

LINEAR = (nn.Linear, Conv1D)


def adapted(body: Any, targets: list[str], *, rank: int, alpha: float, reference: str) -> Any:
    """Return the model with adapters on the named linear maps; `reference` is written beside them when they are saved."""
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 reads a name that transformers 5.23 deprecates
        model = peft.get_peft_model(body, config)
    kind, _, rest = reference.partition(":")
    name, _, revision = rest.partition("@") if kind == "hub" else (rest if kind == "path" else reference, "", "")
    model.peft_config["default"].base_model_name_or_path = name
    model.peft_config["default"].revision = revision or None
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False  # autocast does it; peft would copy every input to fp32 and back
            if type(module.base_layer) is nn.Linear:
                module.forward = types.MethodType(_forward, module)
    return model


def _forward(layer: Any, x: Tensor) -> Tensor:
    base = layer.base_layer
    dtype = base.weight.dtype
    down, up = layer.lora_A["default"].weight.to(dtype), layer.lora_B["default"].weight.to(dtype)
    found: Tensor = _Adapted.apply(x.to(dtype), base.weight, base.bias, down, up, layer.scaling["default"])  # type: ignore[no-untyped-call]
    return found


class _Adapted(torch.autograd.Function):
    """y = x W' + bias + scale * (x A') B', with W and bias frozen."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        """Return y."""
        flat = x.reshape(-1, x.shape[-1])
        small = linear(flat, down) * scale
        y = linear(flat, weight, bias).addmm_(small, up.t())
        ctx.save_for_backward(flat, weight, down, up, small)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, A and B."""
        flat, weight, down, up, small = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        inner = (grad @ up) * ctx.scale
        dx = (grad @ weight).addmm_(inner, down).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return dx, None, None, inner.t() @ flat, grad.t() @ small, None
