"""Tasks on molecules: compounds, scaffolds, the physics calculation as a vote, and the real tables."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks import _molecules
from surpass.tasks.base import Example, Task
from surpass.tasks.blood_brain import BloodBrain
from surpass.tasks.blood_brain import read as read_brain
from surpass.tasks.free_solvation import FreeSolvation
from surpass.tasks.free_solvation import read as read_solvation
from surpass.tasks.solubility import Solubility
from surpass.tasks.solubility import read as read_solubility
from surpass.testing import check_task

TASKS = (BloodBrain(), Solubility(), FreeSolvation())
HEADER = "NO.\tSMILES\tBBB+/BBB-\n"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_contract(task: Task) -> None:
    check_task(task)
    assert task.size > 600


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_without_rdkit_the_install_line_is_given(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "rdkit" else found(name, *a))
    assert "pip install 'surpass[molecules]'" in (task.problem() or "")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_without_the_asset_the_command_is_given(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path))
    assert f"surpass assets fetch {task.label()}" in (task.problem() or "")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_the_version_of_rdkit_belongs_to_the_identity(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    here = task.resolve().fingerprint
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    there = task.resolve().fingerprint
    assert there.endswith("/rdkit-1.2.3")
    assert here != there
    assert here.partition("/")[0] == there.partition("/")[0]


def test_isomers_in_space_are_one_compound_and_rings_make_the_group() -> None:
    left, right = (_molecules.outline(text) for text in ("C[C@H](N)c1ccccc1", "C[C@@H](N)c1ccccc1"))
    assert left == right == _molecules.Outline("CC(N)c1ccccc1", "c1ccccc1", True)
    assert _molecules.outline("OCC") == _molecules.Outline("CCO", "CCO", False)
    assert _molecules.outline("C1CC") is None


def brain(tmp_path: Path, *rows: tuple[str, str]) -> list[Example | None]:
    lines = "".join(f"{i}\t{smiles}\t{label}\n" for i, (smiles, label) in enumerate(rows))
    (tmp_path / "B3DB_classification.tsv").write_text(HEADER + lines, encoding="utf-8-sig")
    return list(BloodBrain().examples(read_brain(tmp_path)))


def test_rare_scaffolds_are_a_shifted_test(tmp_path: Path) -> None:
    found = brain(
        tmp_path,
        ("CCc1ccccc1", "BBB+"),
        ("OCc1ccccc1", "BBB-"),
        ("CC1CC1", "BBB+"),
        ("CCO", "BBB+"),
        ("not one", "BBB-"),
    )
    assert found[4] is None
    kept = [row for row in found if row is not None]
    assert [row.part for row in kept] == ["", "", "shift:rare-scaffolds", ""]
    assert [row.group for row in kept] == ["c1ccccc1", "c1ccccc1", "C1CC1", "CCO"]
    assert [row.label for row in kept] == [1, 0, 1, 1]


def test_isomers_do_not_make_a_scaffold_common_and_uncertain_ones_do_not_count(tmp_path: Path) -> None:
    twins = [("C[C@H](N)C1CC1", "BBB+"), ("C[C@@H](N)C1CC1", "BBB+")]
    doubted = [("C[C@H](O)C1CC1", "BBB+"), ("C[C@@H](O)C1CC1", "BBB-")]
    found = brain(tmp_path, *twins, *doubted)
    assert {row.part for row in found if row is not None and "N" in row.input} == {"shift:rare-scaffolds"}
    assert len({row.id for row in found if row is not None}) == 2


def test_what_rare_means_is_an_option() -> None:
    row = {"label": "BBB+", "compound": "CC1CC1", "group": "C1CC1", "sharing": 3}
    for rare, part in ((0, ""), (2, ""), (3, "shift:rare-scaffolds")):
        found = BloodBrain(rare=rare).example(row, Random(0))
        assert found is not None
        assert found.part == part


def test_other_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"label 'BBB' of 'CC' is none of BBB-, BBB\+"):
        BloodBrain().example({"label": "BBB", "compound": "CC", "group": "CC", "sharing": 0}, Random(0))


def test_solvation_holds_the_calculation_as_a_vote(tmp_path: Path) -> None:
    text = "iupac,smiles,expt,calc\nphenylamine,Nc1ccccc1,-5.5,-4.9\nethanamine,CCN,-4.5,-3.8\n"
    (tmp_path / "freesolv.csv").write_text(text, encoding="utf-8")
    first, second = (FreeSolvation().example(row, Random(0)) for row in read_solvation(tmp_path))
    assert first == Example("Nc1ccccc1", -5.5, "c1ccccc1", "phenylamine", votes=(-4.9,))
    assert (second.group, second.votes) == ("CCN", (-3.8,))
    (tmp_path / "freesolv.csv").write_text(text + "x,C1CC,0,0\n", encoding="utf-8")
    with pytest.raises(DataError, match="rdkit cannot read 'C1CC'"):
        list(read_solvation(tmp_path))


def test_solubility_keeps_the_parts_of_the_source(tmp_path: Path) -> None:
    from rdkit import Chem

    for part, smiles, value in (("train", "OCC", "1.5"), ("test", "CCCCCC", "-3.25")):
        with Chem.SDWriter(str(tmp_path / f"solubility.{part}.sdf")) as writer:
            molecule = Chem.MolFromSmiles(smiles)
            molecule.SetProp("SOL", value)
            writer.write(molecule)
    found = [Solubility().example(row, Random(0)) for row in read_solubility(tmp_path)]
    assert found == [
        Example("CCO", 1.5, id="CCO", part="train"),
        Example("CCCCCC", -3.25, id="CCCCCC", part="test"),
    ]


def real(task: Task, **sizes: int):
    if problem := task.problem():
        pytest.skip(problem)
    return make_splits(Data(task=task.resolve(), **{"n_weak": 200, "n_transfer": 300, "n_val": 20, **sizes}))


@pytest.mark.assets
def test_real_blood_brain() -> None:
    splits = real(BloodBrain(), n_test=300)
    facts = dict(splits.facts)
    assert facts == {"read": 7807, "left_out": 2, "repeated": 3768, "conflicting": 130, "usable": BloodBrain.size}
    rows = [row for row in BloodBrain().examples() if row is not None]
    kinds = {row.id: set() for row in rows}
    for row in rows:
        kinds[row.id].add(row.label)
    certain = {row.id: row for row in rows if len(kinds[row.id]) == 1}
    assert Counter(row.label for row in certain.values()) == {1: 2476, 0: 1431}
    rare = [row for row in certain.values() if row.part]
    assert (len(rare), sum(row.label for row in rare)) == (1623, 965)
    assert len({row.group for row in rare}) == len(rare)
    assert max(Counter(row.id for row in rows).values()) == 9


@pytest.mark.assets
def test_real_blood_brain_keeps_scaffolds_apart() -> None:
    splits = real(BloodBrain(), n_test=300)
    groups = [set(splits.part(*names).groups) for names in (("weak", "transfer"), ("test", "val"))]
    assert not groups[0] & groups[1]
    rare = splits.part("shift:rare-scaffolds")
    assert np.bincount(rare.labels).tolist() == [150, 150]
    assert not set(rare.groups) & (groups[0] | groups[1])


@pytest.mark.assets
def test_real_solubility() -> None:
    most = {"n_weak": 414, "n_transfer": 600, "n_val": 53, "n_test": 200}
    splits = real(Solubility(), **most)
    assert dict(splits.facts) == {"read": 1282, "repeated": 8, "conflicting": 7, "usable": Solubility.size}
    for name in ("n_weak", "n_test"):
        with pytest.raises(DataError, match=r"has (1014|253) rows on its"):
            real(Solubility(), **{**most, name: most[name] + 1})
    labels = np.array([row.label for row in Solubility().examples() if row is not None])
    assert (labels.mean(), labels.std()) == (pytest.approx(-2.732, abs=1e-3), pytest.approx(2.035, abs=1e-3))


@pytest.mark.assets
def test_real_free_solvation() -> None:
    splits = real(FreeSolvation(), n_weak=150, n_test=100)
    assert splits.facts["usable"] == FreeSolvation.size == 642
    rows = [row for row in FreeSolvation().examples() if row is not None]
    measured, calculated = (np.array(x) for x in ([r.label for r in rows], [r.votes[0] for r in rows]))
    assert np.corrcoef(measured, calculated)[0, 1] == pytest.approx(0.933, abs=5e-4)
    unexplained = ((measured - calculated) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    assert 1 - unexplained == pytest.approx(0.839, abs=5e-4)
    assert (calculated - measured).mean() == pytest.approx(0.317, abs=1e-3)
    assert Counter(row.group for row in rows).most_common(1) == [("c1ccccc1", 152)]
    assert splits.rows.votes[0] == (dict(zip((r.id for r in rows), calculated, strict=True))[splits.rows.ids[0]],)
