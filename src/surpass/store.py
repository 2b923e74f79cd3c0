"""The store: one folder per artifact, named by its spec's key, visible only when complete.

A stage's output is written into a temporary folder, its manifest last, and moved into place by one rename. So a killed
run leaves nothing half-written, and what is there can be trusted as far as its checksums go; they are checked on every read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from surpass.artifacts import Artifact, FeatureTable, Parameters, Predictions, Splits
from surpass.errors import StoreError

MARKER = "surpass-store.json"
LAYOUT = 1
MANIFEST = "manifest.json"
STALE_SECONDS = 24 * 3600.0
KINDS: dict[str, type[Splits] | type[Parameters] | type[FeatureTable] | type[Predictions]] = {
    "data": Splits,
    "network": Parameters,
    "features": FeatureTable,
    "label": Predictions,
    "fit": Predictions,
}


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder of artifacts. `Store.open` checks that the folder is ours, or empty."""

    root: Path

    @classmethod
    def open(cls, root: str | Path, *, create: bool = True) -> Store:
        """Return the store at `root`; unless `create` is false, one is made where the folder is missing or empty.

        Raises:
            StoreError: the folder holds other things, cannot be written, or has another layout.
        """
        root = Path(root).expanduser().absolute()
        marker = root / MARKER
        try:
            if marker.is_file():
                about = json.loads(marker.read_text(encoding="utf-8"))
                layout = about.get("layout") if isinstance(about, dict) else about
                if layout != LAYOUT:
                    raise StoreError(
                        f"store '{root}' has layout {layout!r}; this version of surpass reads layout {LAYOUT}. "
                        "Give another folder with --store."
                    )
            elif root.exists() and _holds_other_things(root):
                raise StoreError(
                    f"'{root}' is not a surpass store: it has no {MARKER} and is not empty. "
                    "Give an empty or new folder with --store."
                )
            elif not create:
                raise StoreError(f"there is no store at '{root}'. Give the folder of one with --store.")
            else:
                root.mkdir(parents=True, exist_ok=True)
                write_atomically(marker, json.dumps({"layout": LAYOUT}))
        except (OSError, ValueError) as error:
            raise StoreError(f"store '{root}' cannot be used: {error}. Give a writable folder with --store.") from error
        return cls(root)

    def path(self, kind: str, key: str) -> Path:
        """Return the folder of an artifact, whether it is there or not."""
        return self.root / kind / key[:2] / key

    def manifest(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return an artifact's manifest, or None when there is no such artifact."""
        try:
            found: Any = json.loads((self.path(kind, key) / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def find(self, prefix: str) -> list[tuple[str, str]]:
        """Return (kind, key) of the artifacts whose key begins with `prefix`."""
        return [
            (kind, folder.name)
            for kind in KINDS
            for folder in sorted((self.root / kind).glob("*/*"))
            if folder.name.startswith(prefix) and (folder / MANIFEST).is_file()
        ]

    def fault(self, kind: str, key: str) -> str | None:
        """Return what is wrong with the files of an artifact, read in full, or None; also None when it is not there."""
        manifest = self.manifest(kind, key)
        if manifest is None:
            return None
        if not manifest.get("files") or manifest.get("key", key) != key:
            return f"{MANIFEST} is not the manifest of this artifact"
        folder = self.path(kind, key)
        for name, fact in manifest["files"].items():
            file = folder / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != fact["bytes"]:
                return f"{name} has {file.stat().st_size} bytes, its manifest says {fact['bytes']}"
            if _sha256(file) != fact["sha256"]:
                return f"{name} is not what its manifest's checksum says"
        return None

    def has(self, kind: str, key: str) -> bool:
        """Return whether the artifact is there; its files are checked when they are read."""
        return (self.path(kind, key) / MANIFEST).is_file()

    def load(self, kind: str, key: str) -> Artifact:
        """Return an artifact after checking its files.

        Raises:
            StoreError: it is missing or altered.
        """
        if not self.has(kind, key):
            raise StoreError(f"{kind} {key} is not in the store '{self.root}'. Run its study first.")
        if fault := self.fault(kind, key):
            raise StoreError(f"{kind} {key}: {fault}. Run the study again: it will be recomputed.")
        return KINDS[kind].load(self.path(kind, key))

    def discard(self, kind: str, key: str) -> None:
        """Remove an artifact; another process sees it whole or not at all."""
        folder = self.path(kind, key)
        grave = self._temporary(key)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)

    def save(self, kind: str, key: str, artifact: Artifact, manifest: Mapping[str, Any]) -> None:
        """Write an artifact and its manifest, all or nothing.

        Raises:
            StoreError: no space is left, or the folder cannot be written.
        """
        temporary = self._temporary(key)
        try:
            temporary.mkdir(parents=True)
            artifact.save(temporary)
            files = {}
            for file in sorted(path for path in temporary.rglob("*") if path.is_file()):
                _sync(file)
                files[file.relative_to(temporary).as_posix()] = {"bytes": file.stat().st_size, "sha256": _sha256(file)}
            body = {**manifest, "kind": kind, "key": key, "files": files}
            write_atomically(temporary / MANIFEST, json.dumps(body, sort_keys=True, indent=1))
            target = self.path(kind, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # only ever a damaged artifact: the caller holds its lock and found no good one
                self.discard(kind, key)
            temporary.rename(target)
            _sync(target.parent)
        except OSError as error:
            raise self._unwritable(f"{kind} {key}", error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of a key; another process that wants the same work waits, and it is freed if this one dies."""
        from filelock import FileLock

        folder = self.root / "locks" / key[:2]
        lock = FileLock(folder / f"{key}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unwritable(f"the lock of {key}", error) from error
        try:
            yield
        finally:
            lock.release()

    def _unwritable(self, what: str, error: OSError) -> StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StoreError(
                f"no space left while writing {what} to '{self.root}'. Free some space or give another folder "
                "with --store; what was finished is kept."
            )
        return StoreError(f"{what} cannot be written to '{self.root}': {error}. Give a writable folder with --store.")

    def timings(self) -> dict[str, list[float]]:
        """Return the seconds of finished stages by the name of like stages, as `note_timing` wrote them."""
        found: dict[str, list[float]] = {}
        with contextlib.suppress(OSError):
            for line in (self.root / "timings.tsv").read_text(encoding="utf-8").splitlines():
                name, _, seconds = line.rpartition("\t")
                with contextlib.suppress(ValueError):  # a line that a killed process left unfinished
                    taken = float(seconds)
                    found.setdefault(name, []).append(taken)
        return found

    def note_timing(self, name: str, seconds: float) -> None:
        """Add a timing, which only estimates read; a lost line costs nothing."""
        with contextlib.suppress(OSError), (self.root / "timings.tsv").open("a", encoding="utf-8") as file:
            file.write(f"{name}\t{seconds:.3f}\n")

    def sweep(self) -> None:
        """Remove what killed runs left behind, once it is older than a day."""
        for folder in (self.root / "tmp").glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)

    def _temporary(self, key: str) -> Path:
        return self.root / "tmp" / f"{key}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _holds_other_things(root: Path) -> bool:
    """Return whether a folder without a marker is not ours; another process may be about to write the marker."""
    if not root.is_dir():
        return True
    others = [path for path in root.iterdir() if path.name != MARKER and not path.name.startswith(f".{MARKER}-")]
    return bool(others) and not (root / MARKER).is_file()


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that readers see the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        # A lone surrogate (a file name that is not UTF-8, in a traceback) must not cost the file.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
