"""Family `generator`: what its loss reads, how it decodes, what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import letters
import numpy as np
import pytest
import tiny

from surpass.artifacts import Targets
from surpass.columns import written
from surpass.errors import DataError, SpecError
from surpass.feasibility import problems_of
from surpass.models.generator import Generator
from surpass.models.sklearn import Sklearn
from surpass.runtime import Runtime
from surpass.study import Pair, Study


def gradient(author: Any, rows: list[list[int]], starts: list[int], weight: list[float], padding: int = 0) -> Any:
    """Return loss and gradient of rows of tokens, whose padding on the right holds some token."""
    import torch

    from surpass.models._backbone import Tokens
    from surpass.models._generation import TargetLoss

    tokens = Tokens(tuple(rows), None, 0.0)
    batch = tokens.batch(range(len(rows)), author.backbone.device)
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, padding)
    loss = TargetLoss(author.output, torch.tensor(starts), torch.tensor(weight), 1)
    author.zero_grad()
    value = loss.part(author.hidden(batch, None), batch, list(range(len(rows))), len(rows))
    value.backward()
    return float(value), {name: p.grad.clone() for name, p in author.named_parameters() if p.grad is not None}


def same(left: Any, right: Any, tolerance: float = 1e-6) -> bool:
    (a, first), (b, second) = left, right
    assert first.keys() == second.keys()
    away = max(float((first[name] - second[name]).abs().max()) for name in first)
    return abs(a - b) < tolerance and away < tolerance


ROWS, STARTS = [[4, 5, 6, 3, 4, 4, 6, 0], [7, 3, 8, 8, 0], [9, 10, 11, 3, 9, 0]], [4, 2, 4]


def test_the_loss_is_of_target_and_end_tokens_alone(author, llama):
    """The reference is transformers' own causal model with the labels of prompts masked, row by row, without padding."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(llama.removeprefix("path:"), dtype=torch.float32)
    total = torch.zeros(())
    for row, start in zip(ROWS, STARTS, strict=True):
        labels = torch.tensor([[-100] * start + row[start:]])
        total = total + model(input_ids=torch.tensor([row]), labels=labels).loss / len(ROWS)
    total.backward()
    value, found = gradient(author[0], ROWS, STARTS, [1.0] * 3)
    assert value == pytest.approx(float(total), abs=1e-6)
    wanted = {name.removeprefix("model."): p.grad for name, p in model.named_parameters()}
    for name, grad in found.items():
        other = wanted["lm_head.weight" if name.startswith("map.") else name.removeprefix("body.")]
        assert torch.allclose(grad, other, atol=1e-6), name


def test_padding_and_rows_of_no_weight_leave_the_gradient_as_it_is(author):
    plain = gradient(author[0], ROWS, STARTS, [1.0] * 3)
    assert same(plain, gradient(author[0], ROWS, STARTS, [1.0] * 3, padding=7))
    longer = [*ROWS, [4] * 30]
    value, found = gradient(author[0], longer, [*STARTS, 3], [1.0, 1.0, 1.0, 0.0])
    scaled = value * 4 / 3, {name: grad * 4 / 3 for name, grad in found.items()}  # the mean is over four rows now
    assert same(plain, scaled, 1e-5)
    assert not same(plain, gradient(author[0], [[5, *ROWS[0][1:]], *ROWS[1:]], STARTS, [1.0] * 3), 1e-4)


def test_several_texts_of_a_row_are_learned_by_their_shares():
    from surpass.models._generation import exploded

    texts = written([["a", "b"], ["c", ""], ["d", "e"]])
    values = np.array([[0.03, 0.01], [0.5, 0.0], [0.2, 0.2]])
    targets = dataclasses.replace(Targets.of("xyz", values, texts=texts), weight=np.array([1.0, 2.0, 0.0]))
    rows, said, weight = exploded(targets)
    assert rows.tolist() == [0, 0, 1, 2, 2]
    assert said == ["a", "b", "c", "d", "e"]
    assert weight == pytest.approx(np.array([0.75, 0.25, 2.0, 0.0, 0.0]) * 5 / 3)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"tune": "lora"}, {"tune": "top", "layers": 1}])
