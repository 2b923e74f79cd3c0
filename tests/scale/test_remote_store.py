"""A store at an address: sent whole, fetched by checksum, mended when damaged, told in words when it cannot be used."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import fsspec
import pytest
from test_runner import contents, counted

from surpass.artifacts import Predictions
from surpass.errors import StoreError
from surpass.remote import RemoteStore
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import KINDS, MANIFEST, MARKER, Store

PLACE = "memory://bucket/store"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that moves this process to a machine with a cache folder of its own."""

    def move(name: str) -> None:
        monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / name))

    move("first")
    return move


def test_the_guide_names_every_folder_of_a_store():
    guide = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    folders = guide.partition("`aws s3 sync` of a store's folders ")[2].partition(" and its")[0]
    assert folders == ", ".join(f"`{kind}`" for kind in KINDS)


@pytest.fixture
def memory(machine):
    """Return the file system in memory, empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def sent(files, place: str = "/bucket/store") -> list[str]:
    """Return the manifests at the address."""
    return [path for path in files.find(place) if path.endswith(f"/{MANIFEST}")]


def test_another_machine_finds_every_artifact_with_equal_bytes(small_study, memory, machine, tmp_path):
    made, outcomes = run(small_study(), store=Store.open(PLACE))
    assert counted(outcomes) == {"done": len(made.nodes)}
    machine("second")
    second = Store.open(PLACE)
    assert isinstance(second, RemoteStore)
    assert counted(run(small_study(), store=second)[1]) == {"cached": len(made.nodes)}
    run(small_study(), store=Store.open(tmp_path / "folder"))
    assert contents(second.root) == contents(tmp_path / "folder")
    assert sorted(name for _, name in second.find("")) == sorted(made.nodes)
    assert len(sent(memory)) == len(made.nodes)


def test_a_folder_copied_to_an_address_is_a_store(small_study, memory, tmp_path):
    made, _ = run(small_study(), store=Store.open(tmp_path / "folder"))
    for kind in ("", *KINDS):
        for path in (tmp_path / "folder" / kind).rglob("*") if kind else [tmp_path / "folder" / MARKER]:
            if path.is_file():
                memory.pipe_file(f"/bucket/store/{path.relative_to(tmp_path / 'folder').as_posix()}", path.read_bytes())
    assert counted(run(small_study(), store=Store.open(PLACE))[1]) == {"cached": len(made.nodes)}


@pytest.mark.parametrize("harm", ["truncated", "altered", "missing", "manifest", "list"])
def test_what_is_damaged_at_the_address_is_computed_again(harm, small_study, memory, machine):
    made, _ = run(small_study(), store=Store.open(PLACE))
    manifest = next(path for path in sent(memory) if "/fit/" in path)
    payload = next(path for path in memory.find(manifest.rpartition("/")[0]) if path != manifest)
    good = memory.cat_file(payload)
    if harm == "missing":
        memory.rm_file(payload)
    elif harm in ("manifest", "list"):
        memory.pipe_file(manifest, b'{"files"' if harm == "manifest" else b"[1]")
    else:
        memory.pipe_file(payload, good[:-7] if harm == "truncated" else good[:-1] + bytes([good[-1] ^ 1]))
    machine("second")
    assert counted(run(small_study(), store=Store.open(PLACE))[1]) == {"cached": len(made.nodes) - 1, "done": 1}
    assert memory.cat_file(payload) == good
    machine("third")
    assert counted(run(small_study(), store=Store.open(PLACE))[1]) == {"cached": len(made.nodes)}


def test_a_damaged_copy_in_the_cache_is_fetched_again(small_study, memory):
    made, _ = run(small_study(), store=Store.open(PLACE))
    store = Store.open(PLACE)
    file = next(path for path in (store.root / "fit").rglob("*") if path.is_file() and path.name != MANIFEST)
    file.write_bytes(file.read_bytes()[:-1])
    assert counted(run(small_study(), store=store)[1]) == {"cached": len(made.nodes)}


@pytest.mark.parametrize("name", ["../../../../../evil.txt", "..\\evil.txt", "evil.txt\0", "evil.txt" * 40])
def test_a_manifest_that_names_files_elsewhere_writes_nothing_there(name, small_study, memory, machine, tmp_path):
    run(small_study(), store=Store.open(PLACE))
    manifest = next(path for path in sent(memory) if "/fit/" in path)
    about = json.loads(memory.cat_file(manifest))
    about["files"][name] = {"bytes": 1, "sha256": "0"}
    memory.pipe_file(manifest, json.dumps(about).encode())
    machine("second")
    store, key = Store.open(PLACE), manifest.split("/")[-2]
    with pytest.raises(StoreError, match="which is no file of its folder"):
        store.load("fit", key)
    assert not list(tmp_path.rglob("*evil.txt*"))
    assert not store.path("fit", key).exists()


def test_a_manifest_with_a_file_below_a_file_is_damage(small_study, memory, machine):
    made, _ = run(small_study(), store=Store.open(PLACE))
    manifest = next(path for path in sent(memory) if "/fit/" in path)
    about = json.loads(memory.cat_file(manifest))
    name = next(iter(about["files"]))
    about["files"] = {name: about["files"][name], f"{name}/below": about["files"][name]}
    memory.pipe_file(manifest, json.dumps(about).encode())
    machine("second")
    assert counted(run(small_study(), store=Store.open(PLACE))[1]) == {"cached": len(made.nodes) - 1, "done": 1}


def test_a_send_that_breaks_off_shows_no_manifest_anywhere(small_study, memory, monkeypatch):
    store = Store.open(PLACE)
    order: list[str] = []
    put = memory.put_file

    def broken(local, path, **more):
        order.append(path)
        if "/fit/" in path:
            raise TimeoutError("the line went dead")
        put(local, path, **more)

    monkeypatch.setattr(type(memory), "put_file", lambda self, *a, **k: broken(*a, **k))
    _, outcomes = run(small_study(), store=store)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed
    assert all("the line went dead" in outcome.error for outcome in failed)
    assert not [path for path in sent(memory) if "/fit/" in path]
    assert not list((store.root / "fit").glob("*/*"))
    artifacts = {path.rpartition("/")[0] for path in order if path.endswith(f"/{MANIFEST}")}
    assert artifacts
    for folder in artifacts:
        assert [path for path in order if path.startswith(folder)][-1].endswith(MANIFEST)
    monkeypatch.undo()


@pytest.mark.slow
def test_processes_share_a_real_address(small_study, machine, tmp_path):
    place = f"file://{tmp_path}/shared"
    made, outcomes = run(small_study(seeds=3), store=Store.open(place), runtime=Runtime(jobs=2))
    assert counted(outcomes) == {"done": len(made.nodes)}
    run(small_study(seeds=3), store=Store.open(tmp_path / "folder"))
    assert contents(tmp_path / "shared") == contents(tmp_path / "folder")  # a folder's store, byte by byte
    machine("second")
    assert isinstance(
        Store.open(place).load("fit", next(k for kind, k in Store.open(place).find("") if kind == "fit")), Predictions
    )


@pytest.mark.slow
def test_the_command_line_runs_and_reports_at_an_address(machine, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from surpass.cli import main

    monkeypatch.chdir(tmp_path)
    study = (
        "name: tiny\ntasks: [toy]\npairs: [{weak: {model: sklearn, ngrams: 1}, strong: {model: sklearn}}]\nseeds: 1\n"
    )
    Path("tiny.yaml").write_text(
        study + "data: {n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}\n", encoding="utf-8"
    )
    place = f"file://{tmp_path}/shared"
    options = ["--store", place, "--jobs", "0", "--quiet"]
    assert CliRunner().invoke(main, ["run", "tiny.yaml", *options]).exit_code == 0
    assert json.loads(Path("out/tiny/study.json").read_text("utf-8"))["store"] == place
    before = Path("out/tiny/results.csv").read_bytes()
    machine("second")
    done = CliRunner().invoke(main, ["report", "out/tiny", "--quiet"])
    assert done.exit_code == 2, done.output  # an address is opened for whoever names it
    done = CliRunner().invoke(main, ["report", "out/tiny", "--quiet", "--store", place])
    assert done.exit_code == 0, done.output
    assert Path("out/tiny/results.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nosuch://bucket/x", "store 'nosuch://bucket/x' cannot be used"),
        ("memory://", "store 'memory://' names no place behind its protocol"),
        ("s3:///", "store 's3:///' names no place behind its protocol"),
        ("s3:/bucket/x", "store 's3:/bucket/x' has one slash where an address has two"),
        ("ftp://me:secret@host/x", "holds a password or a key in its address"),
        ("memory://bucket/missing", "there is no store at 'memory://bucket/missing'"),
        ("memory://bucket/other", "is not a surpass store"),
        ("memory://bucket/old", "has another layout"),
        pytest.param(
            "s3://bucket/x",
            "needs a package that is not installed. Install s3fs",
            marks=pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed"),
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_told_in_words(place, words, memory):
    memory.pipe_file("/bucket/other/thesis.txt", b"words")
    memory.pipe_file(f"/bucket/old/{MARKER}", b'{"layout": 0}')
    with pytest.raises(StoreError) as told:
        Store.open(place, create=False)
    assert words in str(told.value)
    assert "secret" not in str(told.value)


def test_a_store_in_memory_serves_one_process_alone(small_study, memory):
    with pytest.raises(StoreError, match="Run with --jobs 0"):
        run(small_study(), store=Store.open(PLACE), runtime=Runtime(jobs=1))


def test_discarding_removes_both_copies(small_study, memory):
    store = Store.open(PLACE)
    run(small_study(), store=store)
    kind, key = store.find("")[-1]
    store.discard(kind, key)
    assert not store.has(kind, key)
    assert not memory.exists(f"/bucket/store/{kind}/{key[:2]}/{key}")
