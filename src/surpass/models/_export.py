"""A pretrained student as a folder that transformers loads, and what reads texts with such a folder.

A decoder whose last token is pooled is a stock `AutoModelForSequenceClassification`. No stock class pools the mean or reads a
middle layer: such a student brings the code of `_modeling.py` along, as `modeling_surpass.py`. Which of the two it is, is
tried: the stock class must give the student's own logits on a few rows.

Weights are written in fp32, adapters merged. Training in bf16 rounds elsewhere, so that probabilities differ a little from
those of the student in memory (SmolLM2-135M with LoRA: by .04 at most on 32 rows); `own.saving` measures by how much.
"""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from surpass.artifacts import Values
from surpass.assets import backbones
from surpass.errors import DataError
from surpass.models import _backbone, _loading, _modeling, _packing
from surpass.models._features import depth_of
from surpass.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from surpass.models.hf import HF
    from surpass.models.probe import Probe

Form = Literal["transformers", "transformers-remote"]
CODE = "modeling_surpass.py"
TRIED = "A text to try.", "Another one, which is a little longer than that."
BRACKETS = "<[|"
"""What tells a padding token from a word: stock classes take the last token that is no padding for the end of a text."""
CLOSE = 0.05  # of logits, where bf16 rounds; a wrong pooling is off by more


def save_finetuned(model: HF, fitted: Any, folder: Path, classes: Sequence[str]) -> Form:
    """Write a finetuned student, and return which form the folder has; of a preference it is the score of one text."""
    classifier = fitted.model
    names = _names(("score",) if classifier.shape.preference else classes)
    state = merged(classifier)
    weight = classifier.head.weight.detach().float().cpu()
    _save_tokenizer(model, classifier.backbone, folder)
    plain_pad = not set(BRACKETS) & set(classifier.backbone.tokenizer.pad_token)
    stock = classifier.pool == "last" and not plain_pad
    found = _stock(classifier, names, state, weight) if stock else None
    if found is not None:
        with quiet():
            found.save_pretrained(str(folder))
        return "transformers"
    _save_remote(classifier.backbone, state, folder, names, pool=classifier.pool, head=(weight, None))
    return "transformers-remote"


def save_probe(
    probe: Probe, head: tuple[Values, Values, Values, Values], folder: Path, classes: Sequence[str], runtime: Runtime
) -> Form:
    """Write a head on frozen features, given as mean (d,), deviation (d,), weights (d, C) and bias (C,)."""
    backbone = _backbone.load(
        str(probe.backbone), probe.digest, probe.precision, runtime, _loading.quantized(probe.quantization)
    )
    state = {name: value.detach().float().cpu() for name, value in backbone.model.state_dict().items()}
    mean, deviation, matrix, bias = (torch.tensor(part, dtype=torch.float32) for part in head)
    width = backbone.width * (1 + ("+" in probe.pool))
    whole = torch.zeros(len(bias), width)
    whole[:, : len(matrix)] = matrix.T  # `first` reads the first features alone
    means, deviations = torch.zeros(width), torch.ones(width)
    means[: len(mean)], deviations[: len(mean)] = mean, deviation
    _save_tokenizer(probe, backbone, folder)
    depth = depth_of(probe.layer, backbone.layers, str(probe.backbone))
    _save_remote(
        backbone, state, folder, _names(classes), pool=probe.pool, depth=depth, head=(whole, bias.clamp(min=-1e4)),
        scale=(means, deviations),
    )  # fmt: skip
    return "transformers-remote"


def _names(classes: Sequence[str]) -> dict[str, Any]:
    return {
        "num_labels": len(classes),
        "id2label": dict(enumerate(classes)),
        "label2id": {name: i for i, name in enumerate(classes)},
        "problem_type": "single_label_classification" if len(classes) > 1 else "regression",  # a bare score
    }


def head_of(fitted: Any) -> tuple[Values, Values, Values, Values]:
    """Return a probe's head as mean (d,), deviation (d,), weights (d, C) and bias (C,)."""
    if hasattr(fitted, "layer"):  # trained by Adam
        layer = fitted.layer
        return fitted.scale.mean, fitted.scale.deviation, layer.weight.detach().numpy().T, layer.bias.detach().numpy()
    scale, matrix, bias, _ = fitted.predictor
    return scale.mean, scale.deviation, matrix, bias


def limit_of(folder: Path) -> int:
    """Return the tokens at which texts are cut, as a written folder has it."""
    held: int = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["model_max_length"]
    return held


def _save_tokenizer(model: HF | Probe, backbone: Any, folder: Path) -> None:
    tokenizer = backbones.load_tokenizer(str(model.backbone))
    held: int = backbone.tokenizer.model_max_length
    tokenizer.model_max_length = min(model.max_length, held, _backbone.positions(backbone.model.config))
    tokenizer.truncation_side, tokenizer.padding_side = "right", "right"
    tokenizer.save_pretrained(str(folder))


def merged(classifier: Any) -> dict[str, Tensor]:
    """Return the backbone's weights by name, fp32, with what was trained in their place and adapters merged."""
    body = classifier.body
    state = {name: value.detach().float().cpu() for name, value in classifier.backbone.model.state_dict().items()}
    if classifier.shape.tune == "lora":
        for name, module in body.get_base_model().named_modules():
            if isinstance(module, LoraLayer):
                delta = module.get_delta_weight("default").detach().float().cpu()
                state[f"{name}.weight"] = state[f"{name}.weight"] + delta  # a sum of its own: the backbone is shared
        return state
    trained = {name: p.detach().float().cpu() for name, p in body.named_parameters() if p.requires_grad}
    return state | trained


