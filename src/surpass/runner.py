"""From a study to finished artifacts: the graph of its stages, what is cached, and who computes the rest."""

from __future__ import annotations

import bisect
import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from surpass.errors import SpecError, StoreError, StudyError
from surpass.feasibility import problems_of
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.stages import Fit, Stage, inputs_of, stored_as
from surpass.store import Store
from surpass.study import Study, cells, describe
from surpass.work import NOT_KEPT, Node, Outcome, group_of, mates, run_stages

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study's graph in an order in which it can run, and the keys that the store already holds."""

    study: Study
    nodes: dict[str, Node]
    cached: frozenset[str]
    damaged: dict[str, str]

    def missing(self) -> list[Node]:
        """Return the stages that have to be computed, inputs before their users."""
        return [node for node in self.nodes.values() if node.key not in self.cached]


def plan(study: Study, store: Store, *, runtime: Runtime | None = None, read_rows: bool = True) -> Plan:
    """Return the study's graph after checking everything that can be checked before it runs.

    Artifacts of the study that are already there are read in full; a damaged one counts as missing.

    Raises:
        StudyError: with every problem of the study.
    """
    if problems_of(study, read_rows=False):
        raise StudyError(problems_of(study, read_rows=read_rows))
    made = lookup(study.resolve(), store)
    # rows that are there were once read and labelled: there is nothing to find
    known_rows = all(node.key in made.cached for node in made.nodes.values() if node.spec.kind in ("data", "label"))
    problems = problems_of(study) if read_rows and not known_rows else []
    fits = [node.spec for node in made.missing() if isinstance(node.spec, Fit)]
    problems += filter(None, (fit.model.unshardable(fit.method, runtime or Runtime()) for fit in fits))
    if problems:
        raise StudyError(problems)
    return made


def lookup(study: Study, store: Store) -> Plan:
    """Return the graph of a resolved study and what the store holds of it, every file checked."""
    nodes = graph(study)
    present = [node for node in nodes.values() if store.has(stored_as(node.spec), node.key)]
    faults = {node.key: store.fault(stored_as(node.spec), node.key) for node in present}
    damaged = {name: fault for name, fault in faults.items() if fault}
    cached = frozenset(name for name, fault in faults.items() if not fault)
    return Plan(study, nodes, cached, damaged)


def graph(study: Study) -> dict[str, Node]:
    """Return every stage of a resolved study by key, inputs before the stages that take them; equal work stands once."""
    nodes: dict[str, Node] = {}

    def add(spec: Stage) -> str:
        name = key(spec)
        if name not in nodes:
            inputs = tuple(add(item) for item in inputs_of(spec))
            nodes[name] = Node(name, spec, inputs, group_of(spec, inputs))
        return name

    for cell in cells(study):
        for stage in cell.stages:
            add(stage)
    return nodes


class Executor(Protocol):
    """Who runs stages: `room` is how often more may start now, `start` starts some, `wait` returns what finished."""

    def room(self) -> int:
        """Return how often `start` may be called now."""

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Start one of the stages, whichever suits best, and others that gain from running with it; return them."""

    def wait(self) -> list[Outcome]:
        """Wait for at least one started stage and return how the finished ones ended."""

    def close(self) -> None:
        """Let everything go; nothing may be lost that was finished."""


class InProcess:
    """Runs stages in this process: one at a time, or a group of fits that gain from running together."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store, self._runtime = store, runtime
        self._left = 0
        self._outcomes: Iterator[Outcome] = iter(())

    def room(self) -> int:
        """Return 1 when nothing is left to do."""
        return int(not self._left)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        """Keep the first stage and its mates for `wait`."""
        nodes = mates(ready[0], ready, 1)
        self._left, self._outcomes = len(nodes), run_stages(nodes, self._store, self._runtime)
        return nodes

    def wait(self) -> list[Outcome]:
        """Run until the next outcome."""
        self._left -= 1
        return [next(self._outcomes)]

    def close(self) -> None:
        """Forget what is left."""
        self._left, self._outcomes = 0, iter(())


class Queue:
    """The stages that are left to start: `ready` are those whose inputs are all there, in the plan's order."""

    def __init__(self, plan: Plan) -> None:
        self._waiting = {node.key: node for node in plan.missing()}
        self._place = {name: place for place, name in enumerate(self._waiting)}
        self._lacks = {node.key: {name for name in node.inputs if name in self._waiting} for node in plan.missing()}
        self._users: dict[str, list[str]] = {}
        for name, lacks in self._lacks.items():
            for source in lacks:
                self._users.setdefault(source, []).append(name)
        self.ready = [node for node in self._waiting.values() if not self._lacks[node.key]]

    def take(self, started: Sequence[Node]) -> None:
        """Leave out the stages that have been started."""
        for node in started:
            del self._waiting[node.key]
            self.ready.remove(node)

    def end(self, outcome: Outcome) -> list[Node]:
        """Note how a stage ended: return those that cannot run any more, or make ready those that now can."""
        users = self._users.get(outcome.key, [])
        if outcome.status in ("failed", "skipped"):
            return self._give_up(users)
        for name in users:
            self._lacks[name].discard(outcome.key)
            if not self._lacks[name] and name in self._waiting:
                bisect.insort(self.ready, self._waiting[name], key=lambda node: self._place[node.key])
        return []

    def _give_up(self, users: Sequence[str]) -> list[Node]:
        """Take out stages and all that stand on them, and return them in the plan's order."""
        lost, left = dict[str, Node](), list(users)
        while left:
            if node := self._waiting.pop(left.pop(), None):
                lost[node.key] = node
                left += self._users.get(node.key, [])
        return sorted(lost.values(), key=lambda node: self._place[node.key])

    def empty(self) -> list[Node]:
        """Take out everything that has not been started, and return it."""
        left = list(self._waiting.values())
        self._waiting, self.ready = {}, []
        return left


