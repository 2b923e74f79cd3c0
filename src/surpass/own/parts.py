"""What a person names in one word: the strong model, the supervisor, the method."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from surpass.components import component
from surpass.errors import IncompatibleError, SpecError, StudyError
from surpass.feasibility import NEEDS, REMEDY
from surpass.methods.base import FROM_LABELS, Method
from surpass.models._pretrain import pretrains
from surpass.models.base import Model
from surpass.registry import REGISTRIES
from surpass.spec import Spec, describe_kind

BACKBONES = ("hub:", "path:", "package:")
SMALL, TOP = 60e6, 2
"""Parameters up to which a finetuned model trains whole by default; above, adapters on its top layers alone.

Of 3,450 review snippets with three noisy votes, SmolLM2-135M with adapters on its top 4 layers (2 epochs of batches of 32,
lr 5e-4) trained for 73 s and had accuracy .855 (method soft) and .835 (logconf) on 1,500 other rows; on its top 2 (lr 1e-3)
45 s, .853 and .837; on its top 2 in 1 epoch of batches of 16, lr 2e-3, .839 and .839; batches of 32, 23 s, .821 and .831."""
RATE, WIDTH = 2e-3, 576
"""Learning rate of these adapters at the width it was tried on; wider layers take smaller steps, as 1 / width."""
FEW_STEPS, MOST_TIMES = 60, 10
"""Steps that a training on few rows is given, by at most so many times its epochs."""
AUTO = "auto"


def model(value: Any, role: str = "strong") -> Model:
    """Return the model that a spec, a mapping as in study files, or a word names.

    A word is `tfidf` (word counts and a logistic regression), the address of a pretrained model, which is finetuned, or the
    name of a model family; text that begins with `{` is a mapping in YAML.

    Raises:
        SpecError: it names no model that can be had here.
    """
    if isinstance(value, Model):
        found: Any = value
    elif value == "tfidf":
        found = REGISTRIES["model"].get("sklearn")()
    elif isinstance(value, str) and value.startswith(BACKBONES):
        found = finetuned(value)
    elif isinstance(value, str | Mapping):
        found = _read("model", value, role)
    else:
        raise SpecError(f"{role}={value!r}: give tfidf, hub:..., path:..., package:..., or a mapping with model: NAME.")
    if untrained := next(pretrains(found, ()), None):
        raise SpecError(
            f"{role}: backbone '{untrained.label()}' is to be trained first (pretrain), but a table's fit trains no "
            "backbone. Make it in a study, and give its folder: path:STORE/pretrain/.../model."
        )
    problem = found.problem() or (encoder.problem() if (encoder := found.encoder()) else None)
    if problem:
        raise SpecError(f"{role}: {problem}")
    return found  # type: ignore[no-any-return]


def finetuned(backbone: str) -> Model:
    """Return the model that finetunes a backbone: all of a small one, else by LoRA on its top two layers."""
    hf: Any = REGISTRIES["model"].get("hf")
    whole: Model = hf(backbone=backbone)
    if (problem := whole.problem()) is not None:
        raise SpecError(f"strong: {problem}")
    from surpass.assets import backbones

    config = backbones.config(backbone)
    layers, width = config.get("num_hidden_layers", 0), config.get("hidden_size", 0)
    parameters = 12 * layers * width**2 + config.get("vocab_size", 0) * width  # of a common transformer
    if parameters <= SMALL or not layers:
        return whole
    rate = float(f"{RATE * WIDTH / max(width, WIDTH):.2g}")
    top: Model = hf(backbone=backbone, tune="lora", layers=min(TOP, layers), lr=rate, epochs=1, batch_size=16)
    return top


def sized(named: Any, found: Model, rows: int) -> Model:
    """Return the model with epochs for so many rows where a person named no more than a backbone; others as they are."""
    return for_few_rows(found, rows) if isinstance(named, str) and named.startswith(BACKBONES) else found


def for_few_rows(found: Model, rows: int) -> Model:
    """Return a finetuned model with epochs for 60 steps on few rows, at most ten times its own; others as they are."""
    if found.kind != "model/hf":
        return found
    hf: Any = found
    epochs = min(MOST_TIMES * hf.epochs, math.ceil(FEW_STEPS / math.ceil(rows / hf.batch_size)))
    longer: Model = dataclasses.replace(hf, epochs=max(hf.epochs, epochs))
    return longer


def method(value: Any) -> Method:
    """Return the method that a spec, a mapping as in study files, or a name stands for; SpecError when none is named."""
    if isinstance(value, Method):
        return value
    if not isinstance(value, str | Mapping):
        raise SpecError(f"method={value!r}: give auto, a name such as soft, or a mapping with method: NAME.")
    return _read("method", value, "method")  # type: ignore[return-value]


def _read(family: str, value: str | Mapping[str, Any], role: str) -> Spec:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        import yaml

        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SpecError(f"{role}={value!r} is no valid YAML: {' '.join(str(error).split())}.") from error
    try:
        return component(family, value)
    except StudyError as error:
        raise SpecError(f"{role}: {' '.join(error.problems)}") from error


def check(strong: Model, chosen: Method, classes: int, *, some_gold: bool, target: str = "classification") -> None:
    """Raise IncompatibleError when the method cannot be had with this model from a person's own labels."""
    name = describe_kind(chosen)
    if missing := sorted(chosen.needs - FROM_LABELS - strong.can):
        what = ", ".join(NEEDS[need] for need in missing)
        raise IncompatibleError(
            f"{name} needs {what}, which {describe_kind(strong)} cannot do as it is set. {REMEDY[missing[0]]}"
        )
    if lacking := sorted(chosen.needs & {"pretrained", "supervisor_features", "members"}):
        what = ", ".join(NEEDS[need] for need in lacking)
        raise IncompatibleError(f"{name} needs {what}, which a file of labels does not have. Use soft or logconf.")
    if "gold" in chosen.needs and not some_gold:
        raise IncompatibleError(f"{name} needs rows with gold labels among the training rows. Give some, or use soft.")
    if target not in strong.targets:
        raise IncompatibleError(f"{describe_kind(strong)} cannot do {target}; use hf or probe.")
    if chosen.most_classes is not None and classes > chosen.most_classes:
        raise IncompatibleError(f"{name} is defined for {chosen.most_classes} classes; the labels have {classes}.")


def check_labeller(found: Model | None, role: str) -> None:
    """Raise IncompatibleError when a model can do no more than write texts."""
    if found is not None and found.targets == {"generation"}:
        raise IncompatibleError(
            f"{role}: {describe_kind(found)} writes texts and gives no labels. Add --kind generation where the labels are "
            "texts to write, or use hf."
        )


def is_trained_by_gradient(strong: Model) -> bool:
    """Return whether a model can take a method's own loss."""
    return "custom_loss" in strong.can
