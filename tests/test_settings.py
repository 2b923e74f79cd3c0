"""Supervisors that differ in one number: what the report says of them is what the scores say, in the order of the number."""

from __future__ import annotations

import dataclasses
import json
import re
from random import Random
from typing import ClassVar

import pytest

from surpass.labels.blend import Blend
from surpass.labels.raters import Raters
from surpass.labels.simulated import Simulated
from surpass.models.sklearn import Sklearn
from surpass.report import write
from surpass.report.settings import panel, section
from surpass.results import Results
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Row
from surpass.tasks.toy import Toy

STRONG = Sklearn()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rated(Toy):
    """Toy sentences with nine votes, each right in three of four cases. Licence: none."""

    licence: ClassVar[str] = "none"

    def example(self, row: Row, rng: Random) -> Example:
        found = super().example(row, rng)
        return found._replace(votes=tuple(float(found.label == (rng.random() < 0.75)) for _ in range(9)))


def scored(study: Study, store: Store) -> Results:
    plan, outcomes = run(study, store=store, runtime=Runtime())
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return results(plan, outcomes, store)


def pairs(*weak: Raters | Simulated | Blend | Sklearn) -> tuple[Pair, ...]:
    return tuple(Pair(weak=one, strong=STRONG) for one in weak)


def test_students_stand_in_the_order_of_the_raters_with_the_scores_of_the_table(small_study, store, tmp_path):
    study = small_study(
        tasks=(Rated(rows=400),), pairs=pairs(*(Raters(k=k) for k in (3, None, 1, 5))), metrics=("accuracy",), seeds=2
    )
    found = scored(study, store)
    (row,) = found.settings
    assert (row.kind, row.option, row.metric) == ("raters", "k", "accuracy")
    assert [one.value for one in row.settings] == [1, 3, 5, None]
    table = {line.weak: line for line in found.rows}
    for one in row.settings:
        line = table[one.weak]
        assert (one.floor, one.student, one.ceiling, one.pgr) == (line.floor, line.student, line.ceiling, line.pgr)
    floors = [one.floor.value for one in row.settings]
    assert floors == sorted(floors)
    assert re.findall(r">(1|3|5|all)</text>", panel(row).svg) == ["1", "3", "5", "all"]
    write(found, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert 'id="settings"' in page
    assert "k of raters" in page
    data = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert [one["value"] for one in data["settings"][0]["settings"]] == [1, 3, 5, None]


def test_only_what_differs_in_one_number_is_compared(small_study, store):
    rates = [Simulated(rate=rate) for rate in (0.1, 0.2, 0.3)]
    others = [Simulated(rate=0.4, errors="longest"), Simulated(rate=0.2, seed=1), Raters(k=1), Raters(k=2)]
    study = small_study(tasks=(Rated(rows=400),), pairs=pairs(*rates, *others), metrics=("accuracy",))
    (row,) = scored(study, store).settings
    assert (row.kind, row.option) == ("simulated", "rate")
    assert [one.value for one in row.settings] == [0.1, 0.2, 0.3]


def test_models_with_a_number_and_a_few_supervisors_more(small_study, store):
    weak = [Sklearn(ngrams=n) for n in (1, 2, 3)]
    found = scored(small_study(pairs=pairs(*weak), metrics=("accuracy",)), store)
    (row,) = found.settings
    assert (row.kind, row.option, len(row.settings)) == ("sklearn", "ngrams", 3)
    assert section(found).anchor == "settings"
    two = scored(small_study(pairs=pairs(*weak[:2]), metrics=("accuracy",)), store)
    assert not two.settings
    assert section(two) is None


@pytest.mark.parametrize("gold", [(0.1, 0.3, 0.5)])
def test_a_budget_is_such_a_number(small_study, store, gold):
    weak = [Blend(gold=share, weak=Sklearn(ngrams=1)) for share in gold]
    (row,) = scored(small_study(pairs=pairs(*weak), metrics=("accuracy",)), store).settings
    assert (row.kind, row.option) == ("blend", "gold")
