"""Does the form of an input give its label away?"""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest
from planted import (
    SIZES,
    TASK,
    WORDS,
    codes,
    options,
    sentence,
    table,
)

from surpass.artifacts import Rows
from surpass.checks import check_splits
from surpass.checks.form import NAMES, describe, of_inputs
from surpass.checks.surface import check_surface, surface
from surpass.splits import Data, make_splits
from surpass.tasks.base import Task
from surpass.tasks.movie_reviews import MovieReviews
from surpass.tasks.sarcasm import Sarcasm


@pytest.mark.parametrize("leak", ["answer", "space"])
def test_letters_for_right_answers_leak_the_label(leak: str) -> None:
    (found,) = check_surface(options(600, leak=leak), where={**TASK, "weak": "tfidf"})
    assert (found.code, found.severity, found.where) == ("surface-leak", "error", TASK)
    assert float(found.evidence["balanced_accuracy"]) > 0.98
    assert float(found.evidence["z"]) > 20
    assert any(word in str(found.evidence["telling"]) for word in ("ending", "last character"))


def test_options_written_alike_do_not_leak() -> None:
    assert check_surface(options(600, leak=""), where=TASK) == []
    seen = surface(options(600, leak=""))
    assert seen is not None
    assert abs(seen.skill) < 0.15


def test_leak_is_found_within_all_rows_of_a_task() -> None:
    leaking = options(sum(SIZES.values()), leak="answer")
    found = check_splits(table(SIZES, inputs=leaking.inputs, labels=None), where=TASK)
    assert "surface-leak" in codes(found)


def test_length_alone_is_a_warning_between_style_and_certainty() -> None:
    lengths = [Random(i).randint(3, 9) + (4 if i % 2 else 0) for i in range(800)]
    texts = tuple(" ".join(Random(i).choices(WORDS, k=k)) for i, k in enumerate(lengths))
    ids = tuple(map(str, range(800)))
    (found,) = check_surface(Rows(ids, texts, np.arange(800) % 2, ids), where=TASK)
    assert (found.code, found.severity) == ("surface-leak", "warning")
    assert 0.75 < float(found.evidence["balanced_accuracy"]) < 0.95
    assert "words" in str(found.evidence["telling"]) or "characters" in str(found.evidence["telling"])


def test_some_style_is_a_note() -> None:
    marks = ["!" if Random(i).random() < (0.65 if i % 2 else 0.35) else "" for i in range(800)]
    ids = tuple(map(str, range(800)))
    rows = Rows(ids, tuple(sentence(i) + mark for i, mark in enumerate(marks)), np.arange(800) % 2, ids)
    (found,) = check_surface(rows, where=TASK)
    assert (found.code, found.severity) == ("surface-cues", "note")
    assert "count of !" in str(found.evidence["telling"])


def test_leak_in_one_text_of_a_pair() -> None:
    rows = options(600, leak="answer")
    pairs = tuple((sentence(i), str(text)) for i, text in enumerate(rows.inputs))
    (found,) = check_surface(dataclasses.replace(rows, inputs=pairs), where=TASK)
    assert found.code == "surface-leak"
    assert "second text: " in str(found.evidence["telling"]) or "difference: " in str(found.evidence["telling"])


def test_surface_has_nothing_to_say_of_vectors_few_rows_or_few_groups() -> None:
    rows = options(600, leak="answer")
    assert surface(dataclasses.replace(rows, inputs=np.zeros((600, 2)))) is None
    assert surface(rows.take(np.arange(50))) is None
    assert surface(dataclasses.replace(rows, groups=("one",) * 600)) is None
    assert surface(rows.take(np.arange(0))) is None


def test_groups_are_not_split_over_folds() -> None:
    """Rows of a group share text and label: a model that saw some of them would know the rest by their lengths."""
    names = [i // 10 for i in range(600)]
    shuffled = Random(0).choices([0, 1], k=60)
    texts = tuple("x" * (name + 3) + " " + "y" * (7 * name % 61) for name in names)
    rows = Rows(tuple(map(str, range(600))), texts, np.array([shuffled[i] for i in names]), tuple(map(str, names)))
    grouped, alone = surface(rows), surface(dataclasses.replace(rows, groups=rows.ids))
    assert grouped is not None
    assert alone is not None
    assert grouped.accuracy < 0.65 < 0.8 < alone.accuracy


def test_surface_is_deterministic() -> None:
    assert surface(options(300, leak="")) == surface(options(300, leak=""))


@pytest.mark.parametrize(
    ("text", "true"),
    [
        (
            "Which one? Answer: B",
            {"ending is a single letter", "ends in 'Answer: B' style", "ending begins with a capital"},
        ),
        ("Which one? (c)", {"ending is a single letter"}),
        ("How many?\n1,200", {"ending is a number"}),
        ("Is it so? Yes.", {"ending is yes or no", "ending begins with a capital"}),
        ("plain words", set()),
        ("", set()),
    ],
)
def test_form_of_endings(text: str, true: set[str]) -> None:
    values = dict(zip(NAMES, describe([text])[0].tolist(), strict=True))
    flags = [name for name in NAMES if name.startswith(("ending ", "ends "))]
    assert {name for name in flags if values[name]} == true


def test_form_counts() -> None:
    values = dict(zip(NAMES, describe(["Ab, c! 12"])[0].tolist(), strict=True))
    expected = {"characters": 9, "words": 3, "digits": 2, "capital letters": 1, "count of ,": 1, "count of !": 1}
    assert {name: values[name] for name in expected} == expected
    pairs, names = of_inputs((("a b", "a b c"),))
    assert dict(zip(names, pairs[0].tolist(), strict=True))["difference: words"] == -1


@pytest.mark.assets
@pytest.mark.parametrize(
    ("task", "low", "high", "expected"),
    [(MovieReviews(), 0.48, 0.58, []), (Sarcasm(), 0.62, 0.72, ["surface-cues"])],
    ids=lambda value: value.label() if isinstance(value, Task) else None,
)
def test_real_tasks(task: Task, low: float, high: float, expected: list[str]) -> None:
    if problem := task.problem():
        pytest.skip(problem)
    splits = make_splits(Data(task=task.resolve()))
    assert codes(check_splits(splits, where=TASK)) == expected
    seen = surface(splits.rows)
    assert seen is not None
    assert low < seen.accuracy < high
