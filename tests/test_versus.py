"""From a finished study to paired differences: which cells are set against each other, what is counted, what is refused."""

from __future__ import annotations

import dataclasses
import math
import shutil

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.errors import DataError, SpecError, UnknownNameError
from surpass.methods.base import Given, Method
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.route import Route
from surpass.runner import Plan, lookup, run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.shelf import Shelf
from surpass.spec import key
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.toy import Toy
from surpass.versus import _places, versus

WEAK, STRONG = Sklearn(ngrams=1), Sklearn(params=(("C", 30.0),))
NOISY = Toy(rows=500, noise=0.2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blurred(Method):
    """Weak labels mixed with ignorance: a method with a setting to choose."""

    share: float = 0.5

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        return dataclasses.replace(weak, values=(1 - self.share) * weak.values + self.share / weak.values.shape[1])


def finish(study: Study, store: Store) -> Plan:
    return run(study, store=store, runtime=Runtime(jobs=0))[0]


@pytest.fixture(scope="module")
def study(small_study) -> Study:
    """Two tasks, two pairs, three ways to a student, two seeds."""
    return small_study(
        tasks=(Toy(rows=400), NOISY),
        pairs=(Pair(weak=WEAK, strong=Sklearn()), Pair(weak=WEAK, strong=STRONG, tasks=("toy(rows=400)",))),
        methods=(Soft(), Hard(), Route(method=Soft(), through=(Sklearn(params=(("C", 0.1),)),))),
        seeds=2,
    )


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory) -> tuple[Plan, Store]:
    store = Store.open(tmp_path_factory.mktemp("versus") / "store")
    return finish(study, store), store


def copied(store: Store, folder) -> Store:
    shutil.copytree(store.root, folder / "store")
    return Store.open(folder / "store")


def forget(store: Store, stage) -> None:
    """Take an artifact out of the store, as if its stage had failed."""
    shutil.rmtree(store.path(stage.kind, key(stage)))


def test_differences_are_those_of_the_results(finished):
    plan, store = finished
    found = versus(plan, store)
    scores = {(r.task, r.strong, r.method, r.metric): r.student.value for r in results(plan, [], store).rows}
    assert len(found.rows) == 3 * 2
    for row in found.rows:
        other = scores[row.task, row.strong, "soft", "accuracy"]
        assert row.baseline.value == pytest.approx(other)
        assert row.difference.value == pytest.approx(scores[row.task, row.strong, row.method, "accuracy"] - other)
        assert (row.seeds, row.lacking, row.n_test) == (2, 0, 60)
    assert found.baseline == "soft"
    assert found.metrics == ("accuracy",)


def test_a_row_equals_a_loop_over_the_stored_predictions(finished):
    """One difference from the artifacts by hand: mean over seeds of the share right, method - baseline."""
    plan, store = finished
    shelf, right = Shelf(store), {"soft": [], "hard": []}
    for cell in cells(plan.study):
        if cell.task == NOISY and cell.route.label() in right:
            splits, student = shelf.get(cell.data.evaluation()), shelf.get(cell.student)
            test = splits.part("test")
            told = [int(np.argmax(student.values[student.ids.index(i)])) for i in test.ids]
            right[cell.route.label()].append(np.mean(np.array(told) == test.labels))
    (row,) = [row for row in versus(plan, store).rows if row.method == "hard" and "noise" in row.task]
    assert row.difference.value == pytest.approx(np.mean(right["hard"]) - np.mean(right["soft"]))


def test_exchanging_method_and_baseline_flips_every_sign(finished):
    plan, store = finished
    there = {row[:4]: row for row in map(_parts, versus(plan, store, baseline="soft").rows) if row[4] == "hard"}
    back = {row[:4]: row for row in map(_parts, versus(plan, store, baseline="hard").rows) if row[4] == "soft"}
    assert set(there) == set(back)
    for place, row in there.items():
        one, other = row[5], back[place][5]
        assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)


