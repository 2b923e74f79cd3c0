"""From a task to the rows of every split: grouped, balanced, deterministic.

Every group gets a place on a line by a hash. The line is cut once: its first part trains, its second part evaluates.
`weak` grows from one end of the training part and `transfer` from the other, `test` and `val` likewise, so that a larger
split begins with the rows of the smaller one whatever else changes. The order of the source's rows plays no part. The data
seed shuffles the training part only: all seeds share their test rows, and features of test rows are computed once.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from surpass.artifacts import UNCLASSED, Inputs, Rows, Splits
from surpass.documents import Documents
from surpass.draws import place
from surpass.errors import DataError
from surpass.spec import Spec, option
from surpass.tasks.base import Example, OfCorpora, Protocol, Row, Task

TRAINING, EVALUATION = ("weak", "transfer"), ("test", "val")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Spec):
    """Which rows of a task a study uses.

    Attributes:
        task: the labelled problem.
        n_weak: rows with ground truth for the supervisor.
        n_transfer: rows that the supervisor labels for the student.
        n_val: rows with weak labels, for stopping a student early.
        n_test: rows with ground truth for scores, and at most as many for each shifted test.
        balance: as many rows of each class in every split (classification), by leaving out rows.
        protocol: how a question with several candidate answers becomes rows. "paper" (Burns et al. 2023, appendix A.1): as
            many right as wrong ones; "eleuther": one candidate, right with chance 1/2. Other tasks know no difference.
        train_share: the part of the task's groups that weak and transfer rows are drawn from, where the source has no
            split of its own.
        seed: shuffles which training rows are drawn, and nothing else.
    """

    kind: ClassVar[str] = "data"

    task: Task
    n_weak: int = option(1000, low=0)
    n_transfer: int = option(2000, low=0)
    n_val: int = option(300, low=0)
    n_test: int = option(1000, low=0)
    balance: bool = True
    protocol: Protocol = "paper"
    train_share: float = option(0.7, above=0.0, high=0.95)
    seed: int = option(0, low=0)

    def training(self) -> Data:
        """Return the spec of the training rows alone: what their features depend on."""
        return self._halves[0]

    def evaluation(self) -> Data:
        """Return the spec of the validation and test rows alone; they are the same for all seeds."""
        return self._halves[1]

    @cached_property
    def _halves(self) -> tuple[Data, Data]:
        """Training and evaluation rows, made once: every stage of a study asks for them."""
        evaluation = dataclasses.replace(self, n_weak=0, n_transfer=0, seed=0)
        return dataclasses.replace(self, n_val=0, n_test=0), evaluation


class _Row(NamedTuple):
    id: str
    example: Example
    group: str


def make_splits(data: Data, corpora: Sequence[Documents] = ()) -> Splits:
    """Return the rows of every split; `corpora` are the documents of the task's sources.

    Raises:
        DataError: the task has too few rows (the message has the largest sizes that fit), a label outside the classes
            or of another type, or its source changed since the study was planned.
    """
    if data.task.source().fingerprint() != data.task.fingerprint:
        raise DataError(
            f"the source of task '{data.task.label()}' is not what it was when the study was planned. Run it again."
        )
    if data.task.endless:
        return _drawn(data)
    rows, facts = _read(data.task, data.protocol, corpora) if corpora else _kept(data.task, data.protocol)
    pools = _pools(rows, data)
    chosen: list[tuple[str, list[_Row]]] = []
    for first, second, pool in ((*TRAINING, "train"), (*EVALUATION, "test")):
        sizes = {name: getattr(data, f"n_{name}") for name in (first, second)}
        seed = data.seed if pool == "train" else 0
        taken = _two_ends(_ranked(pools[pool], seed), sizes, classes=_quota_classes(data))
        if problem := _shortage(taken, sizes, pools[pool], data):
            raise DataError(problem)
        chosen += taken.items()
    chosen.sort(key=lambda item: ("weak", "transfer", "val", "test").index(item[0]))
    for name in sorted(pool for pool in pools if pool.startswith("shift:")):
        if data.n_test:
            chosen.append((name, _shifted(pools[name], data)))
    return _table(data.task, chosen, facts)


def _drawn(data: Data) -> Splits:
    """Return the rows of every split of a task that draws them as they are asked for."""
    seeds = dict.fromkeys(TRAINING, data.seed) | dict.fromkeys(EVALUATION, 0)
    parts = [data.task.draw(name, getattr(data, f"n_{name}"), seed) for name, seed in seeds.items()]
    split = tuple(name for name, part in zip(seeds, parts, strict=True) for _ in part.ids)
    return Splits(Rows.joined(parts), split, data.task.target, data.task.class_names(), {"usable": len(split)})


@lru_cache(maxsize=1)
def _kept(task: Task, protocol: Protocol) -> tuple[list[_Row], dict[str, int]]:
    """Return what `_read` does; a plan and a run ask four times in a row, and the fingerprint says it is the same source."""
    return _read(task, protocol, ())


def _read(task: Task, protocol: Protocol, corpora: Sequence[Documents]) -> tuple[list[_Row], dict[str, int]]:
    """Return the task's rows without repeats, and counts of what was left out; DataError where it lacks its corpora."""
    facts: Counter[str] = Counter()
    found: dict[str, _Row] = {}
    conflicts: set[str] = set()
    classes = task.class_names()
    made: Iterable[Row] | None = None
    if sources := task.sources():
        made = task.rows_from(corpora) if corpora else OfCorpora(sources).rows()
    for example in task.examples(made, protocol=protocol):
        facts["read"] += 1
        if example is None:
            facts["left_out"] += 1
            continue
        if task.target == "generation" and not str(example.label).strip():
            facts["empty_targets"] += 1
            continue
        _check_label(task, example, classes)
        name = example.id or _digest(_written(example.input))
        row = _Row(name, example, example.group or name)
        if name in found:
            facts["repeated"] += 1
            if found[name].example.label != example.label:
                conflicts.add(name)
            row = min(found[name], row, key=_repeat_order)  # the same one stays, however the rows are ordered
        found[name] = row
    for name in conflicts:  # the same input with two labels has no ground truth
        del found[name]
    return list(found.values()), {**facts, "conflicting": len(conflicts), "usable": len(found)}


