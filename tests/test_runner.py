"""The runner: what is there is not run again, a failure stays where it is, and nothing depends on who computes."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_stores import contents
from test_store import damage as _damage
from test_store import poison

from surpass import store as store_module
from surpass.artifacts import Predictions, Splits, Targets
from surpass.labels.base import LabelSource
from surpass.methods.base import Given, Method
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import estimate_seconds, graph, plan, run, timing_name
from surpass.runtime import Runtime
from surpass.spec import decode, key
from surpass.study import Pair, cells
from surpass.tasks.toy import Toy

DRIVER = """
import json, sys
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.toy import Toy

if __name__ == "__main__":
    jobs, seeds = int(sys.argv[2]), int(sys.argv[3])
    study = Study(name="small", tasks=(Toy(rows=400),), pairs=(Pair(weak=Sklearn(ngrams=1), strong=Sklearn()),),
                  methods=(Soft(), Hard()), data={"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}, seeds=seeds)
    print("start", flush=True)
    made, outcomes = run(study, store=Store.open(sys.argv[1]), runtime=Runtime(jobs=jobs))
    print(json.dumps([[outcome.status, outcome.error] for outcome in outcomes]))
"""
spec = dataclasses.dataclass(frozen=True, kw_only=True)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("driver") / "drive.py"
    path.write_text(DRIVER, encoding="utf-8")
    return path


def start(driver: Path, root: Path, *, jobs: int = 0, seeds: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, str(driver), str(root), str(jobs), str(seeds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def statuses(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found = json.loads(out.splitlines()[-1])
    assert not [error for _, error in found if error]
    return [status for status, _ in found]


def finished_stages(root: Path) -> int:
    """Return how many artifacts a store holds while others write to it; its temporary folders come and go."""
    return sum(len(list((root / kind).glob("*/*/manifest.json"))) for kind in store_module.KINDS)


def counted(outcomes: Sequence[Any]) -> Counter[str]:
    return Counter(outcome.status for outcome in outcomes)


def test_what_is_in_the_store_is_not_run_again(small_study, store):
    study = small_study(seeds=2)
    first, outcomes = run(study, store=store)
    assert counted(outcomes) == {"done": len(first.nodes)}
    second, again = run(study, store=store)
    assert counted(again) == {"cached": len(first.nodes)}
    assert second.missing() == []


def test_a_second_method_trains_only_its_own_students(small_study, store):
    run(small_study(seeds=2), store=store)
    made, outcomes = run(small_study(seeds=2, methods=(Soft(), Hard())), store=store)
    done = {outcome.key for outcome in outcomes if outcome.status == "done"}
    assert done == {key(cell.student) for cell in cells(made.study) if cell.route.method == Hard()}


def test_progress_hears_every_stage_once(small_study, store):
    heard = []
    made, _ = run(small_study(), store=store, progress=lambda plan, outcome: heard.append(outcome.key))
    assert sorted(heard) == sorted(made.nodes)


def test_manifests_hold_the_spec_its_inputs_and_the_versions(small_study, store):
    made, _ = run(small_study(), store=store)
    for node in made.nodes.values():
        manifest = store.manifest(node.spec.kind, node.key)
        assert key(decode(manifest["spec"])) == node.key
        assert tuple(name for _, name in manifest["inputs"]) == node.inputs
        assert {"surpass", "python", "numpy", "scikit-learn"} <= set(manifest["versions"])


@pytest.mark.parametrize("how", ["truncated", "altered", "removed", "manifest"])
def test_a_damaged_artifact_is_reported_and_recomputed(how, small_study, store, monkeypatch, caplog):
    made, _ = run(small_study(), store=store)
    before = contents(store.root)
    (cell,) = cells(made.study)
    monkeypatch.setattr("test_store.KEY", key(cell.supervisor))
    _damage(store, how)
    assert set(plan(small_study(), store).damaged) == {key(cell.supervisor)}
    with caplog.at_level("WARNING"):
        _, outcomes = run(small_study(), store=store)
    assert "It is recomputed." in caplog.text
    assert counted(outcomes) == {"done": 1, "cached": len(made.nodes) - 1}
    assert contents(store.root) == before


def test_an_artifact_with_a_right_checksum_is_served_whatever_it_says(small_study, store):
    made, _ = run(small_study(), store=store)
    (cell,) = cells(made.study)
    found = store.load("fit", key(cell.supervisor))
    poison(store, "fit", key(cell.supervisor), dataclasses.replace(found, values=found.values[:, ::-1]))
    store.discard("fit", key(cell.student))
    run(small_study(), store=store)
    test = store.load("data", key(cell.data.evaluation())).part("test")
    right = store.load("fit", key(cell.student)).on(test.ids).argmax(axis=1) == test.labels
    assert right.mean() < 0.5  # a student of a supervisor turned round


@spec
class _Fails(LabelSource):
    """Labels that cannot be made."""

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        raise ZeroDivisionError("no labels today")


@spec
class _KeepsNone(Method):
    """Leaves out every row."""

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        return weak.take(np.array([], dtype=int))


@pytest.mark.parametrize("jobs", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_failure_skips_what_needs_it_and_nothing_else(jobs, small_study, store):
    strong = Sklearn()
    pairs = (Pair(weak=_Fails(), strong=strong), Pair(weak=Sklearn(ngrams=1), strong=strong))
    study = small_study(pairs=pairs, methods=(Soft(), _KeepsNone()))
    made, outcomes = run(study, store=store, runtime=Runtime(jobs=jobs))
    by_key = {outcome.key: outcome for outcome in outcomes}
    assert len(by_key) == len(made.nodes)
    for cell in cells(made.study):
        label, student = by_key[key(cell.supervisor)], by_key[key(cell.student)]
        assert by_key[key(cell.ceiling)].status == "done"
        if cell.pair == pairs[0]:
            assert (label.status, label.error) == ("failed", "ZeroDivisionError: no labels today")
            assert "in compute" in label.trace
            assert (student.status, student.error) == ("skipped", "an input of this stage failed")
        elif cell.route.method == Soft():
            assert student.status == "done"
        else:
            assert student.status == "failed"
            assert "kept none of 60 rows" in student.error
            assert student.trace == ""
    _, again = run(study, store=store)
    assert counted(again)["done"] == 0


def test_a_full_disk_fails_one_stage_in_words(small_study, store, monkeypatch):
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module, "write_atomically", full)
    _, outcomes = run(small_study(), store=store)
    assert counted(outcomes)["done"] == 0
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed
    assert all("no space left while writing" in outcome.error and not outcome.trace for outcome in failed)
    monkeypatch.undo()
    assert set(counted(run(small_study(), store=store)[1])) == {"done"}


def test_estimates_come_from_the_timings_of_like_stages(small_study, store):
    made = plan(small_study(), store)
    assert estimate_seconds(made.missing(), store) == (0, len(made.nodes))
    fits = [node for node in made.missing() if node.spec.kind == "fit"]
    for seconds in (2.0, 4.0):
        store.note_timing(timing_name(fits[0].spec), seconds)
    assert estimate_seconds(made.missing(), store) == (3.0 * len(fits), len(made.nodes) - len(fits))


def test_a_study_of_two_pairs_shares_equal_work(small_study):
    one = small_study()
    both = small_study(pairs=(*one.pairs, Pair(weak=Sklearn(ngrams=3), strong=Sklearn())))
    assert len(graph(both)) - len(graph(one)) == 2  # another supervisor and its student; the ceiling is the same


def test_the_same_study_in_fresh_processes_gives_equal_bytes(driver, tmp_path):
    runs = [start(driver, tmp_path / name) for name in ("one", "two")]
    assert [set(statuses(process)) for process in runs] == [{"done"}] * 2
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_two_processes_on_one_store_compute_each_stage_once(driver, tmp_path):
    runs = [start(driver, tmp_path / "store", seeds=4) for _ in range(2)]
    both = [statuses(process) for process in runs]
    stages = len(both[0])
    assert sum(found.count("done") for found in both) == stages
    assert sum(found.count("cached") for found in both) == stages
    assert len(contents(tmp_path / "store")) == stages


@pytest.mark.slow
def test_workers_give_what_one_process_gives(driver, tmp_path):
    assert set(statuses(start(driver, tmp_path / "none", seeds=2))) == {"done"}
    assert set(statuses(start(driver, tmp_path / "two", jobs=2, seeds=2))) == {"done"}
    assert contents(tmp_path / "none") == contents(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [0, 2])
def test_a_driver_killed_at_five_moments_resumes_to_the_same_bytes(jobs, driver, tmp_path):
    stages = len(statuses(start(driver, tmp_path / "undisturbed", seeds=6)))
    moments, killed = random.Random(jobs), 0
    for _ in range(5):
        # A moment is a number of finished stages, not a time: a fast machine would be done before the signal.
        finished = finished_stages(tmp_path / "disturbed")
        wanted = finished + moments.randint(0, (stages - finished) // 3)
        process = start(driver, tmp_path / "disturbed", jobs=jobs, seeds=6)
        assert process.stdout is not None
        assert process.stdout.readline() == "start\n"
        while process.poll() is None and finished_stages(tmp_path / "disturbed") < wanted:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 2  # a busy machine may finish a study before the signal arrives, but not every time
    assert set(statuses(start(driver, tmp_path / "disturbed", jobs=jobs, seeds=6))) <= {"done", "cached"}
    assert contents(tmp_path / "disturbed") == contents(tmp_path / "undisturbed")


def test_a_toy_study_shows_strong_over_weak(small_study, store):
    """The chain holds together: more rows of truth beat fewer, and the floor is above chance."""
    study = small_study(
        tasks=(Toy(rows=1500, noise=0.0),), data={"n_weak": 30, "n_transfer": 400, "n_val": 10, "n_test": 300}
    )
    made, _ = run(study, store=store)
    (cell,) = cells(made.study)
    test = store.load("data", key(cell.data.evaluation())).part("test")
    floor, ceiling = (
        float((store.load("fit", key(fit)).on(test.ids).argmax(axis=1) == test.labels).mean())
        for fit in (cell.supervisor, cell.ceiling)
    )
    assert 0.5 < floor < ceiling
