"""What planning knows of the models inside label sources: whose features there are, and who the members are."""

from __future__ import annotations

import dataclasses

import pytest

from surpass.feasibility import problems_of
from surpass.labels.blend import Blend
from surpass.labels.boost import Boost
from surpass.labels.ensemble import Ensemble
from surpass.labels.imitation import Imitation
from surpass.labels.simulated import Simulated
from surpass.labels.specialists import Specialists
from surpass.methods.base import Method
from surpass.models.probe import Probe
from surpass.stages import supervisor_of
from surpass.study import Pair, cells

spec = dataclasses.dataclass(frozen=True, kw_only=True)
WEAK = Probe(backbone="path:weak")
ONE = (Blend(weak=WEAK), Imitation(weak=WEAK), Blend(weak=Imitation(weak=WEAK)), Simulated(like=WEAK))
SEVERAL = (Specialists(model=WEAK), Boost(model=WEAK, rounds=3), Ensemble(members=(WEAK, WEAK)))


@spec
class _Wants(Method):
    """A method that reads the supervisor's features."""

    wants = frozenset({"supervisor_features"})


@spec
class _Weighs(Method):
    """A method that weighs members."""

    wants = frozenset({"members"})


@pytest.mark.parametrize("weak", [*ONE, *SEVERAL])
def test_planning_and_the_graph_agree_on_who_the_supervisor_is(weak, small_study):
    """A method is promised features of the supervisor exactly where the graph finds the one fit behind the labels."""
    study = small_study(pairs=(Pair(weak=weak, strong=WEAK),), methods=(_Wants(),))
    refused = any("reads frozen features of the supervisor" in text for text in problems_of(study, read_rows=False))
    (cell,) = cells(study)
    assert refused == (supervisor_of(cell.student.labels) is None)
    assert refused == (weak in SEVERAL)


@pytest.mark.parametrize("weak", [*ONE, *SEVERAL])
def test_planning_counts_the_members_that_there_will_be(weak, small_study):
    study = small_study(pairs=(Pair(weak=weak, strong=WEAK),), methods=(_Weighs(),))
    refused = any("weighs the members of an ensemble" in text for text in problems_of(study, read_rows=False))
    (cell,) = cells(study)
    assert refused == (len(cell.student.labels.sources()) < 2)
    assert len(cell.student.labels.sources()) == len(weak.sources())
