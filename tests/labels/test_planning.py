"""What planning knows of the models inside label sources: whose features there are, and who the members are."""

from __future__ import annotations

import dataclasses

import pytest

from surpass.feasibility import problems_of
from surpass.labels.blend import Blend
from surpass.labels.boost import Boost
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.labels.imitation import Imitation
from surpass.labels.simulated import Simulated
from surpass.labels.specialists import Specialists
from surpass.methods.base import Method
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.splits import make_splits
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


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (None, ""),
        ("{id},pleasent", "has 'pleasent'; allowed are"),
        ("{id},7", "gives [-6.  7.], which are not 2 probabilities"),
        ("{id},", "has ''; allowed are"),
        ("{id},0.25\n{id},0.5", "labels '{id}' again, with another value"),
        ("{id},pleasant,more", "has 3 cells, the first line has 2"),
        ("", "lacks 1 of the transfer rows, for instance '{id}'"),
    ],
)
def test_a_bad_label_file_is_refused_while_planning_and_its_line_named(bad, said, small_study, tmp_path):
    path = tmp_path / "labels.csv"
    study = small_study(pairs=(Pair(weak=File(path=str(path)), strong=Sklearn()),))
    name = int(make_splits(cells(study)[0].data.training()).part("transfer").ids[0])
    rows = [f"{i},pleasant" for i in range(400)]
    rows[name] = rows[name] if bad is None else bad.format(id=name)
    path.write_text("\n".join(filter(None, ["id,label", *rows])) + "\n")
    found = problems_of(study)
    assert len(found) == bool(said)
    assert said.format(id=name) in "".join(found)
    assert not bad or f"line {name + 2 + bad.count(chr(10))} of '{path}'" in found[0]


def test_labels_that_only_test_rows_lack_are_missed_while_planning(small_study, tmp_path):
    path, pairs = tmp_path / "labels.csv", (Pair(weak=File(path=str(tmp_path / "labels.csv")), strong=Sklearn()),)
    study = small_study(pairs=pairs)
    test = set(make_splits(cells(study)[0].data.evaluation()).part("test").ids)
    path.write_text("id,label\n" + "".join(f"{i},pleasant\n" for i in range(400) if str(i) not in test))
    (found,) = problems_of(study)
    assert "lacks 60 of the test rows" in found
