"""Attention over bins of packed rows: few passes over the scores, heads that share keys taken as they are.

softmax(scale * q k' + mask) v, with the scores kept in the precision of the products and the softmax summed in fp32 inside.
transformers' plain attention repeats shared keys and values for every head and passes over the scores five times.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

FUSED = 512  # tokens of a bin from which torch's fused attention is faster, backward included


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return what the heads read, (bins, size, heads, width), as transformers' attention functions do.

    Args:
        module: the attention layer; not read.
        query: (bins, heads, size, width).
        key: (bins, shared heads, size, width).
        value: as the keys.
        attention_mask: added to the scores, (bins, 1, size, size); none: every token sees all.
        scaling: of the scores; none is 1 / sqrt(width).
        dropout: must be 0.
        others: what some architectures add; whatever would change the scores is refused.

    Raises:
        TypeError: the architecture asks for more than a scaled product and a mask, which tells that it cannot be packed.
    """
    odd = [name for name in ("softcap", "s_aux", "position_bias", "head_mask") if others.get(name) is not None]
    if dropout or odd:
        raise TypeError(f"packed attention knows no dropout={dropout} and no {odd}.")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    query, key = query.to(value.dtype), key.to(value.dtype)
    if query.shape[2] >= FUSED:
        mask = None if attention_mask is None else attention_mask.to(value.dtype)
        shared = query.shape[1] != key.shape[1]
        read = scaled_dot_product_attention(query, key, value, mask, scale=scale, enable_gqa=shared)
        return read.transpose(1, 2), None
    mask = value.new_zeros(1, 1, 1, 1) if attention_mask is None else attention_mask.to(value.dtype)
    found: Tensor = _Attention.apply(query, key, value, mask, scale)  # type: ignore[no-untyped-call]
    return found.transpose(1, 2), None


class _Attention(torch.autograd.Function):
    """Attention with the gradient written out; (bins, heads, size, width) in and out."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
        """Return what the heads read."""
        bins, heads, size, width = query.shape
        shared = key.shape[1]
        q = query.reshape(bins * shared, -1, width)
        k, v = key.reshape(bins * shared, size, width), value.reshape(bins * shared, size, width)
        scores = torch.bmm(q, k.transpose(1, 2)).mul_(scale).view(bins, heads, size, size).add_(mask)
        shares = torch.softmax(scores, dim=-1).view(bins * shared, -1, size)
        ctx.save_for_backward(q, k, v, shares)
        ctx.scale, ctx.shapes = scale, (query.shape, key.shape)
        return torch.bmm(shares, v).view(query.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of queries, keys and values."""
        q, k, v, shares = ctx.saved_tensors
        grad = grads[0].reshape(q.shape)
        slope = torch._softmax_backward_data(torch.bmm(grad, v.transpose(1, 2)), shares, -1, shares.dtype)
        dq = torch.bmm(slope, k).mul_(ctx.scale).view(ctx.shapes[0])
        dk = torch.bmm(slope.transpose(1, 2), q).mul_(ctx.scale).view(ctx.shapes[1])
        dv = torch.bmm(shares.transpose(1, 2), grad).view(ctx.shapes[1])
        return dq, dk, dv, None, None
