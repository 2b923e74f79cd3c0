"""The cache folder of packaged assets: where they are, whether they are here, whether they are whole.

    CACHE/assets/NAME-DIGEST/       the files kept, and `.complete.json`, written last
    CACHE/downloads/SHA256/         an archive on its way, which several assets may need
    CACHE/converted/NAME-DIGEST/    a model converted to the folder that transformers loads

The digest in the folder's name lets two versions of surpass share a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from surpass.assets.manifest import Asset, Member, info
from surpass.disk import sha256
from surpass.errors import AssetError
from surpass.runtime import cache_root as cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARKER = ".complete.json"
"""Written when all files of a folder are in place; a folder without it does not count."""

_CHUNK = 1 << 20


def place(asset: Asset, *, shelf: str = "assets") -> Path:
    """Return the folder of an asset, whether or not it exists yet."""
    return cache_root() / shelf / f"{asset.name}-{asset.digest[:12]}"


def shelf(asset: Asset) -> Path:
    """Return the folder in which the asset's archive lies while it is fetched: the same for all assets of one archive."""
    return cache_root() / "downloads" / asset.sha256[:16]


def present(name: str) -> bool:
    """Return whether an asset is here, by its marker and file sizes; cheap enough for every plan.

    Raises:
        UnknownNameError: no asset has this name.
    """
    asset = info(name)
    folder = place(asset)
    try:
        marked = json.loads((folder / MARKER).read_text("utf-8")).get("digest") == asset.digest
        return marked and all((folder / member.path).stat().st_size == member.bytes for member in asset.members)
    except (OSError, ValueError, AttributeError):
        return False


def folder(name: str) -> Path:
    """Return the folder that holds the files of an asset.

    Raises:
        UnknownNameError: no asset has this name.
        AssetError: the asset is not here, or a file of it is missing or has another size.
    """
    if not present(name):
        raise AssetError(missing(name))
    return place(info(name))


def missing(name: str) -> str:
    """Return the sentence for an asset that is not here."""
    return f"asset '{name}' is not here. Fetch it: surpass assets fetch {name}"


def verify(name: str) -> list[str]:
    """Return what is wrong with an asset, every byte checked; an empty list when it is whole.

    Raises:
        UnknownNameError: no asset has this name.
    """
    asset = info(name)
    if not place(asset).is_dir():
        return [missing(name)]
    problems = [problem for _, problem in damaged(asset)]
    if not problems and not present(name):
        problems.append(f"asset '{name}': its files are whole, but its marker {MARKER} is missing")
    return problems


def damaged(asset: Asset) -> list[tuple[Member, str]]:
    """Return the members that are absent or altered, each with a sentence about it."""
    found = []
    for member in asset.members:
        problem = _problem(place(asset) / member.path, member)
        if problem:
            found.append((member, f"asset '{asset.name}': {member.path} {problem}"))
    return found


def _problem(path: Path, member: Member) -> str:
    try:
        size = path.stat().st_size
        if size != member.bytes:
            return f"has {size:,} bytes, not {member.bytes:,}"
        found = sha256(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return "" if found == member.sha256 else f"has sha256 {found[:12]}..., not {member.sha256[:12]}..."


def copy_checked(stream: BinaryIO, target: Path, member: Member) -> str:
    """Copy one member to `target` and return what is wrong with it, or ''.

    The bytes go to a hidden neighbour first, so that `target` is either absent, old or whole. No more than the
    expected size is ever written, whatever a hostile archive unpacks to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as sink:
        while size <= member.bytes and (chunk := stream.read(min(_CHUNK, member.bytes + 1 - size))):
            digest.update(chunk)
            sink.write(chunk)
            size += len(chunk)
    if size == member.bytes and digest.hexdigest() == member.sha256:
        part.replace(target)
        return ""
    part.unlink()
    if size != member.bytes:
        return f"member '{member.name}' does not have the {member.bytes:,} bytes that the manifest says"
    return f"member '{member.name}' has sha256 {digest.hexdigest()}, the manifest says {member.sha256}"


def write_text(path: Path, text: str) -> None:
    """Write a small file in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile, whose files only their owner may read: a cache may be shared.
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock beside `folder`, so that two processes never fill it at once; call `waiting` when it is taken."""
    import filelock

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if waiting:
            waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turn a failure to write into the cache (full, read-only) into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise AssetError(
            f"the cache folder {cache_root()} cannot be written: {error.strerror or error}. "
            "Free some space there, or set SURPASS_CACHE to another folder."
        ) from error
