"""Fits that run together: the same bytes as alone, whoever else is there, fails or dies."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tiny
from test_runner import contents, counted, finished_stages
from test_store import damage
from test_workers import deaths

from surpass import work as work_module
from surpass.artifacts import Targets
from surpass.methods.base import Method
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Fit
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.toy import Toy
from surpass.work import FEWEST, MOST, Node, mates, run_stages

RUNTIME = Runtime(device="cpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeepsFew(Method):
    """Keeps the first rows, 0 or more."""

    rows: int

    def prepare(self, weak: Targets, *_: Any) -> Targets:
        return weak.take(np.arange(self.rows))


@pytest.fixture(scope="session")
def backbone(tmp_path_factory) -> str:
    return tiny.save_llama(tmp_path_factory.mktemp("backbone") / "model", layers=2)


@pytest.fixture
def probe_study(small_study, backbone):
    """Return a maker of studies of one supervisor and students that differ in penalty and method."""

    def make(*methods: Method, penalties: Sequence[float] = (0.1, 1.0), **changes: Any) -> Study:
        weak = Sklearn(ngrams=1)
        probes = [Probe(backbone=backbone, precision="fp32", l2=l2) for l2 in penalties]
        pairs = tuple(Pair(weak=weak, strong=probe) for probe in probes)
        return small_study(pairs=pairs, methods=methods or (Soft(), Hard()), **changes)

    return make


def in_groups(study: Study) -> dict[tuple[str, ...], list[Node]]:
    found: dict[tuple[str, ...], list[Node]] = {}
    for node in graph(study.resolve()).values():
        found.setdefault(node.group, []).append(node)
    return found


def fits(study: Study, method: Method) -> list[str]:
    return [key(cell.student) for cell in cells(study.resolve()) if cell.route.method == method]


def test_heads_over_the_same_rows_and_features_are_a_group(probe_study):
    groups = in_groups(probe_study(seeds=2))
    alone = groups.pop(())
    assert not [node for node in alone if isinstance(node.spec, Fit) and isinstance(node.spec.model, Probe)]
    assert [len(nodes) for nodes in groups.values()] == [6, 6]  # of each seed two penalties: ceiling, soft and hard
    for nodes in groups.values():
        assert len({node.spec.data for node in nodes if isinstance(node.spec, Fit)}) == 1


def test_a_supervisor_reads_other_rows_and_a_gradient_head_runs_alone(probe_study, backbone):
    probe = Probe(backbone=backbone, precision="fp32")
    adam = dataclasses.replace(probe, solver="adam", epochs=2)
    study = probe_study()
    groups = in_groups(
        dataclasses.replace(study, pairs=(Pair(weak=probe, strong=probe), Pair(weak=probe, strong=adam)))
    )
    groups.pop(())
    assert sorted(len(nodes) for nodes in groups.values()) == [1, 3]


def node(name: int, group: tuple[str, ...] = ("g",)) -> Node:
    return Node(f"{name:03}", Data(task=Toy(), n_weak=1, n_transfer=1, n_val=1, n_test=1), (), group)


@pytest.mark.parametrize(
    ("ready", "workers", "size"), [(5, 1, 5), (200, 1, MOST), (30, 2, 15), (6, 2, 6), (12, 4, FEWEST)]
)
def test_a_group_is_shared_out_among_workers(ready, workers, size):
    nodes = [node(i) for i in range(ready)]
    others = [node(900, ("other",)), node(901, ())]
    found = mates(nodes[3], [*others, *nodes], workers)
    assert found[0] == nodes[3]
    assert len(found) == len({each.key for each in found}) == size
    assert {each.group for each in found} == {("g",)}
    assert mates(others[1], [*others, *nodes], workers) == [others[1]]


def test_together_and_alone_give_equal_bytes(probe_study, tmp_path, monkeypatch):
    study = probe_study(Soft(), Hard(), KeepsFew(rows=10), seeds=2)
    together, alone = (Store.open(tmp_path / name) for name in ("together", "alone"))
    assert set(counted(run(study, store=together, runtime=RUNTIME)[1])) == {"done"}
    monkeypatch.setattr(work_module, "MOST", 1)
    assert set(counted(run(study, store=alone, runtime=RUNTIME)[1])) == {"done"}
    assert contents(together.root) == contents(alone.root)


def test_a_fit_that_fails_among_others_says_why_and_they_are_done(probe_study, store):
    study = probe_study(Soft(), KeepsFew(rows=0), Hard())
    _, outcomes = run(study, store=store, runtime=RUNTIME)
    by_key = {outcome.key: outcome for outcome in outcomes}
    for name in fits(study, KeepsFew(rows=0)):
        assert by_key[name].status == "failed"
        assert "kept none of 60 rows" in by_key[name].error
    assert {by_key[name].status for method in (Soft(), Hard()) for name in fits(study, method)} == {"done"}


def test_what_is_damaged_or_missing_in_a_group_is_made_again(probe_study, store, monkeypatch):
    study = probe_study()
    made, _ = run(study, store=store, runtime=RUNTIME)
    before = contents(store.root)
    (nodes,) = (nodes for group, nodes in in_groups(study).items() if group)
    monkeypatch.setattr("test_store.KEY", nodes[1].key)
    damage(store, "truncated")
    store.discard("fit", nodes[3].key)
    outcomes = list(run_stages([made.nodes[each.key] for each in nodes], store, RUNTIME))
    assert {outcome.key for outcome in outcomes if outcome.status == "done"} == {nodes[1].key, nodes[3].key}
    assert counted(outcomes) == {"cached": len(nodes) - 2, "done": 2}
    assert contents(store.root) == before


def test_when_a_group_cannot_run_each_fit_still_does(probe_study, store, monkeypatch, caplog):
    def too_much(*_: Any) -> None:
        raise MemoryError("no room for all of them")

    monkeypatch.setattr(work_module, "compute_all", too_much)
    with caplog.at_level("INFO"):
        _, outcomes = run(probe_study(), store=store, runtime=RUNTIME)
    assert "6 fits could not run together: no room for all of them. Each runs alone." in caplog.text
    assert set(counted(outcomes)) == {"done"}


@pytest.mark.slow
def test_workers_give_the_bytes_of_one_process(probe_study, tmp_path):
    study = probe_study(penalties=(0.1, 0.3, 1.0, 3.0, 9.0), seeds=2)
    stores = [Store.open(tmp_path / name) for name in ("none", "two")]
    for jobs, store in zip((0, 2), stores, strict=True):
        assert set(counted(run(study, store=store, runtime=Runtime(device="cpu", jobs=jobs))[1])) == {"done"}
    assert contents(stores[0].root) == contents(stores[1].root)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "left"), [(1, 0), (9, 7)])
def test_a_fit_that_kills_its_worker_takes_no_other_along(count, left, probe_study, store, tmp_path):
    deadly = deaths(tmp_path / "deaths", count)
    study = probe_study(Soft(), deadly, Hard(), penalties=(0.1,))
    made, outcomes = run(study, store=store, runtime=Runtime(device="cpu", jobs=1))
    by_key = {outcome.key: outcome for outcome in outcomes}
    assert len(outcomes) == len(made.nodes)
    (name,) = fits(study, deadly)
    assert by_key.pop(name).status == ("failed" if left else "done")
    assert {outcome.status for outcome in by_key.values()} <= {"done", "cached"}
    assert len(list((tmp_path / "deaths").iterdir())) == left


DRIVER = """
import json, sys
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.toy import Toy

