"""Pictures of clothes in ten kinds."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np

from surpass.errors import DataError
from surpass.tasks.base import Example, Packaged, Protocol, Row, Task

SIDE = 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class FashionMnist(Task):
    """Which of ten kinds of clothes does a grey picture of 28 x 28 pixels show?

    The rows are the 70,000 pictures of Fashion-MNIST, 60,000 to train and 10,000 to test as the source has them, as many of
    each kind. No two pictures are the same. Inputs are bytes, (28, 28), 0 for the background to 255. Accuracy from 8,000
    training pictures: logistic regression on 4 x 4 blocks .71, on 7 x 7 blocks .80, on pixels .83; a small convolutional
    network .845.

    Licence: MIT.

    The set comes as a package of Debian (31 MB), which is downloaded and not installed: where there is no apt-get, the error
    of `surpass assets fetch fashion-mnist` says where to put the file. Nothing groups the rows; whether several show one
    article of a shop is not known.
    """

    input: ClassVar[str] = "image"
    classes: ClassVar[tuple[str, ...]] = (
        "t-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = "Xiao, Rasul & Vollgraf (2017). Fashion-MNIST. arXiv:1708.07747"
    size: ClassVar[int] = 70000
    sample: ClassVar[tuple[Row, ...]] = (
        {"id": "train-0", "part": "train", "label": 9, "pixels": "00" * 700 + "7f" * 84},
        {"id": "train-1", "part": "train", "label": 0, "pixels": "ff" * 784},
        {"id": "test-0", "part": "test", "label": 2, "pixels": "10" * 784},
    )

    def source(self) -> Packaged:
        """Return the packaged files."""
        return Packaged("fashion-mnist", read)

    def examples(self, rows: Iterable[Row] | None = None, *, protocol: Protocol = "paper") -> Iterator[Example]:
        """Yield the examples as every task does, but without seeding a generator by each row, which would take longer."""
        none = Random(0)  # nothing is drawn
        for row in self.source().rows() if rows is None else rows:
            yield self.example(row, none)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the picture, (28, 28) bytes, with its kind, in the source's own part."""
        pixels = np.frombuffer(bytes.fromhex(row["pixels"]), dtype=np.uint8).reshape(SIDE, SIDE)
        return Example(pixels, row["label"], id=row["id"], part=row["part"])


def read(folder: Path) -> Iterator[Row]:
    """Yield id, part, label and pixels (hexadecimal digits, row by row) of each picture; DataError on a bad file."""
    for part, name in (("train", "train"), ("test", "t10k")):
        pictures = _idx(folder / f"{name}-images-idx3-ubyte.gz", header=16, width=SIDE * SIDE)
        labels = _idx(folder / f"{name}-labels-idx1-ubyte.gz", header=8, width=1)
        for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            yield {"id": f"{part}-{i}", "part": part, "label": label[0], "pixels": picture.hex()}


def _idx(path: Path, *, header: int, width: int) -> list[bytes]:
    """Return the items of a file in IDX format, `width` bytes each, after a header that says how many there are."""
    data = gzip.decompress(path.read_bytes())
    n = int.from_bytes(data[4:8], "big")
    if len(data) != header + n * width:
        raise DataError(
            f"task 'fashion-mnist': '{path.name}' has {len(data)} bytes, not {header + n * width} for {n} items. "
            "Fetch the asset again: surpass assets fetch fashion-mnist"
        )
    return [data[at : at + width] for at in range(header, len(data), width)]
