"""Next tokens: the map from hidden states to their logits, and finetuning on texts alone.

Generative finetuning (Burns et al. 2023, arXiv 2312.09390, section 5.2.2) trains the student on the texts of its task
before it sees a label. The backbone is loaded without the map to its vocabulary; that map is taken from the causal model
of the same files, whose own code also applies whatever it does to logits besides (a cap, a scale).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from surpass.artifacts import Facts
from surpass.assets import backbones
from surpass.errors import SpecError
from surpass.models import _backbone, _lower, _trainer
from surpass.models._backbone import Backbone
from surpass.models._classifier import Classifier
from surpass.models._lower import Rows
from surpass.models._steps import check_finite
from surpass.runtime import Runtime


class _Given(nn.Module):
    """Stands where the causal model's body stood and answers with the states it was given."""

    states: Tensor | None = None

    @property
    def decoder(self) -> _Given:
        """Itself: OPT asks its body for a decoder."""
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

        found = BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=self.states)
        found.cache_params = None  # Mamba hands on what it calls its keys and values
        return found


class OutputMap:
    """From hidden states (m, width) to next-token logits (m, vocabulary), or to those of a few tokens (m, t) in fp32."""

    def __init__(self, backbone: Backbone, runtime: Runtime, embeddings: Any = None) -> None:
        """Take the map of the backbone's causal model.

        Args:
            backbone: what the states come from.
            runtime: keeps a map that had to be loaded.
            embeddings: the input embeddings that tied models read again as the map; none: the backbone's own.

        Raises:
            SpecError: the backbone is no causal language model.
        """
        if not backbone.causal:
            raise SpecError(not_causal(backbone.reference))
        source = _source(backbone, runtime)
        self.shell, self.name = _lower.shared(source.shell), source.name
        self.body = self.shell.get_submodule(self.shell.base_model_prefix)
        if source.tied:
            found = backbone.model.get_input_embeddings() if embeddings is None else embeddings
            self.shell.get_submodule(self.name).weight = found.weight

    def of(self, tokens: list[int]) -> OutputMap:
        """Return the map to these tokens alone, whose products are fp32 in any precision; this one is used up."""
        whole = self.shell.get_submodule(self.name)
        some = nn.Linear(whole.weight.shape[1], len(tokens), bias=whole.bias is not None, device=whole.weight.device)
        with torch.no_grad():
            some.weight.copy_(whole.weight[tokens])
            if whole.bias is not None:
                some.bias.copy_(whole.bias[tokens])
        self.shell.set_submodule(self.name, some)
        return self

    def __call__(self, states: Tensor) -> Tensor:
        """Return the logits of the states."""
        self.body.states = states[None]
        rows = torch.zeros(1, len(states), dtype=torch.long, device=states.device)
        logits: Tensor = self.shell(input_ids=rows).logits[0]
        self.body.states = None
        return logits


def not_causal(reference: str) -> str:
    """Return the sentence for a backbone that predicts no next tokens."""
    return (
        f"backbone '{reference}' is no causal language model: it reads what follows a token, so it cannot predict it. "
        "Choose a decoder."
    )


@dataclasses.dataclass(frozen=True)
class _Source:
    """A causal model without its body: `name` is its map to the vocabulary, whose weights it has unless it is `tied`."""

    shell: Any
    name: str
    tied: bool


