"""Studies on a Ray cluster of two nodes: every stage once, the same bytes, whoever dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_runner import contents, counted, finished_stages
from test_studyfile import BESIDE, OWN
from test_workers import Greedy, by_key, deaths

from surpass.errors import MissingPackageError, SurpassError
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.ray_runner import GIB, Needs, RayExecutor, _connected, _Runner, needs
from surpass.runner import execute, plan, run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.store import Store
from surpass.study import Pair, cells
from surpass.studyfile import read

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
TESTS = Path(__file__).parents[1]
NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
# A dead node is noticed in a second instead of half a minute.
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return a cluster of two nodes of one CPU, one with a GPU in name, whose caches are not the driver's."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(TESTS))  # the methods of tests are there
        patch.setenv("SURPASS_CACHE", str(tmp_path_factory.mktemp("nodes")))
        made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "_system_config": HEALTH})
        made.add_node(**NODE)
        made.add_node(**NODE, num_gpus=1)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def on_ray(cluster):
    """Return the runtime of a run on the cluster."""
    return Runtime(executor="ray", address=cluster.address, device="cpu")


def test_each_stage_is_computed_once_to_the_same_bytes(small_study, on_ray, tmp_path):
    study = small_study(seeds=4, methods=(Soft(), Hard()))
    heard: Counter[str] = Counter()
    made, outcomes = run(
        study,
        store=Store.open(tmp_path / "ray"),
        runtime=on_ray,
        progress=lambda _, outcome: heard.update([outcome.key]),
    )
    assert counted(outcomes) == {"done": len(made.nodes)}
    assert heard == Counter(list(made.nodes))
    assert finished_stages(tmp_path / "ray") == len(made.nodes)
    run(study, store=Store.open(tmp_path / "alone"))
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")


def test_nodes_find_the_classes_of_a_recipe_and_those_beside_it(on_ray, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine_on_ray.py").write_text(OWN.replace("from beside", "from beside_on_ray"), encoding="utf-8")
    (tmp_path / "beside_on_ray.py").write_text(BESIDE, encoding="utf-8")
    study = read(f"{tmp_path / 'mine_on_ray.py'}:make")
    _, outcomes = run(study, store=Store.open(tmp_path / "store"), runtime=on_ray)
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    for name in ("mine_on_ray", "beside_on_ray"):
        del sys.modules[name]


def test_nodes_reach_a_store_at_an_address(small_study, on_ray, tmp_path, monkeypatch):
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "cache"))
    made, outcomes = run(small_study(), store=Store.open(f"file://{tmp_path}/shared"), runtime=on_ray)
    assert counted(outcomes) == {"done": len(made.nodes)}
    run(small_study(), store=Store.open(tmp_path / "alone"))
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_a_study_killed_in_process_and_continued_on_ray_gives_the_same_results(cluster, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from surpass.cli import main

    monkeypatch.chdir(tmp_path)
    rows = "{n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}"
    pair = "{weak: {model: sklearn, ngrams: 1}, strong: {model: sklearn}}"
    Path("tiny.yaml").write_text(
        f"name: tiny\ntasks: [toy]\npairs: [{pair}]\ndata: {rows}\nmethods: [soft, hard]\nseeds: 6\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "surpass", "run", "tiny.yaml", "--store", "store", "--quiet", "--jobs", "0"]
    driver = subprocess.Popen(command)
    while finished_stages(tmp_path / "store") < 8:
        assert driver.poll() is None
        time.sleep(0.005)
    driver.kill()
    driver.wait()
    before = finished_stages(tmp_path / "store")

    def results(out: str, store: str, *options: str) -> bytes:
        done = CliRunner().invoke(main, ["run", "tiny.yaml", "--out", out, "--store", store, "--quiet", *options])
        assert done.exit_code == 0, done.output
        return (tmp_path / out / "results.csv").read_bytes()

    continued = results("continued", "store", "--executor", "ray", "--address", cluster.address)
    assert before < finished_stages(tmp_path / "store")
    assert continued == results("whole", "fresh", "--jobs", "0")
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh")


def test_a_node_killed_in_the_middle_costs_no_result(small_study, on_ray, cluster, tmp_path):
    study = small_study(seeds=6, methods=(Soft(), Hard()))
    node = cluster.add_node(**NODE)
    ended: list[str] = []

    def kill(_, outcome):
        ended.append(outcome.key)
        if len(ended) == 8:
            os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    made, outcomes = run(study, store=Store.open(tmp_path / "ray"), runtime=on_ray, progress=kill)
    assert set(counted(outcomes)) <= {"done", "cached"}  # stored, but its outcome was lost on the way
    assert sorted(outcome.key for outcome in outcomes) == sorted(made.nodes)
    run(study, store=Store.open(tmp_path / "alone"))
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")


def test_a_stage_that_kills_two_actors_fails_and_the_rest_goes_on(small_study, on_ray, tmp_path):
    study = small_study(methods=(deaths(tmp_path / "ever", 9), Soft(), deaths(tmp_path / "once", 1)))
    store = Store.open(tmp_path / "store")
    made, outcomes = run(study, store=store, runtime=on_ray)
    ever, soft, once = (by_key(outcomes)[key(cell.student)] for cell in cells(made.study))
    assert (soft.status, once.status) == ("done", "done")
    assert ever.status == "failed"
    assert "the Ray actor or node that ran this stage was lost" in ever.error
    assert len(list((tmp_path / "ever").iterdir())) == 7


def test_a_stage_whose_actor_died_is_tried_again_in_smaller_batches(small_study, on_ray, store):
    study = small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=Greedy()),))
    _, outcomes = run(study, store=store, runtime=on_ray)
    assert {(outcome.status, outcome.error) for outcome in outcomes} == {("done", "")}


def test_a_stage_with_a_backbone_gets_a_gpu_and_memory(small_study, on_ray, tiny_backbone, tmp_path):
    import dataclasses

    strong = Probe(backbone=tiny_backbone, precision="fp32")
    study = small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=strong),))
    store = Store.open(tmp_path / "store")
    executor = RayExecutor(store, dataclasses.replace(on_ray, device="auto"))
    made, given = plan(study, store), set()
    for outcome in execute(made, store, executor):
        assert outcome.status == "done", outcome.error
        given |= {slot.given for slot in executor._slots}
    large = {wanted for wanted in given if wanted.gpus}
    assert Needs() in given
    assert {wanted.gpus for wanted in large} == {1}
    assert all(wanted.memory > GIB for wanted in large)


def test_needs_follow_the_model(small_study, tiny_backbone):
    (cell,) = cells(small_study(pairs=(Pair(weak=Sklearn(), strong=HF(backbone=tiny_backbone, precision="fp32")),)))
    full, linear = needs(cell.ceiling, gpu=True), needs(cell.supervisor, gpu=True)
    assert linear == Needs()
    assert full.gpus == 1
    from surpass.assets.weights import size

    assert full.memory == GIB + 16 * size(tiny_backbone).parameters
    lora = HF(backbone=tiny_backbone, precision="fp32", tune="lora")
    (cell,) = cells(small_study(pairs=(Pair(weak=Sklearn(), strong=lora),)))
    assert needs(cell.ceiling, gpu=False) == Needs(0, GIB + 4 * size(tiny_backbone).parameters)


def test_a_node_without_the_store_says_so(tmp_path, store):
    assert "there is no store at" in _Runner(str(tmp_path / "elsewhere"), 0, Runtime()).ready()
    assert "another store stands at" in _Runner(str(store.root), 1, Runtime()).ready()


def test_a_missing_ray_tells_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'surpass\[ray\]'"):
        _connected("")


def test_a_cluster_that_is_not_there_is_told_at_once(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers
        with pytest.raises(SurpassError, match="no Ray cluster at '127"):
            _connected(place := f"127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("RAY_ADDRESS", place)
        with pytest.raises(SurpassError, match="or unset RAY_ADDRESS to use this machine"):
            _connected("")
