"""A packaged model writes in a batch what it writes one by one, token for token in fp32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surpass.runtime import Runtime
from surpass.tasks.movie_reviews import MovieReviews

pytestmark = [pytest.mark.slow, pytest.mark.assets]
TOKENS = 6


def written(precision: Any, rows: int) -> tuple[Any, Any, Any]:
    """Return tokens written together, those written one by one, and the log probabilities of both."""
    from surpass.models import _backbone, _decoding
    from surpass.models._classifier import Shape
    from surpass.models._generation import Author
    from surpass.models._script import Script

    runtime = Runtime(device="cpu")
    backbone = _backbone.load("package:smollm2-135m", "", precision, runtime)
    shape = Shape(tune="full", layers=None, pool="last", rank=8, alpha=16.0, columns=1, max_length=256)
    author = Author.frozen(backbone, shape, runtime)
    script = Script.of(backbone, max_length=256, max_new_tokens=TOKENS)
    texts = [example.input for example in MovieReviews().examples() if example is not None][: 4 * rows : 4]
    prompts, _ = script.fitting([" ".join(text.split()[: 3 + 2 * i]) for i, text in enumerate(texts)])
    together = _decoding.write(author, script, prompts, _decoding.Way(), runtime)
    alone = [_decoding.write(author, script, [row], _decoding.Way(), runtime) for row in prompts]
    assert runtime.memo["left", backbone.key]
    return (
        together.tokens,
        np.concatenate([one.tokens for one in alone]),
        (together.logs, np.concatenate([one.logs for one in alone])),
    )


def test_fp32_is_exact():
    together, alone, (logs, others) = written("fp32", 5)
    assert np.array_equal(together, alone)
    assert np.allclose(logs, others, atol=1e-3)
