"""Heads solved together: each is the minimum of its own objective, to the same bits whoever else is solved."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from surpass.models import _joint
from surpass.models._joint import Problem, solve


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def table(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Return standardized features with directions of very different strength, as those of a language model."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.7 @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)


def heads(vectors: np.ndarray, count: int, classes: int, l2: float, seed: int = 1) -> list[Problem]:
    """Return heads with soft or hard targets, all rows or some, equal weights or not."""
    rng, (n, d) = np.random.default_rng(seed), vectors.shape
    found = []
    for i in range(count):
        scores = vectors @ rng.normal(size=(d, classes)) / np.sqrt(d) + rng.normal(size=(n, classes))
        values = np.eye(classes)[scores.argmax(axis=1)] if i % 2 else softmax(scores, axis=1)
        rows = np.sort(rng.permutation(n)[: n // 2]) if i % 3 == 2 else np.arange(n)
        weight = rng.exponential(size=len(rows)) if i % 5 == 3 else np.ones(len(rows))
        found.append(Problem(rows, values[rows], weight / weight.mean(), l2))
    return found


def newton(vectors: np.ndarray, problem: Problem) -> np.ndarray:
    """Return the probabilities at the minimum, by Newton's method on every unknown at once and row after row."""
    x = np.hstack([vectors[problem.rows], np.ones((len(problem.rows), 1))])
    (n, size), classes = x.shape, problem.values.shape[1]
    penalty = problem.l2 * np.kron(np.diag([1.0] * (size - 1) + [0.0]), np.eye(classes))
    # Two classes share one vector of weights: only the second's moves. Of more, biases that move together change nothing.
    free = np.flatnonzero(np.arange(size * classes) % 2) if classes == 2 else np.arange(size * classes)
    flat = np.zeros(size * classes)
    for _ in range(100):
        slope, curve = penalty @ flat, penalty + (0 if classes == 2 else 1e-12 * np.eye(size * classes))
        for row, target, weight in zip(x, problem.values, problem.weight, strict=True):
            chance = softmax(row @ flat.reshape(size, classes))
            slope = slope + weight / n * np.outer(row, chance - target).ravel()
            curve = curve + weight / n * np.kron(np.outer(row, row), np.diag(chance) - np.outer(chance, chance))
        step = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        flat[free] -= step / max(1.0, np.abs(step).max())  # never far at once
        if np.abs(step).max() < 1e-11:
            break
    return softmax(np.hstack([vectors, np.ones((len(vectors), 1))]) @ flat.reshape(size, classes), axis=1)


def chances(vectors: np.ndarray, head: _joint.Head | None) -> np.ndarray:
    assert head is not None
    return softmax(vectors @ head[0] + head[1], axis=1)


def same(one: _joint.Head | None, other: _joint.Head | None) -> bool:
    return one is not None and other is not None and all(map(np.array_equal, one, other))


@pytest.mark.parametrize(("n", "d", "classes"), [(40, 4, 2), (30, 4, 3), (12, 20, 2), (10, 12, 3)])
@pytest.mark.parametrize("l2", [0.01, 0.5])
def test_each_head_is_the_minimum_that_newton_finds(n, d, classes, l2):
    vectors = table(n, d)
    problems = heads(vectors, 4, classes, l2)
    for problem, head in zip(problems, solve(vectors, problems), strict=True):
        assert chances(vectors, head) == pytest.approx(newton(vectors, problem), abs=3e-7)


@pytest.mark.parametrize(("n", "d", "classes", "l2"), [(400, 90, 2, 0.3), (400, 90, 3, 0.1), (80, 200, 2, 0.05)])
def test_scikit_learn_finds_the_same(n, d, classes, l2):
    from sklearn.linear_model import LogisticRegression

    vectors = table(n, d)
    problems = heads(vectors, 6, classes, l2)
    for problem, head in zip(problems, solve(vectors, problems), strict=True):
        rows, named = np.nonzero(problem.values > 0)
        weight = problem.values[rows, named] * problem.weight[rows]
        model = LogisticRegression(C=1 / (l2 * len(problem.rows)), tol=1e-10, max_iter=20000)
        model.fit(vectors[problem.rows][rows], named, sample_weight=weight)
        assert chances(vectors, head) == pytest.approx(model.predict_proba(vectors), abs=1e-6)


@pytest.mark.parametrize(
    ("n", "d", "classes", "count"),
    [(200, 60, 2, 75), (61, 17, 3, 30), (30, 100, 2, 75), (9, 3, 2, 75), (50, 7, 5, 20), (60, 5, 40, 4)],
)
def test_the_bits_of_a_head_do_not_depend_on_its_neighbours(n, d, classes, count):
    vectors = table(n, d)
    one, *others = heads(vectors, count, classes, 0.1)
    (alone,) = solve(vectors, [one])

    def among(before: Sequence[Problem], after: Sequence[Problem]) -> bool:
        return same(solve(vectors, [*before, one, *after])[len(before)], alone)

    assert among([], others)
    assert among(others, [])
    assert among(others[: count // 4], others[count // 4 :])
    assert among(others[: count // 2][::-1], others[-count // 3 :])
    assert among([dataclasses.replace(other, l2=0.7) for other in others[:3]], others[:3])


def test_other_penalties_and_other_numbers_of_classes_are_solved_beside():
    vectors = table(60, 8)
    mixed = [
        *heads(vectors, 2, 2, 0.1),
        *heads(vectors, 2, 3, 0.1),
        *heads(vectors, 2, 2, 0.9),
        *heads(vectors, 2, 3, 2.0),
    ]
    mixed = mixed[::3] + mixed[1::3] + mixed[2::3]
    for problem, head in zip(mixed, solve(vectors, mixed), strict=True):
        assert same(head, solve(vectors, [problem])[0])
        assert head is not None
        assert head[0].shape == (8, problem.values.shape[1])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_with_few_of_the_rows_is_solved_over_them_alone(classes):
    """Less than a quarter of the rows: the shared bound would say little of its curvature."""
    vectors = table(100, 6)
    (whole,) = heads(vectors, 1, classes, 0.02)
    rows = np.array([3, 8, 21, 22, 40, 57, 58, 77, 80, 90, 99])
    few = Problem(rows, whole.values[rows], np.linspace(0.5, 1.5, 11), 0.02)
    beside, alone = solve(vectors, [whole, few])[1], solve(vectors, [few])[0]
    assert same(beside, alone)
    assert chances(vectors, alone) == pytest.approx(newton(vectors, few), abs=3e-7)


def test_hard_labels_that_a_plane_parts_converge():
    vectors = table(300, 40)
    values = np.eye(2)[(vectors[:, 0] > 0).astype(int)]
    (head,) = solve(vectors, [Problem(np.arange(300), values, np.ones(300), 1e-4)])
    assert (chances(vectors, head).argmax(axis=1) == values.argmax(axis=1)).all()


def test_a_head_that_does_not_converge_is_none_and_hurts_no_other(monkeypatch):
    vectors = table(60, 8)
    hard, *easy = heads(vectors, 8, 2, 0.01)
    hard = dataclasses.replace(hard, weight=np.full(60, np.nan))
    found = solve(vectors, [easy[0], hard, *easy[1:]])
    assert found[1] is None
    assert all(same(head, solve(vectors, [problem])[0]) for head, problem in zip(found[2:], easy[1:], strict=True))
    monkeypatch.setattr(_joint, "STEPS", 2)
    assert solve(vectors, easy) == [None] * len(easy)
