"""Files that survive a power cut, folders that no link leads out of, and locks, each as the disk takes it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import Any

from surpass.errors import StoreError

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system says that locks no files."""
LONGEST_NAME = 255
"""Bytes that file systems allow in a name."""


def stays_inside(name: str) -> bool:
    """Return whether a name with slashes can be of a file in the folder that it is taken from, on any system."""
    parts = name.split("/")
    short = all(len(part.encode(errors="replace")) <= LONGEST_NAME for part in parts)
    return short and not {"", ".", ".."}.intersection(parts) and not {"\\", "\0"}.intersection(name)


def elsewhere(name: str) -> str:
    """Return what is wrong with a manifest that names what does not stay inside."""
    return f"its manifest names {name[:80]!r}, which is no file of its folder"


def file_fault(folder: Path, name: str, fact: Any) -> str | None:
    """Return what is wrong with one file of an artifact, or None; nothing outside of the folder is opened."""
    if not isinstance(fact, dict) or not stays_inside(name):
        return elsewhere(name)
    parts = name.split("/")
    file = folder.joinpath(*parts)
    try:
        if any(folder.joinpath(*parts[:n]).is_symlink() for n in range(1, len(parts) + 1)):
            return f"{name} is a link, which may lead out of the store"
        if not file.is_file():
            return f"{name} is missing"
        if (size := file.stat().st_size) != fact.get("bytes"):
            return f"{name} has {size} bytes, its manifest says {fact.get('bytes')}"
        if sha256(file) != fact.get("sha256"):
            return f"{name} is not what its manifest's checksum says"
    except (OSError, ValueError) as error:  # a name may hold what no file name can
        return f"{name!r} cannot be read ({error})"
    return None


def lock_of(path: Path, *, wait: bool) -> Any:  # a FileLock; its module is imported only when something is computed
    """Return the lock of a file, not yet held; unless `wait`, acquiring it raises Timeout where another holds it."""
    from filelock import FileLock

    # Where the system has no locks, the library's other kind would stay behind a killed process.
    return FileLock(path, timeout=-1 if wait else 0, fallback_to_soft=False)


def keeps_out(path: Path) -> bool:
    """Return whether the lock of a file keeps out whoever opens it a second time."""
    from filelock import Timeout

    first, second = lock_of(path, wait=False), lock_of(path, wait=False)
    try:
        first.acquire()
        try:
            second.acquire()
        except Timeout:
            return True
        second.release()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    finally:
        first.release()
    return False


def make_folders(folder: Path) -> None:
    """Make a folder and the one above it; StoreError when a link is in its place, which may lead out of the store."""
    for place in (folder.parent, folder):
        if place.is_symlink():
            raise StoreError(
                f"'{place}' is a link, which may lead out of the store. Remove it and run the study again."
            )
        if not place.is_dir():
            place.mkdir(exist_ok=True)
            sync(place.parent)


def remove(path: Path) -> None:
    """Remove a folder with all in it, or a file or link by itself."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def as_new(folder: Path) -> None:
    """Give the files in a folder the mode of a new one: a library that lets only the owner read weights ignores the umask."""
    probe = folder / f".mode-{uuid.uuid4().hex[:8]}"
    probe.touch()
    mode = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(mode)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    if file.stat().st_size < 1 << 18:  # of the buffer that the library fills with zeros for each file
        return hashlib.sha256(file.read_bytes()).hexdigest()
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or which names a folder holds, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network mounts flush no folders
            raise
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that readers see the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        # A lone surrogate (a file name that is not UTF-8, in a traceback) must not cost the file.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
