"""Are the hub's data sets still what the tasks take them for? Files, fields, sizes, labels, by one page of each split."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from surpass.errors import DataError, SpecError, reason
from surpass.registry import TASKS
from surpass.tasks._hub import Hub, HubTask, Split, read_files
from surpass.tasks.base import Example, Protocol, Row

PAGE = 200
"""Rows of each split that are looked at."""


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found of one task's data set.

    Attributes:
        task, repo: their names.
        revision: as the task has it; commit: what it stands for now.
        rows: number of rows of each part.
        balance: share of each class among the rows that were looked at and kept, under the protocol "paper".
        notes: what differs without harm; problems: what does not fit.
    """

    task: str
    repo: str
    revision: str
    commit: str
    rows: dict[str, int]
    balance: dict[str, float]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def hub_tasks(names: Collection[str] = ()) -> list[HubTask]:
    """Return the tasks whose rows are on the hub: all, or those named; SpecError for one that is not."""
    found = []
    for name in names or TASKS.names():
        cls = TASKS.get(name)
        if issubclass(cls, HubTask):
            found.append(cls())
        elif names:
            raise SpecError(
                f"task '{name}' is not read from the hub. Give names of hub tasks, or none for all of them."
            )
    return found


def reach(hub: Hub) -> None:
    """Raise DataError, within seconds, when the hub does not answer."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(hub.repo, timeout=5)
    except Exception as error:  # a network has many ways to fail
        raise DataError(
            f"the Hugging Face hub does not answer for '{hub.repo}' ({reason(error)}). "
            "This check needs a network; unset HF_HUB_OFFLINE if it is set."
        ) from error


def verify(task: HubTask, hub: Hub | None = None, *, page: int = PAGE) -> Checked:
    """Return what is found of a task's data set, read from the hub or from `hub` instead of the task's own."""
    hub = hub or task.source()
    problems: list[str] = []
    notes: list[str] = []
    rows: Counter[str] = Counter()
    pages: list[Row] = []
    try:
        commit, names = _listing(hub)
    except Exception as error:  # the hub's and the network's errors have no common class
        return Checked(task.label(), hub.repo, hub.revision, "", {}, {}, (), (reason(error),))
    for split in hub.splits:
        try:
            paths = [_address(hub, commit, name) for name in hub.matching(split, names)]
            pages += _with_part(islice(read_files(paths), page), split)
            found = _count(paths)
        except Exception as error:  # as above, and whatever a damaged file does
            problems.append(f"split '{split.files}': {reason(error)}")
            continue
        rows[split.part] += found
        if split.rows and found != split.rows:
            problems.append(f"split '{split.files}' has {found} rows, where {split.rows} are recorded")
    balance: dict[str, float] = {}
    if pages:
        notes += _fields(task, pages)
        try:
            balance = _balance(task, pages)
        except (LookupError, TypeError, ValueError, AttributeError, DataError) as error:
            problems.append(f"rows do not fit the template: {reason(error)}; they have {', '.join(map(str, pages[0]))}")
    if balance and min(balance.values()) == 0:
        notes.append(f"the first {page} rows of each split hold one class only")
    return Checked(task.label(), hub.repo, hub.revision, commit, dict(rows), balance, tuple(notes), tuple(problems))


def _listing(hub: Hub) -> tuple[str, list[str]]:
    """Return the commit, and the names of all files at it."""
    if hub.local:
        folder = Path(hub.repo)
        return hub.fingerprint(), [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(hub.repo, revision=hub.revision, timeout=20)
    return info.sha or "", [file.rfilename for file in info.siblings or ()]


def _address(hub: Hub, commit: str, name: str) -> str:
    return str(Path(hub.repo) / name) if hub.local else f"hf://datasets/{hub.repo}@{commit}/{name}"


def _with_part(rows: Iterator[dict[str, Any]], split: Split) -> list[Row]:
    return [{**row, "part": split.part} for row in rows]


def _count(paths: Sequence[str]) -> int:
    """Return the number of rows: of parquet files from their footers, of others by reading them."""
    if not all(fnmatchcase(path, "*.parquet") for path in paths):
        return sum(1 for _ in read_files(paths))
    from huggingface_hub import HfFileSystem
    from pyarrow.parquet import ParquetFile

    total = 0
    for path in paths:
        with HfFileSystem().open(path) if path.startswith("hf://") else Path(path).open("rb") as file:
            total += ParquetFile(file).metadata.num_rows
    return total


def _fields(task: HubTask, rows: Sequence[Row]) -> list[str]:
    """Return a note when the rows lack fields of the task's invented ones."""
    lacking = sorted({*task.sample[0]} - {*rows[0]})
    return [f"the rows lack {', '.join(lacking)} of the sample rows"] if lacking else []


def _balance(task: HubTask, rows: Sequence[Row]) -> dict[str, float]:
    """Return the share of each class; raises what the template raises, and DataError for a wrong label or none kept."""
    classes = task.class_names()
    kept: dict[str, list[Example]] = {}
    for protocol in get_args(Protocol):
        kept[protocol] = [example for example in task.examples(rows, protocol=protocol) if example is not None]
        wrong = [example.label for example in kept[protocol] if example.label not in range(len(classes))]
        if wrong or not kept[protocol]:
            raise DataError(f"label {wrong[0]!r} is none of the classes" if wrong else "no row is kept")
    counts = Counter(classes[example.label] for example in kept["paper"])
    return {name: counts[name] / len(kept["paper"]) for name in classes}
