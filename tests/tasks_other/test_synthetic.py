"""The synthetic tasks of the misfit theory: what is drawn, and what the notebook's reuse of inputs looks like."""

from __future__ import annotations

import numpy as np
import pytest

from surpass.artifacts import Array
from surpass.checks import check_splits
from surpass.splits import Data, make_splits
from surpass.tasks._relu import represent
from surpass.tasks.synthetic import INPUTS, Synthetic
from surpass.testing import check_task

TASK = Synthetic()


def inputs_of(rows) -> Array:
    return np.asarray(rows.inputs)


def test_contract():
    check_task(TASK)
    source = list(TASK.source().rows())[:200]
    drawn = TASK.draw("weak", 200, 0)
    for row, label in zip(source, drawn.labels, strict=True):
        assert TASK.example(row, None).label == label  # type: ignore[arg-type]


def test_every_split_has_as_many_rows_of_each_task():
    splits = make_splits(Data(task=TASK, n_weak=500, n_transfer=700, n_val=100, n_test=300))
    assert [len(splits.part(name)) for name in ("weak", "transfer", "val", "test")] == [500, 700, 100, 300]
    for name, each in (("weak", 5), ("transfer", 7), ("val", 1), ("test", 3)):
        rows = splits.part(name)
        assert np.bincount(inputs_of(rows)[:, 0].astype(int)).tolist() == [each] * 100
        assert tuple(str(int(number)) for number in inputs_of(rows)[:, 0]) == rows.domains


def test_a_label_is_the_tasks_head_on_one_network():
    rows = TASK.draw("test", 1000, 0)
    state = represent(TASK.network(), inputs_of(rows)[:, 1:].astype(np.float64))
    for number in (0, 17, 99):
        own = inputs_of(rows)[:, 0] == number
        head = TASK.heads()[number]
        np.testing.assert_allclose(state[own] @ head[:-1] + head[-1], rows.labels[own])
    assert [array.shape for array in TASK.network()[::2]] == [(8, 16), *[(16, 16)] * 4]


def test_inputs_have_the_notebooks_spread_and_are_fresh():
    weak, transfer, test = (inputs_of(TASK.draw(name, 4000, 0))[:, 1:] for name in ("weak", "transfer", "test"))
    assert weak.shape == (4000, INPUTS)
    for part in (weak, transfer, test):
        np.testing.assert_allclose(part.std(), 500, rtol=0.02)
        np.testing.assert_allclose(part.mean(), 0, atol=12)
    seen = [row.tobytes() for part in (weak, transfer, test) for row in part]
    assert len(set(seen)) == len(seen)


def test_a_larger_split_begins_with_the_smaller_one():
    small, large = TASK.draw("transfer", 150, 3), TASK.draw("transfer", 250, 3)
    np.testing.assert_array_equal(inputs_of(small), inputs_of(large)[:150])
    assert small.ids == large.ids[:150]


def test_seeds_draw_training_rows_and_share_test_rows():
    one, other = (
        make_splits(Data(task=TASK, n_weak=100, n_transfer=100, n_val=0, n_test=100, seed=seed)) for seed in (0, 1)
    )
    np.testing.assert_array_equal(inputs_of(one.part("test")), inputs_of(other.part("test")))
    assert one.part("test").ids == other.part("test").ids
    assert not set(one.part("weak").ids) & set(other.part("weak").ids)
    assert not (inputs_of(one.part("weak"))[:, 1] == inputs_of(other.part("weak"))[:, 1]).any()
    assert not np.array_equal(TASK.network()[0], Synthetic(seed=1).network()[0])


def test_halves_of_the_data_are_those_of_the_whole():
    data = Data(task=TASK, n_weak=100, n_transfer=200, n_val=0, n_test=100)
    whole, training, evaluation = (make_splits(half) for half in (data, data.training(), data.evaluation()))
    assert training.part("transfer").ids == whole.part("transfer").ids
    np.testing.assert_array_equal(inputs_of(evaluation.part("test")), inputs_of(whole.part("test")))
    assert (len(training.rows), len(evaluation.rows)) == (300, 100)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_guard_sees_that_the_notebook_labels_the_rows_it_was_fitted_on(fresh):
    splits = make_splits(Data(task=Synthetic(fresh=fresh), n_weak=300, n_transfer=300, n_val=0, n_test=300))
    weak, transfer = (splits.part(name) for name in ("weak", "transfer"))
    assert np.array_equal(inputs_of(weak), inputs_of(transfer)) is not fresh
    assert not set(weak.ids) & set(transfer.ids)
    codes = {finding.code for finding in check_splits(splits, where={}) if finding.severity == "error"}
    assert codes == (set() if fresh else {"trained-on-labelled-rows"})


def test_lessons_are_other_tasks_on_the_same_network_with_their_heads():
    lessons = Synthetic(taught=3, rows_each=50).lessons()
    assert lessons.inputs.shape == (3, 50, 8)
    for x, y, head in zip(lessons.inputs, lessons.values, lessons.heads, strict=True):
        np.testing.assert_allclose(represent(lessons.target, x.astype(np.float64)) @ head[:-1] + head[-1], y)
    assert not np.isin(lessons.heads, TASK.heads()).any()
    assert all(np.array_equal(a, b) for a, b in zip(lessons.target, TASK.network(), strict=True))


def test_test_rows_of_a_task_are_one_group_and_training_rows_are_not():
    splits = make_splits(Data(task=TASK, n_weak=200, n_transfer=200, n_val=0, n_test=200))
    assert len(set(splits.part("test").groups)) == 100
    assert splits.part("test").groups == splits.part("test").domains
    assert len(set(splits.part("weak", "transfer").groups)) == 400
