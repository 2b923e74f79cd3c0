"""Does one phrase give a label away? Planted phrases of each place and class, and clean texts."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest
from planted import SIZES, TASK, codes, options, sentence, table

from surpass.artifacts import Rows
from surpass.checks import check_splits
from surpass.checks.form import is_prose
from surpass.checks.phrases import check_phrases, telling_phrase

NONE = "None of the other options are correct"


def rows(texts, labels) -> Rows:
    ids = tuple(map(str, range(len(texts))))
    return Rows(ids, tuple(texts), np.array(labels), ids)


def with_phrase(share: float, phrase: str = NONE, n: int = 600) -> Rows:
    """Return rows of which a share of those of class 1 ends in the phrase."""
    texts = [f"{sentence(i)} {phrase if i % 2 and Random(i).random() < share else sentence(i + n)}" for i in range(n)]
    return rows(texts, np.arange(n) % 2)


@pytest.mark.parametrize(("share", "severity"), [(1.0, "error"), (0.75, "warning"), (0.5, "note"), (0.3, None)])
def test_a_phrase_that_right_answers_alone_have(share: float, severity: str | None) -> None:
    found = check_phrases(with_phrase(share), where={**TASK, "weak": "tfidf"}, classes=("wrong", "right"))
    assert [(f.code, f.severity, f.where) for f in found] == ([("phrase-leak", severity, TASK)] if severity else [])
    for finding in found:
        assert finding.evidence["words"] == NONE.casefold()
        assert finding.evidence["skill"] == pytest.approx(share, abs=0.05)
        assert f'"{NONE.casefold()}" is in' in finding.message
        assert "of the rows of class 1 (right) and in 0 % of the others" in finding.message


def test_it_is_found_among_the_rows_of_a_task() -> None:
    n = sum(SIZES.values())
    found = check_splits(table(SIZES, inputs=with_phrase(1.0, n=n).inputs), where=TASK)
    assert "phrase-leak" in codes(found)


def test_a_phrase_that_both_classes_have_is_clean() -> None:
    texts = [f"{sentence(i)} {NONE}" for i in range(600)]
    assert check_phrases(rows(texts, np.arange(600) % 2), where=TASK) == []
    assert check_phrases(options(600, leak=""), where=TASK) == []


def test_a_word_in_the_middle_of_a_short_text_and_a_beginning() -> None:
    texts = [f"{sentence(i)} {'indeed' if i % 2 else 'perhaps'} {sentence(i + 600)}" for i in range(600)]
    seen = telling_phrase(tuple(texts), np.arange(600) % 2)
    assert seen is not None
    assert (seen.words, seen.skill) in (("indeed", 1.0), ("perhaps", 1.0))
    begun = [f"{'Breaking news today' if i % 2 else 'Other news today'} {sentence(i)}" for i in range(600)]
    found = telling_phrase(tuple(begun), np.arange(600) % 2)
    assert found is not None
    assert found.words in ("breaking news today", "other news today")


def test_a_phrase_of_one_class_of_four() -> None:
    labels = np.arange(800) % 4
    texts = [f"{sentence(i)}{' all of the above' if label == 2 else ''}" for i, label in enumerate(labels)]
    (found,) = check_phrases(rows(texts, labels), where=TASK)
    assert (found.severity, found.evidence["label"], found.evidence["of_class"]) == ("error", 2, 200)


def test_each_text_of_a_pair_for_itself() -> None:
    """The phrase stands in both texts as often; only in the first does it go with the label."""
    pairs = [(NONE, sentence(i)) if i % 2 else (sentence(i), NONE) for i in range(600)]
    (found,) = check_phrases(
        dataclasses.replace(rows(["a b"] * 600, np.arange(600) % 2), inputs=tuple(pairs)), where=TASK
    )
    assert str(found.evidence["words"]).startswith(("first: none of the other", "second: none of the other"))


def test_chance_and_few_rows_are_silence() -> None:
    rng = Random(0)
    texts = [" ".join(rng.choices(["yes", "no", "maybe"], k=1)) + f" {sentence(i)}" for i in range(60)]
    labels = [rng.randrange(2) for _ in texts]
    assert check_phrases(rows(texts, labels), where=TASK) == []
    assert check_phrases(with_phrase(1.0).take(np.arange(50)), where=TASK) == []  # 25 rows of each class
    assert check_phrases(rows(texts, [0] * 60), where=TASK) == []


def test_vectors_and_molecules_have_no_phrases() -> None:
    molecules = [f"{'N' * (1 + i % 2)}CC{i}" for i in range(200)]
    assert not is_prose(tuple(molecules))
    assert not is_prose(np.zeros((3, 2)))
    assert not is_prose(())
    assert telling_phrase(tuple(molecules), np.arange(200) % 2) is None
    assert telling_phrase(np.zeros((200, 2)), np.arange(200) % 2) is None
