"""What several test files share: a small study, fresh processes, a third party's package, a tiny pretrained model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import tiny

from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks.toy import Toy
from surpass.testing import sample_splits

TESTS = Path(__file__).parent
SIZES = {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}

os.environ.setdefault("OMP_NUM_THREADS", "1")
hypothesis.settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that gives a file system of its own these mount options, and returns its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        again = "remount," if folder.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no mount command: {error}")
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def small_study() -> Callable[..., Study]:
    """Return a maker of studies that run in a second: one toy task, one pair of linear models."""

    def make(**changes: Any) -> Study:
        values: dict[str, Any] = {
            "name": "small",
            "tasks": (Toy(rows=400),),
            "pairs": (Pair(weak=Sklearn(ngrams=1), strong=Sklearn()),),
            "methods": (Soft(),),
            "data": SIZES,
            "seeds": 1,
        }
        return Study(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def python() -> Callable[..., str]:
    """Return a function that runs code in a fresh process and returns what it prints."""

    def run(code: str, *, path: Path | None = None, check: bool = True, **variables: str) -> str:
        where = {"PYTHONPATH": str(path)} if path else {}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, **where, **variables},
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def plugin_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the third party's package installed in it, as pip would have put it there."""
    package, site = TESTS / "plugin_package", tmp_path_factory.mktemp("site")
    about = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(package / "src" / "orchard", site / "orchard", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / f"surpass_orchard-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    groups = (
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items())])
        for group, points in about["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    return site


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a decoder of `tiny`."""
    return tiny.save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of an encoder of `tiny`."""
    return tiny.save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a two-layer decoder with random weights whose tokens are the sample rows' words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = sorted(
        {word for text in sample_splits(5).rows.inputs for word in str(text).split()}
        | {"a", "second", "text", *"01234"}
    )
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = tmp_path_factory.mktemp("tiny-backbone")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return f"path:{folder}"
