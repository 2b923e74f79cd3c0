"""Energies of small molecules going from gas into water: measured, and calculated by physics."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.errors import DataError
from surpass.spec import option
from surpass.tasks._molecules import Molecules, group_of, outline
from surpass.tasks.base import Example, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class FreeSolvation(Task):
    """The free energy of hydration of a molecule written in SMILES, in kcal/mol: from -25.5 to 3.4 as measured.

    The rows are the 642 molecules of FreeSolv. The label is the measurement. The row's one vote is the energy that a
    molecular dynamics simulation gives (GAFF force field, TIP3P water): a weak label that no model was fitted for, to be had
    with label source `raters`. Over all rows it has r .93 and R2 .84 with the measurement and is 0.3 kcal/mol too high
    in the mean; the measurements have mean -3.8 and standard deviation 3.8.

    Licence: the package is Apache-2.0; the set's own pages state none.

    Molecules with the same Murcko scaffold are one group; half of them (320) have no ring and are their own. The largest
    group are the 152 whose only ring is benzene's.

    Attributes:
        cut: each number cuts the groups into training and test in another way.
    """

    target: ClassVar[str] = "regression"
    licence: ClassVar[str] = "Apache-2.0 (packaging); none stated for the set"
    citation: ClassVar[str] = (
        "Mobley & Guthrie (2014). FreeSolv: a database of experimental and calculated hydration free energies, with input "
        "files. J. Comput. Aided Mol. Des. 28"
    )
    size: ClassVar[int] = 642
    instruction: ClassVar[str] = (
        "Here is a molecule in SMILES notation. Answer with its free energy of hydration in kcal/mol."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"name": "butan-2-amine", "smiles": "CCC(C)N", "group": "CCC(C)N", "expt": -4.2, "calc": -3.6},
        {"name": "tolualdehyde", "smiles": "Cc1ccccc1C=O", "group": "c1ccccc1", "expt": -4.0, "calc": -3.4},
    )

    cut: int = option(0, low=0)

    def source(self) -> Molecules:
        """Return the packaged table."""
        return Molecules("free-solvation", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the molecule with its measured energy; the calculated one is its vote."""
        group = group_of(row["group"], self.cut)
        return Example(row["smiles"], row["expt"], group, row["name"], votes=(row["calc"],))


def read(folder: Path) -> Iterator[Row]:
    """Yield name, SMILES, group and both energies of each molecule; DataError names one that rdkit cannot read."""
    with (folder / "freesolv.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = outline(row["smiles"])
            if found is None:
                raise DataError(
                    f"task 'free-solvation': rdkit cannot read '{row['smiles']}'. Fetch the asset again: surpass assets "
                    "fetch free-solvation"
                )
            energies = {"expt": float(row["expt"]), "calc": float(row["calc"])}
            yield {"name": row["iupac"], "smiles": row["smiles"], "group": found.group, **energies}
