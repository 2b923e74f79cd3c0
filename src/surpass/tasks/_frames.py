"""Reading a pickled pandas table without running anything: neither pandas nor what a pickle may ask for.

A pickle is a program. This reader answers its calls with stand-ins that only keep what they are given, knows no others, and
needs no pandas, whose versions write and read different ones.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from surpass.errors import DataError


class _Held:
    """Keeps what a pickle gives to a class of pandas."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __setstate__(self, state: Any) -> None:
        self.given = state


def _keep(*given: Any) -> _Held:
    return _Held(*given)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return np.frombuffer(data, dtype=dtype).reshape(shape, order=order)


def _empty(kind: Any, shape: Any, code: Any) -> Any:
    return np.ndarray.__new__(np.ndarray, (0,), dtype="b")


_KNOWN: dict[tuple[str, str], Any] = {
    ("pandas.core.frame", "DataFrame"): _Held,
    ("pandas.core.internals.managers", "BlockManager"): _keep,
    ("pandas._libs.internals", "_unpickle_block"): _keep,
    ("pandas.core.indexes.base", "_new_Index"): _keep,
    ("pandas.core.indexes.base", "Index"): "Index",
    ("pandas.core.indexes.range", "RangeIndex"): "RangeIndex",
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("builtins", "slice"): slice,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def columns(data: bytes, what: str) -> dict[str, list[Any]]:
    """Return the columns of a pickled table by name; DataError when it holds anything but a plain table."""
    try:
        frame = _Reader(io.BytesIO(data)).load()
        blocks, (names, _) = frame.given["_mgr"].given
        names = names.given[1]["data"].tolist()
        found: dict[str, list[Any]] = {}
        for values, places, _ in (block.given for block in blocks):
            numbers = range(len(names))[places] if isinstance(places, slice) else places
            found |= {names[i]: column.tolist() for i, column in zip(numbers, values, strict=True)}
    except (pickle.UnpicklingError, AttributeError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{what} is not the plain pickled table that was expected: {error}.") from error
    return {name: found[name] for name in names}
