"""What the disk does wrong: power cuts, no space, no leave to write, foreign files, links, clocks, no locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_newcomer import STUDY, surpass
from test_runner import contents, counted
from test_store import KEY, predictions

from surpass import disk
from surpass.artifacts import Predictions
from surpass.errors import UnwritableError
from surpass.labels.file import File
from surpass.models.sklearn import Sklearn
from surpass.runner import execute, executor_for, plan, run
from surpass.runtime import Runtime
from surpass.store import MANIFEST, MARKER, Store
from surpass.study import Pair
from surpass.work import NOT_KEPT

# A power cut: what was flushed, and in which order


def watch(monkeypatch: pytest.MonkeyPatch, seen: Callable[[str, Path, Path | None], None]) -> None:
    """Call `seen` before each flush, rename and new folder, with the paths that it is about."""
    sync, rename, replace, mkdir = os.fsync, os.rename, os.replace, os.mkdir

    def flushed(handle: int) -> None:
        seen("flush", Path(f"/proc/self/fd/{handle}").readlink(), None)
        sync(handle)

    def moved(how: Callable[..., None]) -> Callable[..., None]:
        def move(source: Any, target: Any, **options: Any) -> None:
            seen("move", Path(source), Path(target))
            how(source, target, **options)

        return move

    def made(path: Any, *options: Any, **more: Any) -> None:
        seen("make", Path(path), None)
        mkdir(path, *options, **more)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", moved(rename))
    monkeypatch.setattr(os, "replace", moved(replace))
    monkeypatch.setattr(os, "mkdir", made)


def weighty() -> Predictions:
    """Return predictions with a folder of weights beside them."""

    def weights(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "model.safetensors").write_bytes(b"weights")

    found = predictions()
    return Predictions(found.ids, found.split, found.values, weights=weights)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to know which file is flushed")
def test_payload_is_on_the_disk_before_the_manifest_and_both_before_the_artifact_is_seen(store, monkeypatch):
    events: list[tuple[str, Path, Path | None]] = []
    watch(monkeypatch, lambda *event: events.append(event))
    store.save("fit", KEY, weighty(), {})
    monkeypatch.undo()
    target = store.path("fit", KEY)
    ((seen, (_, temporary, _)),) = [(i, event) for i, event in enumerate(events) if event[2] == target]
    flushes = {path: i for i, (what, path, _) in enumerate(events) if what == "flush"}
    payload = [path for path in target.rglob("*") if path.is_file() and path.name != MANIFEST]
    assert {path.name for path in payload} == {"arrays.npz", "rows.json", "model.safetensors"}
    (draft,) = [path for path in flushes if path.name.startswith(f".{MANIFEST}")]
    named = next(i for i, (_, path, _) in enumerate(events) if path == draft and events[i][0] == "move")
    for path in payload:
        assert flushes[temporary / path.relative_to(target)] < flushes[draft] < named
    for folder in (temporary / "weights", temporary / "weights/deep", temporary):
        assert flushes[folder] < seen
    assert named < flushes[temporary] < seen < flushes[target.parent]
    for i, (what, path, _) in enumerate(events):
        if what == "make" and path.is_relative_to(store.root / "fit"):
            assert ("flush", path.parent, None) in events[i:], f"{path} may be lost"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to know which file is flushed")
def test_the_store_keeps_its_marker_through_a_power_cut(tmp_path, monkeypatch):
    events: list[tuple[str, Path, Path | None]] = []
    watch(monkeypatch, lambda *event: events.append(event))
    root = Store.open(tmp_path / "store").root
    moved = next(i for i, event in enumerate(events) if event[2] == root / MARKER)
    assert ("flush", root, None) in events[moved:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_save_cut_off_at_any_moment_leaves_a_whole_artifact_or_none(store, monkeypatch):
    cut, whole = 0, False
    while not whole:
        cut += 1
        if not (child := os.fork()):
            left = [cut]

            def seen(*_: Any, left: list[int] = left) -> None:
                left[0] -= 1
                if not left[0]:
                    os._exit(9)

            watch(monkeypatch, seen)
            store.save("fit", KEY, weighty(), {})
            os._exit(0)
        whole = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.fault("fit", KEY) is None
        if not store.has("fit", KEY):
            assert store.find("") == []
        else:
            assert store.load("fit", KEY).ids == predictions().ids
            store.discard("fit", KEY)
    assert cut > 12


# A full disk


def test_a_disk_that_fills_up_stops_the_study_says_it_once_and_loses_nothing(small_disk, small_study, tmp_path):
    study = small_study(seeds=3)
    store = Store.open(small_disk("size=192k") / "store")
    made, outcomes = run(study, store=store)
    counts = counted(outcomes)
    assert counts["failed"] == 1
    assert 0 < counts["done"] < len(made.nodes)
    assert sum(counts.values()) == len(made.nodes)
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert "no space left while writing" in failed.error
    said = {outcome.error for outcome in outcomes if outcome.status == "skipped"}
    assert NOT_KEPT in said
    assert said <= {NOT_KEPT, "an input of this stage failed"}
    fill(store.root.parent / "filler")
    with pytest.raises(UnwritableError, match="no space left while writing anything"):
        run(study, store=store)
    before = contents(store.root)
    small_disk("size=64m")
    _, outcomes = run(study, store=store)
    assert counted(outcomes) == {"cached": len(before), "done": len(made.nodes) - len(before)}
    calm = Store.open(tmp_path / "calm")
    run(study, store=calm)
    assert contents(store.root) == contents(calm.root)


def fill(path: Path) -> None:
    """Take what is left of a disk."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def test_no_space_in_the_middle_is_one_failure(small_study, store, monkeypatch):
    """Without a file system of its own: the third artifact finds no space, and nothing after it is computed."""
    saved: list[str] = []
    before = Predictions.save

    def save(self: Predictions, folder: Path) -> None:
        saved.append(folder.name)
        if len(saved) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        before(self, folder)

    monkeypatch.setattr(Predictions, "save", save)
    made, outcomes = run(small_study(seeds=3), store=store)
    assert len(saved) == 3
    assert counted(outcomes)["failed"] == 1
    assert len(outcomes) == len(made.nodes)


