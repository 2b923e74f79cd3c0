"""A store at an address, such as s3://bucket/folder: a store in a cache folder of this machine, and all of it there.

An artifact is sent before it becomes visible in the cache, its manifest last, so what the cache shows the address has. What
the cache lacks is fetched whole and checked by its manifest's checksums before it is used; a copy that fails is recomputed.
The layout is that of a folder's store. Locks hold within one machine: two runs on two machines at once may compute the same
stage twice, to equal artifacts. Any protocol that fsspec has a file system for will do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from surpass.artifacts import Artifact
from surpass.disk import elsewhere, make_folders, remove, stays_inside
from surpass.errors import MissingPackageError, NoStoreError, StoreError, SurpassError, UnwritableError, reason
from surpass.runtime import cache_root
from surpass.store import KINDS, LAYOUT, MANIFEST, MARKER, NAME, Store

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RemoteStore(Store):
    """A store whose folder is the cache of an address.

    Attributes:
        place: the address, as it was given.
        base: its path in the file system of its protocol.
        files: that file system, fsspec's.
    """

    place: str
    base: str
    files: Any

    @property
    def address(self) -> str:
        """What `Store.open` takes to open this store in another process."""
        return self.place

    def _where(self, kind: str, key: str) -> str:
        self.path(kind, key)  # refuses what names no artifact
        return f"{self.base}/{kind}/{key[:2]}/{key}"

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what a protocol's package raises, of whatever class, into an error that names the address."""
        try:
            yield
        except (FileNotFoundError, SurpassError):
            raise
        except Exception as error:
            raise unreachable(self.place, error) from error

    def _read(self, path: str) -> dict[str, Any] | None:
        """Return a manifest at the address: None when there is none, {} when it is no manifest."""
        try:
            with self._reached():
                raw = self.files.cat_file(path)
            found = json.loads(raw)
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def manifest(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return an artifact's manifest, or None when there is no such artifact."""
        if super().has(kind, key):
            return super().manifest(kind, key)
        return self._read(f"{self._where(kind, key)}/{MANIFEST}")

    def has(self, kind: str, key: str) -> bool:
        """Return whether the artifact is in the cache or at the address."""
        if super().has(kind, key):
            return True
        with self._reached():
            return bool(self.files.exists(f"{self._where(kind, key)}/{MANIFEST}"))

    def find(self, prefix: str) -> list[tuple[str, str]]:
        """Return (kind, key) of the artifacts at the address whose key begins with `prefix`."""
        found = []
        for kind in KINDS:
            with contextlib.suppress(FileNotFoundError), self._reached():
                names = [
                    path.split("/")[-2] for path in self.files.find(f"{self.base}/{kind}") if path.endswith(MANIFEST)
                ]
                found += [(kind, name) for name in sorted(names) if name.startswith(prefix) and NAME.fullmatch(name)]
        return found

    def fault(self, kind: str, key: str) -> str | None:
        """Return what is wrong with an artifact, in the cache or once fetched; a damaged copy in the cache is replaced."""
        if super().has(kind, key):
            if not (found := super().fault(kind, key)):
                return None
            log.info("%s %s in the cache of '%s': %s. It is fetched again.", kind, key, self.place, found)
            super().discard(kind, key)
            return self._fetched(kind, key) if self.has(kind, key) else found
        return self._fetched(kind, key) if self.has(kind, key) else None

    def load(self, kind: str, key: str) -> Artifact:
        """Return an artifact after checking its files, fetched where the cache lacks it.

        Raises:
            StoreError: it is missing or altered, or the address cannot be reached.
        """
        if not super().has(kind, key) and self.has(kind, key) and (fault := self._fetched(kind, key)):
            raise StoreError(f"{kind} {key} at '{self.place}': {fault}. Run the study again: it will be recomputed.")
        return super().load(kind, key)

    def _fetched(self, kind: str, key: str) -> str | None:
        """Fetch an artifact into the cache; return what is wrong with it, in which case the cache is left as it was."""
        where = self._where(kind, key)
        manifest = self._read(f"{where}/{MANIFEST}") or {}
        names = manifest.get("files")
        if not isinstance(names, dict) or not names:
            return f"{MANIFEST} is not the manifest of this artifact"
        if outside := [name for name in names if not stays_inside(name)]:  # before anything is written by such a name
            return elsewhere(outside[0])
        desk = Store(self._temporary(key))
        folder = desk.path(kind, key)
        try:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with self._reached():
                    self.files.get_file(f"{where}/{name}", str(folder / name))
            (folder / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1), encoding="utf-8")
            if fault := desk.fault(kind, key):
                return fault
            self._keep(kind, key, folder)
        except FileNotFoundError:
            return f"{name} is missing"
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return f"{MANIFEST} names a file below another file"
        except OSError as error:
            raise self._unwritable(f"{kind} {key}", error) from error
        finally:
            remove(desk.root)
        return None

    def _keep(self, kind: str, key: str, folder: Path) -> None:
        """Move a whole artifact into the cache, where another process may have put the same before."""
        target = self.path(kind, key)
        make_folders(target.parent)
        if super().has(kind, key):
            if not super().fault(kind, key):
                return
            super().discard(kind, key)
        try:
            folder.rename(target)
        except OSError:
            if not super().has(kind, key):
                raise

    def save(self, kind: str, key: str, artifact: Artifact, manifest: Mapping[str, Any]) -> None:
        """Write an artifact, send it, its manifest last, then show it in the cache.

        Raises:
            UnwritableError: the cache or the address takes nothing more.
            StoreError: this artifact cannot be written, or the address cannot be reached.
        """
        desk = Store(self._temporary(key))
        try:
            desk.save(kind, key, artifact, manifest)
            folder = desk.path(kind, key)
            self._send(folder, self._where(kind, key))
            self._keep(kind, key, folder)
        except OSError as error:
            raise self._unwritable(f"{kind} {key}", error) from error
        finally:
            remove(desk.root)

    def _send(self, folder: Path, where: str) -> None:
        payload = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
        with self._reached():
            self._unlist(where)  # of a damaged artifact: nobody may read new files by an old manifest
            for path in payload:
                self._put(path, f"{where}/{path.relative_to(folder).as_posix()}")
            self._put(folder / MANIFEST, f"{where}/{MANIFEST}")

    def _put(self, path: Path, name: str) -> None:
        """Write a file to the address; where folders are real, its folder is made first."""
        try:
            self.files.put_file(str(path), name)
        except FileNotFoundError:
            self.files.makedirs(name.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(path), name)

    def _unlist(self, where: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.files.exists(f"{where}/{MANIFEST}"):
                self.files.rm_file(f"{where}/{MANIFEST}")

    def discard(self, kind: str, key: str) -> None:
        """Remove an artifact from the cache and the address, its manifest first."""
        super().discard(kind, key)
        where = self._where(kind, key)
        with contextlib.suppress(FileNotFoundError), self._reached():
            self._unlist(where)
            self.files.rm(where, recursive=True)

    def check(self) -> None:
        """Look, before work that is to be kept, whether the cache and the address can be written."""
        super().check()
        probe = f"{self.base}/check-{uuid.uuid4().hex[:8]}"
        with self._reached():
            self.files.pipe_file(probe, b"surpass")
            self.files.rm_file(probe)


def unreachable(place: str, error: Exception) -> StoreError:
    """Return the error that says why an address cannot be used."""
    text = f"store '{place}' cannot be used: {reason(error)}. Check the address, the network and your credentials."
    return UnwritableError(text) if isinstance(error, PermissionError) else StoreError(text)


def open_remote(place: str, *, create: bool = True) -> RemoteStore:
    """Return the store at an address; unless `create` is false, one is made where nothing is.

    Raises:
        StoreError: the address holds other things or a password, cannot be reached, or has another layout.
        MissingPackageError: fsspec, or the package of the protocol, is not installed.
    """
    given, place = place, place.rstrip("/")
    if "://" not in place:  # fsspec would take it for a folder
        raise StoreError(
            f"store '{given}' names no place behind its protocol. Give PROTOCOL://BUCKET/FOLDER with --store."
        )
    parts = urlsplit(place)
    if parts.password or parts.query:
        raise StoreError(
            f"store '{parts.scheme}://{parts.hostname or ''}...' holds a password or a key in its address, which would be "
            "written into output folders. Give credentials by the environment or the protocol's own settings."
        )
    files, base = _file_system(place)
    mark = _mark(place, files, base, create=create)
    name = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[:60]
    digest = hashlib.sha256(f"{place}\0{mark}".encode()).hexdigest()[:16]
    cache = Store.open(cache_root() / "stores" / f"{name}-{digest}")
    return RemoteStore(cache.root, place, base, files)


def _file_system(place: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, which asks anew each time what is there, and the path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackageError("fsspec", why=f"store '{place}' is at an address", extra="remote") from error
    try:
        files, base = fsspec.core.url_to_fs(place, use_listings_cache=False)
    except ImportError as error:
        raise StoreError(f"store '{place}' needs a package that is not installed. {error}, with pip.") from error
    except Exception as error:  # whatever class a protocol's package has
        raise unreachable(place, error) from error
    return files, str(base).rstrip("/")


def _mark(place: str, files: Any, base: str, *, create: bool) -> str:
    """Return the random mark of the store at an address, made where nothing is."""
    try:
        if files.exists(f"{base}/{MARKER}"):
            about = json.loads(files.cat_file(f"{base}/{MARKER}"))
        elif files.exists(base) and files.ls(base, detail=False):
            raise StoreError(
                f"'{place}' is not a surpass store: it has no {MARKER} and is not empty. "
                "Give an empty or new address with --store."
            )
        elif not create:
            raise NoStoreError(f"there is no store at '{place}'. Give the address of one with --store.")
        else:
            about = {"layout": LAYOUT, "mark": uuid.uuid4().hex}
            if not files.exists(base):
                files.mkdir(base, create_parents=False)  # a mistyped bucket is not made
            files.pipe_file(f"{base}/{MARKER}", json.dumps(about).encode())
    except SurpassError:
        raise
    except Exception as error:  # whatever class a protocol's package has
        raise unreachable(place, error) from error
    if not isinstance(about, dict) or about.get("layout") != LAYOUT:
        raise StoreError(f"store '{place}' has another layout than {LAYOUT}, which this version of surpass reads.")
    return str(about.get("mark", ""))