def test_it_learns_to_write_and_its_files_write_the_same(llama, tmp_path, options):
    import torch
    from transformers import AutoModelForCausalLM

    model = letters.generator(llama, epochs=6, **options)
    fitted = model.fit(letters.work(200), Runtime())
    inputs, targets = letters.rows(216)
    values, texts = fitted.write(inputs)
    right = np.mean([a == b for a, b in zip(texts[:, 0], targets, strict=True)])
    assert right > (0.8 if not options else 0.02)
    assert values.shape == texts.shape == (216, 1)
    assert ((values > 0) == (texts != "")).all()
    assert fitted.watched.shape == (2, 16, 1)
    assert fitted.watched_texts.shape == (2, 16)
    assert fitted.watched_texts[-1].tolist() == fitted.write(inputs[200:])[1][:, 0].tolist()
    assert fitted.facts["trained_texts"] == 200
    fitted.save(tmp_path)
    if options.get("tune") == "lora":
        from peft import AutoPeftModelForCausalLM

        loaded = AutoPeftModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    else:
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    script = fitted.script
    for prompt, text, value in zip(inputs[:10], texts[:10, 0], values[:10, 0], strict=True):
        ids = torch.tensor(script.prompts([prompt]))
        found = loaded.generate(input_ids=ids, max_new_tokens=6, do_sample=False, eos_token_id=0, pad_token_id=1)
        assert script.text(found[0, ids.shape[1] :].tolist()) == text
        with torch.no_grad():
            scores = loaded(input_ids=found).logits[0, ids.shape[1] - 1 : -1].log_softmax(dim=-1)
        wanted = scores.gather(1, found[0, ids.shape[1] :, None]).sum()
        assert np.log(value) == pytest.approx(float(wanted), abs=1e-3)


