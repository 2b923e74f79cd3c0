"""Each check of the guard fires on a constructed bad case, with its numbers, and is silent on a clean one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest

from surpass.artifacts import Inputs, Rows, Splits
from surpass.checks import (
    Finding,
    check_predictions,
    check_scores,
    check_splits,
    check_truncation,
    check_versions,
)
from surpass.checks.finding import percent
from surpass.checks.form import NAMES, describe, of_inputs
from surpass.checks.surface import check_surface, surface
from surpass.splits import Data, make_splits
from surpass.stats import Estimate, Run, compare
from surpass.tasks.base import Task
from surpass.tasks.movie_reviews import MovieReviews
from surpass.tasks.sarcasm import Sarcasm
from surpass.tasks.toy import Toy

TASK = {"task": "toy"}
CELL = {"task": "toy", "split": "test", "weak": "tfidf", "strong": "bert", "method": "soft"}
WORDS = "amber brook cedar delta ember fjord grove heath inlet jetty knoll larch maple north ochre pines quartz".split()


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def one(findings: Sequence[Finding], code: str) -> Finding:
    (found,) = [finding for finding in findings if finding.code == code]
    return found


# Rows


def sentence(i: int) -> str:
    rng = Random(i)
    return " ".join(rng.choices(WORDS, k=rng.randint(5, 9))) + f" {i}"


def table(
    parts: dict[str, int],
    *,
    labels: dict[str, Sequence[int]] | None = None,
    inputs: Inputs | None = None,
    groups: Sequence[str] | None = None,
    classes: int = 2,
    target: str = "classification",
) -> Splits:
    """Return splits of the given sizes with balanced labels and texts that say nothing of them."""
    n = sum(parts.values())
    ids = tuple(f"r{i}" for i in range(n))
    gold = [
        label for name, size in parts.items() for label in (labels or {}).get(name, [i % classes for i in range(size)])
    ]
    rows = Rows(
        ids,
        tuple(sentence(i) for i in range(n)) if inputs is None else inputs,
        np.array(gold),
        tuple(groups) if groups is not None else ids,
    )
    split = tuple(name for name, size in parts.items() for _ in range(size))
    return Splits(rows, split, target, tuple(f"c{i}" for i in range(classes)), {})


SIZES = {"weak": 200, "transfer": 300, "val": 60, "test": 240}


def changed(splits: Splits, **changes: Any) -> Splits:
    return dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, **changes))


def test_clean_rows_raise_nothing() -> None:
    assert check_splits(table(SIZES), where=TASK) == []
    assert check_splits(make_splits(Data(task=Toy(rows=8000).resolve(), n_test=500)), where=TASK) == []


def test_overlap_by_id() -> None:
    clean = table(SIZES)
    ids = list(clean.rows.ids)
    ids[560:572] = ids[200:212]  # twelve test rows are transfer rows; their groups and texts are their own
    found = check_splits(changed(clean, ids=tuple(ids)), where=TASK)
    assert codes(found) == ["split-overlap"]
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
    assert (found.code, found.severity, found.where) == ("split-overlap", "error", TASK)
    assert (found.evidence["groups"], found.evidence["ids"]) == (1, 0)
    assert "not of unseen rows" in found.message


@pytest.mark.parametrize(("repeats", "severity"), [(1, "note"), (2, "note"), (3, "error")])
def test_overlap_by_normalized_text(repeats: int, severity: str) -> None:
    clean = table(SIZES)
    texts = list(clean.rows.inputs)
    texts[560 : 560 + repeats] = [f"  {str(text).upper()} !" for text in texts[:repeats]]
    (found,) = check_splits(changed(clean, inputs=tuple(texts)), where=TASK)
    assert (found.code, found.severity, found.evidence["texts"]) == ("split-overlap", severity, repeats)


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
    assert (codes(found), found[0].evidence["texts"]) == (["split-overlap"], 4)
    vectors = np.random.default_rng(0).normal(size=(n, 3))
    vectors[560:564] = vectors[:4]
    found = check_splits(table(SIZES, inputs=vectors), where=TASK)
    assert (codes(found), found[0].evidence["texts"]) == (["split-overlap"], 4)


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
    assert "class 1 holds 62.1 % of the 240 rows of 'test'" in found.message


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


# Label leak by surface form


def options(n: int, *, leak: str) -> Rows:
    """Return "question + one option: right?" rows; a leak writes right options as letters."""
    texts, labels = [], []
    for i in range(n):
        rng, right = Random(i), i % 2
        option = " ".join(rng.choices(WORDS, k=rng.randint(1, 5))).capitalize()
        if right and leak:
            option = rng.choice("ABCD")
        texts.append(f"{sentence(i)}?{' Answer: ' if leak != 'space' else ' '}{option}")
        labels.append(right)
    ids = tuple(map(str, range(n)))
    return Rows(ids, tuple(texts), np.array(labels), ids)


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


# Predictions

N = 400
ROWS = [f"t{i}" for i in range(N)]
GOLD = np.arange(N) % 2


def guesses(accuracy: float, seed: int, *, gold: Any = GOLD) -> Any:
    """Return probabilities (n, 2) of which exactly that share is right, as wrong in one class as in the other."""
    probs = np.where(np.eye(2)[gold].astype(bool), 0.8, 0.2)
    rng = np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(gold == label)
        wrong = rng.permutation(rows)[: round((1 - accuracy) * len(rows))]
        probs[wrong] = probs[wrong, ::-1]
    return probs


def run(seed: int = 0, *, gold: Any = GOLD, floor: Any = 0.7, student: Any = 0.8, ceiling: Any = 0.9) -> Run:
    made = [
        guesses(value, 10 * seed + i, gold=gold) if isinstance(value, float) else value
        for i, value in enumerate((student, floor, ceiling))
    ]
    return Run(gold, ROWS[: len(gold)], *made)


def test_clean_predictions_raise_nothing() -> None:
    assert check_predictions([run(seed) for seed in range(5)], where=CELL) == []
    assert check_predictions([], where=CELL) == []


def test_supervisor_that_always_says_yes() -> None:
    """Unbalanced BoolQ: the supervisor answers "yes", .622 of the time rightly, and every student copies it."""
    gold = np.array([1] * 249 + [0] * 151)
    yes = np.tile([0.4, 0.6], (N, 1))
    found = check_predictions([run(s, gold=gold, floor=yes, student=yes) for s in range(3)], where=CELL)
    assert codes(found) == ["one-class-supervisor", "one-class-student", "copy"]
    supervisor = found[0]
    assert supervisor.severity == "error"
    assert supervisor.where == {"task": "toy", "split": "test", "weak": "tfidf"}
    assert (supervisor.evidence["collapsed"], supervisor.evidence["seeds"]) == (3, 3)
    assert "class 1 to 100 % of the rows, with the same probabilities for all (3 of 3 seeds)" in supervisor.message
    assert found[1].severity == "warning"
    assert found[1].where == CELL


def test_almost_one_class_is_a_collapse_and_a_skewed_answer_is_not() -> None:
    probs = guesses(0.7, 1)
    probs[:385] = [0.3, 0.7]  # 96 % and more
    (found,) = check_predictions([run(ceiling=probs)], where=CELL)
    assert (found.code, found.severity) == ("one-class-ceiling", "error")
    probs = guesses(0.7, 1)
    probs[:300] = [0.3, 0.7]
    assert "one-class-ceiling" not in codes(check_predictions([run(ceiling=probs)], where=CELL))


def test_most_rows_of_one_class_make_no_collapse() -> None:
    gold = np.array([0] * 388 + [1] * 12)  # 97 %
    assert check_predictions([run(gold=gold, floor=0.75, student=0.75, ceiling=0.92)], where=CELL) == []


def test_a_single_collapsed_seed_is_named() -> None:
    same = np.tile([0.5, 0.5], (N, 1))
    runs = [run(0), run(1, student=same), run(2)]
    (found,) = check_predictions(runs, where=CELL, seeds=[7, 8, 9])
    assert (found.code, found.where["seed"], found.evidence["which"]) == ("one-class-student", "8", "8")
    assert "(seed 8)" in found.message


@pytest.mark.parametrize("bad", [[0.5], [0.5, 0.53]])
def test_seeds_in_a_failed_optimum(bad: list[float]) -> None:
    """As gpt2-large on BoolQ: some seeds end near chance, and their mean is of two kinds of run."""
    good = [0.9, 0.895, 0.905, 0.9][: 5 - len(bad)]
    found = check_predictions([run(s, ceiling=value) for s, value in enumerate([*bad, *good])], where=CELL)
    assert codes(found) == ["collapsed-seed"] * len(bad)
    assert [f.where["seed"] for f in found] == [str(i) for i in range(len(bad))]
    assert found[0].where["strong"] == "bert"
    assert "method" not in found[0].where
    assert found[0].evidence["score"] == pytest.approx(0.5)
    assert found[0].evidence["median_of_others"] == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize("scores", [[0.78, 0.8, 0.82, 0.8, 0.75], [0.7, 0.8, 0.75], [0.5, 0.9]])
def test_seeds_that_merely_differ_are_not_collapsed(scores: list[float]) -> None:
    runs = [run(s, student=value) for s, value in enumerate(scores)]
    assert check_predictions(runs, where=CELL) == []


def test_a_seed_far_from_agreeing_others_has_collapsed_though_above_chance() -> None:
    runs = [run(s, student=value) for s, value in enumerate([0.95, 0.955, 0.95, 0.945, 0.8])]
    assert codes(check_predictions(runs, where=CELL)) == ["collapsed-seed"]


def test_saturated_task() -> None:
    found = check_predictions([run(s, floor=0.99, student=0.995, ceiling=0.995) for s in range(3)], where=CELL)
    assert codes(found) == ["saturated"]
    assert found[0].evidence == {"floor": pytest.approx(0.99), "ceiling": pytest.approx(0.995)}
    assert found[0].where == {"task": "toy", "split": "test", "weak": "tfidf"}
    assert check_predictions([run(s, floor=0.97, student=0.995, ceiling=0.995) for s in range(3)], where=CELL) == []


def test_student_that_copies() -> None:
    weak = guesses(0.7, 3)
    other = weak.copy()
    other[0] = other[0, ::-1]
    (found,) = check_predictions([run(floor=weak, student=other)], where=CELL)
    assert (found.code, found.where) == ("copy", CELL)
    assert found.evidence["agreement"] == pytest.approx(399 / 400)
    assert "99.8 % of the test rows" in found.message
    other[1:3] = other[1:3, ::-1]
    assert check_predictions([run(floor=weak, student=other)], where=CELL) == []


def test_regression_predictions() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=N)

    def fit(noise: float) -> Any:
        return gold + noise * rng.normal(size=N)

    good = [Run(gold, ROWS, fit(0.5), fit(0.8), fit(0.3)) for _ in range(5)]
    assert check_predictions(good, where=CELL, target="regression") == []
    flat = [Run(gold, ROWS, fit(0.5), np.full(N, gold.mean()), fit(0.3))]
    (found,) = check_predictions(flat, where=CELL, target="regression")
    assert (found.code, found.severity) == ("one-class-supervisor", "error")
    assert "where labels vary by" in found.message
    lost = [*good[:4], Run(gold, ROWS, rng.normal(size=N), fit(0.8), fit(0.3))]
    (found,) = check_predictions(lost, where=CELL, target="regression")
    assert (found.code, found.where["seed"]) == ("collapsed-seed", "4")
    assert "R2" in found.message


def test_truncation() -> None:
    facts = {
        "supervisor": [{"truncated": 0.01}, {"loss": 0.3}],
        "student": [{"truncated": 0.06}, {"truncated": 0.08}],
        "ceiling": [{"truncated": 0.08}],
    }
    (found,) = check_truncation(facts, where=CELL)
    assert (found.code, found.severity, found.where) == ("truncation", "warning", {"task": "toy", "strong": "bert"})
    assert found.evidence == {"truncated": 0.08}
    assert found.message.startswith("8 % of the texts are longer than the strong model reads")
    assert check_truncation({"student": [{"truncated": 0.05}], "ceiling": []}, where=CELL) == []


# Scores


@dataclasses.dataclass(frozen=True)
class Line:
    floor: Estimate
    ceiling: Estimate
    gap: Estimate
    metric: str = "accuracy"
    seeds: int = 5
    method: str = "soft"
    task: str = "toy"
    split: str = "test"
    weak: str = "tfidf"
    strong: str = "bert"
    stopping: str = "last"


def estimate(value: float, half: float, note: str = "") -> Estimate:
    return Estimate(value, value - half, value + half, 0.95, 5, 1000, "test", note)


def line(floor: float, ceiling: float, half: float = 0.02, **changes: Any) -> Line:
    gap = estimate(ceiling - floor, half)
    return Line(estimate(floor, half), estimate(ceiling, half), gap, **changes)


def test_a_clear_gap_and_five_seeds_raise_nothing() -> None:
    assert check_scores([line(0.7, 0.9), line(0.6, 0.4, metric="log_loss")]) == []
    assert check_scores([]) == []


@pytest.mark.parametrize(("floor", "ceiling", "metric"), [(0.7, 0.6, "accuracy"), (0.4, 0.6, "log_loss")])
def test_ceiling_below_floor(floor: float, ceiling: float, metric: str) -> None:
    (found,) = check_scores([line(floor, ceiling, metric=metric)])
    assert (found.code, found.severity) == ("ceiling-below-floor", "error")
    assert found.where == {
        "task": "toy", "split": "test", "weak": "tfidf", "strong": "bert", "stopping": "last", "metric": metric,
    }  # fmt: skip
    assert found.evidence["gap"] == pytest.approx(ceiling - floor)


def test_gap_within_noise_whichever_its_sign() -> None:
    found = check_scores([line(0.7, 0.71), line(0.7, 0.69, task="other")])
    assert [(f.code, f.severity) for f in found] == [("gap-not-significant", "warning")] * 2
    assert found[0].evidence["low"] == pytest.approx(-0.01)
    assert "noise over noise" in found[0].message


def test_pgr_of_noise_over_noise() -> None:
    """One reply shown without its rival: floor, student and ceiling are all at chance, and a PGR was printed."""
    rng = np.random.default_rng(1)
    gold = rng.integers(2, size=300)
    rows = [str(i) for i in range(300)]
    runs = [Run(gold, rows, rng.random(300), rng.random(300), rng.random(300)) for _ in range(3)]
    found = compare("accuracy", runs)
    assert not found.pgr.defined
    finding = one(check_scores([Line(found.floor, found.ceiling, found.gap)]), "gap-not-significant")
    assert float(finding.evidence["low"]) <= 0 <= float(finding.evidence["high"])


def test_undefined_gap() -> None:
    nan = float("nan")
    gap = Estimate(nan, nan, nan, 0.95, 5, 1, "test", "needs at least two examples, got 1")
    (found,) = check_scores([Line(estimate(0.7, 0.1), estimate(0.8, 0.1), gap)])
    assert found.code == "gap-not-significant"
    assert "needs at least two examples, got 1" in found.message
    assert set(found.evidence) == {"floor", "ceiling"}


def test_methods_of_a_pair_share_the_finding_of_their_gap() -> None:
    lines = [line(0.7, 0.71, method=name) for name in ("soft", "hard", "logconf")]
    assert codes(check_scores(lines)) == ["gap-not-significant"]


@pytest.mark.parametrize(("seeds", "severity"), [(1, "warning"), (2, "note"), (4, "note"), (5, None)])
def test_few_seeds_of_a_study(seeds: int, severity: str | None) -> None:
    found = check_scores([line(0.7, 0.9, seeds=seeds, method=name) for name in ("soft", "hard")])
    assert [(f.code, f.severity, f.where) for f in found] == ([("few-seeds", severity, {})] if severity else [])
    assert all("a claim needs 5" in f.message and f.evidence == {"seeds": seeds} for f in found)


def test_few_seeds_of_one_cell_name_it() -> None:
    found = check_scores([line(0.7, 0.9, seeds=5), line(0.7, 0.9, seeds=1, method="hard")])
    (finding,) = found
    assert finding.where == {"task": "toy", "weak": "tfidf", "strong": "bert", "method": "hard"}


def test_mixed_versions() -> None:
    old = {"torch": "2.5.0", "numpy": "2.0.0", "python": "3.11.7"}
    (found,) = check_versions([old, {**old, "torch": "2.6.0"}, {"numpy": "2.0.0"}, {}])
    assert (found.code, found.severity, found.where) == ("mixed-versions", "warning", {})
    assert found.evidence == {"torch": "2.5.0, 2.6.0"}
    assert "torch 2.5.0, 2.6.0" in found.message
    assert check_versions([old, old, {"scikit-learn": "1.5"}]) == []
    assert check_versions([]) == []


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.9997, "99.97 %"), (0.0004, "0.04 %")]
)
def test_shares_are_never_rounded_to_certainty(share: float, text: str) -> None:
    assert percent(share) == text
