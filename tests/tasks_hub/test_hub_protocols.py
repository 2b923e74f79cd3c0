"""Both protocols on rows of the schema: balance, groups, ids, and no dependence on the order of rows."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, get_args

import pytest

from surpass import testing
from surpass.registry import TASKS
from surpass.tasks._choice import Answers, Choice
from surpass.tasks._hub import HubTask
from surpass.tasks.base import Example, Protocol, Row

NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), HubTask)]
CHOICES = [name for name in NAMES if issubclass(TASKS.get(name), Choice)]
FIELDS = {  # what tells one question from another in rows made from a sample row
    "cosmos-qa": "question",
    "dream": "question",
    "ethics-utilitarianism": "baseline",
    "hellaswag": "ctx",
    "openbookqa": "question_stem",
    "piqa": "goal",
    "quail": "question",
    "quartz-hub": "question",
    "sciq": "question",
    "sciq-with-support": "question",
    "social-iqa-hub": "question",
}


def many(name: str, n: int = 400) -> list[Row]:
    row, field = TASKS.get(name).sample[0], FIELDS[name]
    return [{**row, field: f"{row[field]} {i}"} for i in range(n)]


def examples(name: str, rows: list[Row], protocol: Protocol, **options: Any) -> list[Example]:
    return [e for e in TASKS.get(name)(**options).examples(rows, protocol=protocol) if e is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_holds(name: str) -> None:
    testing.check_task(name)


@pytest.mark.parametrize("name", CHOICES)
def test_paper_makes_one_right_and_one_wrong_row_of_each_question(name: str) -> None:
    found = examples(name, many(name), "paper")
    assert Counter(e.label for e in found) == {0: 400, 1: 400}
    assert len({e.input for e in found}) == 800
    if name in ("openbookqa", "piqa", "hellaswag", "ethics-utilitarianism"):  # the question is the group
        assert set(Counter((e.group, e.label) for e in found).values()) == {1}


@pytest.mark.parametrize("name", CHOICES)
def test_eleuther_shows_one_candidate_that_is_right_half_the_time(name: str) -> None:
    found = examples(name, many(name), "eleuther")
    assert len(found) == 400
    assert 150 < sum(e.label for e in found) < 250  # 5 standard deviations


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("protocol", get_args(Protocol))
def test_order_of_rows_plays_no_part(name: str, protocol: Protocol) -> None:
    rows = many(name, 30)
    shuffled = Random(1).sample(rows, len(rows))
    assert sorted(map(repr, examples(name, rows, protocol))) == sorted(map(repr, examples(name, shuffled, protocol)))


def test_wrong_candidates_are_drawn_from_all_of_them() -> None:
    found = examples("hellaswag", many("hellaswag"), "paper")
    shown = Counter(e.input.rpartition('Is "')[2] for e in found if e.label == 0)
    assert len(shown) == 3
    assert min(shown.values()) > 90


def test_both_events_come_first_and_the_number_of_the_baseline_is_right() -> None:
    found = examples("ethics-utilitarianism", many("ethics-utilitarianism"), "paper")
    firsts = Counter()
    for e in found:
        lines = e.input.split("\n")
        number = int(e.input[-1])
        firsts["warm" in lines[1]] += 1
        assert ("warm" in lines[number]) == bool(e.label)
    assert min(firsts.values()) > 300


def answers(name: str, labels: list[list[int]]) -> list[Row]:
    """Return rows of one answer each: questions with the given labels."""
    first, text = TASKS.get(name).sample[0], {"mc-taco": "sentence", "multirc": "paragraph"}[name]
    return [
        {**first, text: f"Text {q}.", "answer": f"answer {i}", "label": label}
        for q, own in enumerate(labels)
        for i, label in enumerate(own)
    ]


@pytest.mark.parametrize("name", ["mc-taco", "multirc"])
def test_several_right_answers_meet_as_many_wrong_ones(name: str) -> None:
    assert issubclass(TASKS.get(name), Answers)
    rows = answers(name, [[1, 1, 1, 0, 0], [1, 0, 0, 0], [0, 0], [1, 1], [1, 0]])
    task = TASKS.get(name)()
    found = list(task.examples(rows, protocol="paper"))
    kept = [e for e in found if e is not None]
    assert len(found) == len(rows)  # what is too many is counted as left out
    counts = Counter((e.group, e.label) for e in kept)
    assert sorted(Counter(counts.values()).items()) == [(1, 4), (2, 2)]
    assert Counter(e.label for e in kept) == {0: 4, 1: 4}
    assert len({e.input for e in kept}) == 8
    mixed = Random(3).sample(rows, len(rows))  # rows of one question need not stand together
    assert sorted(map(repr, kept)) == sorted(repr(e) for e in task.examples(mixed, protocol="paper") if e)


@pytest.mark.parametrize("name", ["mc-taco", "multirc"])
def test_under_eleuther_every_answer_is_a_row(name: str) -> None:
    found = examples(name, answers(name, [[1, 1, 1, 0, 0], [0, 0]]), "eleuther")
    assert Counter(e.label for e in found) == {0: 4, 1: 3}


@pytest.mark.parametrize("name", ["anthropic-hh", "helpsteer3"])
def test_each_order_of_a_pair_is_as_likely(name: str) -> None:
    task = TASKS.get(name)()
    labels = Counter(task.example(task.sample[0], Random(i)).label for i in range(400))
    assert min(labels.values()) > 150


@pytest.mark.parametrize("name", NAMES)
def test_the_size_is_that_of_the_splits(name: str) -> None:
    task = TASKS.get(name)
    assert task.size > 0
    assert task.size == task.hub.size or any(split.rows == 0 for split in task.hub.splits)
