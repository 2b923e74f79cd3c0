"""What chess needs beside this package: the library python-chess, and the engine."""

from __future__ import annotations

import importlib.util

from surpass.chess import stockfish


def lacking(*, engine: bool = True) -> str | None:
    """Return what is not installed for chess, with the line that installs it, or None; cheap, imports nothing of it."""
    if importlib.util.find_spec("chess") is None:
        return "package 'chess' is not installed, but chess is studied. Install it: pip install 'surpass[chess]'"
    return stockfish.lacking() if engine else None
