"""Pictures of clothes, patients and digits: how rows are read, what is refused, and the real sets."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks import fashion_mnist, heart
from surpass.tasks.base import Task
from surpass.tasks.digits import Digits
from surpass.tasks.fashion_mnist import FashionMnist
from surpass.tasks.heart import Heart, findings
from surpass.testing import check_task

TASKS = (FashionMnist(), Heart(), Digits())
PATIENT = Heart.sample[0]["input"][0]["content"]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_contract(task: Task) -> None:
    check_task(task)
    assert task.size > 900


def idx(folder: Path, name: str, pictures: np.ndarray, labels: list[int]) -> None:
    head = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in pictures.shape)
    (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pictures.tobytes()))
    head = bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big")
    (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + bytes(labels)))


def test_pictures_are_read_pixel_by_pixel_in_their_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, size=(3, 28, 28), dtype=np.uint8)
    idx(tmp_path, "train", pictures[:2], [3, 9])
    idx(tmp_path, "t10k", pictures[2:], [0])
    found = [FashionMnist().example(row, Random(0)) for row in fashion_mnist.read(tmp_path)]
    assert [(row.id, row.part, row.label) for row in found] == [
        ("train-0", "train", 3),
        ("train-1", "train", 9),
        ("test-0", "test", 0),
    ]
    assert np.array_equal([row.input for row in found], pictures)
    assert found[0].input.dtype == np.uint8


def test_a_file_that_ends_early_is_named(tmp_path: Path) -> None:
    idx(tmp_path, "train", np.zeros((2, 28, 28), dtype=np.uint8), [3, 9])
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))
    with pytest.raises(DataError, match=r"'train-images-idx3-ubyte.gz' has 1583 bytes, not 1584 for 2 items"):
        list(fashion_mnist.read(tmp_path))


def test_findings_are_numbers_in_a_known_order() -> None:
    assert findings(PATIENT) == [61, 139, 0, 101, 1.7, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0]
    well = findings(Heart.sample[1]["input"][0]["content"])
    assert well == [38, 118, 211, 171, -0.1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0]
    assert len(heart.NUMBERS) + len(heart.EITHER) + sum(map(len, heart.KINDS.values())) == len(well) == 18


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("61 years", "old", "'Age' is 'old' .* a number is due"),
        ("Oldpeak: 1.7, ", "", "'Oldpeak' is None"),
        ("Sex: Male", "Sex: unknown", "'Sex' is 'unknown' .* allowed are Male, Female"),
        ("ST Slope: Flat", "ST Slope: Round", "allowed are Upsloping, Flat, Downsloping"),
    ],
)
def test_other_findings_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        findings(PATIENT.replace(old, new))


def test_other_diagnoses_are_refused() -> None:
    with pytest.raises(DataError, match="ideal '2' of 'Age: 61 years"):
        Heart().example({**Heart.sample[0], "ideal": "2"}, Random(0))


def test_digits_are_there_without_fetching() -> None:
    assert Digits().problem() is None
    splits = make_splits(Data(task=Digits().resolve(), n_weak=300, n_transfer=600, n_val=50, n_test=400))
    assert splits.facts["usable"] == Digits.size == 1797
    assert np.bincount(splits.part("test").labels).tolist() == [40] * 10
    assert splits.rows.inputs.shape == (1350, 64)
    assert (splits.rows.inputs.min(), splits.rows.inputs.max()) == (0, 1)


def real(task: Task, **sizes: int):
    if problem := task.problem():
        pytest.skip(problem)
    return make_splits(Data(task=task.resolve(), **{"n_weak": 200, "n_transfer": 300, "n_val": 50, **sizes}))


@pytest.mark.assets
def test_real_pictures() -> None:
    splits = real(FashionMnist(), n_test=200)
    assert splits.facts["usable"] == FashionMnist.size == 70_000
    assert splits.rows.inputs.shape == (750, 28, 28)
    assert splits.rows.inputs.dtype == np.uint8
    assert {name.partition("-")[0] for name in splits.part("weak", "transfer").ids} == {"train"}
    assert {name.partition("-")[0] for name in splits.part("val", "test").ids} == {"test"}
    assert np.bincount(splits.part("test").labels).tolist() == [20] * 10
    by_label = [splits.rows.inputs[splits.rows.labels == c].mean() for c in (8, 5)]
    assert by_label[0] > by_label[1] + 30  # a bag fills its picture, a sandal does not


@pytest.mark.assets
def test_real_patients() -> None:
    splits = real(Heart(), n_test=150)
    assert splits.facts["usable"] == Heart.size == 918
    assert splits.facts["conflicting"] == 0
    rows = [row for row in Heart().examples() if row is not None]
    inputs = np.array([row.input for row in rows])
    assert Counter(row.label for row in rows) == {1: 508, 0: 410}
    assert inputs.shape == (918, 18)
    assert (inputs[:, 2] == 0).sum() == 172
    assert inputs[:, 5].sum() == 725
    assert (inputs[:, 8:12].sum(axis=1) == 1).all()
    assert np.mean([row.label for row in rows if row.input[2] == 0]) > 0.85  # of those without cholesterol
