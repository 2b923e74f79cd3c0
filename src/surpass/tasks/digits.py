"""Handwritten digits of 8 x 8 pixels, which come with scikit-learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import ClassVar

import numpy as np

from surpass.tasks.base import Example, Generated, Row, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Digits(Task):
    """Which digit was written? 64 grey values of 8 x 8 pixels, as a vector of numbers from 0 to 1.

    The rows are the 1,797 digits that come with scikit-learn (`load_digits`), the test part of the optical recognition set of
    1998: 174 to 183 of each digit. Nothing needs to be fetched.

    Licence: CC BY 4.0 (UCI Machine Learning Repository).

    They are of 13 people, but the source does not say whose a digit is: the same hand is in train and test, and scores for
    new hands would be lower.
    """

    input: ClassVar[str] = "vector"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = (
        "Alpaydin & Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository"
    )
    size: ClassVar[int] = 1797
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "0", "pixels": [0.0, 16.0] * 32, "digit": 1},
        {"id": "1", "pixels": [8.0] * 64, "digit": 8},
    )

    def source(self) -> Generated:
        """Return the rows that scikit-learn holds."""
        return Generated(read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the grey values from 0 to 1 with the digit."""
        return Example(np.array(row["pixels"]) / 16, row["digit"], id=row["id"])


def read() -> Iterator[Row]:
    """Yield id, grey values from 0 to 16 and digit of each row."""
    from sklearn.datasets import load_digits

    found = load_digits()
    for i, (pixels, digit) in enumerate(zip(found.data.tolist(), found.target.tolist(), strict=True)):
        yield {"id": str(i), "pixels": pixels, "digit": digit}
