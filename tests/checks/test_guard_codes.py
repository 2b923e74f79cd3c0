"""Every code of the guard has a page, a planted defect that raises it, and a clean case of the same kind that does not."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from click.testing import CliRunner
from planted import CELL, GOLD, SIZES, TASK, N, changed, codes, line, options, run, sentence, table

from surpass.artifacts import Rows
from surpass.checks import (
    CODES,
    SEVERITIES,
    Code,
    Finding,
    answered_texts,
    check_candidates,
    check_labelling,
    check_labels,
    check_lengths,
    check_predictions,
    check_pretrained_rows,
    check_pretraining,
    check_scores,
    check_splits,
    check_texts,
    check_truncation,
    check_versions,
    pages,
)
from surpass.cli import main
from surpass.documents import Documents
from surpass.errors import StageError, UnknownNameError
from surpass.guard import guard_rows
from surpass.runner import run as run_study
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.study import Pair
from surpass.tasks.toy import Toy

ROWS = sum(SIZES.values())
TEXTS = [sentence(i) for i in range(ROWS)]
NONE = "none of the above is right"


def of_texts(**moved: str) -> list[Finding]:
    """Return what is seen when some texts are replaced; keys are row numbers after an underscore."""
    texts = list(TEXTS)
    for place, text in moved.items():
        texts[int(place[1:])] = text
    return check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)


def shared_ids(first: int, second: int, n: int = 8) -> list[Finding]:
    clean = table(SIZES)
    ids = list(clean.rows.ids)
    ids[second : second + n] = ids[first : first + n]
    return check_splits(changed(clean, ids=tuple(ids)), where=TASK)


def long(i: int) -> str:
    return f"{sentence(i)} {sentence(i + 1000)} {sentence(i + 2000)}"


def near(n: int) -> list[Finding]:
    texts = [long(i) for i in range(ROWS)]
    texts[560 : 560 + n] = [re.sub(r" \d+", "", text, count=1) for text in texts[:n]]
    return check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)


def repeated(n: int) -> list[Finding]:
    return of_texts(**{f"_{600 + i}": TEXTS[560 + i] for i in range(n)})


def sized(n: int) -> list[Finding]:
    return check_splits(table({**SIZES, "test": n}), where=TASK)


def yes(share: float) -> list[Finding]:
    n = round(share * 240)
    return check_splits(table(SIZES, labels={"test": [1] * n + [0] * (240 - n)}), where=TASK)


def inputs(texts: Sequence[str]) -> list[Finding]:
    return check_splits(table(SIZES, inputs=tuple(texts)), where=TASK)


def marked(shares: tuple[float, float]) -> list[Finding]:
    """Return what is seen when texts of the classes end in an exclamation mark in such shares."""
    rng = np.random.default_rng(0)
    return inputs([text + "!" * (rng.random() < shares[i % 2]) for i, text in enumerate(TEXTS)])


def ended(everywhere: bool) -> list[Finding]:
    return inputs([f"{text} {NONE if everywhere or i % 2 else sentence(i + 5000)}" for i, text in enumerate(TEXTS)])


def voted(copied: bool) -> list[Finding]:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=(ROWS, 1))
    votes = np.where(rng.random((ROWS, 4)) < 0.2, 1 - truth, truth)
    votes[:, 3] = votes[:, 0] if copied else votes[:, 3]
    return check_splits(changed(table(SIZES), votes=tuple(map(tuple, votes.astype(float).tolist()))), where=TASK)


def ruled(noise: float) -> list[Finding]:
    rng = np.random.default_rng(0)
    labels = np.array(["amber" in text for text in TEXTS]) ^ (rng.random(ROWS) < noise)
    rows = Rows(tuple(map(str, range(ROWS))), tuple(TEXTS), np.zeros(ROWS), tuple(TEXTS))
    return check_labels(rows, np.eye(2)[labels.astype(int)], where={**TASK, "weak": "rule"})


def predicted(**roles: object) -> list[Finding]:
    return check_predictions([run(seed, **roles) for seed in range(4)], where=CELL)  # type: ignore[arg-type]


def seeds(*scores: float) -> list[Finding]:
    return check_predictions([run(i, student=score) for i, score in enumerate(scores)], where=CELL)


def targets(kind: str, **facts: int) -> list[Finding]:
    """Return what is seen of a task of texts whose targets are another sentence, or a piece of the prompt."""
    written = [text[:9] if kind == "copied" else sentence(i + 9000) for i, text in enumerate(TEXTS)]
    clean = table(SIZES, target="generation", labels=None)
    rows = dataclasses.replace(clean.rows, labels=np.array(written, dtype=object))
    return check_splits(dataclasses.replace(clean, rows=rows, facts=facts), where=TASK)


def listed(*given: str) -> list[Finding]:
    """Return what is seen of sums whose task names these candidates."""
    rows = Rows(("a", "b"), ("9 + 12 =", "1 + 1 ="), np.array([" 21", " 2"], dtype=object), ("a", "b"))
    return check_candidates(rows, lambda prompt: given, where=TASK)


FLAT = np.tile([0.5, 0.5], (N, 1))
RIGHT = np.where(np.eye(2)[GOLD].astype(bool), 0.8, 0.2)
TRUE = options(ROWS, leak="answer").inputs
CASES: dict[Code, tuple[Callable[[], list[Finding]], Callable[[], list[Finding]]]] = {
    "ceiling-below-floor": (lambda: check_scores([line(0.7, 0.6)]), lambda: check_scores([line(0.6, 0.7)])),
    "collapsed-seed": (lambda: seeds(0.9, 0.9, 0.89, 0.5), lambda: seeds(0.9, 0.9, 0.89, 0.87)),
    "conflicting-labels": (lambda: of_texts(_1=TEXTS[0]), lambda: of_texts(_2=TEXTS[0])),
    "copied-rater": (lambda: voted(copied=True), lambda: voted(copied=False)),
    "copy": (lambda: predicted(floor=RIGHT[::-1], student=RIGHT[::-1]), lambda: predicted(floor=0.7, student=0.71)),
    "copycat-supervisor": (lambda: ruled(0.0), lambda: ruled(0.1)),
    "degenerate-texts": (
        lambda: check_texts("supervisor", ["42"] * 60 + TEXTS[:40], where=CELL),
        lambda: check_texts("supervisor", ["42"] * 40 + TEXTS[:60], where=CELL),
    ),
    "empty-targets": (lambda: targets("own", empty_targets=30, read=600), lambda: targets("own", read=600)),
    "few-seeds": (lambda: check_scores([line(0.6, 0.7, seeds=1)]), lambda: check_scores([line(0.6, 0.7, seeds=5)])),
    "gap-not-significant": (lambda: check_scores([line(0.7, 0.71)]), lambda: check_scores([line(0.7, 0.75)])),
    "imbalance": (lambda: yes(0.65), lambda: yes(0.52)),
    "imprecise-pgr": (
        lambda: check_scores([line(0.6, 0.7, pgr=line(0.2, 0.7, half=0.3).gap)]),
        lambda: check_scores([line(0.6, 0.7, pgr=line(0.2, 0.7, half=0.2).gap)]),
    ),
    "mixed-versions": (
        lambda: check_versions([{"torch": "2.5"}, {"torch": "2.6"}]),
        lambda: check_versions([{"torch": "2.5"}, {"torch": "2.5"}]),
    ),
    "near-duplicates": (lambda: near(12), lambda: near(0)),
    "one-class-ceiling": (lambda: predicted(ceiling=FLAT), lambda: predicted(ceiling=0.9)),
    "one-class-student": (lambda: predicted(student=FLAT), lambda: predicted(student=0.55)),
    "one-class-supervisor": (lambda: predicted(floor=FLAT), lambda: predicted(floor=0.55)),
    "phrase-leak": (lambda: ended(everywhere=False), lambda: ended(everywhere=True)),
    "pretrained-on-source": (
        lambda: check_pretraining("strong", {"k": "chess-games"}, ["j", "k"], where=CELL),
        lambda: check_pretraining("strong", {"k": "chess-games"}, ["j"], where=CELL),
    ),
    "prompt-leak": (lambda: targets("copied"), lambda: targets("own")),
    "repeated-rows": (lambda: repeated(20), lambda: repeated(1)),
    "same-seeds": (
        lambda: check_predictions([run(0), run(0)], where=CELL),
        lambda: check_predictions([run(0), run(1)], where=CELL),
    ),
    "saturated": (lambda: predicted(floor=0.99, student=0.995, ceiling=0.995), lambda: predicted(floor=0.95)),
    "split-overlap": (lambda: shared_ids(200, 500), lambda: shared_ids(500, 500)),
    "surface-cues": (lambda: marked((0.35, 0.7)), lambda: marked((0.5, 0.5))),
    "surface-leak": (lambda: inputs(TRUE), lambda: inputs(options(ROWS, leak="").inputs)),
    "test-in-training": (lambda: shared_ids(200, 560), lambda: shared_ids(560, 560)),
    "tiny-test": (lambda: sized(100), lambda: sized(200)),
    "trained-on-labelled-rows": (
        lambda: check_labelling(["a"], ["a", "b"], where=TASK),
        lambda: check_labelling(["a"], ["b"], where=TASK),
    ),
    "truncated-targets": (
        lambda: check_lengths({"student": [{"long_targets": 0.3, "unfinished": 0.4}]}, where=CELL),
        lambda: check_lengths({"student": [{"long_targets": 0.0, "unfinished": 0.02}]}, where=CELL),
    ),
    "truncation": (
        lambda: check_truncation({"student": [{"truncated": 0.1}]}, where=CELL),
        lambda: check_truncation({"student": [{"truncated": 0.04}]}, where=CELL),
    ),
    "unlisted-targets": (lambda: listed(" 1", " 2"), lambda: listed("21", " 2")),
}
ELSEWHERE = {"cell-failed", "released-form"}  # they need a study and a task: below


def test_rows_that_begin_learned_texts_are_counted():
    rows = Rows(
        ("a", "b", "c"), ("1. e4", "1. d4", "1. c4"), np.array([" e5", " d5", " c5"], dtype=object), ("a", "b", "c")
    )
    learned = Documents(("1", "2", "3"), ("1. e4 e5", "1. d4 d5+ c4", "1. c4 c5 Nf3"))
    begun = learned.begun_by(answered_texts(rows, "generation"))
    assert begun.tolist() == [True, False, True]
    [found] = check_pretrained_rows("weak", "games", begun, where=CELL)
    assert (found.code, found.message.partition(",")[0]) == ("pretrained-on-source", "2 of 3 test rows")
    assert learned.begun_by(answered_texts(rows, "classification")).all()
    assert check_pretrained_rows("weak", "games", begun & False, where=CELL) == []
    pairs = Rows(("a",), (("one", "other"),), np.array([1]), ("a",))
    assert answered_texts(pairs, "preference") == []


def test_every_code_has_a_case_and_a_page() -> None:
    assert sorted(CODES) == sorted(CASES.keys() | ELSEWHERE) == pages.codes()


@pytest.mark.parametrize("code", CASES)
def test_a_planted_defect_is_found(code: Code) -> None:
    planted, clean = CASES[code]
    assert code in codes(planted())
    assert code not in codes(clean())


def test_a_released_form_is_flagged() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Released(Toy):
        def known_defect(self) -> str:
            return "right answers are letters"

    splits = table({"test": 200})
    assert codes(guard_rows(splits, Released())) == ["released-form"]
    assert guard_rows(splits, Toy()) == []


def test_a_cell_without_a_seed_is_told(small_study, store, monkeypatch) -> None:
    from surpass.models.sklearn import Sklearn

    def nothing(*given: object) -> None:
        raise StageError("this supervisor learns nothing.")

    plan, outcomes = run_study(small_study(), store=store, runtime=Runtime(jobs=0))
    assert "cell-failed" not in codes(results(plan, outcomes, store).findings)
    monkeypatch.setattr(Sklearn, "fit", nothing)
    study = small_study(pairs=(Pair(weak=Sklearn(ngrams=3), strong=Sklearn()),))
    plan, outcomes = run_study(study, store=store, runtime=Runtime(jobs=0))
    assert "cell-failed" in codes(results(plan, outcomes, store).findings)


SECTIONS = ["How it is found", "An example", "What to do", "When it is a false alarm"]


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_a_person_needs(code: Code) -> None:
    text = pages.page(code)
    assert text.startswith(f"# {code}\n\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    severity = re.search(r"^Severity: (.*)", text, re.MULTILINE)
    assert severity is not None
    assert any(word in severity[1] for word in SEVERITIES)
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE))
    named = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text)
    tasks = {"train-choices", "amazon-reviews"}
    assert {name for name in named if name not in CODES} <= tasks


@pytest.mark.parametrize("code", [code for code in CASES if code not in ("copied-rater", "near-duplicates")])
def test_the_example_of_a_page_is_worded_like_the_finding(code: Code) -> None:
    """The fixed words of a message: those that stand in it whatever the numbers are."""
    example = re.search(r"## An example\n\n((?:> .*\n)+)", pages.page(code) + "\n")
    assert example is not None
    shown = set(re.findall(r"[a-z]{4,}", example[1]))
    said = [set(re.findall(r"[a-z]{4,}", one.message)) for one in CASES[code][0]() if one.code == code]
    assert max(len(shown & words) / len(words) for words in said) > 0.6


def test_explain_tells_a_page_and_lists_all() -> None:
    told = CliRunner().invoke(main, ["explain", "copy"])
    assert told.exit_code == 0
    assert told.output.startswith("# copy\n")
    listed = CliRunner().invoke(main, ["explain", "--json"])
    rows = json.loads(listed.output)
    assert [row["code"] for row in rows] == pages.codes()
    assert all(row["summary"].endswith(".") and "\n" not in row["summary"] for row in rows)
    plain = CliRunner().invoke(main, ["explain"])
    assert len(plain.output.splitlines()) == len(CODES)
    with pytest.raises(UnknownNameError, match=r"unknown finding 'copi'\. Did you mean 'copy'"):
        pages.page("copi")


def test_check_asks_for_a_precision(tmp_path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: few\ntasks: [toy]\ndata: {n_weak: 40, n_transfer: 60, n_val: 0, n_test: 400}\n"
        "pairs: [{weak: {model: sklearn}, strong: {model: sklearn}}]\n"
    )
    plain = json.loads(CliRunner().invoke(main, ["check", str(file), "--json"]).output)
    assert "tiny-test" not in [row["code"] for row in plain]
    asked = json.loads(CliRunner().invoke(main, ["check", str(file), "--json", "--precision", "0.02"]).output)
    (found,) = [row for row in asked if row["code"] == "tiny-test"]
    assert found["evidence"]["needed"] == 2401
    refused = CliRunner().invoke(main, ["check", str(tmp_path), "--precision", "0.02"])
    assert refused.exit_code == 2
    assert "--precision is about a study file" in refused.output
