"""What the rows of a task say before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest
from planted import (
    SIZES,
    TASK,
    changed,
    codes,
    sentence,
    table,
)

from surpass.checks import check_splits
from surpass.splits import Data, make_splits
from surpass.tasks.toy import Toy


def test_clean_rows_raise_nothing() -> None:
    assert check_splits(table(SIZES), where=TASK) == []
    assert check_splits(make_splits(Data(task=Toy(rows=8000).resolve(), n_test=500)), where=TASK) == []


def test_overlap_by_id() -> None:
    clean = table(SIZES)
    ids = list(clean.rows.ids)
    ids[560:572] = ids[200:212]  # twelve test rows are transfer rows; their groups and texts are their own
    found = check_splits(changed(clean, ids=tuple(ids)), where=TASK)
    assert codes(found) == ["test-in-training"]
    assert found[0].severity == "error"
    assert found[0].where == {"task": "toy", "split": "test"}
    assert dict(found[0].evidence) == {
        "rows": 12, "of": 240, "ids": 12, "groups": 0, "texts": 0, "first": "transfer", "second": "test",
    }  # fmt: skip
    assert "'test' shares 12 of its 240 rows with 'transfer' (12 by id, 0 by group, 0 by text)" in found[0].message


def test_overlap_by_group_between_training_splits_names_no_test_split() -> None:
    clean = table(SIZES)
    groups = list(clean.rows.groups)
    groups[200] = groups[0]  # a transfer row of a question that the supervisor was fitted on
    (found,) = check_splits(changed(clean, groups=tuple(groups)), where=TASK)
    assert (found.code, found.severity, found.where) == ("trained-on-labelled-rows", "error", TASK)
    assert (found.evidence["groups"], found.evidence["ids"]) == (1, 0)
    assert "labels rows of which it knows the ground truth" in found.message


@pytest.mark.parametrize(("repeats", "severity"), [(1, "note"), (2, "note"), (3, "error")])
def test_overlap_by_normalized_text(repeats: int, severity: str) -> None:
    clean = table(SIZES)
    texts = list(clean.rows.inputs)
    texts[560 : 560 + repeats] = [f"  {str(text).upper()} !" for text in texts[:repeats]]
    (found,) = check_splits(changed(clean, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.evidence["texts"]) == ("test-in-training", severity, repeats)


def test_texts_without_spaces_are_compared_as_they_are() -> None:
    n = sum(SIZES.values())
    molecules = [f"C{'C' * (i % 9)}N{i}" for i in range(n)]
    molecules[0], molecules[560] = "C1CCCCC1", "c1ccccc1"  # cyclohexane is not benzene
    assert check_splits(table(SIZES, inputs=tuple(molecules)), where=TASK) == []


def test_overlap_of_pairs_and_of_vectors() -> None:
    n = sum(SIZES.values())
    pairs = [(sentence(i), sentence(i + n)) for i in range(n)]
    pairs[560:564] = pairs[:4]
    found = check_splits(table(SIZES, inputs=tuple(pairs)), where=TASK)
    assert (codes(found), found[0].evidence["texts"]) == (["test-in-training"], 4)
    vectors = np.random.default_rng(0).normal(size=(n, 3))
    vectors[560:564] = vectors[:4]
    found = check_splits(table(SIZES, inputs=vectors), where=TASK)
    assert (codes(found), found[0].evidence["texts"]) == (["test-in-training"], 4)


def test_validation_rows_of_the_training_splits_are_an_overlap() -> None:
    clean = table(SIZES)
    ids = list(clean.rows.ids)
    ids[500] = ids[200]  # a val row is a transfer row
    (found,) = check_splits(changed(clean, ids=tuple(ids)), where=TASK)
    assert (found.code, found.severity, found.where) == ("split-overlap", "error", TASK)
    assert "stopped by rows that are not unseen" in found.message


def test_two_test_splits_may_overlap() -> None:
    clean = table({**SIZES, "shift:old": 240})
    texts = list(clean.rows.inputs)
    texts[800:1040] = texts[560:800]
    assert check_splits(changed(clean, inputs=tuple(texts)), where=TASK) == []


def test_imbalance_of_the_test_names_it() -> None:
    labels = {"test": [1] * 149 + [0] * 91}  # 62 % yes, as BoolQ
    (found,) = check_splits(table(SIZES, labels=labels), where=TASK)
    assert (found.code, found.severity, found.where["split"]) == ("imbalance", "warning", "test")
    assert found.evidence["share"] == pytest.approx(149 / 240)
    assert "class 1 (c1) holds 62.1 % of the 240 rows of 'test'" in found.message


def test_a_missing_class_is_an_error_but_not_in_a_shifted_test() -> None:
    found = check_splits(table(SIZES, labels={"weak": [0] * 200}), where=TASK)
    assert [(f.code, f.severity, f.evidence["of"]) for f in found] == [("imbalance", "error", "weak")]
    shifted = table({**SIZES, "shift:hard": 250}, labels={"shift:hard": [0] * 250})
    (found_shift,) = check_splits(shifted, where=TASK)
    assert (found_shift.severity, found_shift.where["split"]) == ("warning", "shift:hard")


def test_imbalance_within_chance_is_silent() -> None:
    assert check_splits(table(SIZES, labels={"val": [1] * 36 + [0] * 24}), where=TASK) == []  # 60 % of 60 rows
    assert check_splits(table(SIZES, labels={"test": [1] * 130 + [0] * 110}), where=TASK) == []  # 54 %


def test_tiny_test_says_how_wide_its_interval_is() -> None:
    (found,) = check_splits(table({**SIZES, "test": 100}), where=TASK)
    assert (found.code, found.severity) == ("tiny-test", "warning")
    assert found.evidence["half_width"] == pytest.approx(0.098)
    assert "100 independent rows" in found.message
    assert "+-0.098" in found.message


@pytest.mark.parametrize(("precision", "needed"), [(0.07, 196), (0.05, 385), (0.03, 1068)])
def test_tiny_test_says_how_many_rows_the_asked_precision_takes(precision: float, needed: int) -> None:
    """The half width 1.96 sqrt(.25/n) of an accuracy of .5 is at most the precision from `needed` rows on."""
    assert 1.96 * (0.25 / needed) ** 0.5 <= precision < 1.96 * (0.25 / (needed - 1)) ** 0.5
    assert check_splits(table({"test": needed}), where=TASK, precision=precision) == []
    (found,) = check_splits(table({"test": needed - 1}), where=TASK, precision=precision)
    assert (found.code, found.evidence["needed"]) == ("tiny-test", needed)
    assert f"+-{precision:g} takes {needed:,} (n_test)" in found.message


def test_tiny_test_of_a_regression_speaks_of_no_accuracy_that_it_has() -> None:
    splits = changed(table({"test": 100}, target="regression"), labels=np.random.default_rng(0).normal(size=100))
    (found,) = check_splits(splits, where=TASK)
    assert "100 independent rows, so that every score is rough; take 196 (n_test)" in found.message


def test_tiny_test_counts_groups_and_not_rows() -> None:
    clean = table(SIZES)
    groups = [*clean.rows.groups[:560], *(f"passage {i // 4}" for i in range(240))]
    (found,) = check_splits(changed(clean, groups=tuple(groups)), where=TASK)
    assert (found.code, found.evidence["rows"], found.evidence["independent"]) == ("tiny-test", 240, 60)


def test_regression_has_no_classes_to_check() -> None:
    n = sum(SIZES.values())
    values = np.random.default_rng(0).normal(size=n)
    splits = changed(table(SIZES, target="regression"), labels=values)
    assert check_splits(splits, where=TASK) == []
