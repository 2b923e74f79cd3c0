"""The guard on real sets: those whose labels leak are caught, those that are clean are left alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from planted import TASK, codes, one

from surpass import assets
from surpass.artifacts import Rows, Splits
from surpass.checks import check_splits
from surpass.registry import TASKS
from surpass.splits import Data, make_splits

pytestmark = pytest.mark.assets
SETS = {"reclor-plus": 500, "logiqa-plus": 651, "logiqav2-plus": 1569}


@pytest.fixture(scope="module")
def folder() -> Path:
    if not assets.present("leaking-sets"):
        pytest.skip("asset 'leaking-sets' is not here. Fetch it: surpass assets fetch leaking-sets")
    return assets.folder("leaking-sets")


def questions(path: Path) -> list[tuple[str, str]]:
    """Return prompt and right answer of each row."""
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]
    return [("\n".join(m["content"] for m in row["input"] if m["role"] == "user"), row["ideal"]) for row in rows]


def splits(texts: list[str], labels: list[int], classes: tuple[str, ...] = ("wrong", "right")) -> Splits:
    ids = tuple(map(str, range(len(texts))))
    cut = 2 * len(texts) // 3
    split = ("transfer",) * cut + ("test",) * (len(texts) - cut)
    return Splits(Rows(ids, tuple(texts), np.array(labels), ids), split, "classification", classes, {})


@pytest.mark.parametrize("name", SETS)
def test_the_right_option_is_always_none_of_the_others(folder: Path, name: str) -> None:
    """As a study shows them: the question with one of its options, right with chance 1/2."""
    texts, labels, rng = [], [], Random(0)
    for prompt, ideal in questions(folder / f"{name}.jsonl"):
        parts = re.split(r"\n([A-D])\. ", prompt.replace("\nAnswer: ", ""))
        options = {letter: text.strip() for letter, text in zip(parts[1::2], parts[2::2], strict=True)}
        right = rng.random() < 0.5
        wrong = rng.choice([text for letter, text in sorted(options.items()) if letter != ideal])
        texts.append(f"{parts[0].strip()}\n{options[ideal] if right else wrong}")
        labels.append(int(right))
    assert len(texts) == SETS[name]
    found = check_splits(splits(texts, labels), where=TASK)
    phrase = one(found, "phrase-leak")
    assert (phrase.severity, str(phrase.evidence["words"]).rstrip(" .")) == (
        "error",
        "none of the other options are correct",
    )
    assert phrase.evidence["skill"] == 1.0
    surface = one(found, "surface-leak")
    assert surface.severity == "error"
    assert "ending" in str(surface.evidence["telling"])


def singers(folder: Path) -> list[tuple[str, list[str], str]]:
    rows = []
    for prompt, ideal in questions(folder / "guess-the-singer.jsonl"):
        text, _, listed = prompt.partition("\nChoices: ")
        choices = [choice.strip() for choice in listed.split(",")]
        rows.append((text, choices, ideal))
    return rows


def test_the_right_singer_is_the_first_choice(folder: Path) -> None:
    """As classes by place, one holds 90 %; as listed choices with one of them, its place in the list tells."""
    rows = singers(folder)
    labels = [choices.index(ideal) for _, choices, ideal in rows]
    texts = [f"{text}\n{', '.join(choices)}" for text, choices, _ in rows]
    by_place = check_splits(splits(texts, labels, ("first", "second", "third")), where=TASK)
    assert one([f for f in by_place if f.where.get("split") == "test"], "imbalance").evidence["share"] > 0.85
    rng = Random(0)
    shown, right = [], []
    for text, choices, ideal in rows:
        right.append(int(rng.random() < 0.5))
        answer = ideal if right[-1] else rng.choice([choice for choice in choices if choice != ideal])
        shown.append(f"{text}\nChoices: {', '.join(choices)}\nAnswer: {answer}")
    leak = one(check_splits(splits(shown, right), where=TASK), "surface-leak")
    assert leak.severity == "warning"
    assert float(leak.evidence["balanced_accuracy"]) > 0.9
    assert leak.evidence["telling"] == "place of the ending in a list above it"


@pytest.mark.parametrize("name", ["quartz", "social-iqa", "movie-reviews", "sentiment-tweets", "blood-brain"])
def test_clean_tasks_have_no_leak(name: str) -> None:
    task = TASKS.get(name)()
    if problem := task.problem():
        pytest.skip(problem)
    rows = make_splits(Data(task=task.resolve(), n_weak=250, n_transfer=500, n_val=75, n_test=250))
    assert not {"surface-leak", "phrase-leak", "test-in-training", "copied-rater"}.intersection(
        codes(check_splits(rows, where=TASK))
    )


def test_two_columns_of_ratings_of_reviews_are_no_strangers() -> None:
    """Found by the guard: ratings 19 and 20 are equal in 75 % of the rows on a scale of nine, where 44 % is usual."""
    task = TASKS.get("amazon-reviews")()
    if problem := task.problem():
        pytest.skip(problem)
    rows = make_splits(Data(task=task.resolve(), n_weak=500, n_transfer=1000, n_val=150, n_test=500))
    found = one(check_splits(rows, where=TASK), "copied-rater")
    assert found.evidence["columns"] == "19 = 20"
