"""Vectors and images as numbers, one row of them each."""

from __future__ import annotations

import numpy as np

from surpass.artifacts import Array
from surpass.errors import IncompatibleError


def numbers(inputs: Array, shrink: int) -> Array:
    """Return each row as numbers, (n, d); bytes become 0 to 1, images are averaged by blocks of `shrink` pixels first.

    Raises:
        IncompatibleError: `shrink` does not divide height and width, or the rows are vectors.
    """
    inputs = inputs.astype(np.float32) / 255 if inputs.dtype == np.uint8 else inputs
    if shrink > 1:
        n, height, width, *_ = *inputs.shape, 0, 0
        if inputs.ndim < 3 or height % shrink or width % shrink:
            raise IncompatibleError(
                f"shrink={shrink} on rows of shape {inputs.shape[1:]}. It must divide height and width of an image; "
                "leave it out for vectors."
            )
        blocks = inputs.reshape(n, height // shrink, shrink, width // shrink, shrink, *inputs.shape[3:])
        inputs = blocks.mean(axis=(2, 4))
    return inputs.reshape(len(inputs), -1)
