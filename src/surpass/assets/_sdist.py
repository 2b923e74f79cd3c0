"""Download one file of the package index without running anything in it; a program, run in a process of its own.

`pip download` of a source distribution builds its metadata, which runs its setup code, and no option of pip prevents
that. So this asks pip's own finder for the links of the package and saves the one wanted: index, extra indexes, local
folders, certificates, proxies and credentials are those of the user's pip, and no host is named here. It relies on
names inside pip, which pip does not promise to keep; checked with pip 23.2 to 26. Wheels go through `pip download`.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(package: str, archive: str, out: str) -> None:
    """Save the file `archive` of `package` into the folder `out`; the caller checks its sha256."""
    from pip._internal.commands.download import DownloadCommand

    command = DownloadCommand("download", "")
    with command.main_context():
        options, _ = command.parse_args(["--no-deps", "--no-binary", ":all:", "--ignore-requires-python", package])
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session, ignore_requires_python=True)
        links = [found.link for found in finder.find_all_candidates(package)]
        wanted = [link for link in links if link.filename == archive]
        if not wanted:
            sys.exit(f"none of the {len(links)} files of '{package}' that pip finds is called {archive}")
        # Without this header a server may hand out the archive unpacked, under another checksum.
        answer = session.get(wanted[0].url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True)
        answer.raise_for_status()
        part = Path(out, f"{archive}.part")
        with part.open("wb") as sink:
            for chunk in answer.iter_content(1 << 20):
                sink.write(chunk)
        part.replace(Path(out, archive))


if __name__ == "__main__":
    main(*sys.argv[1:])