def _stock(classifier: Any, names: dict[str, Any], state: dict[str, Tensor], weight: Tensor) -> Any:
    """Return the stock model with this student's weights, or None where there is none that gives its logits."""
    backbone = classifier.backbone
    config = copy.deepcopy(backbone.model.config)
    config.update({**names, "pad_token_id": backbone.tokenizer.pad_token_id, "dtype": "float32"})
    try:
        model = AutoModelForSequenceClassification.from_config(config).eval()
        model.base_model.load_state_dict(state, strict=False)
        with torch.no_grad():
            model.score.weight.copy_(weight)
            if getattr(model.score, "bias", None) is not None:
                return None
        tokens = _backbone.tokenize(backbone, TRIED, 64)
        batches = [tokens.batch([i], torch.device("cpu")) for i in range(len(TRIED))]
        with torch.no_grad():
            got = torch.cat([model(**batch).logits.float() for batch in batches])
            want = torch.cat([_logits(classifier, _on(batch, backbone.device)) for batch in batches])
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None  # whatever the stock class does, it is not what is needed here
    return model if bool(((got - want).abs() <= CLOSE * (1 + want.abs())).all()) else None


def _logits(classifier: Any, batch: dict[str, Tensor]) -> Tensor:
    """Return what the head makes of single texts, also of a preference: (b, C), or (b, 1)."""
    states = _backbone.pool(classifier.hidden(batch, None), batch["attention_mask"], classifier.pool)
    return torch.nn.functional.linear(states, classifier.head.weight).float().cpu()


def _on(batch: dict[str, Tensor], device: Any) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in batch.items()}


def _save_remote(
    backbone: Any,
    state: dict[str, Tensor],
    folder: Path,
    names: dict[str, Any],
    *,
    pool: str,
    head: tuple[Tensor, Tensor | None],
    depth: int = -1,
    scale: tuple[Tensor, Tensor] | None = None,
) -> None:
    inner = backbone.model.config.to_dict() | {"dtype": "float32", "use_cache": False}
    pad = backbone.tokenizer.pad_token_id
    config = _modeling.SurpassConfig(backbone=inner, depth=depth, pool=pool, pad_token_id=pad, **names)
    model = _modeling.SurpassForSequenceClassification(config).eval()
    model.backbone.load_state_dict(state, strict=False)
    with torch.no_grad():
        model.score.weight.copy_(head[0])
        model.score.bias.copy_(torch.zeros(len(head[0])) if head[1] is None else head[1])
        if scale:
            model.mean.copy_(scale[0])
            model.deviation.copy_(scale[1])
    stem = CODE.removesuffix(".py")
    model.config.auto_map = {
        "AutoConfig": f"{stem}.SurpassConfig",
        "AutoModelForSequenceClassification": f"{stem}.SurpassForSequenceClassification",
    }
    with quiet():
        model.save_pretrained(str(folder))
    shutil.copyfile(str(_modeling.__file__), folder / CODE)


def load(folder: Path, form: Form, limit: int) -> Any:
    """Return a function from texts to logits (n, C); code in the folder is not run, ours is.

    Raises:
        DataError: the weights or the tokenizer cannot be loaded.
    """
    stock = form == "transformers"
    cls: Any = AutoModelForSequenceClassification if stock else _modeling.SurpassForSequenceClassification
    try:
        with quiet():
            model = cls.from_pretrained(str(folder), local_files_only=True).eval()
            # with its config at hand no class is looked for in the folder, which would ask about running its code
            tokenizer = AutoTokenizer.from_pretrained(str(folder), config=model.config, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"model folder '{folder}' cannot be loaded: {error}. Copy it again, or fit again.") from error
    device = torch.device(Runtime().torch_device())
    return _Texts(model.to(device), tokenizer, limit, device)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let transformers write and read files without bars and notes."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


class _Texts:
    """Texts to logits, in batches of similar length."""

    def __init__(self, model: Any, tokenizer: Any, limit: int, device: torch.device) -> None:
        self.model, self.tokenizer, self.limit, self.device = model, tokenizer, limit, device

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Values:
        """Return logits (n, C)."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.limit, verbose=False)
        names = [name for name in self.tokenizer.model_input_names if name in rows]
        empty = {"input_ids": [self.tokenizer.pad_token_id], "attention_mask": [1], "token_type_ids": [0]}
        lengths = np.array([max(len(ids), 1) for ids in rows["input_ids"]], dtype=np.int64)
        values = np.zeros((len(lengths), self.model.config.num_labels))
        budget = _backbone.forward_budget(Runtime(), self.device)
        inner = self.model.base_model
        for chosen in _packing.padded(lengths, budget):
            batch = self.tokenizer.pad(
                {name: [rows[name][i] or empty[name] for i in chosen] for name in names}, return_tensors="pt"
            )
            batch = {name: value.to(self.device) for name, value in batch.items()}
            _backbone.choose_attention(inner, batch, training=False)
            values[chosen] = self.model(**batch).logits.double().cpu().numpy()
        return values
