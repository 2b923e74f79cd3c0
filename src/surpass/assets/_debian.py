"""Packages of Debian: `apt-get download` copies one without installing it, and an ar archive holds its files.

No rights of an administrator are needed, and none of the package's scripts runs. The package comes from wherever the
machine's apt is set up to look.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import IO

from surpass.assets.manifest import Asset
from surpass.errors import AssetError

_HEADER = 60  # name 16, time 12, owner 6, group 6, mode 8, size 10, end 2


def command(asset: Asset, shelf: Path) -> list[str]:
    """Return the command that downloads the asset's package into a folder; AssetError when apt-get is missing."""
    program = shutil.which("apt-get")
    if program is None:
        raise AssetError(
            f"asset '{asset.name}' is a package of Debian and is fetched with apt-get, which is missing here. "
            f"Put {asset.archive} (from a Debian mirror) into the folder {shelf}."
        )
    # It writes into the folder it is started from.
    return ["env", "-C", str(shelf), program, "download", f"{asset.package}={asset.version}"]


def members(stream: IO[bytes]) -> dict[str, IO[bytes]]:
    """Return the members of a .deb by name; KeyError when it is no ar archive."""
    if stream.read(8) != b"!<arch>\n":
        raise KeyError("it is no Debian package")
    found: dict[str, IO[bytes]] = {}
    while len(header := stream.read(_HEADER)) == _HEADER:
        size = int(header[48:58])
        found[header[:16].decode("ascii").strip().rstrip("/")] = io.BytesIO(stream.read(size))
        stream.read(size % 2)  # members begin at even places
    return found
