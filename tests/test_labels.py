"""Label sources and methods that work on targets alone: gold, file, ensemble; soft and hard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surpass.artifacts import Predictions, Rows, Splits, Targets
from surpass.errors import AlignmentError, DataError, SpecError
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.base import Given
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.testing import sample_file, sample_splits

SPLIT = ("weak", "transfer", "val", "test")
IDS = ("w", "t", "v", "e")


def splits(classes=("no", "yes"), labels=(0, 1, 0, 1), inputs=("one", "two", "three", "four")):
    target = "classification" if classes else "regression"
    kind = np.int64 if classes else np.float64
    return Splits(Rows(IDS, inputs, np.array(labels, dtype=kind), IDS), SPLIT, target, classes, {})


def predictions(values, ids=IDS):
    return Predictions(ids, tuple(SPLIT[IDS.index(name)] for name in ids), np.array(values))


def write(path: Path, rows: list[tuple[str, str]], head: str = "id,label") -> str:
    path.write_text("\n".join([head, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def given_labels(*labels: str) -> list[tuple[str, str]]:
    return list(zip(IDS, labels, strict=True))


def test_gold_is_one_hot_and_numbers_stay_numbers():
    assert Gold().compute(splits(), ()).values.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    numbers = Gold().compute(splits(classes=(), labels=(0.5, 2, 3, 4)), ())
    assert numbers.values.tolist() == [[0.5], [2], [3], [4]]
    assert (Gold(split="weak").train_split, Gold().train_split) == ("weak", "transfer")


def test_an_ensemble_averages_or_votes():
    members = [predictions([[0.9, 0.1]] * 4), predictions([[0.4, 0.6]] * 4), predictions([[0.3, 0.7]] * 4)]
    spec = Ensemble(members=(Gold(), Gold(), Gold()))
    assert spec.compute(splits(), members).values[0] == pytest.approx([1.6 / 3, 1.4 / 3])
    vote = Ensemble(members=(Gold(), Gold(), Gold()), combine="vote")
    assert vote.compute(splits(), members).values[0] == pytest.approx([1 / 3, 2 / 3])


def test_an_ensemble_joins_by_id_and_keeps_the_rows_that_all_members_know():
    known = ("e", "v", "t")  # a student knows no weak rows
    member = predictions([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], ids=known)
    found = Ensemble(members=(Gold(), Gold())).compute(splits(), [member, predictions([[1, 0]] * 4)])
    assert found.ids == ("t", "v", "e")
    assert found.split == ("transfer", "val", "test")
    assert found.on(("e",))[0] == pytest.approx([0.55, 0.45])


@pytest.mark.parametrize(
    ("label", "value"),
    [("yes", [0, 1]), (" no ", [1, 0]), ("1", [0, 1]), ("0.0", [1, 0]), ("0.25", [0.75, 0.25]), ("1e-1", [0.9, 0.1])],
)
def test_a_label_is_a_name_an_index_or_a_probability(label, value, tmp_path):
    path = write(tmp_path / "f.csv", given_labels(label, "yes", "no", "no"))
    assert File(path=path).compute(splits(), ()).values[0] == pytest.approx(value)


def test_a_file_of_probabilities_per_class(tmp_path):
    rows = [(name, "0.2,0.3,0.5004") for name in IDS]
    path = write(tmp_path / "f.csv", rows, "id,a,b,c")
    found = File(path=path, columns=("a", "b", "c")).compute(splits(classes=("x", "y", "z")), ())
    assert found.values[0] == pytest.approx(np.array([0.2, 0.3, 0.5004]) / 1.0004)


def test_a_file_of_numbers(tmp_path):
    path = write(tmp_path / "f.csv", given_labels("1.5", "2", "-3", "4"))
    found = File(path=path).compute(splits(classes=(), labels=(0, 0, 0, 0)), ())
    assert found.values.ravel().tolist() == [1.5, 2, -3, 4]


def test_a_file_joins_by_text_repeated_texts_included(tmp_path):
    path = write(tmp_path / "f.csv", [("two", "yes"), ("one", "no"), ("unknown", "no")], "text,label")
    source = File(path=path, on="text", join="text")
    found = source.compute(splits(inputs=("one", "two", "two", "one")), ())
    assert found.values.argmax(axis=1).tolist() == [0, 1, 1, 0]


def test_a_jsonl_file_and_rows_it_does_not_know(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps({"id": name, "label": value}) + "\n" for name, value in (("t", 1), ("e", "no"))))
    found = File(path=str(path)).compute(splits(), ())
    assert found.ids == ("t", "e")
    assert found.values.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("maybe", r"label 'file': line 2 of '.*f\.csv' has 'maybe'; allowed are no, yes, a class index, or numbers\."),
        ("", "line 2 of .* has ''; allowed are no, yes"),
        ("nan", "line 2 of .* has 'nan'; allowed are no, yes"),
        ("1.5", r"line 2 of .* gives \[-0\.5  1\.5\], which are not 2 probabilities that sum to 1"),
        ("-0.1", "which are not 2 probabilities"),
    ],
)
def test_bad_values_are_named_with_their_line(labels, message, tmp_path):
    path = write(tmp_path / "f.csv", given_labels(labels, "yes", "no", "no"))
    with pytest.raises(DataError, match=message):
        File(path=path).compute(splits(), ())


@pytest.mark.parametrize(
    ("cells", "message"),
    [("0.5,x", "has '0.5', 'x'; allowed are numbers"), ("0.5,nan", "has '0.5', 'nan'"), ("0.5,0.6", "sum to 1")],
)
def test_bad_probabilities_per_class_are_named(cells, message, tmp_path):
    path = write(tmp_path / "f.csv", [(name, cells) for name in IDS], "id,a,b")
    with pytest.raises(DataError, match=message):
        File(path=path, columns=("a", "b")).compute(splits(), ())


def test_a_probability_needs_two_classes(tmp_path):
    path = write(tmp_path / "f.csv", given_labels("0.7", "a", "b", "c"))
    with pytest.raises(DataError, match="which are not 3 probabilities"):
        File(path=path).compute(splits(classes=("a", "b", "c")), ())


def test_numbers_must_be_numbers(tmp_path):
    path = write(tmp_path / "f.csv", given_labels("inf", "2", "3", "4"))
    with pytest.raises(DataError, match="has 'inf'; allowed are numbers"):
        File(path=path).compute(splits(classes=(), labels=(0, 0, 0, 0)), ())


def test_two_values_for_one_row_are_refused(tmp_path):
    path = write(tmp_path / "f.csv", [*given_labels("yes", "yes", "no", "no"), ("t", "yes"), ("w", "no")])
    with pytest.raises(
        DataError, match=r"line 7 of '.*' labels 'w' again, with another value\. Keep one label per row"
    ):
        File(path=path).compute(splits(), ())


@pytest.mark.parametrize(("left_out", "name"), [("t", "transfer"), ("e", "test")])
def test_every_transfer_and_test_row_needs_a_label(left_out, name, tmp_path):
    path = write(tmp_path / "f.csv", [(row, "yes") for row in IDS if row != left_out])
    with pytest.raises(AlignmentError, match=rf"lacks 1 of the {name} rows, for instance '{left_out}'"):
        File(path=path).compute(splits(), ())


def test_problems_of_a_file(tmp_path):
    path = write(tmp_path / "f.csv", given_labels("a", "b", "c", "d"))
    assert File(path=path).problem() is None
    assert "is not there" in str(File(path=str(tmp_path / "none.csv")).problem())
    problem = str(File(path=path, column="lable", on="key").problem())
    assert "has no column 'key', 'lable'. It has 'id', 'label'." in problem
    (tmp_path / "binary.csv").write_bytes(b"id,label\n\xff\xfe,1\n")
    assert "cannot be read as UTF-8" in str(File(path=str(tmp_path / "binary.csv")).problem())
    with pytest.raises(SpecError, match="join='title', but allowed is 'id' or 'text'"):
        File(path=path, join="title")  # type: ignore[arg-type]  # wrong on purpose


def test_the_digest_follows_the_content(tmp_path):
    before = File(path=str(sample_file(tmp_path))).resolve()
    assert before == File(path=str(sample_file(tmp_path))).resolve()
    (tmp_path / "sample.csv").write_text("id,label\n")
    assert File(path=before.path).resolve().digest != before.digest


def test_soft_leaves_labels_alone_and_hard_takes_the_first_of_the_most_probable():
    weak = Targets.of(("a", "b", "c"), np.array([[0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]]))
    rng = np.random.default_rng(0)
    assert Soft().prepare(weak, Given(), rng) is weak
    hard = Hard().prepare(weak, Given(), rng)
    assert hard.values.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert hard.ids == weak.ids
    assert (Soft().needs, Hard().needs) == (frozenset(), frozenset())


def test_sample_rows_hold_each_class_in_each_split():
    made = sample_splits(5)
    for name in made.names():
        assert set(made.part(name).labels) == set(range(5))
