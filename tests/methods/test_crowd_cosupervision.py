"""Co-supervision: the choice and the rejection against loops, and what specialists know together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.base import Given
from surpass.methods.cosupervision import Cosupervision
from surpass.testing import check_method

RNG = np.random.default_rng


@pytest.mark.parametrize("options", [{}, {"turns": 1, "top": 5}, {"turns": 6, "l2": 0.01}, {"top": 2}])
def test_contract(options):
    check_method(Cosupervision(**options))


def narrow(
    classes: int = 3, n: int = 240, gold: int = 0, seed: int = 0
) -> tuple[Targets, Given, np.ndarray, np.ndarray]:
    """Return three members, each of which is right on one kind of rows and guesses on the others; kinds, and the truth."""
    rng = RNG(seed)
    truth, kind = rng.integers(classes, size=n), rng.integers(3, size=n)
    centres = rng.normal(size=(classes, 6)) * 2
    features = np.hstack([centres[truth] + rng.normal(size=(n, 6)), np.eye(3)[kind]])
    members = []
    for m in range(3):
        said = np.where(kind == m, truth, rng.integers(classes, size=n))
        sure = rng.uniform(0.5, 0.9, size=n)[:, None]
        members.append(np.eye(classes)[said] * sure + (1 - sure) / classes)
    stacked = np.stack(members)
    marks = np.arange(n) < gold
    values = np.where(marks[:, None], np.eye(classes)[truth], stacked.mean(axis=0))
    weak = Targets.of([f"row{i:03}" for i in range(n)], values, gold=marks)
    return weak, Given(features=features.astype(np.float32), members=stacked), kind, truth


def slow_head(features: np.ndarray, values: np.ndarray, rows: list[int], l2: float) -> np.ndarray:
    """Return predictions of the regularized head by Newton's method on the written-out objective."""
    x = np.asarray(features, dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    n, d, classes = len(rows), x.shape[1], values.shape[1]
    design = np.hstack([x, np.ones((len(x), 1))])
    flat = np.zeros((d + 1) * classes)
    penalty = np.tile(np.append(np.full(d, l2 * (2 if classes == 2 else 1)), 0.0)[:, None], classes).ravel()
    for _ in range(50):  # two classes share one vector: half the penalty would be each one's
        logits = design @ flat.reshape(d + 1, classes)
        probs = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs /= probs.sum(axis=1, keepdims=True)
        slope = (design[rows].T @ (probs[rows] - values[rows]) / n).ravel() + penalty * flat
        blocks = np.einsum("ic,cd->icd", probs[rows], np.eye(classes)) - np.einsum(
            "ic,id->icd", probs[rows], probs[rows]
        )
        hessian = np.einsum("ia,icd,ib->acbd", design[rows], blocks, design[rows]).reshape(len(flat), len(flat)) / n
        flat = flat - np.linalg.solve(hessian + np.diag(penalty + 1e-9), slope)
    return probs


def slow(method: Cosupervision, weak: Targets, given: Given) -> tuple[list[int], list[list[float]]]:
    n, classes = weak.values.shape
    values, kept = weak.values.copy(), list(range(n))
    for _ in range(method.turns):
        student = slow_head(given.features, values, kept, method.l2)
        kept = []
        for i in range(n):
            if weak.gold[i]:
                kept.append(i)
                continue
            costs = [
                sum(student[i][c] * math.log(student[i][c] / member[i][c]) for c in range(classes))
                for member in given.members
            ]
            values[i] = given.members[costs.index(min(costs))][i]
            order = sorted(range(classes), key=lambda c: -student[i][c])
            if values[i].argmax() in order[: method.top]:
                kept.append(i)
    return kept, values[kept].tolist()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("gold", "options"), [(0, {}), (40, {"turns": 4}), (0, {"top": 2, "l2": 0.05})])
def test_turns_by_loops(classes, gold, options):
    weak, given, *_ = narrow(classes, gold=gold)
    given = Given(features=given.features, members=given.members[:2])  # nobody knows the third kind of rows
    method = Cosupervision(**options)
    found = method.prepare(weak, given, RNG(0))
    kept, values = slow(method, weak, given)
    assert found.ids == tuple(weak.ids[i] for i in kept)
    assert found.values.tolist() == values
    assert (len(kept) < len(weak.ids)) == (method.top < classes)


def test_rows_find_their_specialist():
    weak, given, kind, truth = narrow(n=900)
    found = Cosupervision(top=3).prepare(weak, given, RNG(0))
    assert len(found.ids) == 900
    before, after = ((labels.argmax(axis=1) == truth).mean() for labels in (weak.values, found.values))
    assert after > before + 0.1, (before, after)
    own = given.members[kind, np.arange(900)]
    assert (found.values == own).all(axis=1).mean() > 0.5  # a third by chance


def test_what_is_left_out_is_wrong_more_often():
    weak, given, _, truth = narrow(n=900, seed=1)
    whole = Cosupervision(top=3, turns=1).prepare(weak, given, RNG(0))
    kept = set(Cosupervision(top=1, turns=1).prepare(weak, given, RNG(0)).ids)
    inside = np.array([name in kept for name in whole.ids])
    right = whole.values.argmax(axis=1) == truth
    assert inside.sum() < 900
    assert right[inside].mean() > right[~inside].mean() + 0.2


def test_with_top_at_the_number_of_classes_nothing_is_left_out():
    weak, given, *_ = narrow(classes=4)
    assert Cosupervision(top=4).prepare(weak, given, RNG(0)).ids == weak.ids
    assert len(Cosupervision(top=1).prepare(weak, given, RNG(0)).ids) < len(weak.ids)


def test_a_member_that_is_certain_and_wrong_is_the_last_to_be_chosen():
    """Probabilities of 0 count as 1e-7: the divergence stays finite and ranks."""
    weak, given, _, truth = narrow(classes=2)
    members = np.stack([np.eye(2)[1 - truth], np.full((240, 2), 0.5)])
    sure = Targets.of(weak.ids, np.eye(2)[truth] * 0.8 + 0.1)
    found = Cosupervision(turns=1, top=2).prepare(sure, Given(features=given.features, members=members), RNG(0))
    assert (found.values == 0.5).all(axis=1).mean() > 0.9


def test_a_tie_goes_to_the_first_member():
    weak, given, *_ = narrow()
    same = Given(features=given.features, members=np.stack([given.members[0], given.members[0]]))
    found = Cosupervision(top=3).prepare(weak, same, RNG(0))
    assert found.values.tolist() == given.members[0].tolist()


def test_labels_of_one_class_are_returned_as_they_are():
    weak, given, *_ = narrow(classes=2)
    one = Targets.of(weak.ids, np.tile([1.0, 0.0], (240, 1)))
    found = Cosupervision().prepare(one, given, RNG(0))
    assert found.values.tolist() == one.values.tolist()


def test_options_out_of_range():
    with pytest.raises(SpecError, match="turns=0, but at least 1 is needed"):
        Cosupervision(turns=0)
    with pytest.raises(SpecError, match=r"l2=0.0, but it must be above 0"):
        Cosupervision(l2=0)