def _parts(row):
    return (row.task, row.weak, row.strong, row.metric, row.method, row.difference)


def test_the_value_of_a_task_is_the_mean_over_its_pairs(finished):
    plan, store = finished
    found = versus(plan, store)
    by_task = {}
    for row in found.rows:
        if row.method == "hard":
            by_task.setdefault(row.task, []).append(row.difference.value)
    (hard,) = [standing for standing in found.standings if standing.method == "hard"]
    assert sorted(map(len, by_task.values())) == [1, 2]
    assert hard.mean.value == pytest.approx(np.mean([np.mean(part) for part in by_task.values()]))
    assert hard.over["task"]["difference"].t["two-sided"].n == 2
    assert hard.over["task x pair"]["difference"].t["two-sided"].n == 3
    assert sum(hard.outcomes.values()) == hard.better + hard.same + hard.worse == 3


def test_one_pair_needs_no_second_unit(small_study, store):
    plan = finish(small_study(methods=(Soft(), Hard())), store)
    (standing,) = versus(plan, store).standings
    assert set(standing.over) == {"task"}
    assert "at least two tasks" in standing.over["task"]["difference"].t["two-sided"].note


def test_metrics_may_be_chosen_and_less_is_better_counts_the_other_way(finished):
    plan, store = finished
    found = versus(plan, store, metrics=("log_loss", "auroc"))
    assert found.metrics == ("log_loss", "auroc")
    for row in found.rows:
        sign = -1 if row.metric == "log_loss" else 1
        assert row.difference.value == pytest.approx(sign * (row.student.value - row.baseline.value))
    assert {standing.metric for standing in found.standings} == {"log_loss", "auroc"}


def test_only_seeds_that_both_have_are_paired(finished, tmp_path):
    plan, store = finished
    less = copied(store, tmp_path)
    gone = next(c for c in cells(plan.study) if c.task == NOISY and c.route.label() == "hard" and c.seed == 1)
    forget(less, gone.student)
    found = versus(lookup(plan.study, less), less)
    whole = {(row.task, row.strong, row.method): row for row in versus(plan, store).rows}
    for row in found.rows:
        touched = row.method == "hard" and "noise" in row.task
        assert (row.seeds, row.lacking) == ((1, 1) if touched else (2, 0))
        if touched:
            assert "covers examples only" in row.difference.note
        else:
            assert row.difference == whole[row.task, row.strong, row.method].difference


def test_a_pair_without_finished_seeds_is_undefined_and_counted(finished, tmp_path):
    plan, store = finished
    less = copied(store, tmp_path)
    for cell in cells(plan.study):
        if cell.task == NOISY and cell.route.label() == "soft":
            forget(less, cell.student)
    found = versus(lookup(plan.study, less), less)
    lost = [row for row in found.rows if "noise" in row.task]
    assert [row.outcome for row in lost] == ["undefined", "undefined"]
    assert all("0 of 2 of 'soft'" in row.note for row in lost)
    for standing in found.standings:
        assert standing.outcomes["undefined"] == 1
        assert standing.over["task"]["difference"].t["greater"].n == 1


def test_nothing_finished_is_an_error(finished, tmp_path):
    plan, store = finished
    less = copied(store, tmp_path)
    for student in {key(c.student): c.student for c in cells(plan.study) if c.route.label() == "soft"}.values():
        forget(less, student)
    with pytest.raises(DataError, match=r"can be compared: no seed has both methods.*0 of 2 of 'soft'"):
        versus(lookup(plan.study, less), less)


def test_a_pair_without_the_baseline_says_so(small_study, store):
    pairs = (Pair(weak=WEAK, strong=Sklearn()), Pair(weak=WEAK, strong=STRONG, methods=(Hard(),)))
    plan = finish(small_study(pairs=pairs, methods=(Soft(), Hard())), store)
    rows = versus(plan, store).rows
    assert [row.outcome == "undefined" for row in rows] == [False, True]
    assert rows[1].note == "'soft' is not run on this pair with these rows"
    assert math.isnan(rows[1].pgr.value)


