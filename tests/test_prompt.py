"""Prompting: the words, their tokens, and probabilities that are the causal model's own on the whole prompt."""

import dataclasses
import json

import numpy as np
import pytest
import tiny
import torch

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError, SpecError
from surpass.methods.soft import Soft
from surpass.models import _backbone, _prompting
from surpass.models.base import Work
from surpass.models.hf import HF
from surpass.models.prompt import Prompt, calibrated, draw
from surpass.runtime import Runtime

ASKED = "Name it . Answer 0 for bad , 1 for good ."
WORDS = (
    *tiny.VOCABULARY,
    *ASKED.split(),
    "Text:",
    "Text",
    "1:",
    "2:",
    "Answer:",
    "N/A",
    *"0123456789",
    "<user>",
    "<it>",
)
CHAT = (
    "{% for m in messages %}{{ '<user> ' if m.role == 'user' else '<it> ' }}{{ m.content }}{{ ' \n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<it>' }}{% endif %}"
)


def _save(folder, *, chat=CHAT, positions=256, bos=False):
    """Save a random decoder whose words are those of prompts, one token each."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = list(dict.fromkeys(WORDS))
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="!", **({"bos_token": "[CLS]"} if bos else {})
    )
    fast.chat_template = chat
    fast.save_pretrained(folder)
    return f"path:{folder}"


@pytest.fixture(scope="session")
def decoder(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="session")
def with_start(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("start"), bos=True)


def _work(n=30, *, pairs=False, seed=0, **changes):
    inputs, labels = tiny.texts(2 * n if pairs else n, seed=3)
    rows = tuple(zip(inputs[:n], inputs[n:], strict=True)) if pairs else inputs
    values = np.eye(2)[labels[:n]] * 0.8 + 0.1
    targets = Targets.of([f"r{i}" for i in range(n)], values)
    work = Work(
        inputs=rows,
        targets=targets,
        watch=(),
        target="classification",
        classes=2,
        method=Soft(),
        seed=seed,
        instruction=ASKED,
    )
    return dataclasses.replace(work, **changes)


def _prompt(backbone, **changes):
    return Prompt(backbone=backbone, **{"precision": "fp32", **changes})


def _fit(backbone, work=None, **changes):
    return _prompt(backbone, **changes).fit(work or _work(), Runtime(device="cpu"))


def _expected(reference, prompts, answers=("0", "1")):
    """Return P(class) from the whole prompt's text, one at a time, by the causal model as transformers has it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = reference.removeprefix("path:")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    tokens = [tokenizer.convert_tokens_to_ids(answer) for answer in answers]
    found = []
    for text in prompts:
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1, tokens]
        found.append(torch.softmax(logits.double(), -1).numpy())
    return np.stack(found)


def _examples(fitted):
    return fitted.asker.question.examples


# Probabilities


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("backbone", ["decoder", "with_start"])
@pytest.mark.parametrize("shots", [0, 3])
def test_a_plain_prompt_is_the_text_a_person_would_write(request, monkeypatch, backbone, shots, shared):
    reference, work = request.getfixturevalue(backbone), _work()
    if not shared:
        monkeypatch.setattr(_prompting.Asker, "shares", False)
    fitted = _fit(reference, work, shots=shots)
    assert fitted.asker.shares is shared
    done = "".join(f"Text: {text}\nAnswer: {kind}\n\n" for text, kind in _examples(fitted))
    whole = [f"{ASKED}\n\n{done}Text: {text}\nAnswer:" for text in work.inputs]
    got = fitted.predict(work.inputs)
    assert got == pytest.approx(_expected(reference, whole), abs=1e-5)
    assert got.std(axis=0).min() > 1e-2  # it depends on the row
    order = np.random.default_rng(0).permutation(len(work.inputs))
    assert fitted.predict(tuple(work.inputs[i] for i in order)) == pytest.approx(got[order], abs=1e-5)
    assert len(_examples(fitted)) == shots


def test_a_pair_shows_both_texts(decoder):
    work = _work(12, pairs=True)
    fitted = _fit(decoder, work, shots=2)
    row = "Text 1: {0}\nText 2: {1}\nAnswer:"
    done = "".join(f"{row.format(*texts)} {kind}\n\n" for texts, kind in _examples(fitted))
    whole = [f"{ASKED}\n\n{done}{row.format(*texts)}" for texts in work.inputs]
    assert fitted.predict(work.inputs) == pytest.approx(_expected(decoder, whole), abs=1e-5)


@pytest.mark.parametrize("shots", [0, 2])
def test_a_chat_has_its_examples_as_earlier_turns(decoder, shots):
    work = _work()
    fitted = _fit(decoder, work, shots=shots, template="chat")
    turns = [f"Text: {text} \n<it> {kind} \n<user>" for text, kind in _examples(fitted)]
    whole = [f"<user> {ASKED} {' '.join(turns)} Text: {text} \n<it>" for text in work.inputs]
    assert fitted.predict(work.inputs) == pytest.approx(_expected(decoder, whole), abs=1e-5)


