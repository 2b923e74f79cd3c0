"""Numbers that would mislead: seeds counted twice, a reading that nobody asked for, intervals without width."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from surpass.artifacts import Predictions, Rows, Splits, Targets
from surpass.checks import check_predictions
from surpass.computing import compute
from surpass.errors import DataError, SpecError
from surpass.labels.base import gold_values
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.base import Model, Solved, Work
from surpass.models.probe import Probe, Scale
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.splits import Data, make_splits
from surpass.stages import Fit
from surpass.stats import Run, compare
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.base import Example
from surpass.tasks.toy import Toy

spec = dataclasses.dataclass(frozen=True, kw_only=True)
WEAK, STRONG = Sklearn(ngrams=1), Sklearn()
SIZES = {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}


@spec
class _Stepper(Model):
    """A linear model read three times: first upside down, then as it is."""

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        solved = Sklearn(ngrams=1).fit(work, runtime)
        watched = solved.predict(work.watch)
        readings = np.stack([0.5 + (watched - 0.5) * share for share in (-1.0, 0.5, 1.0)])
        return dataclasses.replace(solved, steps=(1, 2, 3), watched=readings)


@spec
class _Shifted(Toy):
    """Toy sentences of which some are a shifted test."""

    def example(self, row, rng):
        found = super().example(row, rng)
        return Example(*found[:4], part="shift:far" if int(row["id"]) % 10 == 0 else "")


def outcome(study: Study, store: Store):
    plan, outcomes = run(study, store=store)
    assert not [one.error for one in outcomes if one.error]
    return results(plan, outcomes, store)


def label_file(path: Path, task, *, known=lambda split, i: split in ("transfer", "test")) -> File:
    """Return a file of labels, a fifth of them wrong, for the rows that are known."""
    splits = make_splits(Data(task=task.resolve(), **SIZES))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label"])
        for i, (name, split, label) in enumerate(
            zip(splits.rows.ids, splits.split, splits.rows.labels.tolist(), strict=True)
        ):
            if known(split, i):
                writer.writerow([name, splits.classes[label if i % 5 else 1 - label]])
    return File(path=str(path))


def test_a_method_that_stands_twice_would_count_each_seed_twice(small_study):
    with pytest.raises(SpecError, match=r"method 'soft' stands twice for pair 1\. Leave one out"):
        small_study(methods=(Soft(), Soft()))
    with pytest.raises(SpecError, match="method 'hard' stands twice for pair 1"):
        small_study(pairs=(Pair(weak=WEAK, strong=STRONG, methods=(Hard(), Hard())),))


def test_pairs_that_tables_could_not_tell_apart_are_refused(small_study):
    pair = Pair(weak=WEAK, strong=STRONG)
    other = Pair(weak=WEAK, strong=STRONG, data=(("n_weak", 30),))
    for pairs in ((pair, pair), (pair, other)):
        with pytest.raises(
            SpecError, match=r"pairs 1 and 2 have the same .* and method 'soft' on task 'toy\(rows=400\)'"
        ):
            small_study(pairs=pairs)
    toys = (Toy(rows=400), Toy(rows=500))
    apart = (dataclasses.replace(pair, tasks=("toy(rows=400)",)), dataclasses.replace(other, tasks=("toy(rows=500)",)))
    assert len(small_study(tasks=toys, pairs=apart).pairs) == 2


def test_stopping_on_val_without_val_rows_reads_the_end(small_study, store):
    pairs, sizes = (Pair(weak=WEAK, strong=_Stepper()),), {**SIZES, "n_val": 0}
    last, weak = (outcome(small_study(pairs=pairs, data=sizes, stopping=rule), store) for rule in ("last", "weak_val"))
    assert {row.stopping for row in weak.rows} == {"last", "oracle"}
    assert weak.agreement == last.agreement
    seen_by_guard = [{f.message for f in one.findings if f.where.get("stopping") != "oracle"} for one in (last, weak)]
    assert seen_by_guard[0] == seen_by_guard[1]


@pytest.mark.parametrize("stopping", ["last", "weak_val"])
def test_labels_that_lack_val_rows_cost_the_rule_and_not_the_report(small_study, store, tmp_path, stopping):
    pair = Pair(weak=label_file(tmp_path / "labels.csv", Toy(rows=400)), strong=_Stepper())
    found = outcome(small_study(pairs=(pair,), stopping=stopping), store)
    assert {row.stopping for row in found.rows} == {"last", "oracle"}
    assert found.curves == ()


def test_a_shifted_test_is_scored_when_all_of_it_is_labelled(store, tmp_path):
    task = _Shifted(rows=400)
    for known, scored in (
        (lambda split, i: split in ("transfer", "test") or i % 2 == 0, {"test"}),
        (lambda split, i: True, {"test", "shift:far"}),
    ):
        source = label_file(tmp_path / f"{len(scored)}.csv", task, known=known)
        study = Study(name="s", tasks=(task,), pairs=(Pair(weak=source, strong=STRONG),), data=SIZES, seeds=1)
        assert {row.split for row in outcome(study, store).rows} == scored


def test_seeds_that_score_alike_and_err_elsewhere_keep_an_interval():
    n = 60
    rows = [str(i) for i in range(n)]

    def right(first: int) -> np.ndarray:
        return np.where((np.arange(n) - first) % n < 18, 0.1, 0.9)  # 30 % wrong, each seed on its own rows

    runs = [Run(np.ones(n), rows, right(first), right(first), np.full(n, 0.9)) for first in (0, 18)]
    found = compare("accuracy", runs).student
    assert found.value == 0.7
    share = 0.4 * 0.6 * 0.25  # variance over rows of the mean of the two: .5 on 60 % of the rows, 1 on the others
    assert (found.high - found.low) / 2 == pytest.approx(0.75 * 2.0 * np.sqrt(share / n), rel=0.05)


def test_one_seed_is_as_wide_as_its_rows_say():
    rows = [str(i) for i in range(100)]
    student = np.where(np.arange(100) < 30, 0.1, 0.9)
    found = compare("accuracy", [Run(np.ones(100), rows, student, student, student)]).student
    assert (found.high - found.low) / 2 == pytest.approx(1.984 * np.sqrt(0.7 * 0.3 / 99), rel=0.03)


def test_seeds_that_change_nothing_are_one_seed(small_study, store):
    fixed = outcome(small_study(seeds=3, vary="fit"), store)
    assert [dict(finding.evidence) for finding in fixed.findings if finding.code == "same-seeds"] == [{"seeds": 3}]
    varied = outcome(small_study(seeds=3), store)
    assert "same-seeds" not in {finding.code for finding in varied.findings}
    labels = np.arange(300) % 2
    one = Run(labels, [str(i) for i in range(300)], *(np.where(labels, 0.8, 0.3),) * 3)
    where = {"task": "t", "split": "test", "weak": "w", "strong": "s", "method": "m"}
    assert "same-seeds" not in {finding.code for finding in check_predictions([one], where=where)}


def work(inputs, values, *, target="classification"):
    ids = [str(i) for i in range(len(inputs))]
    return Work(
        inputs=inputs,
        targets=Targets.of(ids, values),
        watch=inputs[:5],
        target=target,
        classes=values.shape[1],
        method=Soft(),
        seed=0,
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_both_solvers_of_a_probe_minimize_the_same_loss(classes):
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 4))
    odds = np.exp(inputs @ rng.normal(size=(4, classes)))
    job = work(inputs, odds / odds.sum(axis=1, keepdims=True))
    exact = Probe(backbone="path:none").fit(job, Runtime())
    adam = Probe(backbone="path:none", solver="adam", lr=0.01, epochs=500, batch_size=200).fit(job, Runtime())
    assert adam.predict(inputs) == pytest.approx(exact.predict(inputs), abs=1e-3)


def test_adam_fits_numbers_far_from_zero():
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 4))
    values = (inputs @ np.array([20.0, -10, 5, 0]) + 500)[:, None]
    job = work(inputs, values, target="regression")
    exact = Probe(backbone="path:none").fit(job, Runtime()).predict(inputs)
    adam = Probe(backbone="path:none", solver="adam", lr=0.01).fit(job, Runtime())
    assert ((adam.predict(inputs) - exact) ** 2).mean() < 0.01 * values.var()
    assert adam.watched[-1] == pytest.approx(adam.predict(inputs[:5]))


def test_a_probe_is_standardized_on_its_training_rows_alone():
    rng = np.random.default_rng(0)
    inputs = rng.normal(3, 2, size=(50, 2))
    scale = Scale.of(inputs)
    assert scale(inputs).mean(axis=0) == pytest.approx(0)
    assert scale(inputs).std(axis=0) == pytest.approx(1)
    job = work(inputs, np.eye(2)[np.arange(50) % 2])
    far = dataclasses.replace(job, watch=inputs + 1e6)
    near, other = (Probe(backbone="path:none").fit(one, Runtime()).predict(inputs) for one in (job, far))
    assert np.array_equal(near, other)


@spec
class _Draws(Method):
    """Weights rows by the places that the generator draws."""

    def prepare(self, weak, given, rng):
        weight = rng.permutation(len(weak.ids)).astype(float)
        return dataclasses.replace(weak, weight=weight / weight.mean())


@spec
class _Keeps(Model):
    """Predicts the mean target and keeps what it was given."""

    def fit(self, work: Work, runtime: Runtime) -> Solved:
        seen.append(work)
        return Solved(work.targets.values.mean(axis=0), lambda mean, inputs: np.tile(mean, (len(inputs), 1)), {})


seen: list[Work] = []


def prepared(method: Method) -> Work:
    data = Data(task=Toy(rows=400).resolve(), **SIZES)
    splits = make_splits(data)
    gold = Predictions(splits.rows.ids, splits.split, gold_values(splits))
    fit = Fit(data=data, model=_Keeps(), labels=Gold(), method=method)
    compute(fit, [make_splits(data.training()), make_splits(data.evaluation()), gold], Runtime())
    return seen.pop()


def test_a_method_draws_other_numbers_than_the_training_order():
    given = prepared(_Draws())
    order = np.random.default_rng(given.seed).permutation(len(given.inputs))
    assert abs(np.corrcoef(order, given.targets.weight)[0, 1]) < 0.5


@spec
class _Bad(Method):
    """Returns targets that are no probabilities, or weights of another mean."""

    add: float = 0.0
    times: float = 1.0

    def prepare(self, weak, given, rng):
        return dataclasses.replace(weak, values=weak.values + self.add, weight=weak.weight * self.times)


def test_targets_that_are_no_probabilities_are_refused():
    assert prepared(_Bad()).targets.values.sum() == SIZES["n_transfer"]
    with pytest.raises(DataError, match="must return probabilities"):
        prepared(_Bad(add=0.1))
    with pytest.raises(DataError, match=r"weights of mean 3; it must be 1"):
        prepared(_Bad(times=3.0))


def test_classes_named_by_numbers_are_not_taken_for_indices(tmp_path):
    ids = ("t", "e")
    rows = Rows(ids, ("one", "two"), np.array([0, 1]), ids)

    def given(cells, classes):
        path = tmp_path / "labels.csv"
        path.write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in zip(ids, cells, strict=True)), encoding="utf-8")
        splits = Splits(rows, ("transfer", "test"), "classification", classes, {})
        return File(path=str(path)).compute(splits, ()).values.argmax(axis=1).tolist()

    assert given(("1", "2"), ("1", "2", "3")) == [0, 1]
    assert given(("0.0", "0.9"), ("0", "1")) == [0, 1]
    with pytest.raises(DataError, match=r"line 2 .* has '1\.0', but the classes are named 1, 2, 3"):
        given(("1.0", "2.0"), ("1", "2", "3"))