def test_pairs_that_differ_in_their_rows_alone_are_not_set_against_each_other(small_study, store):
    more = {"n_transfer": 90}
    pairs = (Pair(weak=WEAK, strong=STRONG, methods=(Soft(),)), Pair(weak=WEAK, strong=STRONG, methods=(Hard(),)))
    other = dataclasses.replace(pairs[1], data=more)
    both = versus(finish(small_study(pairs=pairs), store), store)
    assert [(row.method, row.outcome) for row in both.rows] == [("hard", "tie")]
    with pytest.raises(DataError, match="'soft' is not run on this pair with these rows"):
        versus(finish(small_study(pairs=(pairs[0], other)), store), store)
    apart = dataclasses.replace(other, methods=(Hard(), Route(method=Soft(), through=(WEAK,))))
    rows = versus(finish(small_study(pairs=(pairs[0], apart)), store), store, baseline="hard").rows
    assert [(row.method, row.seeds) for row in rows] == [("soft", 0), (apart.methods[1].label(), 1)]


def test_a_probe_on_ground_truth_is_no_method(small_study):
    read = Route(method=Soft(), reprobe=True)
    study = small_study(methods=(Hard(), read))
    assert [list(of_place) for of_place in _places(study).values()] == [["hard"]]


def test_settings_tried_are_counted_and_must_be_equal_to_be_fair(small_study, store):
    tuned = Route(method=Blurred(), tries=(Blurred(share=0.2), Blurred(share=0.9)))
    unequal = versus(finish(small_study(methods=(Soft(), Hard(), tuned)), store), store)
    assert unequal.settings == {"soft": 1, "hard": 1, tuned.label(): 2}
    assert not unequal.fair
    equal = versus(finish(small_study(methods=(Soft(), Hard())), store), store)
    assert equal.settings == {"soft": 1, "hard": 1}
    assert equal.fair


def test_a_method_chosen_from_settings_equals_the_one_that_agrees_best_with_weak_validation_labels(small_study, store):
    tuned = Route(method=Blurred(), tries=(Blurred(share=0.0), Blurred(share=0.98)))
    alone = [Route(method=method) for method in tuned.tries]
    found = versus(finish(small_study(methods=(Soft(), tuned, *alone)), store), store)
    by_method = {row.method: row.difference for row in found.rows}
    assert by_method[tuned.label()] in [by_method[route.label()] for route in alone]
    same = by_method[alone[0].label()]  # without blurring it is soft
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_baseline_is_found_by_the_name_of_its_method(small_study, store):
    plan = finish(small_study(methods=(Route(method=Soft(), reprobe=False), Hard())), store)
    assert versus(plan, store, baseline="hard").rows[0].method == "soft"
    chain = Route(method=Hard(), through=(WEAK,))
    plan = finish(small_study(methods=(Soft(), chain)), store)
    with pytest.raises(UnknownNameError, match=r"unknown method \(--baseline\) 'hard'.*hard \(via .*soft"):
        versus(plan, store, baseline="hard")
    assert versus(plan, store, baseline=chain.label()).baseline == chain.label()


def test_what_cannot_be_compared_is_refused(finished, small_study, store):
    plan, full = finished
    with pytest.raises(UnknownNameError, match="Did you mean 'soft'"):
        versus(plan, full, baseline="sofd")
    with pytest.raises(SpecError, match=r"'mse' serves regression, but .* classification\. Allowed: accuracy"):
        versus(plan, full, metrics=("mse",))
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        versus(plan, full, metrics=("acuracy",))
    with pytest.raises(DataError, match=r"no test split 'shift:hard'. Give one of --split test"):
        versus(plan, full, split="shift:hard")
    alone = finish(small_study(), store)
    with pytest.raises(DataError, match="has one method, 'soft'"):
        versus(alone, store)
