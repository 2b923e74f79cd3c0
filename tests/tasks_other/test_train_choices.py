"""Choices between train journeys, and the reader of pickled tables that runs nothing."""

from __future__ import annotations

import lzma
import os
import pickle
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks._frames import columns
from surpass.tasks.train_choices import TrainChoices, read
from surpass.testing import check_task


def test_contract() -> None:
    check_task("train-choices")


def test_the_chosen_journey_is_the_label() -> None:
    first, second = (TrainChoices().example(row, Random(0)) for row in TrainChoices.sample)
    assert first.input.tolist() == [[2500, 140, 1, 1], [2900, 110, 0, 1]]
    assert (first.label, second.label) == (0, 1)
    assert first.group == second.group == "person 1"
    assert TrainChoices().class_names()[second.label] == "first"


def test_another_choice_is_refused() -> None:
    with pytest.raises(DataError, match="choice 'both' of row 1 is none of choice2, choice1"):
        TrainChoices().example({**TrainChoices.sample[0], "choice": "both"}, Random(0))


class _Harm:
    """Asks the reader of its pickle to make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused_and_does_not_run(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    with pytest.raises(DataError, match=r"the table is not the plain pickled table .* asks for posix\.mkdir|nt\.mkdir"):
        columns(pickle.dumps(_Harm(harm)), "the table")
    assert not harm.exists()
    pickle.loads(pickle.dumps(_Harm(harm)))  # a plain unpickler obeys
    assert harm.exists()


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps({"a": 1}), pickle.dumps(np.zeros(3))])
def test_anything_but_a_table_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="the table is not the plain pickled table"):
        columns(data, "the table")


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "open", "__import__"])
def test_builtins_are_out_of_reach(name: str) -> None:
    program = b"c" + b"builtins\n" + name.encode() + b"\n(S'1'\ntR."
    with pytest.raises(DataError, match=f"it asks for builtins.{name}"):
        columns(program, "the table")


def real() -> TrainChoices:
    task = TrainChoices()
    if problem := task.problem():
        pytest.skip(problem)
    return task


@pytest.mark.assets
def test_real_choices() -> None:
    task = real()
    rows = [row for row in task.examples() if row is not None]
    assert len(rows) == TrainChoices.size == 2929
    assert Counter(row.label for row in rows) == {1: 1474, 0: 1455}
    people = Counter(row.group for row in rows)
    assert (len(people), max(people.values())) == (235, 19)
    inputs = np.array([row.input for row in rows])
    assert inputs.shape == (2929, 2, 4)
    assert inputs[:, :, 0].max() == 12500
    assert inputs[0].tolist() == [[2400, 150, 0, 1], [4000, 150, 0, 1]]
    cheaper = inputs[:, 0, 0] < inputs[:, 1, 0]
    assert np.mean([row.label for row, yes in zip(rows, cheaper, strict=True) if yes]) > 0.55
    splits = make_splits(Data(task=task.resolve(), n_weak=300, n_transfer=600, n_val=100, n_test=400))
    assert not set(splits.part("val", "test").groups) & set(splits.part("weak", "transfer").groups)
    assert np.bincount(splits.part("test").labels).tolist() == [200, 200]


@pytest.mark.assets
def test_the_table_is_the_one_that_pandas_reads() -> None:
    pandas = pytest.importorskip("pandas")
    real()
    from surpass import assets

    folder = assets.folder("train-choices")
    with pytest.warns(DeprecationWarning, match="numpy.core"):
        frame = pickle.loads(lzma.decompress((folder / "Train.pkl.xz").read_bytes()))  # checked by its checksum
    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records") == list(read(folder))
