"""The store: all or nothing, checked on every read, ours alone, and shared by processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from surpass.artifacts import Predictions
from surpass.errors import StoreError
from surpass.store import LAYOUT, MANIFEST, MARKER, Store

KEY = "ab" * 10


def predictions(value: float = 0.25, rows: int = 4) -> Predictions:
    ids = tuple(f"r{i}" for i in range(rows))
    return Predictions(ids, ("test",) * rows, np.full((rows, 2), value))


def held(store: Store) -> list[Path]:
    """Return the files of the store that are neither its marker nor locks."""
    return [path for path in store.root.rglob("*") if path.is_file() and path.name != MARKER and path.suffix != ".lock"]


def test_an_artifact_comes_back(store):
    store.save("fit", KEY, predictions(), {"seconds": 1})
    assert store.has("fit", KEY)
    assert store.fault("fit", KEY) is None
    assert np.array_equal(store.load("fit", KEY).values, predictions().values)
    manifest = store.manifest("fit", KEY)
    assert (manifest["kind"], manifest["key"], manifest["seconds"]) == ("fit", KEY, 1)
    assert set(manifest["files"]) == {"arrays.npz", "rows.json"}
    assert store.find("abab") == [("fit", KEY)]
    assert not list((store.root / "tmp").iterdir())


def test_what_is_not_there(store):
    assert (store.has("fit", KEY), store.manifest("fit", KEY), store.fault("fit", KEY)) == (False, None, None)
    with pytest.raises(StoreError, match=rf"fit {KEY} is not in the store .* Run its study first"):
        store.load("fit", KEY)


def test_equal_work_gives_equal_bytes(store, tmp_path):
    other = Store.open(tmp_path / "other")
    for each in (store, other):
        each.save("fit", KEY, predictions(), {})
        time.sleep(0.01)
    assert store.manifest("fit", KEY)["files"] == other.manifest("fit", KEY)["files"]


def test_a_kill_between_payload_and_manifest_leaves_nothing_visible(tmp_path):
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from surpass import store as module
from test_store import predictions, KEY
found = module.Store.open({str(tmp_path / "store")!r})
before = Path.replace
def killed(self, target):
    if target.name == module.MANIFEST:
        assert (target.parent / "arrays.npz").stat().st_size > 0
        os.kill(os.getpid(), signal.SIGKILL)
    return before(self, target)
Path.replace = killed
found.save("fit", KEY, predictions(), {{}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    store = Store.open(tmp_path / "store")
    assert not store.has("fit", KEY)
    assert store.find("") == []
    store.save("fit", KEY, predictions(), {})
    assert store.fault("fit", KEY) is None


def test_leftovers_of_killed_runs_are_swept_after_a_day(store):
    young, old = store.root / "tmp" / "young", store.root / "tmp" / "old"
    for folder in (young, old):
        folder.mkdir(parents=True)
    day_and_more = time.time() - 25 * 3600
    os.utime(old, (day_and_more, day_and_more))
    store.sweep()
    assert young.exists()
    assert not old.exists()


def test_checkpoints_of_killed_fits_are_kept_for_a_week(store):
    kept, old = store.scratch("a" * 16), store.scratch("b" * 16)
    for folder, days in ((kept, 6), (old, 8)):
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - days * 24 * 3600,) * 2)
    store.sweep()
    assert kept.exists()
    assert not old.exists()


def damage(store: Store, how: str) -> None:
    folder = store.path("fit", KEY)
    arrays = folder / "arrays.npz"
    if how == "truncated":
        arrays.write_bytes(arrays.read_bytes()[:-10])
    elif how == "altered":
        content = bytearray(arrays.read_bytes())
        content[len(content) // 2] ^= 1
        arrays.write_bytes(content)
    elif how == "removed":
        (folder / "rows.json").unlink()
    elif how == "manifest":
        (folder / MANIFEST).write_text("{")
    elif how == "empty manifest":
        (folder / MANIFEST).write_text("[]")
    elif how == "another's":
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, "key": "cd" * 10}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"arrays\.npz has \d+ bytes, its manifest says \d+"),
        ("altered", r"arrays\.npz is not what its manifest's checksum says"),
        ("removed", r"rows\.json is missing"),
        ("manifest", "is not the manifest of this artifact"),
        ("empty manifest", "is not the manifest of this artifact"),
        ("another's", "is not the manifest of this artifact"),
    ],
)
def test_damage_is_noticed_on_reading_and_mended_by_saving(store, how, message):
    store.save("fit", KEY, predictions(), {})
    damage(store, how)
    with pytest.raises(StoreError, match=rf"fit {KEY}: .*{message}.*Run the study again: it will be recomputed"):
        store.load("fit", KEY)
    store.save("fit", KEY, predictions(0.75), {})
    assert store.load("fit", KEY).values[0, 0] == 0.75


def poison(store: Store, kind: str, name: str, artifact: Predictions) -> None:
    """Replace an artifact's arrays and make its manifest agree."""
    folder = store.path(kind, name)
    artifact.save(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    for file in manifest["files"]:
        content = (folder / file).read_bytes()
        manifest["files"][file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_what_is_there_with_a_right_checksum_is_served(store):
    store.save("fit", KEY, predictions(), {})
    poison(store, "fit", KEY, predictions(999.0))
    assert store.load("fit", KEY).values[0, 0] == 999.0


def test_a_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(StoreError, match=rf"is not a surpass store: it has no {MARKER} and is not empty"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="is not a surpass store"):
        Store.open(tmp_path / "thesis.tex")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_another_layout_and_a_broken_marker_are_refused(tmp_path):
    (tmp_path / MARKER).write_text(json.dumps({"layout": LAYOUT + 1}))
    with pytest.raises(StoreError, match=rf"has layout {LAYOUT + 1}; this version of surpass reads layout {LAYOUT}"):
        Store.open(tmp_path)
    (tmp_path / MARKER).write_text("{")
    with pytest.raises(StoreError, match=r"cannot be used: .*Give a writable folder with --store"):
        Store.open(tmp_path)


def test_an_empty_folder_or_one_that_another_process_is_opening_is_taken(tmp_path):
    Store.open(tmp_path)
    (tmp_path / MARKER).rename(tmp_path / f".{MARKER}-77-abc")
    assert Store.open(tmp_path).root == tmp_path


def test_a_full_disk_is_said_and_leaves_nothing_half_written(small_disk):
    store = Store.open(small_disk("size=1m") / "store")
    store.save("fit", KEY, predictions(), {})
    with pytest.raises(StoreError, match=r"no space left while writing fit .*; what was finished is kept"):
        store.save("fit", "cd" * 10, predictions(rows=200_000), {})
    assert not store.has("fit", "cd" * 10)
    assert not list((store.root / "tmp").iterdir())
    assert store.fault("fit", KEY) is None
    store.save("fit", "ef" * 10, predictions(), {})


def test_no_space_is_said_without_a_small_file_system_too(store, monkeypatch):
    def full(self: Predictions, folder: Path) -> None:
        (folder / "arrays.npz").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Predictions, "save", full)
    with pytest.raises(StoreError, match=r"no space left while writing fit .* Free some space or give another folder"):
        store.save("fit", KEY, predictions(), {})
    assert held(store) == []


def test_a_folder_that_cannot_be_written_is_said(store):
    (store.root / "fit").write_text("in the way")
    with pytest.raises(StoreError, match=rf"fit {KEY} cannot be written to .*Give a writable folder"):
        store.save("fit", KEY, predictions(), {})
    (store.root / "locks").write_text("in the way")
    with pytest.raises(StoreError, match=f"the lock of {KEY} cannot be written to"), store.lock(KEY):
        pass


def test_a_lock_waits_and_is_freed_with_its_process(store, tmp_path):
    code = f"""
import sys, time
from surpass.store import Store
with Store.open({str(store.root)!r}).lock({KEY!r}):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(0.7)
    holder.kill()
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "held\n"
    for process in (holder, waiter):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()


def test_timings_survive_torn_lines(store):
    store.note_timing("fit model/sklearn", 1.5)
    with (store.root / "timings.tsv").open("a") as file:
        file.write("fit model/skl\n")
    store.note_timing("fit model/sklearn", 2.5)
    assert store.timings() == {"fit model/sklearn": [1.5, 2.5]}
