"""Numbers that describe a molecule, computed by rdkit from its SMILES; each molecule is computed once in a process."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import Crippen, Descriptors, rdFingerprintGenerator, rdMolDescriptors

from surpass.errors import DataError

RADIUS, BITS = 2, 2048
DESCRIPTORS = (
    ("molecular weight", Descriptors.MolWt),
    ("logP of Wildman and Crippen", Crippen.MolLogP),
    ("polar surface area", rdMolDescriptors.CalcTPSA),
    ("hydrogen bond donors", rdMolDescriptors.CalcNumHBD),
    ("hydrogen bond acceptors", rdMolDescriptors.CalcNumHBA),
    ("rotatable bonds", rdMolDescriptors.CalcNumRotatableBonds),
    ("rings", rdMolDescriptors.CalcNumRings),
    ("aromatic rings", rdMolDescriptors.CalcNumAromaticRings),
    ("share of sp3 carbons", rdMolDescriptors.CalcFractionCSP3),
    ("formal charge", Chem.GetFormalCharge),
)
_KEPT = 100_000  # molecules of which results stay: 256 bytes each for bits


def descriptors(smiles: Iterable[str]) -> NDArray[np.float64]:
    """Return the numbers of DESCRIPTORS, (n, 10), of n molecules; DataError names a SMILES that is none."""
    return np.array([_described(text) for text in smiles], dtype=np.float64).reshape(-1, len(DESCRIPTORS))


def morgan(smiles: Iterable[str]) -> NDArray[np.float32]:
    """Return Morgan fingerprints (Rogers & Hahn 2010) of radius 2 as 0 and 1, (n, 2048); DataError as above."""
    packed = np.frombuffer(b"".join(_bits(text) for text in smiles), dtype=np.uint8)
    return np.unpackbits(packed.reshape(-1, BITS // 8), axis=1).astype(np.float32)


@functools.lru_cache(_KEPT)
def _described(smiles: str) -> tuple[float, ...]:
    molecule = _molecule(smiles)
    return tuple(float(function(molecule)) for _, function in DESCRIPTORS)


@functools.lru_cache(_KEPT)
def _bits(smiles: str) -> bytes:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    packed: bytes = np.packbits(generator.GetFingerprintAsNumPy(_molecule(smiles)).astype(bool)).tobytes()
    return packed


def _molecule(smiles: str) -> Any:
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not smiles.strip():
        raise DataError(
            f"{smiles[:80]!r} is no molecule in SMILES, which features 'descriptors' and 'morgan' need. "
            "Use features: tfidf or chars for other texts, or leave such rows out."
        )
    return molecule
