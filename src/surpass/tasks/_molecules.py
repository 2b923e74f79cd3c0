"""What tasks on molecules share: compounds and scaffolds by rdkit, which must be there to read them."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
from typing import NamedTuple

from surpass.tasks.base import Packaged

MISSING = "package 'rdkit' is not installed, but molecules need it. pip install 'surpass[molecules]'"


@dataclasses.dataclass(frozen=True)
class Molecules(Packaged):
    """A packaged asset that rdkit reads; its version belongs to the identity, since it writes compounds and scaffolds."""

    def fingerprint(self) -> str:
        """Return the checksum of the asset and the version of rdkit."""
        try:
            return f"{super().fingerprint()}/rdkit-{importlib.metadata.version('rdkit')}"
        except importlib.metadata.PackageNotFoundError:
            return super().fingerprint()

    def problem(self) -> str | None:
        """Return that rdkit is not installed, or how to fetch the asset, or None."""
        return MISSING if importlib.util.find_spec("rdkit") is None else super().problem()


class Outline(NamedTuple):
    """What a molecule is as far as groups of rows go.

    Attributes:
        compound: SMILES without stereochemistry, the same for all isomers in space.
        group: the Murcko scaffold (rings and what links them, Bemis & Murcko 1996), or the compound where there is no ring.
        ringed: whether there is one.
    """

    compound: str
    group: str
    ringed: bool


def group_of(scaffold: str, cut: int) -> str:
    """Return a scaffold's name as a group: another one for every cut, since groups are cut into training and test by name.

    >>> group_of("c1ccccc1", 0), group_of("c1ccccc1", 2)
    ('c1ccccc1', 'c1ccccc1, cut 2')
    """
    return f"{scaffold}, cut {cut}" if cut else scaffold


@functools.lru_cache(50_000)
def outline(smiles: str) -> Outline | None:
    """Return the outline of a molecule, or None when rdkit cannot read it. Some 0.4 ms, then remembered."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return None
    compound = Chem.MolToSmiles(molecule, isomericSmiles=False)
    scaffold = MurckoScaffoldSmiles(mol=molecule)
    return Outline(compound, scaffold or compound, bool(scaffold))
