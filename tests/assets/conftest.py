"""An index of packages, an empty cache and a model folder, for the tests of assets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from package_index import INSIDE, RATINGS, SDIST, TRIPWIRE, WHEEL, WORDS, World, made_asset, sdist, wheel

from surpass.assets import manifest


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    index = tmp_path / "index"
    index.mkdir()
    tripwire = tmp_path / "tripwire"
    code = TRIPWIRE.format(path=str(tripwire))
    wheel(index / WHEEL, code)
    sdist(index / SDIST, code)
    words = made_asset(index / WHEEL, WORDS, prefix="tiny_words/")
    ratings = made_asset(index / SDIST, RATINGS, inside=INSIDE)
    made = World(index, tmp_path / "cache", tripwire, {"words": words, "ratings": ratings})
    monkeypatch.setenv("SURPASS_CACHE", str(made.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(manifest, "catalogue", lambda: made.assets)
    return made


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder
