"""What finetuned families share: which parameters train, at what rate, and what speaks against it here."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Any

from surpass.errors import SpecError
from surpass.spec import describe_kind

if TYPE_CHECKING:
    from surpass.models._classifier import Shape
    from surpass.models._trainer import Plan

LEARNING_RATES = {"full": 5e-5, "top": 1e-4, "lora": 5e-4}

Tuned = Any  # a model with the fields `tune`, `layers`, `lr`, ..., of which there are two families


def check(model: Tuned) -> None:
    """Raise SpecError where `tune` and `layers` do not go together."""
    name = describe_kind(model)
    if model.tune == "top" and model.layers is None:
        raise SpecError(f"{name}: tune='top' needs `layers`, the number of layers to train, such as layers=4.")
    if model.tune == "full" and model.layers is not None:
        raise SpecError(
            f"{name}: layers={model.layers}, but tune='full' trains them all. Write tune='top' or leave it out."
        )


def resolved(model: Tuned) -> Tuned:
    """Return the model with the digest of its backbone and the precision that this machine runs faster."""
    known = model.encoder().resolve()
    return dataclasses.replace(model, backbone=known.backbone, digest=known.digest, precision=known.precision)


def lacking(model: Tuned) -> str | None:
    """Return why the backbone cannot be tuned here: its files, or a package; None when nothing is lacking."""
    found: str | None = model.encoder().problem()
    if found:
        return found
    for name in ("accelerate", "peft") if model.tune == "lora" else ("accelerate",):
        if importlib.util.find_spec(name) is None:
            return f"package '{name}' is not installed, but {describe_kind(model)} needs it. pip install 'surpass[hf]'"
    return None


def too_deep(model: Tuned) -> str | None:
    """Return that more layers are asked for than the backbone has, where that can be told without a network."""
    from surpass.assets import backbones

    if model.layers is None or str(model.backbone).startswith("hub:"):
        return None
    held = backbones.config(model.backbone).get("num_hidden_layers", model.layers)
    if model.layers <= held:
        return None
    where = f"but backbone '{model.backbone}' has {held} layers"
    return f"{describe_kind(model)}: layers={model.layers}, {where}. Lower `layers`."


def shape(model: Tuned, **given: Any) -> Shape:
    """Return what trains: fields of the model, but those that are given."""
    from surpass.models._classifier import Shape

    return Shape(**_filled(model, Shape, given))


def plan(model: Tuned, seed: int, **given: Any) -> Plan:
    """Return how it trains: fields of the model, but those that are given."""
    from surpass.models._trainer import Plan

    rate = LEARNING_RATES[model.tune] if model.lr is None else model.lr
    return Plan(**_filled(model, Plan, {"lr": rate, "seed": seed, **given}))


def _filled(model: Tuned, cls: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a dataclass: what is given, then the model's fields of the same names."""
    names = (field.name for field in dataclasses.fields(cls) if field.name not in given)
    return given | {name: getattr(model, name) for name in names if hasattr(model, name)}