def execute(plan: Plan, store: Store, executor: Executor) -> Iterator[Outcome]:
    """Run what is missing and yield an outcome per stage, cached ones first.

    A stage whose input failed is skipped; everything else goes on, unless the store takes nothing more.
    """
    for name in plan.cached:
        yield Outcome(name, "cached", 0.0)
    for name, fault in plan.damaged.items():
        log.warning("%s: %s. It is recomputed.", describe(plan.nodes[name].spec), fault)
    queue = Queue(plan)
    running, stopped = 0, False
    try:
        while queue.ready or running:
            while queue.ready and executor.room() > 0:
                started = executor.start(queue.ready)
                queue.take(started)
                running += len(started)
            for outcome in executor.wait() if running else ():
                running -= 1
                if outcome.stops and stopped:  # of another worker at the same time: said once
                    outcome = Outcome(outcome.key, "skipped", outcome.seconds, NOT_KEPT)
                yield outcome
                for node in queue.end(outcome):
                    yield Outcome(node.key, "skipped", 0.0, "an input of this stage failed")
                for node in queue.empty() if outcome.stops and not stopped else ():
                    yield Outcome(node.key, "skipped", 0.0, NOT_KEPT)
                stopped = stopped or outcome.stops
    finally:
        executor.close()


def executor_for(store: Store, runtime: Runtime) -> Executor:
    """Return who computes: a Ray cluster when asked for; else this process when `jobs` is 0, or that many spawned workers."""
    if store.address.startswith("memory:") and (runtime.jobs or runtime.executor != "local"):
        raise StoreError(
            f"store '{store.address}' is in this process's memory. Run with --jobs 0 and no --executor, or give "
            "another store."
        )
    ray = runtime.executor == "ray"
    if runtime.timeout is not None and not (runtime.timeout > 0 and (runtime.jobs or ray)):
        raise SpecError(
            f"timeout={runtime.timeout:g} with jobs={runtime.jobs}: a timeout is more than 0 seconds and needs worker "
            "processes, which can be stopped. Give --jobs 1 or more, or no timeout."
        )
    if ray:
        from surpass.ray_runner import RayExecutor

        return RayExecutor(store, runtime)
    if runtime.device.startswith("cuda"):
        runtime.torch_device()  # here, not in each stage
    if runtime.jobs == 0:
        return InProcess(store, runtime)
    from surpass.workers import Workers

    return Workers(store, runtime)


def run(
    study: Study,
    *,
    store: Store,
    runtime: Runtime | None = None,
    progress: Callable[[Plan, Outcome], None] | None = None,
) -> tuple[Plan, list[Outcome]]:
    """Run a study and return its plan and one outcome per stage; what is in the store is not run again.

    Raises:
        StudyError: the study has problems; nothing was run.
        UnwritableError: the store cannot keep what would be computed; nothing was run.
        SpecError: workers are asked for and could not import what the study is made of; nothing was run.
    """
    runtime = runtime or Runtime()
    store.sweep()
    made = plan(study, store, runtime=runtime)
    if missing := made.missing():
        store.check()
    if missing and runtime.jobs and runtime.executor == "local":
        from surpass.workers import check_sendable

        check_sendable([node.spec for node in missing])
    outcomes: list[Outcome] = []
    for outcome in execute(made, store, executor_for(store, runtime)):
        outcomes.append(outcome)
        if outcome.status == "done":
            store.note_timing(timing_name(made.nodes[outcome.key].spec), outcome.seconds)
        if progress:
            progress(made, outcome)
    return made, outcomes


def estimate_seconds(missing: Sequence[Node], store: Store) -> tuple[float, int]:
    """Return the expected computing time of stages from this store's own timings, and how many have no precedent.

    The precedent of a stage is the mean of finished stages of the same kind and model family.
    """
    history = store.timings()
    known = [sum(times) / len(times) for node in missing if (times := history.get(timing_name(node.spec), []))]
    return sum(known), len(missing) - len(known)


def timing_name(spec: Stage) -> str:
    """Return the name under which timings of like stages are compared."""
    part = getattr(spec, "model", None) or getattr(spec, "encoder", None) or getattr(spec, "source", None)
    backbone = getattr(part, "backbone", "")
    rows = getattr(spec, "part", "") if spec.kind == "features" else ""
    return " ".join(filter(None, (spec.kind, part.kind if part else "", str(backbone), rows)))
