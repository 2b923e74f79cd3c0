"""Packaged models in another format, converted once to a folder in the cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from surpass.assets import cache
from surpass.disk import as_new
from surpass.errors import AssetError, MissingPackageError

if TYPE_CHECKING:
    from surpass.assets.manifest import Asset

_VERSION = 1
"""Part of the digest of a converted model: raised when the converted weights or the tokenizer change."""

_NEEDED = ("torch", "transformers", "safetensors", "gguf", "accelerate")


def digest(asset: Asset) -> str:
    """Return the identity of a model as it is loaded: its files and, if it is converted, how."""
    if not asset.convert:
        return asset.digest
    return hashlib.sha256(f"{asset.digest} {asset.convert} {_VERSION}".encode()).hexdigest()


def target(asset: Asset) -> Path:
    """Return the folder of the converted model, whether or not it exists yet."""
    return cache.cache_root() / "converted" / f"{asset.name}-{digest(asset)[:12]}"


def done(asset: Asset) -> bool:
    """Return whether the converted model is here, by its marker and file sizes."""
    folder = target(asset)
    try:
        sizes = json.loads((folder / cache.MARKER).read_text("utf-8"))["bytes"]
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def converted(asset: Asset) -> Path:
    """Return the folder of the converted model, converting it under a lock when it is not here or not whole.

    Raises:
        MissingPackageError: a package that the conversion needs is not installed.
        AssetError: the packaged file is damaged, or the conversion failed.
    """
    if done(asset):
        return target(asset)
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            why = f"backbone 'package:{asset.name}' is a {asset.convert.upper()} file that must be converted once"
            raise MissingPackageError(package, why=why, extra="hf")
    with cache.writing(), cache.locked(target(asset)):
        if not done(asset):
            _convert(asset)
    return target(asset)


def _convert(asset: Asset) -> None:
    problems = cache.verify(asset.name)
    if problems:
        raise AssetError(f"{problems[0]}. Mend it: surpass assets fetch {asset.name}")
    folder = target(asset)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    source = cache.place(asset) / asset.members[0].path
    program = Path(__file__).with_name("_gguf.py")
    # -P keeps this folder off the path of the child, where its module names could shadow others.
    command = [sys.executable, "-P", str(program), str(source), str(part)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    if run.returncode:
        shutil.rmtree(part, ignore_errors=True)
        reason = next((line for line in reversed(run.stderr.splitlines()) if line.strip()), f"code {run.returncode}")
        raise AssetError(
            f"asset '{asset.name}' could not be converted: {reason.strip().rstrip('.')}. It takes about 10 bytes of "
            f"memory and 4 of disk a parameter, and the packages of surpass[hf]; the cache is {cache.cache_root()}."
        )
    sizes = {file.name: file.stat().st_size for file in sorted(part.iterdir())}
    as_new(part)
    cache.write_text(part / cache.MARKER, json.dumps({"asset": asset.digest, "bytes": sizes}, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
