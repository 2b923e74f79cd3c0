"""Cells of a person's table of prompts and completions: what is no text, and what is written of very long ones."""

from __future__ import annotations

import csv
import json

import pytest

from surpass.errors import DataError, SpecError
from surpass.models.generator import LEAST
from surpass.own import parts
from surpass.own.completions import _read, writer
from surpass.own.predicting import completed, score
from surpass.own.reading import Wanted
from surpass.tables import open_table

GOOD = {"prompt": "a=", "weak": "a", "gold": "b"}
WANTED = Wanted(text="prompt", weak=("weak",), gold="gold")


def lines(path, *rows):
    path.write_text("".join(f"{json.dumps({**GOOD, **row})}\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"weak": {"text": "a"}}, "its completion is a JSON object"),
        ({"weak": ["a"]}, "its completion is a list"),
        ({"weak": []}, "its completion is a list"),
        ({"gold": {"text": "b"}}, "its completion is a JSON object"),
        ({"weak": None, "gold": ["b"]}, "its completion is a list"),
        ({"prompt": ["a="]}, "its text is a list"),
    ],
)
def test_completions_that_are_no_texts_are_bad_rows(tmp_path, row, reason):
    path = lines(tmp_path / "own.jsonl", {}, row, {"prompt": "c=", "weak": 0, "gold": True})
    table = open_table(path)
    own, texts = _read(table, WANTED)
    read = dict(zip(own.inputs, texts.tolist(), strict=True))
    assert read == {"a=": ["a", "b"], "c=": ["0", "True"]}  # numbers and booleans are texts
    assert (own.counts["read"], own.counts["bad"], own.counts["usable"]) == (3, 1, 2)
    assert table.bad == [(2, reason)]
    with pytest.raises(DataError, match=f"line 2 of .*: {reason}"):
        _read(open_table(path, strict=True), WANTED)


@pytest.mark.parametrize("role", ["strong", "supervisor"])
@pytest.mark.parametrize("family", ["generator", "hf"])
def test_a_backbone_that_only_a_study_can_train_is_refused(role, family):
    """Before its corpus is looked for."""
    made = {"pretrain": {"corpus": {"corpus": "files", "path": "texts.txt"}, "layers": 2, "width": 32}}
    named = {"model": family, "backbone": made}
    asks = writer if family == "generator" else parts.model
    message = (
        f"{role}: backbone 'llama-2x32~.*' is to be trained first .pretrain., but a table's fit trains no backbone"
    )
    for value in (named, json.dumps(named)):
        with pytest.raises(SpecError, match=f"{message}.* path:STORE/pretrain/.../model"):
            asks(value, role)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_blanks_count_as_no_completion_and_very_long_texts_have_some_probability(tmp_path, kind):
    said = {"a": ("  ", 0.0), "b": ("\n", 0.0), "c": ("", 0.0), "d": ("x" * 900, LEAST), "e": ("x", 0.25)}
    path = tmp_path / "own.csv"
    path.write_text("".join(f"{line}\n" for line in ("prompt", *said)))
    out = tmp_path / f"out.{kind}"
    answers = completed(lambda prompts: [said[prompt] for prompt in prompts])
    found = score(answers, open_table(str(path)), out, texts=("prompt",))
    assert found.counts == {"with a completion": 2, "without": 3}
    with out.open(newline="") as file:
        rows = [json.loads(line) for line in file] if kind == "jsonl" else list(csv.DictReader(file))
    assert [float(row["probability"]) for row in rows] == [0, 0, 0, 1e-300, 0.25]
    assert str(rows[3]["probability"]) == "1e-300"