def test_more_classes_and_no_instruction(decoder):
    values = np.eye(4)[np.arange(30) % 4]
    work = _work(targets=Targets.of([f"r{i}" for i in range(30)], values), classes=4, instruction="")
    names = dataclasses.replace(work, class_names=("a", "b", "c", "d"))
    assert _fit(decoder, names).asker.question.instruction == (
        "Name the class of the text below. Answer 0 for a, 1 for b, 2 for c, 3 for d."
    )
    got = _fit(decoder, work, shots=4).predict(work.inputs)
    assert got.shape == (30, 4)
    assert got.sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_bf16_is_near(decoder):
    work = _work()
    exact, rough = (_fit(decoder, work, shots=2, precision=name) for name in ("fp32", "bf16"))
    assert rough.asker.shares
    assert rough.predict(work.inputs) == pytest.approx(exact.predict(work.inputs), abs=0.1)


# Labels and examples


def test_without_examples_no_label_is_read(decoder):
    work = _work()
    turned = dataclasses.replace(work, targets=Targets.of(work.targets.ids, 1 - work.targets.values), seed=7)
    assert np.array_equal(_fit(decoder, work).predict(work.inputs), _fit(decoder, turned).predict(work.inputs))
    assert _fit(decoder, work).steps == (0,)
    assert _fit(decoder, work).watched.shape == (1, 0, 0)


def test_examples_carry_the_labels_that_were_given(decoder):
    work = _work()
    labels = dict(zip(work.inputs, work.targets.values.argmax(axis=1), strict=True))
    turned = dataclasses.replace(work, targets=Targets.of(work.targets.ids, 1 - work.targets.values))
    right, wrong = (_fit(decoder, each, shots=4) for each in (work, turned))
    assert all(labels[text] == kind for text, kind in _examples(right))
    assert all(labels[text] == 1 - kind for text, kind in _examples(wrong))
    assert not np.allclose(right.predict(work.inputs), wrong.predict(work.inputs), atol=1e-3)
    drawn = {tuple(_examples(_fit(decoder, _work(seed=seed), shots=4))) for seed in (0, 0, 1, 2)}
    assert len(drawn) == 3


def test_rows_that_the_method_weighs_zero_are_no_examples(decoder):
    work, weight = _work(), np.zeros(30)
    weight[[4, 9, 11]] = 10.0
    work = dataclasses.replace(work, targets=dataclasses.replace(work.targets, weight=weight))
    assert {text for text, _ in _examples(_fit(decoder, work, shots=3))} == {work.inputs[i] for i in (4, 9, 11)}


def test_draws_take_classes_in_turns():
    classes = np.array([0] * 20 + [1] * 5 + [2] * 2)
    every = np.ones(27, dtype=bool)
    for seed in range(20):
        assert np.bincount(classes[draw(classes, every, 6, balance=True, seed=seed)]).tolist() == [2, 2, 2]
        assert sorted(np.bincount(classes[draw(classes, every, 5, balance=True, seed=seed)])) == [1, 2, 2]
        assert np.bincount(classes[draw(classes, every, 12, balance=True, seed=seed)]).tolist() == [5, 5, 2]
        assert len(set(draw(classes, every, 27, balance=True, seed=seed))) == 27
    free = [np.bincount(classes[draw(classes, every, 6, balance=False, seed=s)], minlength=3) for s in range(300)]
    assert np.mean(free, axis=0) == pytest.approx(6 * np.array([20, 5, 2]) / 27, abs=0.25)
    firsts = [classes[draw(classes, every, 3, balance=True, seed=s)[0]] for s in range(300)]
    assert np.bincount(firsts) / 300 == pytest.approx([1 / 3] * 3, abs=0.1)  # no class always comes first
    assert draw(classes, classes == 2, 4, balance=True, seed=0) in ([25, 26], [26, 25])


def test_calibration_divides_by_the_answer_without_content(decoder):
    work = _work()
    fitted = _fit(decoder, work, shots=2, calibrate=True)
    plain = _fit(decoder, work, shots=2)
    free = plain.predict(("N/A",))[0]
    odds = plain.predict(work.inputs) / free
    assert fitted.predict(work.inputs) == pytest.approx(odds / odds.sum(axis=1, keepdims=True), abs=1e-9)
    assert fitted.predict(("N/A",)) == pytest.approx(0.5, abs=1e-6)
    assert calibrated(np.array([[0.9, 0.1]]), np.array([0.75, 0.25])) == pytest.approx(np.array([[0.75, 0.25]]))


# Lengths


def test_only_the_row_is_cut_and_the_cut_is_counted(decoder):
    base = _work()
    long = " ".join(["plot"] * 300)
    work = dataclasses.replace(base, inputs=(long, *base.inputs[1:]))
    fitted = _fit(decoder, work, shots=2, max_length=90)
    asker = fitted.asker
    tokens = asker.tokens((long, base.inputs[1]))
    assert len(asker.prefix) + len(tokens.ids[0]) == 90
    assert tokens.ids[0][-len(asker.tail) :] == tokens.ids[1][-len(asker.tail) :] == asker.tail
    assert tokens.truncated == 0.5
    assert fitted.facts["truncated"] == pytest.approx(1 / 30)
    assert long not in [text for text, _ in _examples(fitted)]  # it would leave no room
    kept = " ".join(["plot"] * (len(tokens.ids[0]) - len(asker.tail)))
    assert fitted.predict((long,)) == pytest.approx(fitted.predict((kept,)), abs=1e-6)
    pair = _fit(decoder, _work(12, pairs=True), max_length=60).asker.tokens(((long, "the film"),)).ids[0]
    words = _fit(decoder).asker.tokenizer.convert_ids_to_tokens(pair)
    assert words[-5:] == ["Text", "2:", "the", "film", "Answer:"]  # the longer text is cut


