"""Splits: grouped, balanced, nested, deterministic, whatever the order of the source's rows."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from surpass.artifacts import Splits
from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks.base import Example, Generated, Row, Task
from surpass.tasks.file import File
from surpass.tasks.toy import Toy

SMALL = {"n_weak": 4, "n_transfer": 6, "n_val": 2, "n_test": 4}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table(Task):
    """Rows given as (text, label, group, id, part). Licence: none."""

    classes: ClassVar[tuple[str, ...]] = ("a", "b", "c")
    licence: ClassVar[str] = "none"

    table: tuple[tuple[str, int, str, str, str], ...]
    kinds: int = 2

    def source(self) -> Generated:
        return Generated(self._rows)

    def _rows(self) -> Iterator[Row]:
        yield from ({"row": row} for row in self.table)

    def class_names(self) -> tuple[str, ...]:
        return self.classes[: self.kinds]

    def example(self, row: Row, rng: Random) -> Example | None:
        text, label, group, name, part = row["row"]
        return Example(text, label, group=group, id=name, part=part) if text else None


def rows_of(labels: list[int], *, groups: int = 0, part: str = "") -> list[tuple[str, int, str, str, str]]:
    """Return rows with ids; `groups` rows each share one group."""
    names = [f"g{i // groups}" if groups else "" for i in range(len(labels))]
    return [(f"text {part}{i}", y, g, f"{part}{i}", part) for i, (y, g) in enumerate(zip(labels, names, strict=True))]


def split(table: list[tuple[Any, ...]], kinds: int = 2, **options: Any) -> Splits:
    return make_splits(Data(task=Table(table=tuple(table), kinds=kinds), **{**SMALL, **options}))


def ids(splits: Splits) -> dict[str, tuple[str, ...]]:
    return {name: splits.part(name).ids for name in splits.names()}


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tuple[str, int, str, str, str]], dict[str, Any]]:
    """Draw rows in groups of one to four, and sizes that may or may not fit."""
    kinds = draw(st.integers(2, 3))
    labels = draw(st.lists(st.integers(0, kinds - 1), min_size=20, max_size=120))
    table = rows_of(labels, groups=draw(st.integers(0, 4)))
    sizes = {name: draw(st.integers(0, 12)) for name in SMALL}
    return table, {**sizes, "kinds": kinds, "balance": draw(st.booleans()), "seed": draw(st.integers(0, 3))}


def fitting(problem: tuple[list[Any], dict[str, Any]]) -> Splits:
    try:
        return split(problem[0], **problem[1])
    except DataError:
        assume(False)
        raise


def test_names_with_half_a_character_have_their_place():
    """As a file may hold them; what is drawn by such a name is drawn all the same."""
    rows = [(f"text {i}", i % 2, "", f"{i}\ud800", "") for i in range(60)]
    assert len(split(rows).rows.ids) == sum(SMALL.values())


@given(problems())
def test_sizes_are_exact_and_groups_stay_together(problem):
    splits = fitting(problem)
    sizes = Counter(splits.split)
    assert all(sizes[name] == problem[1][f"n_{name}"] for name in ("weak", "transfer", "val", "test"))
    assert len(set(splits.rows.ids)) == len(splits.rows)
    homes: dict[str, set[str]] = {}
    for group, name in zip(splits.rows.groups, splits.split, strict=True):
        homes.setdefault(group, set()).add(name)
    assert all(len(names) == 1 for names in homes.values())


@given(problems())
def test_balance_is_exact(problem):
    problem[1]["balance"] = True
    splits, kinds = fitting(problem), problem[1]["kinds"]
    for name in splits.names():
        counts = Counter(splits.part(name).labels.tolist())
        n = problem[1][f"n_{name}"]
        assert [counts[c] for c in range(kinds)] == [n // kinds + (c < n % kinds) for c in range(kinds)]


@given(problems(), st.sampled_from(sorted(SMALL)), st.integers(1, 10))
def test_a_larger_split_begins_with_the_smaller_one(problem, name, fewer):
    table, options = problem
    large = fitting(problem)
    small = split(table, **{**options, name: max(0, options[name] - fewer)})
    for part, rows in ids(small).items():
        if part == name.removeprefix("n_"):
            assert ids(large)[part][: len(rows)] == rows


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_plays_no_part(problem, random):
    splits = fitting(problem)
    shuffled = list(problem[0])
    random.shuffle(shuffled)
    again = split(shuffled, **problem[1])
    assert (again.rows.ids, again.rows.inputs, again.split) == (splits.rows.ids, splits.rows.inputs, splits.split)
    assert np.array_equal(again.rows.labels, splits.rows.labels)


def test_of_repeated_rows_the_same_one_stays_whatever_the_order():
    table = rows_of([0, 1] * 40)
    twice = [*table, ("another text", table[0][1], "", table[0][3], "")]
    first, second = (split(rows, n_weak=20, n_transfer=20, n_test=8) for rows in (twice, twice[::-1]))
    assert first.rows.inputs == second.rows.inputs
    assert first.facts["repeated"] == 1


@given(problems(), st.integers(0, 5))
def test_the_seed_changes_training_rows_alone(problem, seed):
    other = fitting((problem[0], {**problem[1], "seed": seed}))
    splits = fitting(problem)
    for name in ("val", "test"):
        assert splits.part(name).ids == other.part(name).ids


def test_the_seed_does_change_training_rows():
    first, second = (ids(split(rows_of([0, 1] * 60), seed=seed)) for seed in (0, 1))
    assert set(first["weak"]) != set(second["weak"])


@given(problems())
def test_the_halves_give_the_rows_of_the_whole(problem):
    options = {name: value for name, value in problem[1].items() if name != "kinds"}
    data = Data(task=Table(table=tuple(problem[0]), kinds=problem[1]["kinds"]), **options)
    whole = fitting(problem)
    halves = Splits.joined([make_splits(data.training()), make_splits(data.evaluation())])
    for name in ("weak", "transfer", "val", "test"):
        assert halves.part(name).ids == whole.part(name).ids
    assert halves.facts == whole.facts


def test_evaluation_is_one_spec_for_all_seeds():
    data = Data(task=Toy(), seed=3)
    assert data.evaluation() == dataclasses.replace(data, seed=5, n_weak=7).evaluation()


@given(problems())
def test_too_few_rows_says_the_largest_that_fits(problem):
    table, options = problem
    try:
        split(table, **options)
        assume(False)
    except DataError as error:
        text = str(error)
    found = re.search(r"The largest that fit in this proportion are (.*?)\. Lower them", text)
    assert found, text
    fit = {name: int(n) for name, n in re.findall(r"(n_\w+)=(\d+)", found.group(1))}
    side = {"n_weak", "n_transfer"} if "training side" in text else {"n_test", "n_val"}
    rest = {name: 0 for name in SMALL if name not in side}
    options = {**options, **rest}
    split(table, **{**options, **fit})
    total = sum(options[name] for name in side)
    steps = [{name: options[name] * m // total for name in side} for m in range(total + 1)]
    larger = next(step for step in steps if sum(step.values()) > sum(fit.values()) and step != fit)
    with pytest.raises(DataError, match="The largest that fit"):
        split(table, **{**options, **larger})


def test_the_message_for_too_few_rows():
    with pytest.raises(DataError) as caught:
        split(rows_of([0] * 40 + [1] * 10, part="train") + rows_of([0, 1] * 9, part="test"), n_weak=100, n_transfer=300)
    assert str(caught.value).startswith("n_weak=100 and n_transfer=300, but task 'test_splits:Table(")
    assert str(caught.value).endswith(
        "has 20 rows in equal numbers of each class on its training side. The largest that fit in this proportion are "
        "n_weak=5 and n_transfer=17. Lower them, or set balance: false."
    )
    with pytest.raises(DataError, match=r"train_share gives it 70% of the rows.*, or change train_share\.$"):
        split(rows_of([0, 1] * 20), n_weak=100, balance=False)


def test_the_same_input_with_two_labels_has_no_ground_truth():
    table = [(text, label, "", "", "") for text, label, *_ in rows_of([0, 1] * 40)]
    table += [("text 0", 1, "", "", ""), ("text 2", 0, "", "", ""), ("", 0, "", "", "")]
    splits = split(table, balance=False, n_weak=10, n_transfer=20, n_test=12)
    assert splits.facts == {"read": 83, "left_out": 1, "repeated": 2, "conflicting": 1, "usable": 79}
    assert "text 0" not in splits.rows.inputs


def test_three_labels_for_one_input_are_one_conflict():
    table = [(t, y, "", "", "") for t, y, *_ in rows_of([0, 1] * 40)] + [
        ("text 0", 0, "", "", ""),
        ("text 0", 1, "", "", ""),
    ]
    assert split(table).facts["conflicting"] == 1


def test_the_parts_of_the_source_are_kept():
    table = rows_of([0, 1] * 20, part="train") + rows_of([0, 1] * 20, part="test")
    splits = split(table)
    for name, part in (("weak", "train"), ("transfer", "train"), ("val", "test"), ("test", "test")):
        assert all(row.startswith(part) for row in splits.part(name).ids)


def test_shifted_tests_hold_at_most_n_test_rows_each():
    table = rows_of([0, 1] * 60)
    table += (
        rows_of([0, 1] * 20, part="shift:new") + rows_of([0] * 9, part="shift:hard") + rows_of([1], part="shift:one")
    )
    splits = split(table, n_test=8)
    counts = Counter(splits.split)
    assert (counts["shift:new"], counts["shift:hard"], counts["shift:one"]) == (8, 8, 1)
    assert sorted(splits.part("shift:new").labels) == [0] * 4 + [1] * 4
    data = Data(task=Table(table=tuple(table)), **{**SMALL, "n_test": 8})
    assert not [name for name in make_splits(data.training()).names() if name.startswith("shift")]
    assert make_splits(data.evaluation()).part("shift:new").ids == splits.part("shift:new").ids


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("text", 2, "", "", ""), r"label 2 is outside its 2 classes a, b\. `example` must return a class index"),
        (("text", 0, "", "", "dev"), r"part 'dev'; allowed are '', 'train', 'test', 'shift:NAME'"),
    ],
)
def test_wrong_rows_are_named(row, message):
    with pytest.raises(DataError, match=message):
        split([*rows_of([0, 1] * 20), row])


def test_a_source_that_changed_since_planning_is_noticed(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(80)))
    data = Data(task=File(path=str(path)), **SMALL).resolve()
    assert len(make_splits(data).rows) == 16
    path.write_text(path.read_text() + "one more,a\n")
    with pytest.raises(DataError, match=r"is not what it was when the study was planned. Run it again"):
        make_splits(data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures(Task):
    """Large vectors without ids that differ in the middle alone. Licence: none."""

    classes: ClassVar[tuple[str, ...]] = ("a", "b")
    input: ClassVar[str] = "vector"

    def source(self) -> Generated:
        return Generated(lambda: iter({"number": i} for i in range(80)))

    def example(self, row: Row, rng: Random) -> Example:
        picture = np.zeros(3000)
        picture[1500] = row["number"]
        return Example(picture, row["number"] % 2)


def test_large_vectors_that_differ_in_the_middle_are_distinct_rows():
    splits = make_splits(Data(task=Pictures(), **SMALL))
    assert splits.facts["usable"] == 80
    assert splits.rows.inputs.shape == (16, 3000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted(Table):
    """A table that counts how often its rows are read."""

    read: ClassVar[list[str]] = []

    def _rows(self) -> Iterator[Row]:
        self.read.append("rows")
        yield from super()._rows()


def test_a_task_is_read_once_for_both_halves_of_several_seeds():
    data = Data(task=Counted(table=tuple(rows_of([0, 1] * 20))), **SMALL)
    for seed in (0, 1):
        whole = dataclasses.replace(data, seed=seed)
        for half in (whole.training(), whole.evaluation()):
            make_splits(half)
    assert Counted.read == ["rows"]
    make_splits(dataclasses.replace(data, task=Counted(table=tuple(rows_of([1, 0] * 20)))))
    assert Counted.read == ["rows", "rows"]  # another table is another task
