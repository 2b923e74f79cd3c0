"""A person's table of prompts and completions: `surpass fit --kind generation`, then `surpass predict`."""

from __future__ import annotations

import csv
import json

import letters
import pytest
from click.testing import CliRunner

from surpass.cli import main


def table(folder, rows=160):
    """Write a table whose weak completions are wrong in one row of five, and gold in one of three."""
    inputs, targets = letters.rows(rows)
    path = folder / "own.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "weak", "gold"])
        for i, (prompt, target) in enumerate(zip(inputs, targets, strict=True)):
            writer.writerow([prompt, "ccc" if i % 5 == 0 else target, target if i % 3 == 0 else ""])
        writer.writerow(["", "aaa", ""])
        writer.writerow(["abc=", "", ""])
    return path


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.slow
def test_prompts_and_completions_become_a_folder_that_writes(tmp_path):
    llama, path, out = letters.save_model(tmp_path / "llama"), table(tmp_path), tmp_path / "out"
    strong = json.dumps({"model": "generator", "backbone": llama, "precision": "fp32", "lr": 0.01, "epochs": 12,
                         "batch_size": 16, "max_new_tokens": 6})  # fmt: skip
    done = call("fit", path, "--kind", "generation", "--text", "prompt", "--weak-label", "weak", "--gold", "gold",
                "--strong", strong, "--out", out, "--threads", 1)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "exact_match" in done.output
    facts = json.loads((out / "surpass.json").read_text())
    assert facts["target"] == "generation"
    assert facts["reload_difference"] == 0
    assert facts["data"]["counts"]["unlabelled"] == 1
    assert facts["data"]["counts"]["empty"] == 1
    found = facts["evidence"]["metrics"]["exact_match"]
    assert found["floor"]["value"] == pytest.approx(0.8, abs=0.15)
    assert found["student"]["value"] > 0.4
    assert "text-generation" in (out / "README.md").read_text()
    scored = call("predict", out, path, "--out", tmp_path / "scored.csv")
    assert scored.exit_code == 0, scored.output
    with (tmp_path / "scored.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 161
    wanted = letters.rows(160)[1]
    right = sum(row["completion"] == target for row, target in zip(rows, wanted, strict=False))
    assert right > 80
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    assert call("audit", out).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--weak-label", "weak", "--strong", "tfidf"), "cannot write texts"),
        (("--weak-label", "weak", "--weak-label", "gold", "--strong", "path:none"), "one of completions"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--method", "logconf"), "is not for texts"),
        (("--weak-label", "nothing", "--strong", "LLAMA"), "nothing"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_is_fitted(tmp_path, words, message):
    llama = letters.save_model(tmp_path / "llama")
    told = [llama if word == "LLAMA" else word for word in words]
    done = call("fit", table(tmp_path), "--kind", "generation", "--text", "prompt", *told, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()