def test_a_prompt_without_room_is_refused(decoder, tmp_path):
    with pytest.raises(SpecError, match=r"instruction and 0 examples take 1\d of at most 16 tokens.*no room for a row"):
        _fit(decoder, max_length=16)
    with pytest.raises(SpecError, match=r"shots=20, but only 0 of 30 training rows have up to \d+ tokens"):
        _fit(decoder, shots=20, max_length=80)
    small = _save(tmp_path, positions=40)
    assert len(_fit(small, shots=1).asker.prefix) + _fit(small, shots=1).asker.room < 40  # what the model can take


# What it is not for


def test_what_cannot_be_asked_is_refused(decoder, tmp_path):
    work = _work()
    many = dataclasses.replace(work, classes=11)
    with pytest.raises(IncompatibleError, match="up to 10 classes; the task has 11"):
        _fit(decoder, many)
    encoder = tiny.save_bert(tmp_path / "bert")
    assert "model 'prompt': backbone" in _prompt(encoder).problem()
    assert "saved as BertModel, which does not predict next tokens" in _prompt(encoder).problem()
    with pytest.raises(SpecError, match="no causal language model"):
        _fit(encoder)
    with pytest.raises(SpecError, match="no single token for each of the answers 0 to 1"):
        _fit(tiny.save_llama(tmp_path / "llama"))
    plain = _save(tmp_path / "plain", chat=None)
    with pytest.raises(SpecError, match=r"template='chat', but the tokenizer of backbone .* has no chat template"):
        _fit(plain, template="chat")
    assert _prompt(decoder).problem() is None


def test_an_architecture_that_cannot_share_is_asked_whole(decoder, monkeypatch):
    before = _prompting.Asker._before
    monkeypatch.setattr(_prompting.Asker, "_before", lambda self, mask: {"attention_mask": mask})  # forgets the prefix
    forgetful = _fit(decoder, shots=2)
    assert not forgetful.asker.shares
    monkeypatch.setattr(_prompting.Asker, "_before", before)
    assert forgetful.predict(_work().inputs) == pytest.approx(_fit(decoder, shots=2).predict(_work().inputs), abs=1e-5)


# Beside it


def test_the_saved_prompt_says_everything(decoder, tmp_path):
    fitted = _fit(decoder, shots=2, calibrate=True)
    fitted.save(tmp_path)
    saved = json.loads((tmp_path / "prompt.json").read_text(encoding="utf-8"))
    assert saved["before"].startswith(f"{ASKED}\n\nText: ")
    assert saved["before"].endswith("\n\nText:")
    assert saved["after"] == "\nAnswer:"
    assert saved["content_free"] == pytest.approx(fitted.free)
    backbone = _backbone.load(decoder, "", "fp32", Runtime(device="cpu"))
    assert backbone.tokenizer.convert_ids_to_tokens(saved["answers"]) == ["0", "1"]
    assert fitted.facts["prompt_tokens"] == len(backbone.tokenizer(saved["before"] + saved["after"])["input_ids"])


def test_it_is_what_a_decoder_says_before_training(decoder):
    before = HF(backbone=decoder, precision="fp32").pretrained()
    assert before == _prompt(decoder) == _prompt(decoder, shots=4).pretrained()
    assert before.can == {"features", "pretrained"}
    resolved = before.resolve()
    assert resolved.digest == resolved.encoder().digest != ""
    assert _prompt(decoder, shots=4, template="chat").label().endswith("prompt(shots=4, template=chat, precision=fp32)")


@pytest.mark.slow
@pytest.mark.assets
def test_a_real_model_is_better_than_chance():
    from sklearn.metrics import roc_auc_score

    from surpass.assets import present
    from surpass.tasks.movie_reviews import MovieReviews

    if not (present("smollm2-135m") and present("vader-ratings")):
        pytest.skip("smollm2-135m or vader-ratings is not here: surpass assets fetch")
    task = MovieReviews()
    every = [example for example in task.examples() if example]
    chosen = [every[i] for i in np.random.default_rng(0).permutation(len(every))[:200]]
    gold = np.array([example.label for example in chosen])
    work = _work(
        inputs=tuple(example.input for example in chosen),
        targets=Targets.of([str(i) for i in range(200)], np.eye(2)[gold], gold=True),
        instruction=task.instruction,
    )
    fitted = Prompt(backbone="package:smollm2-135m").resolve().fit(work, Runtime(device="cpu"))
    assert fitted.asker.shares
    assert roc_auc_score(gold, fitted.predict(work.inputs)[:, 1]) > 0.65
