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


@pytest.mark.parametrize("role", ["--strong", "--supervisor"])
def test_a_model_that_writes_is_refused_for_labels_at_once(tmp_path, role):
    writes = json.dumps({"model": "generator", "backbone": letters.save_model(tmp_path / "llama")})
    models = {"--strong": "tfidf", "--supervisor": "tfidf", role: writes}
    given = [word for pair in models.items() for word in pair]
    done = call("fit", tmp_path / "none.csv", "--text", "prompt", "--gold", "gold", *given, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "writes texts and gives no labels. Add --kind generation" in " ".join(done.output.split())


@pytest.mark.slow
def test_prompts_and_completions_become_a_folder_that_writes(tmp_path):
    llama, path, out = letters.save_model(tmp_path / "llama"), table(tmp_path), tmp_path / "out"
    strong = json.dumps({"model": "generator", "backbone": llama, "precision": "fp32", "lr": 0.01, "epochs": 12,
                         "batch_size": 16, "max_new_tokens": 6})  # fmt: skip
    done = call("fit", path, "--kind", "generation", "--text", "prompt", "--weak-label", "weak", "--gold", "gold",
                "--strong", strong, "--out", out, "--threads", 1)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "exact_match" in done.output
    assert {file.stat().st_mode for file in out.iterdir()} == {path.stat().st_mode}
    facts = json.loads((out / "surpass.json").read_text())
    assert facts["target"] == "generation"
    assert facts["reload_difference"] == 0
    assert facts["data"]["counts"]["unlabelled"] == 1
    assert {one["code"] for one in facts["findings"]} >= {"empty-targets"}
    assert {"reading the table", "fitting the student", "writing the test rows"} <= facts["seconds"].keys()
    assert any("The test rows tell of other rows" in text for text in facts["evidence"]["notes"])
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
        (("--weak-label", "weak", "--strong", "LLAMA", "--method", "logconf"), "is not for own texts"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--method", "accepted"), "is not for own texts"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--method", "weighted"), "a column has none"),
        (("--weak-label", "nothing", "--strong", "LLAMA"), "nothing"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--n-gold", "50"), "only with --supervisor"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--combine", "dawid-skene"), "compares raters"),
        (("--weak-label", "weak", "--strong", "LLAMA", "--device", "cuda:7"), "PyTorch sees 0 GPUs"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_is_fitted(tmp_path, words, message):
    llama = letters.save_model(tmp_path / "llama")
    told = [llama if word == "LLAMA" else word for word in words]
    done = call("fit", table(tmp_path), "--kind", "generation", "--text", "prompt", *told, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_prompts_that_hold_their_gold_completion_are_told_and_the_table_is_never_written_over(tmp_path):
    llama, path, out = letters.save_model(tmp_path / "llama"), tmp_path / "own.csv", tmp_path / "out"
    words = [f"{a}{b}{c}{a}" for a in "abc" for b in "abc" for c in "abc"] * 3
    lines = [f"{word}={i:03d},{word},{word}" for i, word in enumerate(words)]
    path.write_text("\n".join(["prompt,weak,gold", *lines]) + "\n")
    strong = json.dumps(
        {"model": "generator", "backbone": llama, "precision": "fp32", "epochs": 1, "max_new_tokens": 6}
    )
    done = call("fit", path, "--kind", "generation", "--text", "prompt", "--weak-label", "weak", "--gold", "gold",
                "--strong", strong, "--out", out, "--threads", 1)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "prompt-leak" in {one["code"] for one in json.loads((out / "surpass.json").read_text())["findings"]}
    before = path.read_text()
    done = call("predict", out, path, "--out", path)
    assert done.exit_code == 2
    assert "is the table itself" in done.output
    assert path.read_text() == before
