"""Rows that are there twice, nearly, or with two labels; and the search for texts that are nearly the same."""

from __future__ import annotations

import dataclasses
import itertools
import time
from random import Random

import numpy as np
import pytest
from planted import SIZES, TASK, changed, codes, sentence, table

from surpass.checks import check_splits
from surpass.checks.overlap import NEAR
from surpass.checks.similar import FEWEST, LENGTH, SKETCH, alike

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(rng: Random, n: int, *, known: int = 5000) -> list[str]:
    return ["".join(Random(rng.randrange(known)).choices(LETTERS, k=6)) for _ in range(n)]


def prose(n: int, *, length: int = 12, seed: int = 0) -> list[str]:
    rng = Random(seed)
    return [" ".join(words(rng, length)) for _ in range(n)]


def edited(text: str, seed: int) -> str:
    """Return the text with one word changed."""
    held = text.split()
    held[Random(seed).randrange(len(held))] = "zzyzx"
    return " ".join(held)


N = sum(SIZES.values())


def test_texts_with_a_word_changed_are_found_in_the_test() -> None:
    texts = prose(N)
    assert check_splits(table(SIZES, inputs=tuple(texts)), where=TASK) == []
    texts[560:580] = [edited(text, i) for i, text in enumerate(texts[200:220])]
    (found,) = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.where["split"]) == ("near-duplicates", "warning", "test")
    assert 18 <= float(found.evidence["rows"]) <= 20
    assert found.evidence["same_label"] == 1.0  # rows 200 and 560 are of one class in turns
    assert "20 of the 240 rows of 'test' are nearly the same as a row of the training splits and have its label" in (
        found.message
    )


def test_contrast_pairs_are_told_by_their_labels() -> None:
    texts = prose(N)
    texts[561:581] = [edited(text, i) for i, text in enumerate(texts[200:220])]
    (found,) = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert found.evidence["same_label"] == 0.0
    assert "(0 % of such pairs have one label)" in found.message


def test_few_near_duplicates_are_a_note_and_one_is_silence() -> None:
    texts = prose(1800)
    sizes = {"weak": 300, "transfer": 500, "test": 1000}
    texts[800:803] = [edited(text, i) for i, text in enumerate(texts[300:303])]
    (found,) = check_splits(table(sizes, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.evidence["rows"]) == ("near-duplicates", "note", 3)
    texts[801:803] = prose(2, seed=9)
    assert check_splits(table(sizes, inputs=tuple(texts)), where=TASK) == []


def test_near_duplicates_between_supervisor_and_student_name_no_test() -> None:
    texts = prose(N)
    texts[200:220] = [edited(text, i) for i, text in enumerate(texts[:20])]
    (found,) = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, dict(found.where)) == ("near-duplicates", "warning", TASK)
    assert (found.evidence["first"], found.evidence["second"]) == ("weak", "transfer")


