"""The real assets, where they are in the cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from surpass import assets
from surpass.assets import backbones, cache, manifest


@pytest.fixture
def real(request: pytest.FixtureRequest) -> str:
    if not assets.present(request.param):
        pytest.skip(f"surpass assets fetch {request.param}")
    return request.param


@pytest.mark.assets
@pytest.mark.parametrize("real", assets.names(), indirect=True)
def test_the_real_assets_are_whole(real: str) -> None:
    assert assets.verify(real) == []


@pytest.mark.assets
@pytest.mark.parametrize("real", ["sarcasm"], indirect=True)
def test_the_real_headlines_are_rows(real: str) -> None:
    lines = (assets.folder(real) / "samples.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 28_614
    assert {"input", "ideal"} <= json.loads(lines[0]).keys()


@pytest.mark.assets
@pytest.mark.parametrize("real", ["vader-ratings"], indirect=True)
def test_the_real_ratings_are_rows(real: str) -> None:
    rows = {
        file.name.split("_")[0]: len(file.read_text("utf-8-sig").splitlines())
        for file in assets.folder(real).glob("*_GroundTruth.txt")
    }
    counts = {"amazonReviewSnippets": 3708, "movieReviewSnippets": 10605, "nytEditorialSnippets": 5190, "tweets": 4200}
    assert rows == counts


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("real", ["minilm"], indirect=True)
def test_the_real_encoder_loads(real: str) -> None:
    tokenizer = backbones.load_tokenizer(f"package:{real}")
    model = backbones.load_model(f"package:{real}")
    batch = tokenizer(["a fine film", "bad"], padding=True, return_tensors="pt")
    states = model(**batch).last_hidden_state
    assert states.shape[-1] == backbones.config(f"package:{real}")["hidden_size"] == 384
    assert states.isfinite().all()


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("real", ["smollm2-135m"], indirect=True)
def test_the_real_gguf_is_converted_once_and_speaks(real: str, tmp_path: Path, monkeypatch) -> None:
    source = cache.place(manifest.info(real))
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / source.name).symlink_to(source)
    reference = f"package:{real}"
    planned = backbones.config(reference)
    folder = backbones.resolve(reference)
    try:
        stamp = (folder / "model.safetensors").stat().st_mtime_ns
        assert planned.items() <= backbones.config(reference).items()
        tokenizer = backbones.load_tokenizer(reference)
        text = "Déjà vu:\n two  words, 東京"
        assert tokenizer.decode(tokenizer(text).input_ids) == text
        model = backbones.load_model(reference, auto_class="AutoModelForCausalLM")
        assert all(weight.requires_grad and str(weight.dtype) == "torch.float32" for weight in model.parameters())
        logits = model(**tokenizer("The capital of France is", return_tensors="pt")).logits
        assert logits.isfinite().all()
        assert tokenizer.decode(logits[0, -1].argmax()) == " Paris"
        assert (backbones.resolve(reference) / "model.safetensors").stat().st_mtime_ns == stamp
    finally:
        shutil.rmtree(folder)
