"""Leaks and slips of the published forms: mended by default, kept under `variant: released`, and then flagged."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from surpass.checks import check_splits
from surpass.errors import DataError
from surpass.guard import guard_rows
from surpass.registry import TASKS
from surpass.spec import key
from surpass.splits import Data, make_splits
from surpass.tasks._hub import HubTask
from surpass.tasks.base import Generated
from surpass.tasks.cosmos_qa import NONE
from surpass.tasks.openbookqa import Openbookqa

WORDS = "amber basil cedar delta ember fjord grove haven inlet jetty knoll larch maple north olive pearl quill ridge".split()
ETHICS = ["ethics-deontology", "ethics-justice", "ethics-virtue", "ethics-utilitarianism"]
WITH_VARIANTS = [*ETHICS, "anthropic-hh", "cosmos-qa", "openbookqa"]


def science(n: int = 300) -> list[dict[str, Any]]:
    """Return questions of OpenBookQA's schema whose texts say nothing of what is right."""
    rng = random.Random(0)
    rows = []
    for i in range(n):
        texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in "ABCD"]
        stem = f"{' '.join(rng.choices(WORDS, k=6))} {i}"
        choices = {"text": texts, "label": list("ABCD")}
        rows.append({"id": str(i), "question_stem": stem, "choices": choices, "answerKey": rng.choice("ABCD")})
    return rows


class _Local(Openbookqa):
    """Openbookqa over generated rows. Licence: none."""

    def source(self) -> Any:
        return Generated(lambda: iter(science()))


def findings(variant: str) -> Counter[str]:
    task = _Local(variant=variant)
    data = Data(task=task, n_weak=150, n_transfer=150, n_val=20, n_test=100)
    return Counter(finding.code for finding in guard_rows(make_splits(data), task))


def test_the_published_openbookqa_leaks_its_label_by_form_and_the_mended_one_does_not() -> None:
    assert not {"surface-leak", "released-form"} & set(findings("mended"))
    found = findings("released")
    assert found["surface-leak"] == 1
    assert found["released-form"] == 1


def test_the_leak_of_openbookqa_is_an_error() -> None:
    data = Data(task=_Local(variant="released"), n_weak=150, n_transfer=150, n_val=20, n_test=100)
    leaks = [f for f in check_splits(make_splits(data), where={"task": "x"}) if f.code == "surface-leak"]
    assert [leak.severity for leak in leaks] == ["error"]


def test_answers_are_texts_unless_the_published_form_is_asked_for() -> None:
    row = Openbookqa.sample[1]

    def right(task: Openbookqa) -> str:
        return next(e.input for e in task.expand(row, Random(0), "paper") if e is not None and e.label == 1)

    assert right(Openbookqa()).endswith("\n\nAnswer: light")
    assert right(Openbookqa(variant="released")).endswith("\n\nAnswer: B")


@pytest.mark.parametrize("name", ETHICS)
def test_the_normal_test_split_is_the_test_and_the_hard_one_a_shift(name: str) -> None:
    cls = TASKS.get(name)
    mended = {split.part: Path(split.files).stem for split in cls().source().splits}
    released = {split.part: Path(split.files).stem for split in cls(variant="released").source().splits}
    assert mended == {"train": "train", "test": "test", "shift:hard": "test_hard"}
    assert released == {"train": "train", "test": "test_hard"}


@pytest.mark.parametrize("row", [{"scenario": "Ben hid. [SEP] shy"}, {"scenario": "Ben hid.", "trait": "shy"}])
def test_the_trait_is_shown_whichever_column_holds_it(row: dict[str, str]) -> None:
    found = TASKS.get("ethics-virtue")().example({**row, "label": 1}, Random(0))
    assert "\n\nBen hid. [SEP] shy\n\nA:" in found.input


@pytest.mark.parametrize("variant", ["mended", "released"])
def test_a_row_without_its_trait_is_an_error(variant: str) -> None:
    with pytest.raises(DataError, match=r"'Ben hid.' has no trait, neither after '\[SEP\]' nor as 'trait'"):
        TASKS.get("ethics-virtue")(variant=variant).example({"scenario": "Ben hid.", "label": 1}, Random(0))


def test_comparisons_are_pairs_and_the_published_form_one_text_at_a_time() -> None:
    cls = TASKS.get("anthropic-hh")
    pair, single = cls(), cls(variant="released")
    assert (pair.target, pair.input, pair.class_names()) == ("preference", "pair", ("second", "first"))
    assert (single.target, single.input, single.class_names()) == ("classification", "text", ("rejected", "chosen"))
    assert cls.target == "preference"
    row = cls.sample[0]
    both = list(single.expand(row, Random(0), "paper"))
    assert [(e.input, e.label) for e in both] == [(row["chosen"], 1), (row["rejected"], 0)]
    assert len({e.group for e in both}) == 1
    shown = Counter(e.label for i in range(200) for e in single.expand(row, Random(i), "eleuther"))
    assert min(shown.values()) > 60
    assert sum(shown.values()) == 200


def test_none_of_the_above_is_never_shown_or_always_as_wrong() -> None:
    cls = TASKS.get("cosmos-qa")
    rows = [{**row, "question": f"{row['question']} {i}"} for row in cls.sample for i in range(50)]
    for protocol in ("paper", "eleuther"):
        mended = [e for e in cls().examples(rows, protocol=protocol) if e is not None]
        assert not any(NONE in e.input for e in mended)
        assert Counter("Who won" in e.input for e in mended)[True] == 0  # its right answer is the phrase
        released = [e for e in cls(variant="released").examples(rows, protocol=protocol) if e is not None]
        assert {e.label for e in released if NONE in e.input} == {0}
        assert {e.label for e in released if "Who won" in e.input} == {0}
        assert sum("Who won" in e.input for e in released) == 50


@pytest.mark.parametrize("name", WITH_VARIANTS)
def test_only_the_published_form_has_a_known_defect_and_another_key(name: str) -> None:
    cls = TASKS.get(name)
    assert cls().known_defect() == ""
    assert len(cls(variant="released").known_defect()) > 40
    assert key(cls()) != key(cls(variant="released"))
    assert cls(variant="released").label() == f"{name}(variant=released)"


def test_no_other_hub_task_has_a_variant() -> None:
    classes = {name: TASKS.get(name) for name in TASKS.names()}
    found = [name for name, cls in classes.items() if issubclass(cls, HubTask) and hasattr(cls, "variant")]
    assert found == sorted(WITH_VARIANTS)
