"""What a study's missing stages will take: seconds of a worker, hours on several, and which part of it is a guess.

A stage's seconds are its work times seconds per unit of work. Work counts rows, and where a backbone runs, token passes: rows
x tokens x the share of the layers that run, a row that trains as three passes. Seconds per unit come from like stages that
this store holds ("timed"); where there are none, from 2 x parameters x passes over a rate of multiplications ("reckoned");
where there is no backbone either, from a constant ("guessed").
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from surpass.assets import backbones
from surpass.assets.weights import size
from surpass.corpora.base import Corpus
from surpass.errors import SurpassError
from surpass.models._pretrain import Backbone, Pretrain
from surpass.runner import Plan
from surpass.spec import decode, name_of
from surpass.splits import Data
from surpass.stages import Features, Fit, Label, Stage, stored_as
from surpass.store import Store
from surpass.tasks.base import Task
from surpass.work import Node
from surpass.workers import affinity

Source = Literal["timed", "reckoned", "guessed"]
SAMPLED_ROWS = 200
CHARACTERS = 4.3  # of English text in a token of SmolLM2; other tokenizers are within a third of it
TOKENS = 100.0  # of a row that cannot be read
TRAINED = 3.0  # passes that one training pass costs: forward, and twice that backward
PEAK_SHARE = 0.3  # of the rate of large products that real forward passes reach: .2 to .5 measured (docs/scale.md)
LOADING_SECONDS = 1.0  # of any stage whose time is reckoned: its inputs, its files
SECONDS = {"corpus": 60.0, "pretrain": 60.0, "data": 3.0, "label": 0.1, "features": 2.0, "network": 60.0, "fit": 1.0}
GAME_SECONDS = {"corpus/chess-games": 0.05, "corpus/chess-puzzles": 0.2}  # of one core (docs/chess.md)
GAMES = 1000.0  # of a corpus that does not tell how many it has
HALF_MOVES, HALF_MOVE_TOKENS = 88, 3.3  # of a game played to its end, tokens of each: 58 million of 200,000 games


class Work(NamedTuple):
    """How much there is to do: names of like stages, the likest first; units of work; multiplications, 0 where unknown."""

    names: tuple[str, ...]
    units: float
    flops: float = 0.0


class Cost(NamedTuple):
    """Seconds of one stage, and where the number is from."""

    seconds: float
    source: Source


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What the missing stages of a plan will take.

    Attributes:
        costs: seconds of each missing stage by key.
        tflops: 10^12 multiplications and additions a second that a worker's matrix products reach; None: not needed.
        longest: seconds of the longest chain of stages, which no number of workers can shorten.
        wall: seconds until the last stage ends, with so many workers.
        workers: how many.
    """

    costs: Mapping[str, Cost]
    tflops: float | None
    longest: float
    wall: float
    workers: int

    def seconds(self, *sources: Source) -> float:
        """Return seconds of one worker for stages whose number is from these sources; of all when none is given."""
        return sum(cost.seconds for cost in self.costs.values() if not sources or cost.source in sources)

    def count(self, source: Source) -> int:
        """Return how many stages have their number from a source."""
        return sum(cost.source == source for cost in self.costs.values())


def forecast(plan: Plan, store: Store, *, workers: int = 1, tflops: float | None = None) -> Forecast:
    """Return what a plan's missing stages will take.

    Args:
        plan: the study's graph and what the store holds of it.
        store: whose manifests tell what like stages took, on whatever machines they ran.
        workers: machines, or slots of machines, that compute at a time.
        tflops: rate of a worker, when it is not this machine: then stages with a backbone are reckoned by it, not timed.
    """
    weigh = _Scales()
    missing = plan.missing()
    works = {node.key: weigh.work(node.spec) for node in missing}
    rates = _rates(store, weigh, {name for work in works.values() for name in work.names})
    unknown = [work for work in works.values() if work.flops and (tflops or not rates.keys() & set(work.names))]
    rate = (tflops or measured_tflops()) if unknown else None
    costs = {node.key: _cost(node, works[node.key], rates, rate, given=tflops is not None) for node in missing}
    seconds = {name: cost.seconds for name, cost in costs.items()}
    longest = _wall(missing, seconds, workers=len(missing) or 1)
    return Forecast(costs, rate, longest, _wall(missing, seconds, workers=workers), workers)


def _cost(node: Node, work: Work, rates: Mapping[str, float], tflops: float | None, *, given: bool) -> Cost:
    known = next((rates[name] for name in work.names if name in rates), None)
    if known is not None and not (given and work.flops):
        return Cost(known * work.units, "timed")
    if work.flops and tflops:
        return Cost(LOADING_SECONDS + work.flops / (tflops * 1e12 * PEAK_SHARE), "reckoned")
    if each := GAME_SECONDS.get(node.spec.kind):
        return Cost(each * work.units, "guessed")
    return Cost(SECONDS[stored_as(node.spec)], "guessed")


