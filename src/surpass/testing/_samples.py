"""Small made-up problems that the contract suites run plug-ins on, and what they all check."""

from __future__ import annotations

import dataclasses
import json
import pickle
import typing
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from surpass.artifacts import Predictions, Rows, Splits, Values
from surpass.labels.base import gold_values
from surpass.labels.gold import Gold
from surpass.registry import REGISTRIES
from surpass.spec import Spec, decode, describe_kind, encode, key
from surpass.tasks.base import PREFERENCES

CLASS_NAMES = ("no", "yes", "maybe", "often", "never")
WORDS = ("cold", "warm", "loud", "green", "tiny")  # one word gives away each class of the easy problem
PLAIN = "apple bridge candle door engine field garden house".split()
ROWS = 60


def make(
    family: str,
    plugin: str | type[Spec] | Spec,
    options: Mapping[str, Any],
    *,
    folder: Path,
    splits: Splits | None = None,
) -> Any:
    """Return the spec to check: a given spec itself, else the class with its required fields filled.

    A field `path` gets a file with the rows of `splits`, by default those of two classes.
    """
    if isinstance(plugin, Spec):
        return plugin
    cls = REGISTRIES[family].get(plugin) if isinstance(plugin, str) else plugin
    hints, given = typing.get_type_hints(cls), dict(options)
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING or field.name in given:
            continue
        hint = hints[field.name]
        if field.name == "path":
            given["path"] = str(sample_file(folder, splits))
        elif field.name == "backbone" and getattr(cls, "reads_features", False):
            given["backbone"] = "path:none"  # its features are given, so that nothing loads it
        elif typing.get_origin(hint) is tuple and _takes_a_spec(typing.get_args(hint)[0]):
            given[field.name] = (Gold(split="weak"), Gold(split="transfer"))
        elif _takes_a_spec(hint):
            given[field.name] = Gold(split="weak")
        else:
            raise AssertionError(f"{describe_kind(cls)}: field '{field.name}' has no default; give one by keyword.")
    return cls(**given)


def _takes_a_spec(hint: Any) -> bool:
    return any(isinstance(h, type) and issubclass(h, Spec) for h in (hint, *typing.get_args(hint)))


def sample_file(folder: Path, splits: Splits | None = None) -> Path:
    """Write and return a CSV file with ids, texts and labels of the splits, by default those of `sample_splits(2)`."""
    splits, path = splits or sample_splits(2), folder / "sample.csv"
    rows, names = splits.rows, splits.classes
    texts = [text if isinstance(text, str) else " or ".join(text) for text in rows.inputs]
    labels = [names[label] if names else label for label in rows.labels]
    lines = [f"{i},{t},{y}" for i, t, y in zip(rows.ids, texts, labels, strict=True)]
    path.write_text("\n".join(["id,text,label", *lines]) + "\n", encoding="utf-8")
    return path


def sample_splits(classes: int) -> Splits:
    """Return 60 rows of texts in which one word gives away the class; `classes` 0 makes the labels numbers."""
    rng, kinds = Random(0), classes or 5
    labels = [i % kinds for i in range(ROWS)]
    texts = tuple(" ".join([WORDS[y], *rng.choices(PLAIN, k=4)]) for y in labels)
    ids = tuple(f"row{i}" for i in range(ROWS))
    split = tuple(("weak", "transfer", "val", "test")[i * 4 // ROWS] for i in range(ROWS))
    gold = np.array(labels, dtype=np.int64 if classes else np.float64)
    target = "classification" if classes else "regression"
    return Splits(Rows(ids, texts, gold, ids), split, target, CLASS_NAMES[:classes], {})


def with_votes(splits: Splits) -> Splits:
    """Return the rows with the votes of three named raters, who err now and then."""
    labels, kinds = enumerate(splits.rows.labels), len(splits.classes) or 5
    votes = tuple(tuple(float((label + (i % (j + 4) == 0)) % kinds) for j in range(3)) for i, label in labels)
    rows = dataclasses.replace(splits.rows, votes=votes)
    return dataclasses.replace(splits, rows=rows, facts={**splits.facts, "named_raters": 1})


def as_preferences(splits: Splits) -> Splits:
    """Return the rows as pairs, each of a text and the next one, with the same labels under the names of candidates."""
    texts = splits.rows.inputs
    rows = dataclasses.replace(splits.rows, inputs=tuple(zip(texts, (*texts[1:], texts[0]), strict=True)))
    return dataclasses.replace(splits, rows=rows, target="preference", classes=PREFERENCES)


def made_up(splits: Splits, seed: int) -> Predictions:
    """Return a supervisor's predictions: right on about three quarters of the rows, or numbers that are off by some."""
    gold, rng = gold_values(splits), np.random.default_rng(seed)
    if splits.target == "regression":
        return Predictions(splits.rows.ids, splits.split, gold + rng.normal(size=gold.shape))
    values = rng.dirichlet(np.ones(gold.shape[1]), size=ROWS) + gold
    return Predictions(splits.rows.ids, splits.split, values / values.sum(axis=1, keepdims=True))


def check_spec(spec: Spec) -> None:
    """Check that a spec survives JSON, pickle and copying with its key, and that nothing can change it."""
    name = describe_kind(spec)
    again = decode(json.loads(json.dumps(encode(spec), allow_nan=False)))
    hold(again == spec and key(again) == key(spec), f"{name}: decode(encode(spec)) is {again!r}, not the spec {spec!r}")
    for copy in (pickle.loads(pickle.dumps(spec)), dataclasses.replace(spec)):  # our own bytes
        hold(copy == spec and key(copy) == key(spec), f"{name}: a copy is another spec or has another key")
    hold(hash(spec) == hash(again), f"{name}: equal specs have different hashes")
    fields = dataclasses.fields(spec)
    hold(all(field.kw_only for field in fields), f"{name}: fields must be keyword-only (kw_only=True)")
    try:
        setattr(spec, fields[0].name if fields else "kind", None)
    except dataclasses.FrozenInstanceError:
        return
    raise AssertionError(f"{name}: it can be changed; write @dataclass(frozen=True, kw_only=True)")


def check_values(name: str, values: Values, *, rows: int, columns: int, target: str) -> None:
    """Check predictions: their shape, finite, and for classification probabilities whose rows sum to 1."""
    hold(values.shape == (rows, columns), f"{name}: values have shape {values.shape}; ({rows}, {columns}) is needed")
    hold(bool(np.isfinite(values).all()), f"{name}: values are not finite")
    if target != "regression":
        hold(bool((values >= 0).all()), f"{name}: a probability is negative ({values.min():.3g})")
        worst = np.abs(values.sum(axis=1) - 1).max(initial=0.0)
        hold(bool(worst < 1e-5), f"{name}: probabilities of a row miss the sum 1 by {worst:.3g}")


def hold(condition: bool, message: str) -> None:
    """Raise AssertionError with the message, unless the condition holds."""
    if not condition:
        raise AssertionError(message + ".")
