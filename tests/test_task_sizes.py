"""What a listing says of a task's size is what its source holds, for every task that needs no hub."""

from __future__ import annotations

import pytest

from surpass.registry import TASKS
from surpass.splits import Data, make_splits
from surpass.tasks.base import Task

FEW = {"n_weak": 2, "n_transfer": 2, "n_val": 0, "n_test": 2, "balance": False}
MADE = [task() for task in map(TASKS.get, TASKS.names()) if task.__name__ != "File"]
HERE = [task for task in MADE if not (task.sources() or task.endless or task.source().where == "hub")]


@pytest.mark.parametrize("task", HERE, ids=lambda task: task.label())
def test_the_size_is_known(task: Task) -> None:
    assert task.size > 0


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("task", HERE, ids=lambda task: task.label())
def test_the_size_is_the_number_of_usable_rows(task: Task) -> None:
    if lacking := task.needs():
        pytest.skip(lacking)
    assert make_splits(Data(task=task.resolve(), **FEW)).facts["usable"] == task.size
