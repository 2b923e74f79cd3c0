"""Stages on a Ray cluster: one long-lived actor per slot, each with the CPUs, GPU and memory that its stages need.

An actor is what a worker process is on one machine (`workers.py`): it opens the store by its address, keeps the backbones it
loaded, and gets the stages that need them. Artifacts travel through the store, which every node has to reach. Where an actor
runs is Ray's business: one that has no place yet is given no work.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from surpass.errors import MissingPackageError, StoreError, SurpassError, reason
from surpass.runtime import Runtime, ray_address
from surpass.stages import Stage
from surpass.store import MARKER, Store
from surpass.work import Node, Outcome, halved, mates, run_stages
from surpass.workers import affinity, gain

GIB = 1 << 30
POLL_SECONDS = 5.0  # how often the cluster is looked at anew
PATIENCE_SECONDS = 60.0  # after so long without a place for any stage a person is told
CONNECT_SECONDS = 20.0
STARTS = 5  # actors in a row that die before they are ready; then something is wrong with all of them
SHARED = "Give a folder that all nodes share, or an address such as s3://bucket/folder, with --store."

log = logging.getLogger(__name__)


class Needs(NamedTuple):
    """What a stage needs beyond the CPUs of a slot: GPUs, and bytes of memory that Ray sets aside."""

    gpus: int = 0
    memory: int = 0

    def suits(self, other: Needs) -> bool:
        """Return whether a stage with the other needs can run here."""
        return self.gpus >= other.gpus and self.memory >= other.memory


def needs(spec: Stage, *, gpu: bool) -> Needs:
    """Return what a stage needs: much only where it loads a backbone; `gpu` says whether it would use one.

    Memory is what its parameters take (with gradients and Adam's two moments where all of them train) and a gigabyte.
    """
    from surpass.assets.weights import size

    held = affinity(spec)
    if not held:
        return Needs()
    model: Any = getattr(spec, "encoder", None) or getattr(spec, "model", None)
    found = size(held[0])
    each = 16 if getattr(model, "tune", "") == "full" else 2 if getattr(model, "precision", "") == "bf16" else 4
    return Needs(int(gpu), GIB + each * found.parameters if found else 0)


class _Runner:
    """What runs on a node: it opens the store once and keeps what its stages load."""

    def __init__(self, address: str, made: int, runtime: Runtime, path: Sequence[str] = ()) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        sys.path += [folder for folder in path if folder not in sys.path]  # the classes of a recipe lie in its folder
        self._address, self._made, self._runtime = address, made, runtime
        self._store: Store | None = None

    def ready(self) -> str:
        """Open the store; return what is wrong with it here, empty when it is the driver's."""
        try:
            self._store = Store.open(self._address, create=False)
        except SurpassError as error:
            return str(error)
        there = _made(self._store)
        return "" if there == self._made else f"another store stands at '{self._address}'."

    def run(self, nodes: Sequence[Node], tokens: int) -> list[Outcome]:
        """Run stages with so many tokens in a batch and return how they ended."""
        if self._store is None:
            raise RuntimeError("ready() comes first")
        return list(run_stages(nodes, self._store, dataclasses.replace(self._runtime, tokens_per_batch=tokens)))


class _Slot:
    """The driver's side of an actor: what it has been given, what it holds, and the stages it has."""

    def __init__(self, actor: Any, given: Needs) -> None:
        self.actor, self.given = actor, given
        self.starting: Any = actor.ready.remote()
        self.call: Any = None
        self.nodes: Sequence[Node] = ()
        self.since = 0.0
        self.holds: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether it has its place and nothing to do."""
        return self.starting is None and self.call is None

    def give(self, nodes: Sequence[Node], tokens: int) -> None:
        self.nodes, self.since = nodes, time.monotonic()
        for node in nodes:
            self.holds.update(affinity(node.spec))
        self.call = self.actor.run.remote(list(nodes), tokens)


class RayExecutor:
    """Runs stages on a Ray cluster; a stage whose actor or node dies is tried once more, alone, in smaller batches."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._ray: Any = None  # the module, once there is a stage to run
        self._own = False
        self._store, self._runtime = store, runtime
        self._nodes: list[dict[str, float]] = []
        self._slots: list[_Slot] = []
        self._waiting: list[list[Node]] = []
        self._known = dict[str, tuple[tuple[str, ...], Needs]]()
        self._retried: set[str] = set()
        self._lost: set[str] = set()  # stages whose actor died, which may be for want of memory
        self._failed_starts, self._news = 0, time.monotonic()

    def _connect(self) -> None:
        self._ray, self._own = _connected(self._runtime.address)
        self._look()
        if not self._limit:
            raise SurpassError(
                f"no node of the Ray cluster has the {self._runtime.threads} CPUs of a worker. Start nodes with CPUs, or "
                "leave out --executor ray."
            )

    def _look(self) -> None:
        """Read the cluster: its nodes, how many slots it has, whether a backbone gets a GPU."""
        self._looked = time.monotonic()
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if nodes != self._nodes:
            self._nodes = nodes
            self._known.clear()  # what a stage may ask for is what the nodes have
        held = self._most(Needs())
        self._limit = min(held, self._runtime.jobs or held)
        self._gpu = self._runtime.device != "cpu" and any(node.get("GPU", 0) >= 1 for node in self._nodes)

    def _most(self, wanted: Needs) -> int:
        """Return how many actors with these needs the cluster has room for when it has no others."""
        each = {"CPU": self._runtime.threads, "GPU": wanted.gpus, "memory": wanted.memory}
        return sum(min(int(node.get(name, 0) // n) for name, n in each.items() if n) for node in self._nodes)

    def _about(self, node: Node) -> tuple[tuple[str, ...], Needs]:
        """Return what a stage should find in memory, and its needs, memory cut to what the largest node has."""
        if node.key not in self._known:
            wanted = needs(node.spec, gpu=self._gpu)
            most = max((held.get("memory", 0) for held in self._nodes if held.get("GPU", 0) >= wanted.gpus), default=0)
            self._known[node.key] = affinity(node.spec), Needs(wanted.gpus, int(min(wanted.memory, most)))
        return self._known[node.key]

    def room(self) -> int:
        """Return how often `start` may be called now; the first call connects to the cluster."""
        if self._ray is None:
            self._connect()
        return self._limit - len(self._waiting) - sum(slot.call is not None for slot in self._slots)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Take the stage that gains most from what an idle actor holds and others do not, else the first, and its mates."""
        firsts: dict[tuple[str, ...], Node] = {}  # stages that would find the same in memory gain the same
        for node in ready:
            firsts.setdefault(self._about(node)[0], node)
        chosen, best = ready[0], 0
        for held, node in firsts.items():
            for slot in self._slots if held else ():
                if slot.idle and (more := gain(held, slot, self._slots)) > best:
                    chosen, best = node, more
        nodes = mates(chosen, ready, self._limit)
        self._waiting.append(nodes)
        self._place()
        return nodes

    def _place(self) -> None:
        """Give what waits to idle actors that suit, the smallest of those that gain equally; ask Ray for more actors."""
        coming = [slot.given for slot in self._slots if slot.starting is not None]
        for nodes in list(self._waiting):
            held, wanted = self._about(nodes[0])
            suited = [slot for slot in self._slots if slot.idle and slot.given.suits(wanted)]
            if suited:
                gains = {id(slot): (gain(held, slot, self._slots) if held else 0) for slot in suited}
                slot = max(suited, key=lambda s: (gains[id(s)], -s.given.gpus, -s.given.memory))
                tokens = self._runtime.tokens_per_batch
                slot.give(nodes, halved(tokens) if nodes[0].key in self._lost else tokens)
                self._waiting.remove(nodes)
            elif any(given.suits(wanted) for given in coming):
                coming.remove(next(given for given in coming if given.suits(wanted)))  # that one is for these stages
            else:
                self._ask(wanted)

    def _ask(self, wanted: Needs) -> None:
        """Ask Ray for an actor with these needs unless the cluster has as many as fit; an idle one makes room for it."""
        if sum(slot.given.suits(wanted) for slot in self._slots) >= max(1, self._most(wanted)):
            return
        if len(self._slots) >= self._limit:
            idle = [slot for slot in self._slots if slot.idle]
            if not idle:
                return
            self._drop(idle[0])
        device = self._runtime.device
        if self._gpu:  # Ray shows an actor its own GPUs alone
            device = "cpu" if not wanted.gpus else "cuda" if device.startswith("cuda") else device
        kind = self._ray.remote(_Runner).options(
            num_cpus=self._runtime.threads, num_gpus=wanted.gpus, memory=wanted.memory or None, max_restarts=0
        )
        runtime = dataclasses.replace(self._runtime, device=device)
        self._slots.append(_Slot(kind.remote(self._store.address, _made(self._store), runtime, sys.path), wanted))

    def _drop(self, slot: _Slot) -> None:
        self._slots.remove(slot)
        self._ray.kill(slot.actor)

    def wait(self) -> list[Outcome]:
        """Wait until a stage ended or its actor died."""
        found: list[Outcome] = []
        while not found:
            self._place()
            calls = {slot.starting or slot.call: slot for slot in self._slots if not slot.idle}
            if not calls:  # no node is left; one may come
                time.sleep(POLL_SECONDS)
            done = self._ray.wait(list(calls), num_returns=1, timeout=self._patience())[0] if calls else ()
            for call in done:
                found += self._ended(calls[call])
            found += self._overdue()
            if time.monotonic() - self._looked > POLL_SECONDS:
                self._look()  # nodes come and go
            if done:
                self._news = time.monotonic()
            else:
                self._quiet()
        return found

    def _patience(self) -> float:
        """Return how many seconds to wait for news: until the next look at the cluster, or a stage is overdue."""
        limits = [slot.since + self._seconds(slot) - time.monotonic() for slot in self._slots if slot.call is not None]
        return max(0.01, min([POLL_SECONDS, *limits]))

    def _seconds(self, slot: _Slot) -> float:
        return (self._runtime.timeout or float("inf")) * len(slot.nodes)

    def _quiet(self) -> None:
        """After a time without news, let idle actors make room for what waits."""
        if self._waiting and time.monotonic() - self._news > POLL_SECONDS:
            for slot in [slot for slot in self._slots if slot.idle]:
                self._drop(slot)
            if not any(slot.call is not None for slot in self._slots):
                self._tell()

    def _tell(self) -> None:
        if time.monotonic() - self._news > PATIENCE_SECONDS:
            self._news = time.monotonic()
            wanted = self._about(self._waiting[0][0])[1]
            what = f"{self._runtime.threads} CPUs, {wanted.gpus} GPUs and {wanted.memory / GIB:.1f} GiB"
            log.warning("Ray has had no place with %s for a stage for %.0f s; still waiting.", what, PATIENCE_SECONDS)

    def _ended(self, slot: _Slot) -> list[Outcome]:
        """Return the outcomes of a call that ended, or note that the actor is ready or dead."""
        try:
            if slot.starting is None:
                outcomes: list[Outcome] = self._ray.get(slot.call)
                slot.call, slot.nodes = None, ()
                return outcomes
            problem = self._ray.get(slot.starting)
        except self._ray.exceptions.RayError as error:
            self._lost.update(node.key for node in slot.nodes)
            return self._buried(slot, f"the Ray actor or node that ran this stage was lost ({reason(error)})")
        if problem:
            raise StoreError(f"a node of the Ray cluster does not see the driver's store: {problem} {SHARED}")
        slot.starting, self._failed_starts = None, 0
        return []

    def _overdue(self) -> list[Outcome]:
        """Stop the actors whose stages took too long."""
        found: list[Outcome] = []
        for slot in [slot for slot in self._slots if slot.call is not None]:
            if time.monotonic() - slot.since > self._seconds(slot):
                found += self._buried(slot, f"this stage took longer than {self._runtime.timeout:g} s. Raise --timeout")
        return found

    def _buried(self, slot: _Slot, text: str) -> list[Outcome]:
        """Forget a lost actor; return the outcomes of stages that it had and that had lost another one before."""
        self._drop(slot)
        self._look()
        if slot.starting is not None:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise SurpassError(
                    f"{STARTS} Ray actors in a row died at their start: {text}. See Ray's logs on its nodes."
                )
        again = [node for node in slot.nodes if node.key not in self._retried]
        for node in again:
            log.warning("%s: %s. It is tried once more.", node.spec.kind, text)
        self._waiting += [[node] for node in again]
        found = [Outcome(node.key, "failed", 0.0, f"{text}.") for node in slot.nodes if node.key in self._retried]
        self._retried.update(node.key for node in slot.nodes)
        return found

    def close(self) -> None:
        """Stop every actor, and the cluster where this run started it."""
        for slot in list(self._slots):
            self._drop(slot)
        if self._own:
            self._ray.shutdown()


def _made(store: Store) -> int:
    """Return the second at which a folder became a store, on every node the same; an address tells a store by itself."""
    return 0 if "://" in store.address else int((store.root / MARKER).stat().st_mtime)


def _connected(address: str) -> tuple[Any, bool]:
    """Return ray, connected, and whether it was connected here. Nothing is reported to its makers, no dashboard starts."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("ray", why="--executor ray runs stages on a Ray cluster", extra="ray") from error
    if ray.is_initialized():
        return ray, False
    place = address or ray_address() or "local"
    try:
        _knock(place)
        ray.init(address=place, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        alone = "leave out --address" if address else "unset RAY_ADDRESS"
        raise SurpassError(
            f"no Ray cluster at '{place}': {reason(error).rstrip('.')}. Start one with `ray start --head` and give --address "
            f"HOST:PORT, or {alone} to use this machine."
        ) from error
    return ray, True


def _knock(place: str) -> None:
    """Raise an OSError unless something listens at HOST:PORT: Ray itself would try for ever."""
    host, _, port = place.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