# A store that cannot be written


def test_a_read_only_store_serves_what_it_has_and_refuses_the_rest_at_once(small_disk, tmp_path):
    disk_folder = small_disk("size=16m")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    more = STUDY.replace("name: first", "name: more").replace("seeds: 1", "seeds: 2")
    (tmp_path / "more.yaml").write_text(more, encoding="utf-8")
    where = ("--jobs", "0", "--store", str(disk_folder / "store"))
    surpass("run", "study.yaml", *where, "--quiet", cwd=tmp_path)
    table = (tmp_path / "out/first/results.csv").read_bytes()
    small_disk("ro")
    surpass("run", "study.yaml", *where, "--quiet", cwd=tmp_path)
    assert (tmp_path / "out/first/results.csv").read_bytes() == table
    said = surpass("run", "more.yaml", *where, cwd=tmp_path, code=2).stderr
    assert said.count("cannot be written") == 1
    assert "Read-only file system" in said
    assert "Give a writable folder with --store" in said
    assert "failed" not in said


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_store_without_leave_to_write_is_refused_before_anything_runs(small_study, store):
    for folder in (store.root / "tmp", store.root):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
    with pytest.raises(UnwritableError, match="cannot be written"):
        run(small_study(), store=store)
    for folder in (store.root, store.root / "tmp"):
        folder.chmod(0o755)


# Foreign and damaged files


