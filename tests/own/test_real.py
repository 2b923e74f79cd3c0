"""Real models: what `surpass fit` writes is what transformers and `surpass predict` say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from surpass import assets
from surpass.cli import main
from surpass.own import bundle

pytestmark = [pytest.mark.slow, pytest.mark.assets]
NAMES = ("neg", "pos")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Return 400 movie review snippets with three noisy votes, a gold label in 160."""
    if not assets.present("vader-ratings"):
        pytest.skip("needs surpass assets fetch vader-ratings")
    from surpass.tasks.movie_reviews import MovieReviews

    rng = np.random.default_rng(0)
    examples = [one for one in MovieReviews().examples() if one is not None]
    path = tmp_path_factory.mktemp("real") / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "v1", "v2", "v3", "label"])
        for i, place in enumerate(rng.permutation(len(examples))[:400]):
            one = examples[place]
            votes = [NAMES[one.label if rng.random() < p else 1 - one.label] for p in (0.85, 0.75, 0.65)]
            writer.writerow([one.input, *votes, NAMES[one.label] if i < 160 else ""])
    return path


@pytest.mark.parametrize(
    ("backbone", "strong", "form"),
    [
        ("minilm", "{model: hf, backbone: 'package:minilm', epochs: 1}", "transformers-remote"),
        ("minilm", "{model: probe, backbone: 'package:minilm'}", "transformers-remote"),
        (
            "smollm2-135m",
            "{model: hf, backbone: 'package:smollm2-135m', tune: top, layers: 2, epochs: 1}",
            "transformers",
        ),
    ],
)
def test_the_pipeline_and_predict_agree(table, tmp_path, backbone, strong, form):
    if not assets.present(backbone):
        pytest.skip(f"needs surpass assets fetch {backbone}")
    from transformers import pipeline

    columns = ["--text", "text", "--gold", "label", *(x for name in ("v1", "v2", "v3") for x in ("--weak-label", name))]
    out = tmp_path / "model"
    done = CliRunner().invoke(
        main, ["fit", str(table), *columns, "--strong", strong, "--method", "soft", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    facts = bundle.read_facts(out)
    assert facts["form"] == form
    assert facts["reload_difference"] < 0.15  # single rows in bf16
    scored = tmp_path / "scored.csv"
    done = CliRunner().invoke(main, ["predict", str(out), str(table), "--out", str(scored), "--raw"])
    assert done.exit_code == 0, done.output
    with scored.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:60]
    code = {} if form == "transformers" else {"trust_remote_code": True}
    read = pipeline("text-classification", model=str(out), device="cpu", **code)
    theirs = read([row["text"] for row in rows], truncation=True, top_k=None, batch_size=8)
    for row, found in zip(rows, theirs, strict=True):
        by_name = {one["label"]: one["score"] for one in found}
        written = {name: float(row.get(f"p_{name}") or row[f"predicted_p_{name}"]) for name in NAMES}
        assert written == pytest.approx(by_name, abs=1e-3)