def test_a_space_before_a_target_is_written_as_it_was_learned():
    """A weak text has the tokens of a gold one: with byte-level tokens a word with a space before it is another word."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from surpass.models._script import Script

    words = {word: place for place, word in enumerate(["<end>", "\u0120yes", "yes", "1+1="])}
    held = Tokenizer(models.WordLevel(words, unk_token="<end>"))
    held.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    held.decoder = decoders.ByteLevel()
    script = Script(PreTrainedTokenizerFast(tokenizer_object=held, eos_token="<end>"), (), 0, 64, 6)
    assert script.ids([" yes", "yes"]) == [[1], [2]]
    assert script.text([1, 0, 2]) == " yes"
    assert script.ids([script.text([1, 0])]) == [[1]]


def test_fits_repeat_and_the_cut_of_a_step_does_not_matter(llama):
    model, work = letters.generator(llama, epochs=2), letters.work()
    first, again = (model.fit(work, Runtime()) for _ in range(2))
    cut = model.fit(work, Runtime(tokens_per_batch=24))
    inputs = work.inputs[:20]
    assert np.array_equal(first.predict(inputs), again.predict(inputs))
    assert np.array_equal(first.watched, again.watched)
    assert cut.facts["train_loss"] == pytest.approx(first.facts["train_loss"], abs=1e-5)
    assert np.allclose(cut.watched[0], first.watched[0], rtol=1e-3)


def test_a_step_holds_as_many_rows_however_many_texts_they_have(llama):
    """A text that stands twice with half of its weight each teaches as it does once, when steps count rows."""
    model, work = letters.generator(llama, epochs=1, batch_size=64), letters.work()
    texts, values = np.repeat(work.targets.texts, 2, axis=1), np.repeat(work.targets.values / 2, 2, axis=1)
    twice = dataclasses.replace(work.targets, texts=texts, values=values)
    one, two = (model.fit(dataclasses.replace(work, targets=goal), Runtime()) for goal in (work.targets, twice))
    assert two.facts["trained_texts"] == 2 * one.facts["trained_texts"]
    assert two.steps == one.steps
    assert two.facts["train_loss"] == pytest.approx(one.facts["train_loss"], abs=1e-5)
    assert np.allclose(two.watched[-1], one.watched[-1], rtol=1e-3)


def test_without_epochs_the_pretrained_model_answers_whatever_the_targets_are(llama):
    work = letters.work()
    asked = letters.generator(llama).pretrained()
    assert asked.epochs == 0
    assert " pretrained(" in asked.label()
    fitted = asked.fit(work, Runtime())
    other = dataclasses.replace(work.targets, texts=work.targets.texts[::-1])
    again = asked.fit(dataclasses.replace(work, targets=other), Runtime())
    assert fitted.steps == (0,)
    assert fitted.facts["trained_parameters"] == 0
    assert np.array_equal(fitted.write(work.inputs)[1], again.write(work.inputs)[1])


def test_long_prompts_lose_their_start_and_targets_nothing(llama):
    work = letters.work(20, watch=0)
    long = ("h" * 60 + work.inputs[0], *work.inputs[1:])
    model = letters.generator(llama, epochs=1, max_length=20)
    fitted = model.fit(dataclasses.replace(work, inputs=long), Runtime())
    assert fitted.facts["truncated"] == pytest.approx(1 / 20)
    script = fitted.script
    (kept,), share = script.fitting(long[:1])
    assert share == 1.0
    assert script.text(kept) == long[0][-14:]
    lesson = script.joined(long[:1], ["a" * 12])
    assert lesson.tokens.lengths[0] == 20
    assert lesson.tokens.ids[0][lesson.starts[0] :] == [*script.ids(["a" * 12])[0], script.end]
    told = r"2 of 3 targets leave nothing to their prompts.* the longest has 26 and begins 'ba{24}'\. Raise max_length"
    with pytest.raises(DataError, match=told):
        script.joined(long[:1] * 3, ["a" * 12, "a" * 20, "b" + "a" * 24])


def study(**pair: Any) -> Study:
    data = {"n_weak": 20, "n_transfer": 20, "n_val": 10, "n_test": 20}
    return Study(name="texts", tasks=(letters.Doubled(),), pairs=(Pair(**pair),), data=data, seeds=1)


def test_what_cannot_write_texts_is_refused_while_planning(llama, tmp_path):
    bert = tiny.save_bert(tmp_path)
    weak, good = letters.generator(llama), Generator(backbone=llama)
    assert problems_of(study(weak=weak, strong=good)) == []
    (headless,) = problems_of(study(weak=weak, strong=Generator(backbone=bert)))
    assert "saved as BertModel, which does not predict next tokens" in headless
    wrong = problems_of(study(weak=Sklearn(), strong=good))
    assert len(wrong) == 1
    assert "model 'sklearn' cannot serve task 'letters:Doubled', which is generation" in wrong[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 16, "max_new_tokens": 16}, "max_new_tokens=16 leaves nothing to a prompt of max_length=16"),
        ({"temperature": 0.5}, "are of samples, but samples=0 takes the most probable tokens"),
        ({"tune": "top"}, "tune='top' needs `layers`"),
        ({"layers": 2}, "layers=2, but tune='full' trains them all"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        Generator(backbone="path:none", **options)


def test_a_model_without_an_end_token_is_refused(llama):
    from surpass.models import _backbone
    from surpass.models._script import Script

    backbone = _backbone.load(llama, "", "fp32", Runtime())
    backbone.tokenizer.eos_token, backbone.model.config.eos_token_id = None, None
    with pytest.raises(SpecError, match="has no end token, so it could never stop"):
        Script.of(backbone, max_length=64, max_new_tokens=6)