def test_foreign_files_in_the_store_are_left_alone_and_disturb_nothing(small_study, store):
    made, _ = run(small_study(), store=store)
    before = contents(store.root)
    folder = next((store.root / "fit").glob("*/*"))
    foreign = [
        store.root / "notes.txt",
        store.root / "fit" / "notes.txt",
        store.root / "fit" / "zz" / "not a key" / MANIFEST,
        folder.parent / "notes.txt",
        folder / "notes.txt",
        store.root / "tmp" / "notes.txt",
        store.root / "locks" / "notes.txt",
        store.root / "other" / "ab" / KEY / MANIFEST,
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours", encoding="utf-8")
    (store.root / "timings.tsv").write_bytes(b"\xff\xfe\n\nfit\tnan\nfit\t-inf\n" + b"x" * 1000)
    assert counted(run(small_study(), store=store)[1]) == {"cached": len(made.nodes)}
    assert contents(store.root) == before
    assert store.timings() == {}
    assert all(path.read_text() == "not ours" for path in foreign)


def test_a_file_in_the_place_of_a_folder_fails_what_needs_it_in_words(small_study, store):
    (store.root / "fit").write_text("in the way")
    _, outcomes = run(small_study(), store=store)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed
    assert all("cannot be written to" in outcome.error and not outcome.trace for outcome in failed)
    assert (store.root / "fit").read_text() == "in the way"


# Clocks


def test_a_clock_that_goes_back_costs_nothing(small_study, store, monkeypatch):
    made, _ = run(small_study(), store=store)
    ahead = time.time() + 10 * 24 * 3600
    for path in sorted(store.root.rglob("*")):
        os.utime(path, (ahead, ahead))  # finished before the clock was put back by ten days
    store.discard("fit", next(node.key for node in made.nodes.values() if node.spec.kind == "fit"))
    real = time.gmtime
    monkeypatch.setattr(time, "gmtime", lambda *_: real(0.0))
    _, outcomes = run(small_study(), store=store)
    assert counted(outcomes) == {"done": 1, "cached": len(made.nodes) - 1}
    assert all(outcome.seconds >= 0 for outcome in outcomes)


def test_leftovers_are_dated_by_the_clock_of_their_disk(store, monkeypatch):
    working = store.root / "tmp" / "another-run-writes-here"
    working.mkdir(parents=True)
    ahead = time.time() + 10 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: ahead)  # this machine's clock is wrong, or jumped
    store.sweep()
    assert working.exists()


# Locks


def refuse(*_: Any) -> None:
    raise OSError(errno.ENOSYS, "Function not implemented")


@pytest.mark.parametrize("flock", [refuse, lambda *_: None], ids=["no locks", "locks that hold nobody"])
def test_a_file_system_without_locks_is_noticed_and_works(flock, small_study, store, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fcntl, "flock", flock)
    with caplog.at_level("WARNING"):
        _, outcomes = run(small_study(), store=store)
    assert caplog.text.count("does not lock files: two runs at once may compute the same stage twice") == 1
    assert set(counted(outcomes)) == {"done"}
    monkeypatch.undo()
    calm = Store.open(tmp_path / "calm")
    run(small_study(), store=calm)
    assert contents(store.root) == contents(calm.root)


def test_locks_that_work_are_not_spoken_of(store, caplog):
    with caplog.at_level("WARNING"):
        store.check()
    assert not caplog.text
    assert not list((store.root / "tmp").iterdir())
    assert disk.keeps_out(store.root / "any")


def test_of_two_that_save_the_same_the_first_stays(store):
    store.save("fit", KEY, predictions(), {"who": "first"})
    stamp = (store.path("fit", KEY) / MANIFEST).stat().st_mtime_ns
    store.save("fit", KEY, predictions(), {"who": "second"})
    assert store.manifest("fit", KEY)["who"] == "first"
    assert (store.path("fit", KEY) / MANIFEST).stat().st_mtime_ns == stamp
    assert not list((store.root / "tmp").iterdir())


def test_a_label_file_that_changes_after_the_plan_gives_no_labels_under_the_old_key(small_study, store, tmp_path):
    path = tmp_path / "labels.csv"
    rows = [f"{i},{'pleasant' if i % 2 else 'unpleasant'}\n" for i in range(400)]
    path.write_text("id,label\n" + "".join(rows))
    pairs = (Pair(weak=File(path=str(path)), strong=Sklearn()),)
    made = plan(small_study(pairs=pairs), store)
    path.write_text("id,label\n" + "".join(reversed(rows)))
    outcomes = list(execute(made, store, executor_for(store, Runtime())))
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert "was changed since the study was planned. Run the study again" in failed.error
    assert set(counted(run(small_study(pairs=pairs), store=store)[1])) <= {"done", "cached"}
