"""How fast does a cluster of two nodes go through many small stages, against this process alone?

    python bench/cluster.py [--stages 2000] [--nodes 2]

Starts a Ray cluster on this machine, a head without CPUs and nodes of one CPU each, and runs one study of linear models on
generated sentences on it and in this process, into fresh stores. Stages per second, the first outcomes left out while actors
start, milliseconds a stage beyond its computing, and whether each stage was computed once, to the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.toy import Toy

MEMORY = 80 << 20  # bytes of Ray's object store on each node: artifacts do not go through it
START = 0.05  # share of the stages that end while actors start


def study(stages: int) -> Study:
    """Return a study of about so many stages."""

    def made(seeds: int) -> Study:
        return Study(
            name="many-small-stages",
            tasks=(Toy(rows=400),),
            pairs=(Pair(weak=Sklearn(ngrams=1), strong=Sklearn()),),
            methods=(Soft(), Hard()),
            data={"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60},
            seeds=seeds,
        )

    two, three = len(graph(made(2).resolve())), len(graph(made(3).resolve()))
    return made(max(1, round((stages - two) / (three - two)) + 2))


def cluster(nodes: int) -> Any:
    """Return a started cluster on this machine: a head without CPUs and so many nodes of one CPU."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    given = {"include_dashboard": False, "object_store_memory": MEMORY}
    made = Cluster(initialize_head=True, head_node_args={**given, "num_cpus": 0})
    for _ in range(nodes):
        made.add_node(num_cpus=1, **given)
    return made


def timed(work: Study, root: Path, runtime: Runtime) -> dict[str, Any]:
    """Run a study into a fresh store and return what its stages took."""
    ended: list[float] = []
    begin = time.perf_counter()
    made, outcomes = run(
        work, store=Store.open(root), runtime=runtime, progress=lambda *_: ended.append(time.perf_counter())
    )
    first = int(START * len(ended))
    store = Store.open(root)
    return {
        "stages": len(made.nodes),
        "outcomes": dict(Counter(outcome.status for outcome in outcomes)),
        "manifests": len(store.find("")),
        "seconds": round(ended[-1] - begin, 2),
        "stages_per_second": round((len(ended) - first) / (ended[-1] - ended[first - 1 if first else 0]), 1),
        "computing_ms": round(1000 * sum(outcome.seconds for outcome in outcomes) / len(outcomes), 2),
        "files": {
            name: fact["sha256"]
            for kind, key in store.find("")
            for name, fact in ((f"{key}/{n}", f) for n, f in (store.manifest(kind, key) or {})["files"].items())
        },
    }


def measure(stages: int = 2000, nodes: int = 2) -> dict[str, Any]:
    """Return stages per second on the cluster and in this process, their ratio, and whether the stores are equal."""
    import ray

    work = study(stages)
    with tempfile.TemporaryDirectory() as folder:
        alone = timed(work, Path(folder) / "alone", Runtime())
        held = cluster(nodes)
        try:
            spread = timed(work, Path(folder) / "spread", Runtime(executor="ray", address=held.address))
        finally:
            ray.shutdown()
            held.shutdown()
    equal = alone.pop("files") == spread.pop("files")
    ratio = round(spread["stages_per_second"] / alone["stages_per_second"], 2)
    once = spread["outcomes"] == {"done": spread["stages"]} and spread["manifests"] == spread["stages"]
    return {"in_process": alone, "cluster": spread, "nodes": nodes, "ratio": ratio, "each_once": once, "equal": equal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=2000)
    parser.add_argument("--nodes", type=int, default=2)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
