"""Draws that follow names: what a hash of a row's id or group says is the same wherever the row stands."""

from __future__ import annotations

import hashlib


def place(name: str, salt: str) -> float:
    """Return a place in [0, 1) that depends on the name and the salt alone; salts keep draws apart from each other."""
    written = f"{salt}/{name}".encode("utf-8", "surrogatepass")  # a file's ids may hold halves of a character
    return int.from_bytes(hashlib.blake2b(written, digest_size=7).digest(), "big") / 2**56
