"""From artifacts to results: which point of training a rule reads, what is told of a seed that failed, and of all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from surpass.labels.gold import Gold
from surpass.methods.base import Given, Method
from surpass.methods.soft import Soft
from surpass.models.base import Fitted, Model, Solved, Work
from surpass.models.sklearn import Sklearn
from surpass.results import Results
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import key
from surpass.store import Store
from surpass.study import Pair, Study, cells


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forgets(Model):
    """Knows nothing at first, the right answers at the second of three points, and says the opposite at the end."""

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        good = Sklearn(ngrams=1).fit(work, runtime)
        known = good.predict(work.watch)
        watched = np.stack([np.full_like(known, 0.5), known, 1 - known])
        return Solved(good, lambda model, inputs: 1 - model.predict(inputs), {}, (1, 2, 3), watched)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeepsNothing(Method):
    """A selection too strict for any row."""

    def prepare(self, weak: Any, given: Given, rng: np.random.Generator) -> Any:
        return weak.take(np.zeros(0, dtype=int))


def scored(study: Study, store: Store) -> Results:
    plan, outcomes = run(study, store=store, runtime=Runtime())
    return results(plan, outcomes, store)


def test_each_stopping_rule_reads_its_own_point_of_student_and_ceiling(small_study, store):
    found = scored(small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=Forgets()),), metrics=("accuracy",)), store)
    by_rule = {row.stopping: row for row in found.rows}
    (curve,) = found.curves
    assert set(by_rule) == {"last", "weak_val", "oracle"}
    assert curve.chosen == {"last": 2, "weak_val": 1, "oracle": 1}
    assert curve.steps == (1, 2, 3)
    for rule, row in by_rule.items():
        assert row.student.value == pytest.approx(curve.test[curve.chosen[rule]])
    last, weak_val = by_rule["last"], by_rule["weak_val"]
    assert weak_val.student.value == pytest.approx(1 - last.student.value)
    assert weak_val.ceiling.value == pytest.approx(1 - last.ceiling.value)
    assert curve.ceiling == pytest.approx(last.ceiling.value)
    assert last.student.value < 0.5 < weak_val.student.value
    assert {row.floor.value for row in found.rows} == {curve.floor}  # the supervisor is read at its end by every rule
    assert "stopping uses test labels" in by_rule["oracle"].note
    assert "stopping uses test labels" not in weak_val.note


def test_weak_validation_follows_the_weak_labels_even_where_they_are_wrong(small_study, store):
    """A supervisor that says the opposite of the truth: who stops by its labels takes the point that oracle avoids."""
    pair = Pair(weak=Forgets(), strong=Forgets())
    (curve,) = scored(small_study(pairs=(pair,)), store).curves
    assert curve.floor < 0.5
    assert curve.chosen["weak_val"] == 1
    assert curve.weak_val[1] > 0.5 > curve.test[1]
    assert curve.chosen["oracle"] == 2


def test_a_model_without_steps_is_read_once_and_has_no_curve(small_study, store):
    found = scored(small_study(metrics=("accuracy",)), store)
    assert [row.stopping for row in found.rows] == ["last"]
    assert not found.curves
    (agreement,) = found.agreement
    low, high = sorted((agreement.when_right.value, agreement.when_wrong.value))
    assert low < agreement.overall.value < high


def test_keys_of_a_row_are_those_of_its_cells(small_study, store):
    study = small_study(seeds=2, metrics=("accuracy",))
    (row,) = scored(study, store).rows
    made = cells(study.resolve())
    assert row.keys["student"] == tuple(key(cell.student) for cell in made)
    assert row.keys["ceiling"] == tuple(key(cell.ceiling) for cell in made)
    assert row.key == row.keys["student"][0]
    assert all(cell.ceiling.labels == Gold(split="transfer") for cell in made)


def test_a_seed_that_is_not_there_is_counted_and_said(small_study, store):
    study = small_study(seeds=3, metrics=("accuracy",))
    plan, outcomes = run(study, store=store, runtime=Runtime())
    lost = key(cells(plan.study)[1].student)
    store.discard("fit", lost)
    (row,) = results(plan, outcomes, store).rows
    assert (row.seeds, row.failed) == (2, 1)
    assert lost not in row.keys["student"]
    assert "1 seed failed" in row.note


def test_a_method_of_which_no_seed_finished_is_a_finding_and_the_others_are_scored(small_study, store):
    found = scored(small_study(methods=(KeepsNothing(), Soft()), metrics=("accuracy",)), store)
    assert [row.method for row in found.rows] == ["soft"]
    (finding,) = [finding for finding in found.findings if finding.code == "cell-failed"]
    assert finding.severity == "error"
    assert finding.where["method"].endswith("KeepsNothing")
    (failed,) = [stage for stage in found.stages if stage.status == "failed"]
    assert "kept none of 60 rows" in failed.error
