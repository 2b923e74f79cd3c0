"""A training as it is after some step, in one file: safetensors, with the rest as JSON in its header.

A file is written beside its place, synced and renamed, so that it is whole or not there; a checksum over the tensors finds
what a disk changed since.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surpass import __version__
from surpass.models._backbone import Tokens

log = logging.getLogger(__name__)
FORMAT = 1
LIBRARIES = ("torch", "transformers", "accelerate", "peft")
TENSOR = "tensor"
"""Key of a JSON object that stands for a tensor; its value is the tensor's name."""

State = dict[str, Any]
"""Nested dictionaries and lists of tensors, numbers and strings."""


def write(path: Path, about: State, state: State) -> None:
    """Write a state, all or nothing; `about` says what it belongs to.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    facts = {"about": about, "state": _split(state, tensors), "sum": _checksum(tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        save_file(tensors, str(fresh), metadata={"surpass": json.dumps(facts)})
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    except SafetensorError as error:  # how it tells a full disk
        raise OSError(str(error)) from error
    finally:
        fresh.unlink(missing_ok=True)


def read(path: Path, about: State) -> State | None:
    """Return the state of a checkpoint of the same work; None, and a line in the log, when it is another's or damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(str(path), "pt") as file:
            facts = json.loads(file.metadata()["surpass"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
        if facts["about"] != json.loads(json.dumps(about)):
            log.warning("checkpoint '%s' belongs to other work or other versions; training starts anew.", path)
            return None
        if facts["sum"] != _checksum(tensors):
            raise ValueError("its tensors are not what their checksum says")
        found: State = _joined(facts["state"], tensors)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        log.warning("checkpoint '%s' is damaged (%s); training starts anew.", path, error)
        return None
    return found


def content(tokens: Tokens) -> tuple[NDArray[np.int64], ...]:
    """Return the content of rows as arrays: all tokens, the length of each row, the types of the tokens."""
    lists = (chain(*tokens.ids), tokens.lengths, chain(*tokens.types or ()))
    return tuple(np.fromiter(each, dtype=np.int64) for each in lists)


def identity(*parts: Any, arrays: Iterable[Any]) -> State:
    """Return what tells one training from another: descriptions, the content of arrays, and the versions of libraries."""
    digest = hashlib.sha256()
    for array in arrays:
        held = np.ascontiguousarray(array.numpy(force=True) if isinstance(array, Tensor) else array)
        digest.update(f"{held.dtype}{held.shape}".encode())
        digest.update(held.tobytes())
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES if _installed(name)}
    return {
        "format": FORMAT,
        "parts": [repr(part) for part in parts],
        "content": digest.hexdigest(),
        "versions": {"surpass": __version__, **versions},
    }


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _split(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a value with names in place of its tensors, which go to `tensors`, each with memory of its own."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        held = value.detach().to("cpu").contiguous()
        shares = held.untyped_storage().nbytes() != held.nbytes
        tensors[name] = held.clone() if shares else held
        return {TENSOR: name}
    if isinstance(value, dict):
        return {str(name): _split(held, tensors) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_split(held, tensors) for held in value]
    return value


def _joined(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if set(value) == {TENSOR}:
            return tensors[value[TENSOR]]
        return {name: _joined(held, tensors) for name, held in value.items()}
    return [_joined(held, tensors) for held in value] if isinstance(value, list) else value


def _checksum(tensors: dict[str, Tensor]) -> int:
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, found)
    return found
