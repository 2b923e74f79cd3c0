"""The store: one folder per artifact, named by its spec's key, visible only when complete.

A stage's output is written into a temporary folder, its manifest last, and moved into place by one rename. So a killed
run leaves nothing half-written, and what is there can be trusted as far as its checksums go; they are checked on every read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import math
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surpass.artifacts import Artifact, FeatureTable, Parameters, Predictions, Splits
from surpass.disk import NO_LOCKS, file_fault, keeps_out, lock_of, make_folders, remove, sha256, sync, write_atomically
from surpass.documents import Documents
from surpass.errors import NoStoreError, StoreError, SurpassError, UnwritableError, reason
from surpass.pretrained import Pretrained

log = logging.getLogger(__name__)
MARKER = "surpass-store.json"
LAYOUT = 1
MANIFEST = "manifest.json"
STALE_SECONDS = 24 * 3600.0
SCRATCH = "-scratch"
RESUMABLE_SECONDS = 7 * STALE_SECONDS  # of checkpoints: a fit that was killed on a Friday goes on after the weekend
NAME = re.compile(r"[A-Za-z0-9_-]+")
ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # of two letters or more: C:/ is a disk
NOTHING_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
KINDS: dict[str, Callable[[Path], Artifact]] = {
    "corpus": Documents.load,
    "pretrain": Pretrained.load,
    "data": Splits.load,
    "network": Parameters.load,
    "features": FeatureTable.load,
    "label": Predictions.load,
    "fit": Predictions.load,
}


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder of artifacts. `Store.open` checks that the folder is ours, or empty."""

    root: Path

    @classmethod
    def open(cls, root: str | Path, *, create: bool = True) -> Store:
        """Return the store at `root`; unless `create` is false, one is made where the folder is missing or empty.

        An address such as s3://bucket/folder gives a remote store; see `surpass.remote`.

        Raises:
            NoStoreError: there is none, and `create` is false.
            StoreError: the folder holds other things, cannot be written, or has another layout.
        """
        if "://" in str(root):
            from surpass.remote import open_remote

            return open_remote(str(root), create=create)
        if ONE_SLASH.match(str(root)):
            raise StoreError(
                f"store '{root}' has one slash where an address has two. Write PROTOCOL://..., such as s3://bucket/folder; "
                "a folder of that name is ./NAME."
            )
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
                raise NoStoreError(f"there is no store at '{root}'. Give the folder of one with --store.")
            else:
                root.mkdir(parents=True, exist_ok=True)
                write_atomically(marker, json.dumps({"layout": LAYOUT}))
            if links := [name for name in (*KINDS, "tmp", "locks", "timings.tsv") if (root / name).is_symlink()]:
                raise StoreError(
                    f"store '{root}' has a link in the place of its own '{links[0]}', which may lead anywhere. "
                    "Move the whole store and link that, or remove the link."
                )
        except (OSError, ValueError) as error:
            raise StoreError(f"store '{root}' cannot be used: {error}. Give a writable folder with --store.") from error
        return cls(root)

    @classmethod
    def look(cls, root: str | Path) -> Store:
        """Return the store at `root` to read, which holds nothing where there is none; nothing is made there."""
        try:
            return cls.open(root, create=False)
        except NoStoreError:
            return cls(Path(root).expanduser().absolute())

    @property
    def address(self) -> str:
        """What `Store.open` takes to open this store in another process."""
        return str(self.root)

    def path(self, kind: str, key: str) -> Path:
        """Return the folder of an artifact, whether it is there or not; StoreError when it would lie elsewhere."""
        if kind not in KINDS or not NAME.fullmatch(key):
            raise StoreError(
                f"'{kind} {key}' names no artifact: allowed are {', '.join(KINDS)} and a key of hex digits."
            )
        return self.root / kind / key[:2] / key

    def manifest(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return an artifact's manifest, or None when there is no such artifact."""
        try:
            found: Any = json.loads((self.path(kind, key) / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def find(self, prefix: str) -> list[tuple[str, str]]:
        """Return (kind, key) of the artifacts whose key begins with `prefix`."""
        return [
            (kind, folder.name)
            for kind in KINDS
            for folder in sorted((self.root / kind).glob("*/*"))
            if folder.name.startswith(prefix) and NAME.fullmatch(folder.name) and (folder / MANIFEST).is_file()
        ]

    def fault(self, kind: str, key: str) -> str | None:
        """Return what is wrong with the files of an artifact, read in full, or None; also None when it is not there."""
        manifest = self.manifest(kind, key)
        if manifest is None:
            return None
        files = manifest.get("files")
        named = (manifest.get("kind", kind), manifest.get("key", key))
        if not (isinstance(files, dict) and files) or named != (kind, key):
            return f"{MANIFEST} is not the manifest of this artifact"
        folder = self.path(kind, key)
        if folder.is_symlink() or folder.parent.is_symlink():
            return "its folder is a link, which may lead out of the store"
        found = (file_fault(folder, name, fact) for name, fact in files.items())
        return next(filter(None, found), None)

    def has(self, kind: str, key: str) -> bool:
        """Return whether the artifact is there; its files are checked when they are read."""
        return (self.path(kind, key) / MANIFEST).is_file()

    def load(self, kind: str, key: str) -> Artifact:
        """Return an artifact after checking its files.

        Raises:
            StoreError: it is missing, altered, or larger than the memory.
        """
        if not self.has(kind, key):
            raise StoreError(f"{kind} {key} is not in the store '{self.address}'. Run its study first.")
        if fault := self.fault(kind, key):
            raise StoreError(f"{kind} {key}: {fault}. Run the study again: it will be recomputed.")
        try:
            return KINDS[kind](self.path(kind, key))
        except SurpassError:
            raise
        except MemoryError as error:
            raise StoreError(f"{kind} {key}: too little memory to read it ({error}). Use fewer jobs.") from error
        except Exception as error:  # files that somebody else made may hold anything
            raise StoreError(
                f"{kind} {key} is not an artifact of this kind, though its checksums are right "
                f"({reason(error)}). Remove '{self.path(kind, key)}' and run the study again."
            ) from error

    def discard(self, kind: str, key: str) -> None:
        """Remove an artifact; another process sees it whole or not at all."""
        folder = self.path(kind, key)
        grave = self._temporary(key)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(grave)
        remove(grave)

    def save(self, kind: str, key: str, artifact: Artifact, manifest: Mapping[str, Any]) -> None:
        """Write an artifact and its manifest, all or nothing, and flushed to the disk in that order.

        Raises:
            UnwritableError: no space is left, or the store cannot be written.
            StoreError: this artifact cannot be written.
        """
        temporary, target = self._temporary(key), self.path(kind, key)
        try:
            temporary.mkdir(parents=True)
            artifact.save(temporary)
            files = {}
            for path in sorted(temporary.rglob("*")):
                sync(path)  # folders too
                if path.is_file():
                    files[path.relative_to(temporary).as_posix()] = {
                        "bytes": path.stat().st_size,
                        "sha256": sha256(path),
                    }
            body = {**manifest, "kind": kind, "key": key, "files": files}
            write_atomically(temporary / MANIFEST, json.dumps(body, sort_keys=True, indent=1))
            make_folders(target.parent)
            if os.path.lexists(target) and not self._holds(kind, key):
                self.discard(kind, key)
            try:
                temporary.rename(target)
            except OSError:
                if not self._holds(kind, key):  # without locks another process may have been first, with equal bytes
                    raise
            sync(target.parent)
        except OSError as error:
            raise self._unwritable(f"{kind} {key}", error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _holds(self, kind: str, key: str) -> bool:
        return self.has(kind, key) and not self.fault(kind, key)

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of a key; another process that wants the same work waits, and it is freed if this one dies."""
        if not NAME.fullmatch(key):
            raise StoreError(f"'{key}' is no key: allowed are hex digits.")
        folder = self.root / "locks" / key[:2]
        held = lock_of(folder / f"{key}.lock", wait=True)
        try:
            make_folders(folder)
            held.acquire()
        except OSError as error:
            if error.errno not in NO_LOCKS:  # `check` has warned: equal work may be done twice
                raise self._unwritable(f"the lock of {key}", error) from error
        try:
            yield
        finally:
            held.release()

    def check(self) -> None:
        """Look, before work that is to be kept, whether anything can be written here; warn where locks keep nobody out.

        Raises:
            UnwritableError: no space is left, or the store cannot be written.
        """
        probe = self._temporary("check")
        try:
            probe.parent.mkdir(exist_ok=True)
            probe.write_bytes(b"surpass")
            alone = keeps_out(probe)
        except OSError as error:
            raise self._unwritable("anything", error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
        if not alone:
            log.warning(
                "the file system of '%s' does not lock files: two runs at once may compute the same stage twice, to the same "
                "result. Run one at a time, or give a store on a local disk with --store.",
                self.root,
            )

    def _unwritable(self, what: str, error: OSError) -> StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return UnwritableError(
                f"no space left while writing {what} to '{self.root}'. Free some space or give another folder "
                "with --store; what was finished is kept."
            )
        if error.errno == errno.ENOMEM:
            return StoreError(f"too little memory to write {what} ({error.strerror}). Use fewer jobs.")
        text = f"{what} cannot be written to '{self.root}': {error}. Give a writable folder with --store."
        return UnwritableError(text) if error.errno in NOTHING_MORE else StoreError(text)

    def timings(self) -> dict[str, list[float]]:
        """Return the seconds of finished stages by the name of like stages, as `note_timing` wrote them."""
        found: dict[str, list[float]] = {}
        with contextlib.suppress(OSError):
            for line in (self.root / "timings.tsv").read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, seconds = line.rpartition("\t")
                with contextlib.suppress(ValueError):  # a line that a killed process left unfinished
                    if math.isfinite(taken := float(seconds)):
                        found.setdefault(name, []).append(taken)
        return found

    def note_timing(self, name: str, seconds: float) -> None:
        """Add a timing, which only estimates read; a lost line costs nothing."""
        with contextlib.suppress(OSError), (self.root / "timings.tsv").open("a", encoding="utf-8") as file:
            file.write(f"{name}\t{seconds:.3f}\n")

    def sweep(self) -> None:
        """Remove what killed runs left behind, once it is older than a day by the clock that dated it; checkpoints a week."""
        mark = self._temporary("now")
        with contextlib.suppress(OSError):
            mark.mkdir(parents=True)
            now = mark.stat().st_mtime  # of the machine that holds the files, whose clock may differ from ours
            mark.rmdir()
            for path in (self.root / "tmp").iterdir():
                with contextlib.suppress(OSError):
                    age = RESUMABLE_SECONDS if path.name.endswith(SCRATCH) else STALE_SECONDS
                    if now - path.lstat().st_mtime > age:
                        remove(path)

    def scratch(self, key: str) -> Path:
        """Return the folder, made by who writes there, that a stage may use while it runs; after a kill it is found again."""
        return self.root / "tmp" / f"{key}{SCRATCH}"

    def _temporary(self, key: str) -> Path:
        return self.root / "tmp" / f"{key}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _holds_other_things(root: Path) -> bool:
    """Return whether a folder without a marker is not ours; another process may be about to write the marker."""
    if not root.is_dir():
        return True
    others = [path for path in root.iterdir() if path.name != MARKER and not path.name.startswith(f".{MARKER}-")]
    return bool(others) and not (root / MARKER).is_file()
