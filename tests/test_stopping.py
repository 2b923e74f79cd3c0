from __future__ import annotations

import numpy as np

from surpass.artifacts import Predictions
from surpass.stopping import choose, point_scores

IDS = ("a", "b", "c", "d")


def trajectory() -> Predictions:
    """Three points; right on 2, 4 and 3 of four rows whose truth is 1, 1, 0, 0."""
    second = np.array([[0.9, 0.9, 0.6, 0.7], [0.9, 0.8, 0.1, 0.2], [0.9, 0.4, 0.1, 0.2]])
    values = np.stack([1 - second, second], axis=2)
    return Predictions(IDS, ("test",) * 4, values[-1], (2, 4, 6), values, IDS)


def test_scores_of_points_are_their_accuracies():
    gold = np.eye(2)[[1, 1, 0, 0]]
    assert point_scores(trajectory(), IDS, gold, "classification").tolist() == [0.5, 1.0, 0.75]


def test_scores_join_by_id_not_by_position():
    gold = np.eye(2)[[0, 0, 1, 1]]
    assert point_scores(trajectory(), IDS[::-1], gold, "classification").tolist() == [0.5, 1.0, 0.75]


def test_the_earliest_of_equal_points_is_chosen():
    assert choose(np.array([0.5, 0.75, 0.75])) == 1


def test_regression_scores_are_minus_the_squared_error():
    values = np.array([[[1.0], [3.0]], [[2.0], [2.0]]])
    predictions = Predictions(("a", "b"), ("test",) * 2, values[-1], (1, 2), values, ("a", "b"))
    scores = point_scores(predictions, ("a", "b"), np.array([[2.0], [2.0]]), "regression")
    assert scores.tolist() == [-1.0, 0.0]
