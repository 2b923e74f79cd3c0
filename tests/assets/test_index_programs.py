"""Assets of packages that pip, npm and several callers at once fetch, the cache folder and the manifest."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from package_index import WHEEL, World, made_asset, tar

from surpass import assets
from surpass.assets import cache, fetching, manifest
from surpass.errors import AssetError


def test_a_cache_that_cannot_be_written_is_told_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPASS_CACHE", str(world.index / WHEEL))
    with pytest.raises(AssetError, match=r"cannot be written: .* set SURPASS_CACHE to another folder"):
        assets.fetch(["words"])


def test_assets_of_one_archive_download_it_once(world: World) -> None:
    words = world.assets["words"]
    world.put(dataclasses.replace(words, members=words.members[:1]), name="few")
    lines: list[str] = []
    assets.fetch(["few", "words", "few"], progress=lines.append)
    assert [line.split(":")[0] for line in lines if "downloading" in line] == ["few"]
    assert assets.verify("few") == assets.verify("words") == []
    assert not cache.shelf(words).exists()
    world.member(1).unlink()  # mended alone: the last one that needs the archive throws it away
    assets.fetch(["words", "few"])
    assert not cache.shelf(words).exists()


NPM = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1] == "pack" and "--ignore-scripts" in sys.argv and sys.argv[-1] == "@tiny/mails@3.0"
if not pathlib.Path({source!r}).exists():
    sys.exit("npm error code E404\\nnpm error 404 Not Found - GET mails\\nnpm error A complete log of this run is elsewhere")
shutil.copy({source!r}, sys.argv[sys.argv.index("--pack-destination") + 1])
"""


@pytest.fixture
def mails(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> manifest.Asset:
    """A JavaScript package in an index of which a program called npm knows."""
    files = {f"package/data/{name}": content for name, content in MAILS.items()}
    tar(world.index / "tiny_mails-3.0.tgz", files)
    lines = [{"name": name, "text": content.decode()} for name, content in sorted(MAILS.items()) if name[-3:] == "txt"]
    gathered = "".join(json.dumps(line) + "\n" for line in lines).encode()
    made = made_asset(world.index / "tiny_mails-3.0.tgz", {"data/*.txt": gathered}, prefix="package/")
    member = dataclasses.replace(made.members[0], path="mails.jsonl")
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(NPM.format(python=sys.executable, source=str(world.index / made.archive)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return world.put(made, name="mails", index="npm", package="@tiny/mails", version="3.0", members=(member,))


MAILS = {"b/2.txt": b"two", "a/1.txt": b"one", "a/1.json": b"{}"}


def test_a_javascript_package_is_packed_by_npm_and_its_texts_are_gathered(mails: manifest.Asset) -> None:
    folder = assets.fetch(["mails"])["mails"]
    rows = [json.loads(line) for line in (folder / "mails.jsonl").read_text("utf-8").splitlines()]
    assert rows == [{"name": "a/1.txt", "text": "one"}, {"name": "b/2.txt", "text": "two"}]


def test_npm_says_why_it_could_not(world: World, mails: manifest.Asset) -> None:
    world.close_index()
    with pytest.raises(
        AssetError, match=r"npm could not download @tiny/mails==3.0: 404 Not Found - GET mails\. .*npm config"
    ):
        assets.fetch(["mails"])


def test_without_npm_the_message_says_so_and_the_archive_by_hand_will_do(
    world: World, mails: manifest.Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetError, match=r"fetched with npm, which is missing here. .*apt-get install npm") as error:
        assets.fetch(["mails"])
    shelf = cache.shelf(mails)
    assert f"put {mails.archive} into the folder {shelf}" in str(error.value)
    shelf.mkdir(parents=True)
    shutil.copy(world.index / mails.archive, shelf)
    assets.fetch(["mails"])
    assert assets.verify("mails") == []


def test_without_pip_the_message_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="python -m ensurepip"):
        assets.fetch(["words"])


def test_two_threads_at_once_download_once(world: World) -> None:
    lines: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(assets.fetch, ["words"], progress=lines.append) for _ in range(4)]
        assert len({str(job.result()) for job in jobs}) == 1
    assert sum("downloading" in line for line in lines) == 1
    assert assets.verify("words") == []


def _fetch_in_child(asset: manifest.Asset) -> list[str]:
    lines: list[str] = []
    fetching.fetch_asset(asset, say=lines.append)
    return lines


def test_two_processes_at_once_download_once(world: World) -> None:
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        said = list(pool.map(_fetch_in_child, [world.assets["words"]] * 2))
    assert sum("downloading" in line for lines in said for line in lines) == 1
    assert assets.verify("words") == []


def test_the_cache_folder_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPASS_CACHE", "somewhere")
    assert assets.cache_root() == Path.cwd() / "somewhere"
    monkeypatch.delenv("SURPASS_CACHE")
    assert assets.cache_root().name == "surpass"


def test_the_manifest_is_complete_and_names_no_host() -> None:
    assert {"bbc-news", "minilm", "sarcasm", "smollm2-135m", "spam-assassin", "vader-ratings"} < set(assets.names())
    sums, archives = [], {}
    for name in assets.names():
        asset = assets.info(name)
        assert asset.kind in ("model", "data")
        assert asset.licence
        assert asset.citation
        assert asset.version in asset.archive
        assert assets.digest(name) == asset.digest
        assert archives.setdefault(asset.archive, asset.sha256) == asset.sha256  # several assets may share an archive
        sums += [member.sha256 for member in asset.members]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in (*sums, *archives.values()))
    assert len(set(sums)) == len(sums) >= 17
    assert "://" not in Path(manifest.__file__).with_name("assets.toml").read_text()


def test_importing_assets_brings_nothing_heavy() -> None:
    code = "import sys, surpass.assets, surpass.assets.backbones as b; b.check('package:minilm'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    heavy = {"torch", "transformers", "numpy", "gguf", "filelock", "pip", "huggingface_hub"}
    assert not heavy & set(done.stdout.split())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
