"""A package index in a folder: a wheel, an sdist and a manifest of two assets, none of which may ever be run."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

from surpass import disk
from surpass.assets import cache, manifest

WHEEL = "tiny_words-1.0-py3-none-any.whl"
SDIST = "tiny_ratings-2.0.tar.gz"
INSIDE = "tiny_ratings-2.0/more/raw.tar.gz"
WORDS = {"data/words.jsonl": b'{"word": "yes"}\n' * 50, "data/deep/more.txt": b"more\n" * 9}
RATINGS = {"raw/tweets.txt": b"1\t0.5\tgood\n" * 20, "raw/movies.txt": b"2\t-1.0\tbad\n" * 20}
TRIPWIRE = "import pathlib\npathlib.Path({path!r}).write_text('this package was run')\n"


def tar(path: Path | io.BytesIO, files: dict[str, bytes], link: str = "") -> None:
    where = {"name": path} if isinstance(path, Path) else {"fileobj": path}
    with tarfile.open(mode="w:gz", **where) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, "../../secret"
            tar.addfile(entry)


def wheel(path: Path, tripwire: str, **more: bytes) -> None:
    metadata = b"Metadata-Version: 2.1\nName: tiny-words\nVersion: 1.0\nRequires-Dist: no-such-package\n"
    about = {
        "METADATA": metadata,
        "WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_words/__init__.py", tripwire)
        for name, content in {**WORDS, **more}.items():
            archive.writestr(f"tiny_words/{name}", content)
        for name, content in about.items():
            archive.writestr(f"tiny_words-1.0.dist-info/{name}", content)


def sdist(path: Path, tripwire: str, **more: str) -> None:
    inner = io.BytesIO()
    tar(inner, {f"{name}": content for name, content in RATINGS.items()}, **more)
    setup = f"{tripwire}\nfrom setuptools import setup\nsetup(name='tiny-ratings', version='2.0')\n"
    about = b"Metadata-Version: 2.1\nName: tiny-ratings\nVersion: 2.0\n"
    tar(
        path,
        {
            "tiny_ratings-2.0/setup.py": setup.encode(),
            "tiny_ratings-2.0/PKG-INFO": about,
            "tiny_ratings-2.0/tiny_ratings/__init__.py": tripwire.encode(),
            INSIDE: inner.getvalue(),
        },
    )


def made_asset(archive: Path, files: dict[str, bytes], *, prefix: str = "", inside: str = "") -> manifest.Asset:
    package, version = re.match(r"(\w+)-([\d.]+?)[-.][a-z]", archive.name).groups()
    members = tuple(
        manifest.Member(
            name=prefix + name,
            path=name.removeprefix("data/"),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, content in files.items()
    )
    return manifest.Asset(
        name=package.split("_")[1],
        kind="data",
        summary="made up",
        package=package.replace("_", "-"),
        version=version,
        licence="CC0",
        citation="none",
        archive=archive.name,
        bytes=archive.stat().st_size,
        sha256=disk.sha256(archive),
        members=members,
        inside=inside,
    )


@dataclasses.dataclass
class World:
    """An index in a folder, an empty cache and a manifest of two assets."""

    index: Path
    cache: Path
    tripwire: Path
    assets: dict[str, manifest.Asset]

    def put(self, asset: manifest.Asset, **changes: object) -> manifest.Asset:
        changed = dataclasses.replace(asset, **changes)
        self.assets[changed.name] = changed
        return changed

    def member(self, number: int = 0) -> Path:
        asset = self.assets["words"]
        return cache.place(asset) / asset.members[number].path

    def close_index(self) -> None:
        shutil.rmtree(self.index)
        self.index.mkdir()


def here() -> list[str]:
    root = cache.cache_root()
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock")
