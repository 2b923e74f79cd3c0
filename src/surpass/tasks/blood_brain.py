"""Molecules that pass from the blood into the brain, or do not."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from surpass.errors import DataError
from surpass.spec import option
from surpass.tasks._molecules import Molecules, outline
from surpass.tasks.base import Example, Row, Task

LABELS = ("BBB-", "BBB+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BloodBrain(Task):
    """Does a molecule, written in SMILES, pass from the blood into the brain?

    The rows are the 7,807 molecules of B3DB, of which rdkit reads 7,805. Half of them are isomers in space of another one,
    up to nine of a compound, which look the same to descriptors and fingerprints: a random split of molecules has most test
    compounds in training too (a random forest on Morgan bits then has AUROC .95, but .90 on compounds). So a row is a
    compound, written without stereochemistry: 4,037, of which 130 are left out because their isomers have both labels.
    3,907 stay: 2,476 that pass and 1,431 that do not.

    Licence: CC0-1.0.

    Compounds with the same Murcko scaffold (the rings and what links them) are one group; a compound without rings is its
    own. The 1,623 compounds that have their scaffold to themselves are the shifted test `shift:rare-scaffolds`: 965 pass.
    AUROC when trained on 1,636 compounds of the others (logistic regression on three descriptors; on ten; random forest on
    Morgan bits): .73, .80, .88 on other scaffolds of theirs, .76, .78, .82 on rare ones.

    Attributes:
        rare: a scaffold that at most so many compounds share is rare; 0: none is.
    """

    classes: ClassVar[tuple[str, ...]] = ("stays out", "passes")
    licence: ClassVar[str] = "CC0-1.0"
    citation: ClassVar[str] = (
        "Meng et al. (2021). A curated diverse molecular database of blood-brain barrier permeability with chemical "
        "descriptors. Scientific Data 8"
    )
    size: ClassVar[int] = 3907
    instruction: ClassVar[str] = (
        "Here is a molecule in SMILES notation. Answer 1 if it passes from the blood into the brain, 0 otherwise."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {"label": "BBB+", "compound": "CCc1ccccc1", "group": "c1ccccc1", "sharing": 9},
        {"label": "BBB-", "compound": "NCCCC(=O)O", "group": "NCCCC(=O)O", "sharing": 0},
        {"label": "BBB+", "compound": "CN1CC2CCC1C2", "group": "C1CC2CCC1N2", "sharing": 1},
        {"label": "BBB-", "compound": "", "group": "", "sharing": 0},
    )

    rare: int = option(1, low=0)

    def source(self) -> Molecules:
        """Return the packaged table."""
        return Molecules("blood-brain", read)

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the compound with its label, or None for a molecule that rdkit cannot read."""
        if row["label"] not in LABELS:
            raise DataError(
                f"task 'blood-brain': label {row['label']!r} of '{row['compound']}' is none of {', '.join(LABELS)}. "
                "Fetch the asset again: surpass assets fetch blood-brain"
            )
        if not row["compound"]:
            return None
        part = "shift:rare-scaffolds" if 0 < row["sharing"] <= self.rare else ""
        return Example(row["compound"], LABELS.index(row["label"]), row["group"], row["compound"], part)


def read(folder: Path) -> Iterator[Row]:
    """Yield label, compound, group, and how many usable compounds share its scaffold (0: it has no ring)."""
    with (folder / "B3DB_classification.tsv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["BBB+/BBB-"], outline(row["SMILES"])) for row in csv.DictReader(file, delimiter="\t")]
    labels = defaultdict[str, set[str]](set)
    for label, found in rows:
        if found:
            labels[found.compound].add(label)
    certain = {found for _, found in rows if found and found.ringed and len(labels[found.compound]) == 1}
    sharing = Counter(found.group for found in certain)
    for label, found in rows:
        compound, group = (found.compound, found.group) if found else ("", "")
        yield {"label": label, "compound": compound, "group": group, "sharing": sharing[group] if found else 0}
