"""Simulated supervisors: as many errors as asked for in each split, on the rows that each structure names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from surpass.artifacts import Predictions, Splits
from surpass.errors import DataError, SpecError
from surpass.labels.gold import Gold
from surpass.labels.simulated import Simulated
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.shelf import Shelf
from surpass.stages import supervisor_of
from surpass.study import Pair, bind, cells
from surpass.testing import check_label_source, sample_splits

SOME = Gold(split="weak")
LENGTHS = {"longest": -1, "shortest": 1}


def table(classes: int = 2, rows: int = 400, seed: int = 0) -> Splits:
    """Return rows with texts of all lengths, some of them equal, in splits of unequal sizes."""
    rng = np.random.default_rng(seed)
    splits = sample_splits(classes)
    labels = rng.integers(classes, size=rows)
    inputs = tuple("x" * int(n) for n in rng.integers(1, 60, size=rows))
    ids = tuple(f"row{i}" for i in range(rows))
    split = tuple(str(s) for s in rng.choice(["weak", "transfer", "val", "test"], p=[0.3, 0.4, 0.1, 0.2], size=rows))
    return dataclasses.replace(
        splits,
        rows=dataclasses.replace(splits.rows, ids=ids, inputs=inputs, labels=labels, groups=ids, domains=()),
        split=split,
    )


def guesses(splits: Splits, seed: int = 1) -> Predictions:
    n, classes = len(splits.rows), len(splits.classes)
    values = np.random.default_rng(seed).dirichlet([1] * classes, n) + np.eye(classes)[splits.rows.labels] * 0.3
    return Predictions(splits.rows.ids, splits.split, values / values.sum(axis=1, keepdims=True))


def flips(splits: Splits, found: Predictions) -> np.ndarray:
    assert set(found.values.ravel().tolist()) == {0.0, 1.0}
    return found.values.argmax(axis=1) != splits.rows.labels


@pytest.mark.parametrize("errors", ["random", "longest", "shortest", "least_confident", "confidently_right"])
@pytest.mark.parametrize("like", [None, SOME])
@pytest.mark.parametrize("base", [None, SOME])
def test_contract(errors, like, base):
    by = SOME if errors.endswith(("confident", "right")) else None
    check_label_source(Simulated(errors=errors, like=like, base=base, by=by))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("errors", ["random", "longest", "shortest"])
@pytest.mark.parametrize("rate", [0.0, 0.155, 0.424, 1.0])
def test_the_rate_is_met_to_the_row_in_each_split(classes, errors, rate):
    splits = table(classes)
    wrong = flips(splits, Simulated(rate=rate, errors=errors).compute(splits, []))
    for name in splits.names():
        inside = np.array(splits.split) == name
        assert wrong[inside].sum() == int(rate * inside.sum() + 0.5)


@pytest.mark.parametrize("errors", ["random", "longest", "shortest", "least_confident", "confidently_right"])
@pytest.mark.parametrize("classes", [2, 5])
def test_as_many_errors_as_a_weak_model_in_each_split(classes, errors):
    splits = table(classes)
    like, by = guesses(splits, 1), guesses(splits, 2)
    judged = errors.endswith(("confident", "right"))
    source = Simulated(like=SOME, errors=errors, by=SOME if judged else None)
    wrong = flips(splits, source.compute(splits, [like, by] if judged else [like]))
    real = flips(splits, dataclasses.replace(like, values=np.eye(classes)[like.values.argmax(axis=1)]))
    counts = {name: (np.array(splits.split) == name) for name in splits.names()}
    assert {n: wrong[i].sum() for n, i in counts.items()} == {n: real[i].sum() for n, i in counts.items()}
    assert len({wrong[i].mean() for i in counts.values()}) > 1  # the splits differ in it
    assert (wrong != real).any()


@pytest.mark.parametrize("errors", ["longest", "shortest"])
@pytest.mark.parametrize("pairs", [False, True])
def test_lengths_rank_the_rows(errors, pairs):
    splits = table()
    if pairs:
        halves = tuple((text[: len(text) // 3], text[len(text) // 3 :]) for text in splits.rows.inputs)
        splits = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, inputs=halves))
    wrong = flips(splits, Simulated(rate=0.3, errors=errors).compute(splits, []))
    length = np.array([len("".join(text)) for text in splits.rows.inputs]) * LENGTHS[errors]
    for name in splits.names():
        inside = np.array(splits.split) == name
        assert length[inside & wrong].max() <= length[inside & ~wrong].min()


def test_least_confident_and_confidently_right_by_loops():
    splits = table(classes=3)
    by, gold = guesses(splits), splits.rows.labels
    for errors in ("least_confident", "confidently_right"):
        wrong = flips(splits, Simulated(rate=0.35, errors=errors, by=SOME).compute(splits, [by]))
        for name in splits.names():
            rows = [i for i, split in enumerate(splits.split) if split == name]
            sure = {i: max(by.values[i]) for i in rows}
            if errors == "least_confident":
                order = sorted(rows, key=lambda i: sure[i])
            else:
                right = [i for i in rows if by.values[i].argmax() == gold[i]]
                order = sorted(right, key=lambda i: -sure[i])
                assert len(right) > 0.35 * len(rows)
            assert set(np.flatnonzero(wrong)) & set(rows) == set(order[: int(0.35 * len(rows) + 0.5)])


def test_when_all_that_was_right_is_flipped_the_rest_follows():
    splits = table()
    by = guesses(splits)
    wrong = flips(splits, Simulated(rate=0.95, errors="confidently_right", by=SOME).compute(splits, [by]))
    assert wrong[by.values.argmax(axis=1) == splits.rows.labels].all()
    assert not wrong.all()


def test_random_errors_are_spread_over_lengths_classes_and_seeds():
    splits = table(rows=4000)
    first, second = (flips(splits, Simulated(rate=0.25, seed=seed).compute(splits, [])) for seed in (0, 1))
    assert abs((first & second).mean() - 0.25**2) < 0.02
    length = np.array([len(text) for text in splits.rows.inputs])
    for half in (splits.rows.labels == 0, length < 30, np.array(splits.split) == "test"):
        assert abs(first[half].mean() - 0.25) < 0.04


def test_more_errors_contain_fewer():
    splits = table()
    few, many = (flips(splits, Simulated(rate=rate).compute(splits, [])) for rate in (0.2, 0.3))
    assert (few <= many).all()


def test_with_several_classes_a_flip_goes_to_each_other_class():
    splits = table(classes=5, rows=4000)
    found = Simulated(rate=1.0).compute(splits, []).values.argmax(axis=1)
    moved = (found - splits.rows.labels) % 5
    assert set(moved) == {1, 2, 3, 4}
    assert np.bincount(moved)[1:] / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_the_hard_labels_of_a_model_with_further_flips():
    splits = table(classes=3)
    base = guesses(splits)
    hard = base.values.argmax(axis=1)
    assert Simulated(rate=0.0, base=SOME).compute(splits, [base]).values.argmax(axis=1).tolist() == hard.tolist()
    found = Simulated(rate=0.1, base=SOME).compute(splits, [base]).values.argmax(axis=1)
    for name in splits.names():
        inside = np.array(splits.split) == name
        assert (found != hard)[inside].sum() == int(0.1 * inside.sum() + 0.5)


def test_what_does_not_go_together():
    with pytest.raises(SpecError, match=r"errors='least_confident' goes by a model's confidence. Give `by`"):
        Simulated(errors="least_confident")
    with pytest.raises(SpecError, match=r"rate=0.1 and `like` are both given"):
        Simulated(rate=0.1, like=Sklearn())
    with pytest.raises(SpecError, match=r"errors='longest' does not look at `by`"):
        Simulated(errors="longest", by=SOME)
    splits = table()
    vectors = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, inputs=np.zeros((400, 3))))
    with pytest.raises(DataError, match="the inputs are no texts"):
        Simulated(errors="longest").compute(vectors, [])


def test_a_study_of_error_structures(small_study, store):
    """A simulated supervisor scores exactly what the weak model does on test rows; the judge is fitted to weak rows."""
    weak = Sklearn(ngrams=1)
    kinds = [Simulated(like=weak), Simulated(like=weak, errors="confidently_right", by=Sklearn())]
    study = small_study(pairs=tuple(Pair(weak=w, strong=Sklearn()) for w in (weak, *kinds)))
    _, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    shelf, found = Shelf(store), cells(study.resolve())
    scores = []
    for cell in found:
        scored = shelf.scored(cell)
        test, gold = scored.test("test")
        scores.append((scored.supervisor.on(test.ids).argmax(axis=1) == gold.argmax(axis=1)).mean())
    assert len(set(scores)) == 1
    assert supervisor_of(found[1].supervisor.source) == found[0].supervisor
    judge = found[2].supervisor.source.by
    assert judge == bind(Sklearn(), found[0].data, 0)
    assert judge.labels == Gold(split="weak")