def _rates(store: Store, weigh: _Scales, wanted: set[str]) -> dict[str, float]:
    """Return seconds per unit of work by name, from the manifests of the store that can be read."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for kind, key in store.find(""):
        try:
            manifest = store.manifest(kind, key) or {}
            seconds, spec = float(manifest["seconds"]), decode(manifest["spec"])
            work = weigh.work(spec)  # type: ignore[arg-type]  # a manifest's spec is a stage
        except (SurpassError, KeyError, TypeError, ValueError, AttributeError):
            continue  # of another version, or not a manifest
        for name in wanted.intersection(work.names if work.units else ()):
            taken.setdefault(name, []).append((seconds, work.units))
    return {name: sum(s for s, _ in pairs) / sum(u for _, u in pairs) for name, pairs in taken.items()}


class _Scales:
    """Weighs stages; keeps what is known of tasks and backbones meanwhile."""

    def __init__(self) -> None:
        self._tokens: dict[Task, float] = {}
        self._layers: dict[Backbone, int] = {}

    def work(self, spec: Stage) -> Work:
        """Return how much a stage has to do."""
        if isinstance(spec, Features):
            return self._features(spec)
        if isinstance(spec, Fit):
            return self._fit(spec)
        if isinstance(spec, Label):
            return Work((f"label {name_of(spec.source)}", f"label {spec.source.kind}"), _rows(spec.data, "transfer"))
        if isinstance(spec, Pretrain):
            return _pretrain(spec)
        if isinstance(spec, Corpus):
            return Work((f"corpus {name_of(spec)}", f"corpus {spec.kind}"), _games(spec))
        return Work((f"data {spec.task.label()}",) if isinstance(spec, Data) else (f"network {name_of(spec)}",), 1.0)

    def _features(self, spec: Features) -> Work:
        encoder: Any = spec.encoder
        rows = _rows(spec.data, spec.part)
        if not (reference := getattr(encoder, "backbone", "")):
            return Work((f"features {name_of(encoder)}",), rows)
        share = self._depth(encoder.layer, reference)
        passes = rows * self._length(spec.data.task, encoder.max_length) * share
        return Work((f"features {reference} {encoder.precision}",), passes, _flops(reference, passes))

    def _fit(self, spec: Fit) -> Work:
        model: Any = spec.model
        train, method = _rows(spec.data, spec.train_split), spec.method.kind
        train /= spec.part[1] if spec.part else 1
        others = _rows(spec.data, "evaluation") + _rows(spec.data, "transfer")
        if not affinity(spec):
            what = " ".join(filter(None, ("fit", model.kind, str(getattr(model, "backbone", "")))))
            return Work((f"{what} {method}", what, f"fit {model.kind}"), train + others)
        reference, top = model.backbone, self._top(model)
        epochs = getattr(model, "epochs", 0) + getattr(model, "generative", 0)
        points = max(1, getattr(model, "points", 1))
        seen = _rows(spec.data, "evaluation") * points + _rows(spec.data, "transfer")
        below = (train + others) * (1 - top)  # frozen layers run once over each row
        rows = below + top * (TRAINED * train * epochs + seen)
        passes = rows * self._length(spec.data.task, getattr(model, "max_length", 512))
        what = f"fit {model.kind} {reference} {getattr(model, 'tune', '')} {getattr(model, 'precision', '')}"
        return Work((f"{what} {method}", what), passes, _flops(reference, passes))

    def _top(self, model: Any) -> float:
        """Return the share of the layers that train."""
        layers, held = getattr(model, "layers", None), self._held(model.backbone)
        return min(1.0, layers / held) if layers and held else 1.0

    def _depth(self, layer: str | int, reference: Backbone) -> float:
        """Return the share of the layers up to the one that is read."""
        held = self._held(reference)
        if layer == "last" or not held:
            return 1.0
        return 0.5 if layer == "middle" else max(1, int(layer)) / held

    def _held(self, reference: Backbone) -> int:
        if reference not in self._layers:
            try:
                found = backbones.config(reference)
                self._layers[reference] = int(found.get("num_hidden_layers") or found.get("n_layer") or 0)
            except (SurpassError, OSError, ValueError):
                self._layers[reference] = 0
        return self._layers[reference]

    def _length(self, task: Task, most: int) -> float:
        """Return about how many tokens a row of the task has, from the characters of its first rows."""
        if task not in self._tokens:
            try:
                first = itertools.islice(filter(None, task.examples()), SAMPLED_ROWS)
                lengths = [len(e.input if isinstance(e.input, str) else " ".join(map(str, e.input))) for e in first]
            except (SurpassError, OSError):
                lengths = []
            self._tokens[task] = sum(lengths) / len(lengths) / CHARACTERS if lengths else TOKENS
        return max(1.0, min(self._tokens[task], float(most)))


def _games(corpus: Corpus) -> float:
    """Return how many games a corpus plays, reads or mines; 1 for one that has none."""
    if corpus.kind not in GAME_SECONDS:
        return 1.0
    given: Any = next((source for source in corpus.sources() if source.sources() == ()), corpus)
    return float(getattr(given, "games", 0) or GAMES)


def _pretrain(spec: Pretrain) -> Work:
    """Return the tokens that a backbone is trained on, and their multiplications."""
    read = spec.epochs * (1 - spec.held_out) * _corpus_tokens(spec.corpus)
    names = (f"pretrain {spec}", f"pretrain {spec.label()}")
    return Work(names, read or float(spec.epochs), 2.0 * TRAINED * spec.parameters() * read)


def _corpus_tokens(corpus: Any) -> float:
    """Return about how many tokens a corpus has, by its games or the size of its files; 0: not known."""
    if corpus.kind == "corpus/chess-games":
        return float(corpus.games * min(corpus.longest, HALF_MOVES) * HALF_MOVE_TOKENS)
    path = Path(getattr(corpus, "path", "") or "?")
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / CHARACTERS


def _rows(data: Data, part: str) -> float:
    return float(data.n_val + data.n_test if part == "evaluation" else getattr(data, f"n_{part}"))


def _flops(reference: Backbone, passes: float) -> float:
    found = size(reference)
    return 2.0 * found.multiplied * passes if found else 0.0


def _wall(nodes: Sequence[Node], seconds: Mapping[str, float], *, workers: int) -> float:
    """Return when the last stage ends if each free worker takes the first stage of the plan that is ready."""
    waits = {node.key: sum(name in seconds for name in node.inputs) for node in nodes}
    users: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node.key)
    place = {node.key: i for i, node in enumerate(nodes)}
    ready = [place[name] for name, left in waits.items() if not left]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            i = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[nodes[i].key], i))
        now, i = heapq.heappop(running)
        for name in users.get(nodes[i].key, ()):
            waits[name] -= 1
            if not waits[name]:
                heapq.heappush(ready, place[name])
    return now


def facts(found: Forecast, price: float | None) -> dict[str, Any]:
    """Return a forecast as numbers for scripts; money is in the currency of the price."""
    sources: tuple[Source, ...] = ("timed", "reckoned", "guessed")
    held: dict[str, Any] = {"hours": found.seconds() / 3600}
    held |= {f"hours_{source}": found.seconds(source) / 3600 for source in sources}
    held |= {f"stages_{source}": found.count(source) for source in sources}
    held |= {"tflops": found.tflops, "workers": found.workers}
    held |= {"wall_hours": found.wall / 3600, "longest_chain_hours": found.longest / 3600}
    if price is not None:
        held |= {
            "price": price,
            "cost": price * held["hours"],
            "cost_of_workers": price * held["wall_hours"] * found.workers,
        }
    return held


def words(held: Mapping[str, Any]) -> str:
    """Return the numbers of `facts` as lines for a person."""
    said = {
        "timed": "by like stages of this store",
        "reckoned": f"by parameters x tokens at {held['tflops'] or 0:.3g} TFLOPS",
        "guessed": "a guess: nothing is known of stages like them",
    }
    lines = [f"About {_hours(held['hours'])} of one worker:"]
    lines += [
        f"  {_hours(held[f'hours_{name}']):>9}  {held[f'stages_{name}']} stages, {text}"
        for name, text in said.items()
        if held[f"stages_{name}"]
    ]
    if "price" in held:
        lines.append(f"At {held['price']:.2f} an hour: {held['cost']:.2f}.")
    if held["workers"] > 1:
        text = f"With {held['workers']} workers: {_hours(held['wall_hours'])} until the end"
        text += f", {held['cost_of_workers']:.2f} with what idle workers cost" if "price" in held else ""
        lines.append(f"{text}. The longest chain of stages alone takes {_hours(held['longest_chain_hours'])}.")
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours * 3600:.0f} s" if hours < 1 / 30 else f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"


def measured_tflops() -> float:
    """Return 10^12 multiplications and additions a second of large products here: on a GPU, or on one thread."""
    import time

    import torch

    from surpass.models import _precision

    gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if _precision.resolve("auto") == "bf16" else torch.float32
    n, device, threads = (8192, "cuda", torch.get_num_threads()) if gpu else (1024, "cpu", 1)
    before, best = torch.get_num_threads(), float("inf")
    torch.set_num_threads(threads)
    try:
        left, right = (torch.ones(n, n, dtype=dtype, device=device) for _ in range(2))
        for _ in range(12):
            start = time.perf_counter() if gpu else time.thread_time()
            left @ right
            if gpu:
                torch.cuda.synchronize()
            best = min(best, (time.perf_counter() if gpu else time.thread_time()) - start)
    finally:
        torch.set_num_threads(before)
    return 2 * n**3 / best / 1e12
