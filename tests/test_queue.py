"""Which stages may start: the queue of a run gives them in the plan's order, and gives up what stands on a failure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from surpass.runner import Plan, Queue, execute, graph, plan
from surpass.store import Store
from surpass.work import Node, Outcome


def test_ready_stages_come_in_the_plans_order_and_their_users_after_them(small_study, store: Store):
    made = plan(small_study(seeds=2), store)
    queue, place = Queue(made), {name: i for i, name in enumerate(made.nodes)}
    done: list[str] = []
    while queue.ready:
        assert [place[n.key] for n in queue.ready] == sorted(place[n.key] for n in queue.ready)
        node = queue.ready[-1]  # any of them may go first
        assert set(node.inputs) <= set(done)
        queue.take([node])
        assert queue.end(Outcome(node.key, "done", 0.0)) == []
        done.append(node.key)
    assert sorted(done) == sorted(made.nodes)


def test_a_failure_takes_out_all_that_stands_on_it_once(small_study, store: Store):
    made = plan(small_study(seeds=2), store)
    queue = Queue(made)
    first = next(node for node in queue.ready if node.spec.kind == "data" and node.spec.n_weak)
    queue.take([first])
    lost = [node.key for node in queue.end(Outcome(first.key, "failed", 0.0))]
    assert lost == [name for name in made.nodes if name in lost]
    assert set(lost) == users_of(first.key, made.nodes)
    assert queue.end(Outcome(first.key, "failed", 0.0)) == []
    left = [node.key for node in queue.empty()]
    assert sorted([first.key, *lost, *left]) == sorted(made.nodes)
    assert queue.ready == []


def users_of(name: str, nodes: dict[str, Node]) -> set[str]:
    own = {node.key for node in nodes.values() if name in node.inputs}
    return own.union(*(users_of(user, nodes) for user in own))


class Some:
    """An executor that starts as many as it has room for and ends them last in, first out."""

    def __init__(self, room: int, failing: str = "") -> None:
        self._room, self._failing, self._held = room, failing, list[Node]()

    def room(self) -> int:
        return self._room - len(self._held)

    def start(self, ready: Sequence[Node]) -> list[Node]:
        chosen = list(ready[-2:])
        self._held += chosen
        return chosen

    def wait(self) -> list[Outcome]:
        node = self._held.pop()
        return [Outcome(node.key, "failed" if node.key == self._failing else "done", 0.0)]

    def close(self) -> None:
        self._held.clear()


def test_every_stage_ends_once_whatever_the_executor_starts(small_study, store: Store):
    study = small_study(seeds=3)
    names = list(graph(study.resolve()))
    for room, failing in itertools.product((1, 3, 50), ("", names[0], names[-1])):
        made = Plan(study, graph(study.resolve()), frozenset(names[2:4]), {})
        failing = "" if failing in made.cached else failing
        ended = list(execute(made, store, Some(room, failing)))
        assert sorted(outcome.key for outcome in ended) == sorted(names)
        wanted = users_of(failing, made.nodes) - made.cached if failing else set()
        assert {outcome.key for outcome in ended if outcome.status == "skipped"} == wanted
