"""Artifacts: joins by id, checks at birth, and a round trip through a folder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surpass.artifacts import FeatureTable, Predictions, Rows, Splits, Targets, positions, take
from surpass.errors import AlignmentError, DataError
from surpass.testing import sample_splits


def table(inputs, labels=(0, 1)):
    rows = Rows(("a", "b"), inputs, np.array(labels), ("g", "h"))
    return Splits(rows, ("weak", "test"), "classification", ("no", "yes"), {"read": 2})


@pytest.mark.parametrize(
    "inputs",
    [("one", "zwei \u2028 \U0001f332"), (("a", "b"), ("c", "d")), np.arange(6, dtype=np.float32).reshape(2, 3)],
)
def test_splits_round_trip(inputs, tmp_path):
    table(inputs).save(tmp_path)
    again = Splits.load(tmp_path)
    assert np.array_equal(np.asarray(again.rows.inputs), np.asarray(inputs))
    assert type(again.rows.inputs[0]) is type(inputs[0])
    assert (again.rows.ids, again.rows.groups, again.split) == (("a", "b"), ("g", "h"), ("weak", "test"))
    assert (again.classes, again.target, again.facts) == (("no", "yes"), "classification", {"read": 2})


def test_predictions_round_trip_and_weights_are_written_not_read(tmp_path):
    made = Predictions(
        ("a", "b"),
        ("test", "val"),
        np.eye(2),
        (1, 2),
        np.ones((2, 1, 2)),
        ("b",),
        {"loss": 0.5},
        lambda folder: (folder / "model").write_text("w"),
    )
    made.save(tmp_path)
    again = Predictions.load(tmp_path)
    plain = ("ids", "split", "steps", "watched_ids", "facts")
    assert all(getattr(again, name) == getattr(made, name) for name in plain)
    assert again.weights is None
    assert not again.gold.any()
    assert np.array_equal(again.values, made.values)
    assert np.array_equal(again.watched, made.watched)
    assert (tmp_path / "weights" / "model").read_text() == "w"


def test_marks_of_ground_truth_round_trip(tmp_path):
    made = Predictions(("a", "b"), ("test", "val"), np.eye(2), gold=np.array([False, True]))
    made.save(tmp_path)
    again = Predictions.load(tmp_path)
    assert again.gold_on(("b", "a")).tolist() == [True, False]


def test_columns_of_targets_follow_their_rows():
    made = dataclasses.replace(Targets.of(("a", "b", "c"), np.eye(3)), columns=np.array([[1.0], [2.0], [3.0]]))
    assert made.take(np.array([2, 0])).columns.tolist() == [[3.0], [1.0]]
    assert Targets.of(("a",), np.eye(1)).columns.shape == (1, 0)
    with pytest.raises(AlignmentError, match=r"columns of shape \(2, 1\)"):
        dataclasses.replace(made, columns=np.ones((2, 1)))


def test_features_round_trip(tmp_path):
    made = FeatureTable(("a", "b"), np.eye(2, dtype=np.float32), {"truncated": 0.5})
    made.save(tmp_path)
    again = FeatureTable.load(tmp_path)
    assert (again.ids, again.facts) == (made.ids, made.facts)
    assert np.array_equal(again.on(("b", "a")), made.vectors[::-1])


def test_joined_features_average_rates_by_rows():
    one = FeatureTable(("a",), np.zeros((1, 2), dtype=np.float32), {"truncated": 1.0, "backbone": "x"})
    other = FeatureTable(("b", "c", "d"), np.ones((3, 2), dtype=np.float32), {"truncated": 0.0, "backbone": "x"})
    both = FeatureTable.joined([one, other])
    assert both.ids == ("a", "b", "c", "d")
    assert both.facts == {"truncated": 0.25, "backbone": "x"}


@given(st.permutations(range(8)))
def test_predictions_are_joined_by_id(order):
    ids = tuple(f"r{i}" for i in range(8))
    values = np.arange(16.0).reshape(8, 2)
    shuffled = Predictions(tuple(ids[i] for i in order), ("test",) * 8, values[order])
    assert np.array_equal(shuffled.on(ids), values)


def test_a_missing_row_is_named():
    with pytest.raises(
        AlignmentError, match="row id 'c' is asked for, but these predictions with 2 rows do not hold it"
    ):
        Predictions(("a", "b"), ("test",) * 2, np.eye(2)).on(("a", "c"))
    with pytest.raises(AlignmentError, match="row id 'x' is asked for, but rows with 1 rows"):
        positions(("a",), ("x",), what="rows")


def test_points_of_training():
    watched = np.arange(8.0).reshape(2, 2, 2)
    made = Predictions(("a", "b", "c"), ("transfer", "test", "val"), np.ones((3, 2)), (5, 9), watched, ("b", "c"))
    assert np.array_equal(made.at(0, ("c", "b")), watched[0][::-1])
    assert np.array_equal(made.at(-1, ("a",)), [[1, 1]])
    assert np.array_equal(made.at(1, ("a",)), [[1, 1]])
    with pytest.raises(AlignmentError, match="row id 'a' is asked for, but the watched predictions"):
        made.at(0, ("a",))


def test_predictions_must_be_finite():
    with pytest.raises(DataError, match="1 of 2 predictions are not finite"):
        Predictions(("a", "b"), ("test",) * 2, np.array([[0.5, 0.5], [np.nan, 0.5]]))


def test_targets_are_checked():
    with pytest.raises(AlignmentError, match=r"targets for 2 ids have values of shape \(3, 3\)"):
        Targets.of(("a", "b"), np.eye(3))
    with pytest.raises(DataError, match="not finite, or negative weights"):
        Targets(("a",), np.array([[0.5, 0.5]]), np.array([-1.0]), np.array([False]))
    with pytest.raises(DataError, match="not finite, or negative weights"):
        Targets.of(("a",), np.array([[np.inf, 0.5]]))


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=9), st.data())
def test_taken_targets_keep_weights_of_mean_one(weights, data):
    weight = np.array(weights) / np.mean(weights)
    n = len(weight)
    targets = Targets(tuple(map(str, range(n))), np.eye(n), weight, np.zeros(n, dtype=bool))
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True)))
    taken = targets.take(rows)
    assert taken.ids == tuple(str(i) for i in rows)
    assert taken.weight.mean() == pytest.approx(1)
    assert taken.weight / taken.weight[0] == pytest.approx(weight[rows] / weight[rows[0]])


def test_take_keeps_the_kind_of_input():
    assert take(("a", "b"), np.array([1])) == ("b",)
    assert take((("a", "b"), ("c", "d")), np.array([1, 0])) == (("c", "d"), ("a", "b"))
    assert np.array_equal(take(np.eye(2), np.array([1])), [[0, 1]])


def test_parts_keep_the_order_of_the_table():
    splits = sample_splits(2)
    assert splits.names() == ("weak", "transfer", "val", "test")
    assert splits.part("test", "weak").ids == splits.part("weak").ids + splits.part("test").ids