def test_rows_of_one_group_are_no_near_duplicates_of_each_other() -> None:
    """Candidates of one question differ in a few words; their group keeps them in one split."""
    texts = [f"{question} {prose(1, length=1, seed=i)[0]}" for i, question in enumerate(np.repeat(prose(N // 4), 4))]
    groups = [f"question {i // 4}" for i in range(N)]
    assert check_splits(table({"test": N}, inputs=tuple(texts), groups=groups), where=TASK) == []
    found = check_splits(table({"test": N}, inputs=tuple(texts)), where=TASK)
    assert codes(found) == ["repeated-rows"]


def test_pairs_of_texts_are_compared_as_wholes() -> None:
    pairs = [(a, b) for a, b in zip(prose(N), prose(N, seed=1), strict=True)]
    pairs[560:580] = [(a, edited(b, i)) for i, (a, b) in enumerate(pairs[:20])]
    assert codes(check_splits(table(SIZES, inputs=tuple(pairs)), where=TASK)) == ["near-duplicates"]


def test_molecules_are_not_compared_by_letters() -> None:
    texts = ["".join(Random(i // 2).choices("CNOc1()=", k=40)) + "CN"[i % 2] for i in range(N)]
    assert "near-duplicates" not in codes(check_splits(table(SIZES, inputs=tuple(texts)), where=TASK))


@pytest.mark.parametrize(("repeats", "severity"), [(4, "note"), (20, "warning")])
def test_repeats_within_a_test_make_its_intervals_too_narrow(repeats: int, severity: str) -> None:
    texts = prose(N)
    texts[600 : 600 + repeats] = texts[560 : 560 + repeats]
    (found,) = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.evidence["rows"]) == ("repeated-rows", severity, repeats)
    assert found.where["split"] == "test"
    assert "intervals are narrower than they should be" in found.message


def test_repeated_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(N, 3))
    vectors[20:40] = vectors[:20]
    (found,) = check_splits(table(SIZES, inputs=vectors), where=TASK)
    assert (found.code, found.evidence["split"]) == ("repeated-rows", "weak")
    assert "fewer rows than it seems" in found.message


def test_one_input_with_two_labels() -> None:
    texts = prose(N)
    texts[1] = f" {texts[0].upper()} "
    (found,) = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.evidence["rows"]) == ("conflicting-labels", "note", 2)
    for i in range(1, 40, 2):
        texts[i] = texts[i - 1]
    found_many = check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)
    assert [(f.code, f.severity) for f in found_many] == [
        ("conflicting-labels", "warning"),
        ("repeated-rows", "warning"),
    ]


@pytest.mark.parametrize(("left_out", "fires"), [(5, False), (50, True)])
def test_inputs_of_the_source_with_two_labels(left_out: int, fires: bool) -> None:
    splits = dataclasses.replace(table(SIZES), facts={"conflicting": left_out, "usable": 2000, "read": 4000})
    found = check_splits(splits, where=TASK)
    assert codes(found) == (["conflicting-labels"] if fires else [])
    assert not fires or "50 inputs of the source had two labels and were left out" in found[0].message


def test_numbers_contradict_each_other_only_when_they_are_far_apart() -> None:
    values = np.random.default_rng(0).normal(size=N)
    texts = prose(N)
    texts[1] = texts[0]
    values[1] = values[0] + 0.1
    splits = changed(table(SIZES, inputs=tuple(texts), target="regression"), labels=values)
    assert check_splits(splits, where=TASK) == []
    values[1] = values[0] + 2.0
    splits = changed(splits, labels=values)
    assert codes(check_splits(splits, where=TASK)) == ["conflicting-labels"]


# The search


def jaccard(one: str, other: str) -> float:
    sets = [{text[i : i + LENGTH] for i in range(len(text) - LENGTH + 1)} for text in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_similarity_is_the_textbook_one_where_no_shingle_is_common() -> None:
    texts = prose(40)
    texts += [edited(text, i) for i, text in enumerate(texts[:10])]
    found = alike(texts, least=0.1)
    assert list(zip(found.first, found.second, strict=True)) == [(i, 40 + i) for i in range(10)]
    # The word that all edits share is known to every fifth text, hence common, and left out of the union.
    for i, j, value in zip(*found, strict=True):
        assert jaccard(texts[i], texts[j]) <= value <= jaccard(texts[i], texts[j]) + 0.08


def test_shingles_of_a_template_count_for_nothing() -> None:
    head = "Read the passage and say whether the answer that is given after it is right or wrong. Passage: "
    texts = [head + text for text in prose(200)]
    assert jaccard(texts[0], texts[1]) > 0.3
    assert len(alike(texts, least=0.2).first) == 0


def test_short_texts_are_too_short_to_tell() -> None:
    short = "ab cd ef"
    assert len(short) - LENGTH + 1 < FEWEST
    assert len(alike([short, short], least=0.1).first) == 0
    assert [len(part) for part in alike([], least=0.5)] == [0, 0, 0]


def test_a_sketch_of_long_texts_estimates_their_similarity() -> None:
    texts = prose(12, length=600)
    for i, changes in enumerate((5, 20, 40, 60)):
        held = texts[i].split()
        for place in Random(i).sample(range(600), changes):
            held[place] = words(Random(1000 + place), 1)[0]
        texts.append(" ".join(held))
    found = alike(texts, least=NEAR / 2)
    assert list(found.second) == [12, 13, 14, 15]
    truth = [jaccard(texts[i], texts[j]) for i, j in zip(found.first, found.second, strict=True)]
    assert found.similarity == pytest.approx(truth, abs=3 / SKETCH**0.5)


def test_four_thousand_texts_take_seconds() -> None:
    rng = Random(0)
    vocabulary = words(rng, 20_000, known=10**6)
    weights = list(itertools.accumulate(1 / (i + 1) for i in range(len(vocabulary))))
    texts = [" ".join(rng.choices(vocabulary, cum_weights=weights, k=100)) for _ in range(4000)]
    texts[-1] = edited(texts[0], 0)
    start = time.process_time()
    found = alike(texts, least=NEAR)
    assert time.process_time() - start < 10  # 1.5 s where this was written
    assert (0, 3999) in set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_sentences_of_the_tests_are_unlike() -> None:
    assert len(alike([sentence(i) for i in range(500)], least=NEAR).first) <= 1


def test_a_preference_is_the_same_row_the_other_way_round() -> None:
    pairs = [(prose(1, seed=2 * i)[0], prose(1, seed=2 * i + 1)[0]) for i in range(N)]
    clean = table(SIZES, inputs=tuple(pairs), target="preference")
    assert check_splits(clean, where=TASK) == []
    pairs[560:580] = [pair[::-1] for pair in pairs[200:220]]
    labels = clean.rows.labels.copy()
    labels[560:580] = 1 - labels[200:220]
    rows = dataclasses.replace(clean.rows, inputs=tuple(pairs), labels=labels)
    (found,) = check_splits(dataclasses.replace(clean, rows=rows), where=TASK)
    assert (found.code, found.evidence["texts"]) == ("test-in-training", 20)  # and no conflict: the label is turned too
    other = dataclasses.replace(rows, labels=clean.rows.labels)
    assert "conflicting-labels" in codes(check_splits(dataclasses.replace(clean, rows=other), where=TASK))


def test_vectors_of_a_preference_are_compared_in_either_order() -> None:
    vectors = np.random.default_rng(0).normal(size=(N, 2, 3))
    assert check_splits(table(SIZES, inputs=vectors, target="preference"), where=TASK) == []
    vectors[560:580] = vectors[201:221, ::-1]
    assert codes(check_splits(table(SIZES, inputs=vectors, target="preference"), where=TASK)) == ["test-in-training"]