if __name__ == "__main__":
    weak, penalties = Sklearn(ngrams=1), [0.1 * i for i in range(1, 41)]
    probes = [Probe(backbone=sys.argv[2], precision="fp32", l2=l2) for l2 in penalties]
    study = Study(name="small", tasks=(Toy(rows=400),), pairs=tuple(Pair(weak=weak, strong=probe) for probe in probes),
                  methods=(Soft(), Hard()), data={"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}, seeds=1)
    _, outcomes = run(study, store=Store.open(sys.argv[1]), runtime=Runtime(device="cpu"))
    print(json.dumps(sorted({outcome.status for outcome in outcomes})))
"""


@pytest.mark.slow
def test_a_run_killed_amid_its_groups_resumes_to_the_same_bytes(backbone, tmp_path):
    """The groups of a resumed run hold other fits than those of an undisturbed one."""
    driver = tmp_path / "drive.py"
    driver.write_text(DRIVER, encoding="utf-8")

    def begin(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(driver), str(tmp_path / name), backbone], stdout=subprocess.PIPE, text=True
        )

    def end(process: subprocess.Popen[str]) -> set[str]:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        return set(json.loads(out))

    assert end(begin("undisturbed")) == {"done"}
    killed = 0
    for wanted in (12, 75, 99):
        process = begin("disturbed")
        while process.poll() is None and finished_stages(tmp_path / "disturbed") < wanted:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    assert end(begin("disturbed")) <= {"done", "cached"}
    assert contents(tmp_path / "disturbed") == contents(tmp_path / "undisturbed")
