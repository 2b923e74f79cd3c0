"""A pretrained model with a linear head on one pooled hidden state, for model folders that no stock class can hold.

This file stands alone: it is copied into the folder as `modeling_surpass.py`, and transformers reads it there:

    AutoModelForSequenceClassification.from_pretrained(FOLDER, trust_remote_code=True)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class SurpassConfig(PretrainedConfig):  # type: ignore[misc]  # transformers is not checked
    """What the head reads, and the config of the pretrained model under it.

    Attributes:
        backbone: config of the pretrained model, with its `model_type`.
        depth: number of the hidden state that is pooled, 0 being the embeddings; -1: the model's own output.
        pool: "last" real token, "mean" over real tokens, or "last+mean" side by side.
    """

    model_type = "surpass"

    def __init__(
        self, backbone: dict[str, Any] | None = None, depth: int = -1, pool: str = "mean", **kwargs: Any
    ) -> None:
        """Keep the fields; the rest is that of any config."""
        self.backbone = dict(backbone or {})
        self.depth, self.pool = depth, pool
        super().__init__(**kwargs)


class _ReachedError(Exception):
    def __init__(self, states: Tensor) -> None:
        self.states = states


class SurpassForSequenceClassification(PreTrainedModel):  # type: ignore[misc]  # transformers is not checked
    """logits = W (x - mean) / deviation + b, x the pooled hidden state in fp32."""

    config_class = SurpassConfig
    base_model_prefix = "backbone"

    def __init__(self, config: SurpassConfig) -> None:
        """Build the model with random weights; `from_pretrained` fills them."""
        super().__init__(config)
        inner = dict(config.backbone)
        self.backbone = AutoModel.from_config(AutoConfig.for_model(inner.pop("model_type"), **inner))
        if getattr(self.backbone, "pooler", None) is not None:
            self.backbone.pooler = None
        width = self.backbone.config.get_text_config().hidden_size * (2 if "+" in config.pool else 1)
        self.score = nn.Linear(width, config.num_labels)
        self.mean, self.deviation = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.ones(width))
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **inputs: Any) -> Any:
        """Return the logits (b, C) of b padded rows."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        kinds = {name: inputs[name] for name in ("token_type_ids",) if inputs.get(name) is not None}
        states = self._states(input_ids=input_ids, attention_mask=mask, **kinds).float()
        found = []
        if "last" in self.config.pool:
            last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
            found.append(states[torch.arange(len(states), device=mask.device), last])
        if "mean" in self.config.pool:
            weights = mask.unsqueeze(-1).to(states.dtype)
            found.append((states * weights).sum(dim=1) / weights.sum(dim=1))
        scaled = (torch.cat(found, dim=1) - self.mean.float()) / self.deviation.float()
        return SequenceClassifierOutput(
            logits=nn.functional.linear(scaled, self.score.weight.float(), self.score.bias.float())
        )

    def _states(self, **batch: Tensor) -> Tensor:
        """Return hidden state number `depth`, (b, tokens, width); layers from `depth` on are not run."""
        layers = self.backbone.config.get_text_config().num_hidden_layers
        stacks = [m for m in self.backbone.modules() if isinstance(m, nn.ModuleList) and len(m) == layers]
        if self.config.depth in (-1, layers):
            states: Tensor = self.backbone(**batch).last_hidden_state
            return states
        if not stacks:
            states = self.backbone(**batch, output_hidden_states=True).hidden_states[self.config.depth]
            return states

        def leave(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _ReachedError(args[0] if args else kwargs["hidden_states"])

        hook = stacks[0][self.config.depth].register_forward_pre_hook(leave, with_kwargs=True)
        try:
            states = self.backbone(**batch).last_hidden_state
        except _ReachedError as reached:
            states = reached.states
        finally:
            hook.remove()
        return states
