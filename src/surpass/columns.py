"""Columns of rows: what their types are, how rows are taken and joined by id, how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.errors import AlignmentError

Array = NDArray[Any]
Values = NDArray[np.float64]
Texts = tuple[str, ...]
Written = NDArray[np.object_]
"""Texts as an array: of Python strings, which no long one makes longer, and which taking rows does not copy."""
Inputs = Texts | tuple[Texts, ...] | Array
"""Inputs of n rows: n texts, n pairs of texts, or an array whose first axis is the row (vectors, images)."""

Facts = Mapping[str, float | int | str]


def written(texts: Any, shape: tuple[int, ...] | None = None) -> Written:
    """Return nested sequences of texts as an array, of the given shape where it is empty.

    >>> written([["a"], ["bcd"]]).shape
    (2, 1)
    """
    found = np.array(texts, dtype=object)
    return found if shape is None else found.reshape(shape)


def take(inputs: Inputs, rows: Array) -> Inputs:
    """Return the given rows (positions) of the inputs, in that order."""
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    return tuple(inputs[i] for i in rows)


def candidates(inputs: Inputs) -> tuple[Inputs, Inputs]:
    """Return the first and the second candidates of pairs: n pairs of texts, or an array (n, 2, ...)."""
    if isinstance(inputs, np.ndarray):
        return inputs[:, 0], inputs[:, 1]
    return tuple(str(pair[0]) for pair in inputs), tuple(str(pair[1]) for pair in inputs)


def positions(ids: Sequence[str], wanted: Sequence[str], *, what: str) -> NDArray[np.int64]:
    """Return where each wanted id stands in `ids`; AlignmentError names the first that is missing."""
    if len(wanted) and wanted[0] in ids:  # rows of a split mostly stand together: no need to look each of them up
        start = ids.index(wanted[0])
        if tuple(ids[start : start + len(wanted)]) == tuple(wanted):
            return np.arange(start, start + len(wanted), dtype=np.int64)
    where = {name: i for i, name in enumerate(ids)}
    try:
        return np.array([where[name] for name in wanted], dtype=np.int64)
    except KeyError as error:
        raise AlignmentError(
            f"row id {error.args[0]!r} is asked for, but {what} with {len(where)} rows do not hold it. "
            "Both must come from the same data spec."
        ) from None


def write_arrays(folder: Path, **arrays: Array) -> None:
    """Write arrays of numbers into a folder, in one file that keeps their order."""
    np.savez(folder / "arrays.npz", allow_pickle=False, **arrays)


def read_arrays(folder: Path) -> dict[str, Array]:
    """Return the arrays that `write_arrays` wrote."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_json(folder: Path, name: str, value: Any) -> None:
    """Write plain values into a folder."""
    (folder / name).write_text(json.dumps(value, sort_keys=True, ensure_ascii=False), encoding="utf-8")


def read_json(folder: Path, name: str) -> Any:
    """Return what `write_json` wrote."""
    return json.loads((folder / name).read_text(encoding="utf-8"))
