"""What cells of label columns mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.tables import open_table
from surpass.tables.labels import Classes, Crowd, Numbers, Preference, Probabilities, find_classes, spell


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (None, ""),
        (math.nan, ""),
        (" nan ", ""),
        ("", ""),
        (" a b ", "a b"),
        (True, "True"),
        ("TRUE", "TRUE"),
        (0, "0"),
        (1.0, "1"),
        ("1.0", "1"),
        ("-2.00", "-2"),
        (1.5, "1.5"),
        ("1.50", "1.50"),
        ("1.0.0", "1.0.0"),
        ("NA", "NA"),
    ],
)
def test_spelling_of_a_cell(cell, name):
    assert spell(cell) == name


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["b", "a", "", "a"], ("a", "b")),
        (["10", "9.0", "-1"], ("-1", "9", "10")),
        (["1.0", "0", "1"], ("0", "1")),
        (["true", "False", "True", "true"], ("False", "true")),
        (["Yes", "no"], ("Yes", "no")),
    ],
)
def test_classes_that_a_column_names(cells, names, tmp_path):
    assert find_classes(labels_table(tmp_path, cells), "label") == names


def labels_table(folder, cells, **options):
    path = folder / "t.csv"
    path.write_text("id,label\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    return open_table(str(path), **options)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "a", ""], r"column 'label' of '.*t\.csv' holds one class only, 'a'. Two classes or more are needed"),
        (["", "nan"], "column 'label' of .* holds no label at all"),
        (map(str, range(1001)), "has more than 1,000 different values, such as '0', '1', '2'. That is no class. Name"),
    ],
)
def test_columns_that_name_no_classes(cells, message, tmp_path):
    with pytest.raises(DataError, match=message):
        find_classes(labels_table(tmp_path, cells), "label")


def test_a_thousand_classes_are_allowed_and_columns_must_be_there(tmp_path):
    assert len(find_classes(labels_table(tmp_path, [*range(1000)] * 2), "label")) == 1000
    with pytest.raises(DataError, match=r"has no column 'lable'.*Did you mean 'label'\?"):
        find_classes(labels_table(tmp_path, "ab"), "lable")


@pytest.mark.parametrize(("cell", "label"), [("no", 0), (" yes", 1), ("", None), (None, None), (math.nan, None)])
def test_a_class(cell, label):
    found = Classes("c", ("no", "yes")).read({"c": cell})
    assert math.isnan(found) if label is None else found == label


@pytest.mark.parametrize("cell", [True, "TRUE", "true"])
def test_a_truth_value_is_a_class_however_it_is_written(cell):
    assert Classes("c", ("False", "True")).read({"c": cell}) == 1
    assert Classes("c", ("0", "1")).read({"c": 1.0}) == 1


def test_labels_outside_the_named_classes_are_told_with_line_and_value(tmp_path):
    table = labels_table(tmp_path, ["no", "yes", "perhaps"])
    reader = Classes("label", ("no", "yes"))
    message = r"line 4 of '.*t\.csv': column 'label' has 'perhaps', which is none of no, yes\. Mend the label"
    *_, (number, row) = table.rows()
    with pytest.raises(DataError, match=message), table.located(number):
        reader.read(row)


@pytest.mark.parametrize(("cell", "label"), [("1.5", 1.5), (2, 2.0), ("-1e3", -1000.0), ("", None), (math.nan, None)])
def test_a_number(cell, label):
    found = Numbers("c").read({"c": cell})
    assert math.isnan(found) if label is None else found == label


@pytest.mark.parametrize("cell", ["x", "inf", "1,5", True])
def test_what_is_no_number(cell):
    with pytest.raises(DataError, match=rf"column 'c' has '{cell}'; a finite number is needed"):
        Numbers("c").read({"c": cell})


@pytest.mark.parametrize(
    ("cell", "label"),
    [(cell, 1.0) for cell in ("First", "a", "1", 1, 1.0, "model_a", "chosen_text")]
    + [(cell, 0.0) for cell in ("second", "B", "2", 2, "model_b", "Other")]
    + [(cell, None) for cell in ("", None, "tie", "Equal")],
)
def test_a_preference(cell, label):
    found = Preference("c", "chosen_text", "other").read({"c": cell})
    assert math.isnan(found) if label is None else found == label


@pytest.mark.parametrize("cell", ["0", "left", True])
def test_what_is_no_preference(cell):
    with pytest.raises(DataError, match=rf"column 'c' has '{cell}', which names no candidate. Allowed are x, y, first"):
        Preference("c", "x", "y").read({"c": cell})


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("0.25",), [0.75, 0.25]),
        ((1,), [0, 1]),
        (("0.2", "0.8"), [0.2, 0.8]),
        (("0.3333", "0.6663"), np.array([0.3333, 0.6663]) / 0.9996),
        (("0", "1.0009"), None),
        (("", None), None),
    ],
)
def test_probabilities(cells, values):
    names = tuple("pq"[: len(cells)])
    reader = Probabilities(names, ("no", "yes"))
    row = dict(zip(names, cells, strict=True))
    if cells == ("0", "1.0009"):
        with pytest.raises(DataError, match=r"p=0, q=1.0009: probabilities between 0 and 1 are needed"):
            reader.read(row)
    elif values is None:
        assert reader.read(row) is None
    else:
        assert reader.read(row) == pytest.approx(np.array(values))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("0.2", "0.7"), r"columns p=0\.2, q=0\.7 sum to 0\.9\. The probabilities of a row must sum to 1"),
        (("0.2", ""), r"columns p=0\.2, q=: probabilities between 0 and 1 are needed"),
        (("-0.2", "1.2"), "between 0 and 1"),
        (("x", "1"), "between 0 and 1"),
        (("nan", "1"), "between 0 and 1"),
    ],
)
def test_what_are_no_probabilities(cells, message):
    with pytest.raises(DataError, match=message):
        Probabilities(("p", "q"), ("no", "yes")).read(dict(zip("pq", cells, strict=True)))


def test_as_many_columns_of_probabilities_as_classes():
    with pytest.raises(
        DataError, match=r"1 column of probabilities \(p\) for 3 classes \(a, b, c\)\. Give one for each"
    ):
        Probabilities(("p",), ("a", "b", "c"))
    assert Probabilities(("p", "q", "r"), ("a", "b", "c")).read({"p": 1, "q": 0, "r": 0}) == pytest.approx([1, 0, 0])


def test_a_crowd_disagrees_and_is_partly_silent():
    crowd = Crowd([Classes(name, ("no", "yes")) for name in ("ann", "bo", "cy")])
    found = crowd.read({"ann": "yes", "bo": "", "cy": "no"})
    assert (found[0], found[2], math.isnan(found[1])) == (1.0, 0.0, True)
    assert crowd.columns == ("ann", "bo", "cy")
    assert all(math.isnan(vote) for vote in crowd.read({}))
    with pytest.raises(DataError, match="column 'bo' has 'maybe'"):
        crowd.read({"ann": "yes", "bo": "maybe"})
