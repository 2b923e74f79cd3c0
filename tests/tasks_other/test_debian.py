"""Fetching a package of Debian: what is asked of apt-get, how its archive is read, and what is said when it cannot be had."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from surpass import assets
from surpass.assets import _debian, cache, fetching, manifest
from surpass.errors import AssetError

FILES = {"./usr/share/fruit/apples.txt": b"red\ngreen\n", "./usr/share/fruit/pears.txt": b"odd"}
NAME = "dataset-fruit_1.0-1_all.deb"


def tar(files: dict[str, bytes], how: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=f"w:{how}") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return sink.getvalue()


def deb(data: str = "data.tar.xz") -> bytes:
    """Return a Debian package as dpkg writes it: an ar archive of a version, a control part and the files."""
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": tar({}, "xz") + b"!", data: tar(FILES, "xz")}
    found = b"!<arch>\n"
    for name, content in parts.items():
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        found += b"\n" * (len(content) % 2)
    return found


def asset(content: bytes) -> manifest.Asset:
    members = tuple(
        manifest.Member(name=name, path=Path(name).name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in FILES.items()
    )
    return manifest.Asset(
        name="fruit",
        kind="data",
        summary="made up",
        package="dataset-fruit",
        version="1.0-1",
        licence="CC0",
        citation="none",
        archive=NAME,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        members=members,
        index="debian",
        inside="data.tar.xz",
    )


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts an apt-get on the path which runs a line of shell, and an empty cache."""
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "cache"))

    def offer(line: str, content: bytes | None = None) -> manifest.Asset:
        content = deb() if content is None else content
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / NAME).write_bytes(content)
        program = tmp_path / "apt-get"
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{line.format(mirror=tmp_path / "mirror")}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        made = asset(content)
        monkeypatch.setattr(manifest, "catalogue", lambda: {"fruit": made})
        return made

    return offer


def test_a_package_is_downloaded_and_its_files_taken_out(apt, tmp_path: Path) -> None:
    made = apt(f"cp {{mirror}}/{NAME} .")
    folder = fetching.fetch_asset(made, say=lambda line: None)
    assert {path.name: path.read_bytes() for path in folder.glob("*.txt")} == {
        Path(name).name: data for name, data in FILES.items()
    }
    assert (tmp_path / "asked").read_text() == "download dataset-fruit=1.0-1\n"
    assert assets.verify("fruit") == []


def test_what_apt_says_is_passed_on(apt) -> None:
    made = apt("echo 'E: Unable to locate package dataset-fruit' >&2; exit 100")
    with pytest.raises(
        AssetError, match=r"Unable to locate package dataset-fruit\. .*apt-get update.* put dataset-fruit"
    ):
        fetching.fetch_asset(made, say=lambda line: None)
    assert not assets.present("fruit")


def test_without_apt_the_place_for_the_file_is_named_and_serves(apt, monkeypatch: pytest.MonkeyPatch) -> None:
    made = apt("exit 1")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AssetError, match=f"apt-get, which is missing here. Put {NAME} .*{cache.shelf(made)}"):
        fetching.fetch_asset(made, say=lambda line: None)
    cache.shelf(made).mkdir(parents=True, exist_ok=True)
    (cache.shelf(made) / NAME).write_bytes(deb())
    fetching.fetch_asset(made, say=lambda line: None)
    assert assets.present("fruit")


@pytest.mark.parametrize("content", [b"<html>", deb("data.tar.zst")])
def test_another_archive_is_refused(apt, content: bytes) -> None:
    made = apt(f"cp {{mirror}}/{NAME} .", content)
    with pytest.raises(AssetError, match="is not what the manifest says"):
        fetching.fetch_asset(made, say=lambda line: None)
    assert not assets.present("fruit")


def test_members_begin_at_even_places() -> None:
    found = _debian.members(io.BytesIO(deb()))
    assert list(found) == ["debian-binary", "control.tar.xz", "data.tar.xz"]
    assert len(found["control.tar.xz"].getvalue()) % 2  # the next one is found all the same