def _source(backbone: Backbone, runtime: Runtime) -> _Source:
    """Return the causal model of the backbone's kind, without its body.

    A tied one is built without any weights; another is loaded, once per process, for the sake of its map.
    """
    import transformers

    memo, key = runtime.memo, ("output", backbone.key)
    if key not in memo:
        try:
            with torch.device("meta"):
                shell = transformers.AutoModelForCausalLM.from_config(backbone.model.config).eval()
        except ValueError as error:  # no such class for this kind of model
            raise SpecError(not_causal(backbone.reference)) from error
        output = shell.get_output_embeddings()
        rest = [p for name, p in shell.named_parameters() if not name.startswith(f"{shell.base_model_prefix}.")]
        tied = not rest and output.weight is shell.get_input_embeddings().weight  # else its map has weights of its own
        if not tied:
            dtype = _backbone.DTYPES[backbone.precision]
            shell = backbones.load_model(backbone.reference, dtype=dtype, auto_class="AutoModelForCausalLM")
            output = shell.get_output_embeddings()
        name = next(name for name, module in shell.named_modules() if module is output)
        setattr(shell, shell.base_model_prefix, _Given())
        for old in [held for held in memo if held[0] == "output"]:
            del memo[old]  # one is enough: a map is asked for once per fit
        shell.requires_grad_(False)
        memo[key] = _Source(shell if tied else shell.to(backbone.device), name, tied)
    found: _Source = memo[key]
    return found


@dataclasses.dataclass
class TokenLoss:
    """Mean negative log-likelihood of the next tokens of a step, per token."""

    output: OutputMap
    total: int
    step: int = 0

    def part(self, states: Tensor, batch: _backbone.Batch, count: int) -> Tensor:
        """Return the summed loss of a micro-batch's real tokens but the first of each row, over `count`.

        Args:
            states: (b, tokens, width).
            batch: the tokens.
            count: of such tokens in the whole step.
        """
        follows = batch["attention_mask"][:, 1:].bool()
        logits = self.output(states[:, :-1][follows])
        return cross_entropy(logits.float(), batch["input_ids"][:, 1:][follows], reduction="sum") / count

    def end(self, loss: float, lr: float, norm: float) -> None:
        """Close the step; a loss or a gradient that is no number ends the training."""
        check_finite(loss, norm, lr=lr, step=self.step + 1, total=self.total)
        self.step += 1

    def name(self) -> str:
        """Return what is learned."""
        return "next tokens"

    def content(self) -> tuple[Tensor, ...]:
        """Return nothing: the texts are the targets."""
        return ()

    def state(self) -> dict[str, Any]:
        """Return the steps taken."""
        return {"step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""
        self.step = int(state["step"])


class LanguageTrainer(_trainer.StepTrainer):
    """Trainer on next tokens: it holds texts and no labels."""

    phase = "language"

    def accumulate(self, drawn: Tensor) -> Tensor:
        """Add the gradient of the step's mean loss per token, and return that loss."""
        total = torch.zeros((), device=drawn.device)
        count = max(1, int((self.lengths[drawn.numpy(force=True)] - 1).sum()))
        for part in self.parts(drawn):
            batch, states = self.rows.batch(drawn[part].tolist())
            found = self.model.hidden(batch, states)
            with _backbone.autocast(self.model.backbone):
                loss = self.step_loss.part(found, batch, count)
            self.accelerator.backward(loss)
            total += loss.detach()
        return total


def tune(model: Classifier, rows: Rows, plan: _trainer.Plan, runtime: Runtime) -> Facts:
    """Train what the model trains, but its head, on the rows' next tokens; `plan.epochs` passes with a schedule of their own.

    Each candidate of a preference is a text of its own.

    Returns:
        `language_loss_start` and `language_loss`: mean loss per token, in nats, of the first and last tenth of the steps.
    """
    plan = dataclasses.replace(plan, dropout=0.0, ema=None, l2_sp=0.0)
    body = model.body.get_base_model() if hasattr(model.body, "get_base_model") else model.body
    output = OutputMap(model.backbone, runtime, body.get_input_embeddings())
    rows = rows.texts()
    loss = TokenLoss(output, _trainer.steps(rows, plan))
    losses = _trainer.run(LanguageTrainer, model, rows, loss, plan=plan, runtime=runtime)
    return {"language_loss_start": _trainer.tenth(losses), "language_loss": _trainer.tenth(losses[::-1])}
