"""What chess needs beside this package: the library python-chess, and the engine."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any, TypeVar

from surpass.chess import stockfish

_Spec = TypeVar("_Spec", bound=Any)  # a frozen spec with a field `fingerprint`


def lacking(*, engine: bool = True) -> str | None:
    """Return what is not installed for chess, with the line that installs it, or None; cheap, imports nothing of it."""
    if importlib.util.find_spec("chess") is None:
        return "package 'chess' is not installed, but chess is studied. Install it: pip install 'surpass[chess]'"
    return stockfish.lacking() if engine else None


def with_engine(spec: _Spec, *beside: str) -> _Spec:
    """Return a spec with the engine's name and version in its field `fingerprint`, and what else it depends on after commas.

    Where something is not installed it comes back as it is; its `problem` says what.
    """
    return spec if lacking() else dataclasses.replace(spec, fingerprint=", ".join((stockfish.identity(), *beside)))