def _check_label(task: Task, example: Example, classes: tuple[str, ...]) -> None:
    if task.target == "generation":
        if not isinstance(example.label, str):
            raise DataError(
                f"task '{task.label()}': label {example.label!r} is no text. `example` must return the text to write."
            )
        return
    if task.target != "regression" and example.label not in range(len(classes)):
        raise DataError(
            f"task '{task.label()}': label {example.label!r} is outside its {len(classes)} classes {', '.join(classes)}. "
            "`example` must return a class index."
        )
    if task.target == "regression" and not np.isfinite(example.label):
        raise DataError(f"task '{task.label()}': label {example.label!r} is not a finite number. Leave such rows out.")


def _pools(rows: list[_Row], data: Data) -> dict[str, list[_Row]]:
    """Return rows by where they may go: the source's own parts, shifts, or the two sides of the cut."""
    pools: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        part = row.example.part
        if part not in ("", "train", "test") and not part.startswith("shift:"):
            raise DataError(
                f"task '{data.task.label()}': part {part!r}; allowed are '', 'train', 'test', 'shift:NAME'."
            )
        pools[part or ("train" if place(row.group, "cut") < data.train_share else "test")].append(row)
    return pools


def _written(value: Any) -> str:
    """Return an input in full as text; NumPy's own text of a large array leaves out its middle."""
    return repr((value.shape, value.tolist()) if isinstance(value, np.ndarray) else value)


def _repeat_order(row: _Row) -> tuple[str, ...]:
    return row.example.part, row.group, _written(row.example.input), repr(row.example.votes)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _ranked(pool: list[_Row], seed: int) -> list[list[_Row]]:
    """Return the pool's groups in their place on the line, rows within a group in a fixed order."""
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row in pool:
        groups[row.group].append(row)
    order = sorted(groups, key=lambda name: (place(name, f"rank/{seed}"), name))
    return [sorted(groups[name], key=lambda row: (place(row.id, f"row/{seed}"), row.id)) for name in order]


def _quota_classes(data: Data) -> int:
    return len(data.task.class_names()) if data.balance and data.task.target not in UNCLASSED else 0


