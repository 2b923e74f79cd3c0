"""The analyses of whole studies: what they say agrees with the scores beside it, and they stay silent where they should."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny

from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.base import Fitted, Model, Solved, Work
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.models.prompt import Prompt
from surpass.models.sklearn import Sklearn
from surpass.report import write
from surpass.results import Results
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import option
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Generated, Row, Task

WEAK = Sklearn(ngrams=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sized(Model):
    """A linear model that says how many parameters it has; less regularized the larger it is."""

    size: int = option(1, low=1)

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        inner = Sklearn(params=(("C", float(self.size)),)).fit(work, runtime)
        return Solved(inner, lambda model, inputs: model.predict(inputs), {"parameters": self.size})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths(Task):
    """How many words a text has: numbers to fit."""

    target: ClassVar[str] = "regression"
    input: ClassVar[str] = "vector"

    def source(self) -> Generated:
        return Generated(lambda: ({"id": str(i)} for i in range(400)))

    def example(self, row: Row, rng: Random) -> Example:
        vector = [rng.gauss(0, 1) for _ in range(4)]
        return Example(np.array(vector), sum(vector[:2]) + rng.gauss(0, 0.1), id=row["id"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moods(Task):
    """The texts of the tiny models."""

    classes: ClassVar[tuple[str, ...]] = ("bad", "good")

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        texts, labels = tiny.texts(500)
        for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
            yield {"id": str(i), "text": text, "label": int(label)}

    def example(self, row: Row, rng: Random) -> Example:
        return Example(row["text"], row["label"], id=row["id"])


def scored(study: Study, store: Store) -> Results:
    plan, outcomes = run(study, store=store, runtime=Runtime())
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return results(plan, outcomes, store)


def sections(found: Results, out: Path) -> dict[str, str]:
    parts = write(found, out)["report.md"].read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts}


def test_errors_and_calibration_agree_with_the_scores_beside_them(small_study, store, tmp_path):
    found = scored(small_study(seeds=2, methods=(Soft(), Hard())), store)
    for row, agreement in zip([row for row in found.errors if row.bin == 0], found.agreement, strict=True):
        assert (row.method, row.split) == (agreement.method, agreement.split)
        assert row.inheritance == agreement.when_wrong
        assert row.new.value == pytest.approx(1 - agreement.when_right.value)
        assert row.rows == 2 * 60
        floor = next(r.floor for r in found.rows if r.metric == "accuracy" and r.method == row.method)
        assert 1 - row.wrong / row.rows == pytest.approx(floor.value)
    for calibrated in found.calibration:
        for metric in ("ece", "brier"):
            score = next(r for r in found.rows if (r.metric, r.method) == (metric, calibrated.method))
            assert getattr(calibrated, metric) == getattr(score, calibrated.role)
    told = sections(found, tmp_path)
    assert "Students take over from" in told["Errors"]
    assert "Students are measurably surer than they are right in" in told["Calibration"]
    assert "Student sizes" not in told
    assert "Frozen, finetuned, prompted" not in told
    records = list(csv.DictReader((tmp_path / "errors.csv").read_text().splitlines()))
    assert len(records) == len(found.errors)
    assert [r["bin"] for r in records[:3]] == ["all", "1", "2"]
    assert float(records[0]["inheritance"]) == pytest.approx(found.errors[0].inheritance.value)
    records = list(csv.DictReader((tmp_path / "calibration.csv").read_text().splitlines()))
    whole = [r for r in records if r["bin"] == "all"]
    assert len(whole) == len(found.calibration) == 6
    assert len(records) - len(whole) == sum(len(row.curve) for row in found.calibration)
    assert float(whole[0]["accuracy"]) == pytest.approx(found.rows[0].floor.value)


def test_a_ladder_ascends_by_parameters_and_its_difference_is_that_of_its_ends(small_study, store, tmp_path):
    pairs = tuple(Pair(weak=WEAK, strong=Sized(size=size)) for size in (100, 1, 10))
    found = scored(small_study(seeds=2, pairs=pairs, metrics=("accuracy",)), store)
    (ladder,) = found.ladders
    assert ladder.sized
    assert [rung.parameters for rung in ladder.rungs] == [1, 10, 100]
    rows = {row.strong: row for row in found.rows}
    shares = {row.strong: row for row in found.agreement}
    for rung in ladder.rungs:
        assert (rung.student, rung.pgr) == (rows[rung.strong].student, rows[rung.strong].pgr)
        assert rung.when_wrong == shares[rung.strong].when_wrong
    first, last = ladder.rungs[0], ladder.rungs[-1]
    for name in ("student", "overall", "when_right", "when_wrong"):
        difference = getattr(ladder, name)
        assert difference.value == pytest.approx(getattr(last, name).value - getattr(first, name).value)
        assert difference.low <= difference.value <= difference.high
    told = sections(found, tmp_path)["Student sizes"]
    assert "The largest student gives" in told
    assert "largest − smallest" in told
    assert "order of the study" not in told


def test_ladders_of_other_test_sizes_compare_the_rows_they_share(small_study, store):
    pairs = (
        Pair(weak=WEAK, strong=Sized(size=1), data=(("n_test", 40),)),
        Pair(weak=WEAK, strong=Sized(size=50)),
    )
    (ladder,) = scored(small_study(pairs=pairs, metrics=("accuracy",)), store).ladders
    assert ladder.student is not None
    assert ladder.student.examples == 40


def test_students_of_other_training_rows_are_no_ladder(small_study, store):
    few = Pair(weak=WEAK, strong=Sized(size=50), data=(("n_transfer", 30),))
    pairs = (Pair(weak=WEAK, strong=Sized(size=1)), few)
    assert not scored(small_study(pairs=pairs, metrics=("accuracy",)), store).ladders


def test_models_of_unknown_size_stand_in_the_order_of_the_study(small_study, store, tmp_path):
    pairs = (Pair(weak=WEAK, strong=Sklearn(params=(("C", 9.0),))), Pair(weak=WEAK, strong=Sklearn()))
    found = scored(small_study(pairs=pairs, metrics=("accuracy",)), store)
    (ladder,) = found.ladders
    assert not ladder.sized
    assert [rung.strong for rung in ladder.rungs] == [pair.strong.label() for pair in pairs]
    told = sections(found, tmp_path)["Student sizes"]
    assert "stand in the order of the study" in told
    assert "last − first" in told


def test_students_of_one_size_or_of_other_families_are_no_ladder(small_study, store):
    pairs = (Pair(weak=WEAK, strong=Sized(size=3)), Pair(weak=WEAK, strong=Sklearn()))
    assert not scored(small_study(pairs=pairs, metrics=("accuracy",)), store).ladders


def test_numbers_have_no_errors_and_no_calibration(small_study, store, tmp_path):
    pair = Pair(weak=Ridge(columns=1), strong=Ridge(columns=4))
    found = scored(
        small_study(tasks=(Lengths(),), pairs=(pair, Pair(weak=Ridge(columns=1), strong=Ridge(columns=3)))), store
    )
    assert found.rows
    assert found.errors == found.calibration == ()
    (ladder,) = found.ladders
    assert ladder.overall is None
    assert ladder.student is not None
    told = sections(found, tmp_path)
    assert not {"Errors", "Calibration"} & set(told)
    assert "Student sizes" in told
    assert len((tmp_path / "errors.csv").read_text().splitlines()) == 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ridge(Model):
    """Least squares on the first columns of vectors."""

    inputs: ClassVar[frozenset[str]] = frozenset({"vector"})
    targets: ClassVar[frozenset[str]] = frozenset({"regression"})

    columns: int = option(1, low=1)

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        def design(rows: Any) -> np.ndarray:
            return np.column_stack([np.ones(len(rows)), np.asarray(rows)[:, : self.columns]])

        solved = np.linalg.lstsq(design(work.inputs), work.targets.values, rcond=None)[0]
        return Solved(solved, lambda weights, rows: design(rows) @ weights, {"parameters": self.columns + 1})


@pytest.mark.slow
def test_saliency_sets_probe_finetuning_and_the_probe_after_it_side_by_side(small_study, store, tmp_path):
    backbone = tiny.save_llama(tmp_path / "llama", layers=2)
    probe, tuned = Probe(backbone=backbone), HF(backbone=backbone, epochs=8, lr=3e-3, points=1)
    pairs = (
        Pair(weak=WEAK, strong=probe, methods=(Soft(),)),
        Pair(weak=WEAK, strong=tuned, methods=(Soft(), Route(method=Soft(), reprobe=True))),
    )
    sizes = {"n_weak": 30, "n_transfer": 60, "n_val": 20, "n_test": 100}
    study = small_study(tasks=(Moods(),), pairs=pairs, data=sizes, seeds=2, metrics=("accuracy",))
    found = scored(study, store)
    (row,) = found.saliency
    assert [way.what for way in row.ways] == [
        "probe on frozen features, gold labels",
        "finetuned, gold labels",
        "probe on frozen features, weak labels",
        "finetuned, weak labels",
        "finetuned, then a probe on ground truth",
    ]
    assert row.ends == (0, 1)
    assert {way.trained for way in row.ways} == {60}
    held = {(r.strong, r.method): r for r in found.rows}
    assert row.ways[0].score == held[probe.label(), "soft"].ceiling
    assert row.ways[1].score == held[tuned.label(), "soft"].ceiling
    assert row.ways[3].score == held[tuned.label(), "soft"].student
    assert [way.share is None for way in row.ways] == [True, True, False, False, False]
    low, high = row.ways[0].score.value, row.ways[1].score.value
    for way in row.ways[2:]:
        if way.share.defined:
            assert way.share.value == pytest.approx((way.score.value - low) / (high - low))
    assert not found.ladders
    told = sections(found, tmp_path / "out")["Frozen, finetuned, prompted"]
    assert "lower end" in told
    assert "upper end" in told
    facts = [store.load("fit", key).facts["parameters"] for r in found.rows for key in r.keys["student"]]
    assert len(set(facts)) == 1


@pytest.mark.assets
@pytest.mark.slow
def test_prompted_models_stand_beside_the_probe_and_one_without_examples_stands_once(small_study, store):
    backbone = "package:smollm2-135m"
    strong = (Prompt(backbone=backbone), Prompt(backbone=backbone, shots=2), Probe(backbone=backbone))
    pairs = tuple(Pair(weak=WEAK, strong=model) for model in strong)
    sizes = {"n_weak": 30, "n_transfer": 20, "n_val": 0, "n_test": 20}
    (row,) = scored(small_study(tasks=(Moods(),), pairs=pairs, data=sizes, metrics=("accuracy",)), store).saliency
    assert [(way.what, way.trained, way.method) for way in row.ways] == [
        ("prompted without examples", 0, ""),
        ("prompted with examples, gold labels", 2, ""),
        ("probe on frozen features, gold labels", 20, ""),
        ("prompted with examples, weak labels", 2, "soft"),
        ("probe on frozen features, weak labels", 20, "soft"),
    ]
    assert row.ends == (2,)
    assert {way.share for way in row.ways} == {None}
    assert row.backbone == "smollm2-135m"
