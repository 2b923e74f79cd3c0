"""The contract of label sources."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.errors import SurpassError
from surpass.labels.base import LabelSource, gold_values
from surpass.labels.gold import Gold
from surpass.runtime import Runtime
from surpass.spec import describe_kind
from surpass.testing._samples import (
    ROWS,
    as_preferences,
    check_spec,
    check_values,
    hold,
    made_up,
    make,
    sample_splits,
    with_votes,
)


def check_label_source(plugin: str | type[LabelSource] | LabelSource, **options: Any) -> None:
    """Check a label source: shapes, sums, joins by id, determinism.

    The rows are made up, of two classes, and of five, of preferences and of numbers, as far as its `targets` name them;
    those it may refuse, with a `SurpassError`.
    """
    two = sample_splits(2)
    for splits in (two, as_preferences(two), sample_splits(5), sample_splits(0)):
        with tempfile.TemporaryDirectory() as folder:
            source: LabelSource = make("label", plugin, options, folder=Path(folder), splits=splits)
            if splits.target in source.targets:
                try:
                    _check(source, with_votes(splits))
                except SurpassError:
                    if splits is two:
                        raise


def _check(source: LabelSource, splits: Splits) -> None:
    name = f"{describe_kind(source)} on {splits.target}" + (f" of {len(splits.classes)}" if splits.classes else "")
    check_spec(source)
    problem = source.problem()
    hold(problem is None, f"{name} cannot run here: {problem}")
    source = source.resolve().bind(lambda part, /, **options: Gold(split="weak"))
    order = np.random.default_rng(1).permutation(ROWS)
    shuffled = dataclasses.replace(splits, rows=splits.rows.take(order), split=tuple(splits.split[i] for i in order))
    given = [made_up(splits, seed) for seed, _ in enumerate(source.sources())]
    first, second, moved = (source.compute(rows, given, runtime=Runtime()) for rows in (splits, splits, shuffled))
    _check_labels(name, splits, first)
    same = first.ids == second.ids and np.array_equal(first.values, second.values)
    hold(same, f"{name}: the same rows get other labels the second time; take the seed from a field")
    close = set(moved.ids) == set(first.ids) and np.allclose(moved.on(first.ids), first.values, atol=1e-9)
    hold(close, f"{name}: a row's label depends on its position; draw and join by row id")


def _check_labels(name: str, splits: Splits, labels: Predictions) -> None:
    where = dict(zip(splits.rows.ids, splits.split, strict=True))
    hold(len(set(labels.ids)) == len(labels.ids), f"{name}: a row is labelled twice")
    for row, split in zip(labels.ids, labels.split, strict=True):
        hold(where.get(row) == split, f"{name}: row {row!r} is said to be of split {split!r}, not {where.get(row)!r}")
    for split in ("transfer", "test"):
        missing = set(splits.part(split).ids) - set(labels.ids)
        hold(not missing, f"{name}: {len(missing)} {split} rows have no label")
    columns = gold_values(splits).shape[1]
    check_values(name, labels.values, rows=len(labels.ids), columns=columns, target=splits.target)
