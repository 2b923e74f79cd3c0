"""The model folder: what transformers and skops read in it is what the student said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import reviews
import tiny

from surpass.errors import DataError, IncompatibleError, StageError
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.own import bundle
from surpass.own.job import Request, run
from surpass.own.reading import Wanted

TEXTS = ["the film was great", "a dull and tedious plot", "really lovely music !", "actors"]


def fit(folder: Path, strong, *, name: str = "model", **changes):
    table = reviews.write(folder / f"{name}.csv", reviews.rows(160, gold=60))
    wanted = Wanted(text="text", weak=("v1", "v2", "v3"), gold="label")
    request = Request(source=str(table), wanted=wanted, out=folder / name, strong=strong, method="soft", **changes)
    return run(request)


def by_pipeline(folder: Path, texts: list[str], **options) -> np.ndarray:
    """Return probabilities (n, 2) by transformers alone, columns bad and good."""
    from transformers import pipeline

    found = pipeline("text-classification", model=str(folder), device="cpu", **options)(
        texts, truncation=True, top_k=None
    )
    return np.array([[{one["label"]: one["score"] for one in row}[name] for name in reviews.NAMES] for row in found])


def students(llama: str, bert: str, padded: str) -> dict[str, object]:
    return {
        "decoder, all": tiny.hf(padded, tune="full"),
        "decoder, top": tiny.hf(padded, tune="top", layers=1),
        "decoder, lora": tiny.hf(padded, tune="lora"),
        "decoder, mean": tiny.hf(padded, pool="mean", tune="top", layers=1),
        "decoder whose padding is a word": tiny.hf(llama, tune="top", layers=1),
        "encoder": tiny.hf(bert, tune="full", lr=1e-3),
        "encoder, lora": tiny.hf(bert, tune="lora"),
        "probe, middle": Probe(backbone=llama, precision="fp32"),
        "probe, last layer, adam": Probe(
            backbone=bert, precision="fp32", layer="last", pool="mean", solver="adam", epochs=20, first=8
        ),
    }


STOCK = ("decoder, all", "decoder, top", "decoder, lora")


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory, llama: str) -> str:
    """Return the address of the decoder of `tiny` with a padding token that is no word."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("padded")
    tokenizer = AutoTokenizer.from_pretrained(llama.removeprefix("path:"))
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    model = AutoModelForCausalLM.from_pretrained(llama.removeprefix("path:"))
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"path:{folder}"


@pytest.mark.parametrize("name", [*students("", "", "")])
def test_transformers_reads_what_was_fitted(name, llama, bert, padded, tmp_path):
    facts = fit(tmp_path, students(llama, bert, padded)[name])
    folder, stock = tmp_path / "model", name in STOCK
    assert facts["form"] == ("transformers" if stock else "transformers-remote")
    assert facts["reload_difference"] < 1e-3  # what was in memory, fp32, against the folder
    texts = [*TEXTS, *(row["text"] for row in reviews.rows(20, seed=9))]
    ours = bundle.load(folder).predict(texts)
    theirs = by_pipeline(folder, texts, **({} if stock else {"trust_remote_code": True}))
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert np.ptp(ours[:, 1]) > 0.01  # the student says different things of different texts
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".joblib", ".bin", ".pt")]


def test_a_batch_changes_nothing_and_long_texts_are_cut(padded, tmp_path):
    fit(tmp_path, tiny.hf(padded, tune="top", layers=1, max_length=8))
    loaded = bundle.load(tmp_path / "model")
    long = " ".join(["film"] * 7 + ["great"] * 50)
    together = loaded.predict([*TEXTS, long, " ".join(long.split()[:8])])
    alone = np.vstack([loaded.predict([text]) for text in TEXTS])
    assert together[:4] == pytest.approx(alone, abs=1e-6)
    assert together[4] == pytest.approx(together[5], abs=1e-6)
    assert by_pipeline(tmp_path / "model", [long]) == pytest.approx(together[4:5], abs=1e-4)
    assert loaded.predict([]).shape == (0, 2)


def test_a_scikit_learn_student_is_a_skops_file(tmp_path):
    import skops.io

    facts = fit(tmp_path, "tfidf")
    assert facts["form"] == "skops"
    assert facts["reload_difference"] == 0
    plain = skops.io.load(tmp_path / "model" / "model.skops").predict_proba(TEXTS)
    assert bundle.load(tmp_path / "model").predict(TEXTS) == pytest.approx(plain)


def test_a_skops_file_with_foreign_types_is_not_loaded(tmp_path):
    import skops.io

    fit(tmp_path, "tfidf")
    skops.io.dump({"estimator": reviews.rows}, tmp_path / "model" / "model.skops")
    with pytest.raises(DataError, match=r"holds .*rows.*run code"):
        bundle.load(tmp_path / "model")


def test_the_card_has_the_numbers_of_the_facts(padded, tmp_path):
    import yaml

    facts = fit(tmp_path, tiny.hf(padded, tune="top", layers=1))
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["pipeline_tag"] == "text-classification"
    floor = facts["evidence"]["metrics"]["accuracy"]["floor"]["value"]
    assert f"{floor:.3f}".removeprefix("0") in text
    for one in facts["findings"]:
        assert one["code"] in text
    for word in ("model.csv", facts["data"]["digest"], "No PGR", "gold only", "Limits"):
        assert word in text
    kept = json.loads((tmp_path / "model" / "surpass.json").read_text(encoding="utf-8"))
    assert kept == facts


def test_the_folder_is_whole_or_not_there(tmp_path, monkeypatch):
    fit(tmp_path, "tfidf")
    before = sorted(path.name for path in tmp_path.iterdir())
    first = bundle.digests(tmp_path / "model")
    with pytest.raises(DataError, match="--overwrite"):
        fit(tmp_path, "tfidf")
    monkeypatch.setattr("surpass.own.saving.card", lambda facts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, "tfidf", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert bundle.digests(tmp_path / "model") == first
    monkeypatch.undo()
    fit(tmp_path, Sklearn(ngrams=1), overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert bundle.digests(tmp_path / "model") != first


def test_a_folder_that_says_otherwise_is_not_kept(padded, tmp_path, monkeypatch):
    from surpass.models import _export

    state = _export.merged
    monkeypatch.setattr(_export, "_stock", lambda *given: None)  # which would notice it
    monkeypatch.setattr(_export, "merged", lambda c: {name: value * 0.5 for name, value in state(c).items()})
    with pytest.raises(StageError, match="not kept"):
        fit(tmp_path, tiny.hf(padded, tune="top", layers=1))
    assert not (tmp_path / "model").exists()


def test_overwrite_replaces_model_folders_only(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="no model folder"):
        fit(tmp_path, "tfidf", overwrite=True)
    assert (tmp_path / "model" / "thesis.txt").read_text() == "years of work"


def test_what_cannot_be_written_is_told_before_anything_is_fitted(tmp_path, llama):
    with pytest.raises(IncompatibleError, match="cannot be written"):
        fit(tmp_path, {"model": "prompt", "backbone": llama})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "surpass.json").unlink(), "no model folder"),
        (lambda folder: (folder / "surpass.json").write_text("{}"), "no model folder"),
        (lambda folder: (folder / "model.skops").unlink(), "lacks model.skops"),
        (lambda folder: (folder / "model.skops").write_bytes(b"nothing"), "cannot be read as a skops file"),
    ],
)
def test_a_damaged_folder_is_told(tmp_path, damage, words):
    fit(tmp_path, "tfidf")
    damage(tmp_path / "model")
    with pytest.raises(DataError, match=words):
        bundle.load(tmp_path / "model")
