"""The small model that most tests of writing start from."""

from __future__ import annotations

import letters
import pytest


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return letters.save_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def author(llama):
    """Return a model before training, all of whose weights train, and its script."""
    return letters.author(llama)
