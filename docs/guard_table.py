"""Write what the guard sees in the rows of every task that is here: python docs/guard_table.py [TASK ...].

Every task is read at its default sizes, or at the largest that fit in their proportion; hub tasks are left out.
"""

import sys
import time
from collections.abc import Iterator

from surpass.artifacts import Splits
from surpass.errors import DataError
from surpass.guard import guard_rows
from surpass.inspection import defaults_of
from surpass.registry import REGISTRIES
from surpass.splits import Data, make_splits
from surpass.tasks.base import Task

SIZES = {name: getattr(Data, name) for name in ("n_weak", "n_transfer", "n_val", "n_test")}


def tasks(names: list[str]) -> Iterator[Task]:
    """Yield the named tasks, or all whose rows are here: those of a hub are not."""
    registry = REGISTRIES["task"]
    for name in names or registry.names():
        cls = registry.get(name)
        if None in defaults_of(cls).values() or getattr(cls().source(), "where", "") == "hub":
            continue
        if problem := cls().problem():
            sys.stderr.write(f"{name}: {problem}\n")
            continue
        yield cls().resolve()


def read(task: Task) -> Splits:
    """Return the task's splits at default sizes, or at the largest 5 % steps of them that fit."""
    for twentieth in range(20, 0, -1):
        try:
            return make_splits(Data(task=task, **{name: n * twentieth // 20 for name, n in SIZES.items()}))
        except DataError:
            if twentieth == 1:
                raise
    raise AssertionError


def line(task: Task) -> str:
    """Return the task's line of the table."""
    splits = read(task)
    start = time.perf_counter()
    found = guard_rows(splits, task)
    seconds = time.perf_counter() - start
    counts = " / ".join(str(splits.split.count(name)) for name in ("weak", "transfer", "val", "test"))
    shifts = sum(name.startswith("shift:") for name in splits.names())
    told = "<br>".join(f"**{one.code}** ({one.severity}): {one.message}" for one in found) or "nothing"
    told = told.replace("|", "\\|").replace("\n", " ")
    return f"| {task.label()} | {counts}{f' + {shifts} shifted' if shifts else ''} | {seconds:.1f} | {told} |"


if __name__ == "__main__":
    sys.stdout.write("| task | weak / transfer / val / test | seconds | findings |\n|:--|:--|--:|:--|\n")
    for one in tasks(sys.argv[1:]):
        sys.stdout.write(f"{line(one)}\n")
        sys.stdout.flush()