def _quotas(n: int, classes: int) -> dict[Any, int]:
    """Return how many rows of each class make n; the key None stands for any label when classes is 0."""
    if not classes:
        return {None: n}
    return {c: n // classes + (c < n % classes) for c in range(classes)}


def _two_ends(groups: list[list[_Row]], sizes: dict[str, int], *, classes: int) -> dict[str, list[_Row]]:
    """Take the first split from the front of the line and the second from the back; a group serves one split only."""
    used: set[int] = set()
    taken: dict[str, list[_Row]] = {}
    ends = (range(len(groups)), range(len(groups) - 1, -1, -1))
    for (name, n), order in zip(sizes.items(), ends, strict=True):
        left, rows = _quotas(n, classes), []
        for i in order:
            if not any(left.values()):
                break
            if i in used:
                continue
            for row in groups[i]:
                label = row.example.label if classes else None
                if left[label]:
                    left[label] -= 1
                    rows.append(row)
                    used.add(i)
        taken[name] = _interleaved(rows) if classes else rows
    return taken


def _interleaved(rows: list[_Row]) -> list[_Row]:
    """Return the rows class by class in turn, so that the first n of them are what a split of n rows holds."""
    seen: Counter[int] = Counter()
    turn: dict[str, tuple[int, int]] = {}
    for row in rows:
        label = row.example.label
        turn[row.id] = (seen[label], label)
        seen[label] += 1
    return sorted(rows, key=lambda row: turn[row.id])


def _largest(groups: list[list[_Row]], sizes: dict[str, int], *, classes: int) -> dict[str, int]:
    """Return the largest sizes in the proportion of `sizes` that the groups have rows for."""
    total = sum(sizes.values())
    fits, fails = 0, total
    while fails - fits > 1:  # what fits at some total fits at every smaller one
        middle = (fits + fails) // 2
        tried = {name: n * middle // total for name, n in sizes.items()}
        taken = _two_ends(groups, tried, classes=classes)
        enough = all(len(taken[name]) == n for name, n in tried.items())
        fits, fails = (middle, fails) if enough else (fits, middle)
    return {name: n * fits // total for name, n in sizes.items()}


def _shortage(taken: dict[str, list[_Row]], sizes: dict[str, int], pool: list[_Row], data: Data) -> str | None:
    """Return what is too large and the largest that fits, or None."""
    if all(len(taken[name]) == n for name, n in sizes.items()):
        return None
    classes = _quota_classes(data)
    counts = Counter(row.example.label for row in pool)
    most = classes * min(counts.get(c, 0) for c in range(classes)) if classes else len(pool)
    seed = data.seed if "weak" in sizes else 0
    fitting = _largest(_ranked(pool, seed), sizes, classes=classes)
    asked, fit = (" and ".join(f"n_{name}={n}" for name, n in each.items() if sizes[name]) for each in (sizes, fitting))
    side = "training" if "weak" in sizes else "evaluation"
    balanced = " in equal numbers of each class" if classes else ""
    share = data.train_share if side == "training" else 1 - data.train_share
    cut = any(not row.example.part for row in pool)
    ways = ["change train_share"] * cut + ["set balance: false"] * bool(classes)
    return (
        f"{asked}, but task '{data.task.label()}' has {most} rows{balanced} on its {side} side"
        f"{f' (train_share gives it {share:.0%} of the rows)' if cut else ''}. "
        f"The largest that fit in this proportion are {fit}. {', or '.join(['Lower them', *ways])}."
    )


def _shifted(pool: list[_Row], data: Data) -> list[_Row]:
    """Return at most n_test rows of a shifted test, balanced where both the study and the pool allow it."""
    groups = _ranked(pool, 0)
    classes = _quota_classes(data)
    counts = Counter(row.example.label for row in pool)
    fewest = min((counts.get(c, 0) for c in range(classes)), default=0)
    if not fewest:  # one class only, as in a set of hard negatives: all rows serve
        classes, fewest = 0, len(pool)
    n = min(data.n_test, fewest * max(classes, 1))
    return _two_ends(groups, {"shift": n, "none": 0}, classes=classes)["shift"]


def _table(task: Task, chosen: list[tuple[str, list[_Row]]], facts: dict[str, int]) -> Splits:
    rows = [row for _, part in chosen for row in part]
    inputs: Inputs
    if task.input in ("vector", "image"):
        inputs = np.array([row.example.input for row in rows])
    else:
        inputs = tuple(row.example.input for row in rows)
    kind: Any = {"regression": np.float64, "generation": object}.get(task.target, np.int64)
    labels = np.array([row.example.label for row in rows], dtype=kind)
    ids, groups = tuple(row.id for row in rows), tuple(row.group for row in rows)
    domains, votes = (tuple(getattr(row.example, name) for row in rows) for name in ("domain", "votes"))
    table = Rows(ids, inputs, labels, groups, domains, votes)
    split = tuple(name for name, part in chosen for _ in part)
    told = {**facts, "named_raters": 1} if task.named_raters else facts
    return Splits(table, split, task.target, task.class_names(), told)
