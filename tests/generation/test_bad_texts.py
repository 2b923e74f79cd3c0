"""What a writer cannot serve: prompts and completions beyond its context, empty texts, a model without a language head."""

from __future__ import annotations

import dataclasses
import json

import letters
import pytest
import tiny
from click.testing import CliRunner

from surpass.checks import check_texts, check_truncation
from surpass.cli import main
from surpass.runtime import Runtime


@pytest.mark.parametrize("epochs", [0, 1])
def test_prompts_beyond_the_context_are_counted_and_the_guard_tells_them(llama, epochs):
    """The model has 64 places; whoever asks for more gets those."""
    work = letters.work(20, watch=4)
    model = letters.generator(llama, epochs=epochs, max_length=1000)
    assert check_truncation({"student": [model.fit(work, Runtime()).facts]}, where={}) == []
    long = tuple("h" * 70 + text if i % 4 == 0 else text for i, text in enumerate(work.inputs))
    fitted = model.fit(dataclasses.replace(work, inputs=long), Runtime())
    assert fitted.facts["truncated"] == pytest.approx(1 / 4)
    (found,) = check_truncation({"student": [fitted.facts]}, where={"task": "letters", "strong": "llama"})
    assert found.message.startswith("25 % of the texts are longer than the strong model reads and were cut")
    assert fitted.write(long[:1])[1].shape == (1, 1)


def test_a_model_that_ends_at_once_writes_empty_texts_that_no_method_learns(llama):
    """Its end is made the token that it writes first after each prompt."""
    fitted = letters.generator(llama).pretrained().fit(letters.work(), Runtime())
    prompt = next(text for text in letters.rows(40)[0] if len(fitted.write([text])[1][0, 0]))
    first = fitted.script.ids(fitted.write([prompt])[1][0].tolist())[0][0]
    fitted.script, fitted.known = dataclasses.replace(fitted.script, end=first), {}
    values, texts = fitted.write([prompt] * 30)
    assert set(texts[:, 0]) == {""}
    assert not values.any()
    (found,) = check_texts("student", texts[:, 0].tolist(), where={})
    assert "writes nothing for 100 % of the rows" in found.message


def fitted_table(tmp_path, backbone, rows):
    """Run `surpass fit --kind generation` on prompts and weak completions."""
    path = tmp_path / "own.csv"
    path.write_text("prompt,weak\n" + "".join(f"{prompt},{weak}\n" for prompt, weak in rows))
    strong = {"model": "generator", "backbone": backbone, "precision": "fp32", "epochs": 1, "max_new_tokens": 6}
    words = ["--kind", "generation", "--text", "prompt", "--weak-label", "weak", "--strong", json.dumps(strong)]
    done = CliRunner().invoke(main, ["fit", str(path), *words, "--out", str(tmp_path / "out"), "--threads", "1"])
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "out").exists()
    return " ".join(done.output.split())


def test_a_completion_beyond_the_context_is_quoted(llama, tmp_path):
    rows = [*zip(*letters.rows(40), strict=True), ("abc=", "abcabc" + "d" * 70)]
    told = fitted_table(tmp_path, llama, rows)
    assert "1 of 37 targets leave nothing to their prompts, since both have 64 tokens" in told
    assert "the longest has 77 and begins 'abcabcddd" in told


def test_a_model_without_a_map_to_its_vocabulary_is_refused_for_own_texts(tmp_path):
    told = fitted_table(tmp_path, tiny.save_bert(tmp_path / "bert"), zip(*letters.rows(40), strict=True))
    assert "saved as BertModel, which does not predict next tokens" in told
