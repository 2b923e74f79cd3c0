"""Writing one of a task's candidates: only those are written, by the model's own choice among them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import letters
import numpy as np
import pytest
from click.testing import CliRunner

from surpass.cli import main
from surpass.errors import DataError, SpecError
from surpass.feasibility import problems_of
from surpass.fits import Job
from surpass.labels.gold import Gold
from surpass.methods.soft import Soft
from surpass.route import Route
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.splits import Data, make_splits
from surpass.stages import Fit
from surpass.study import Pair, Study


def few(prompt: str) -> list[str]:
    """Return what is made of a prompt's letters: one is the beginning of others, and prompts differ in how many they have."""
    word = prompt[:3]
    return [word[0], word[0] * 2, word[0] * 2 + word[2], word[::-1], *(["hhhhh"] if word[1] < "c" else [])]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known(letters.Doubled):
    """Doubled letters, whose candidates are known. Generated; licence: none needed."""

    accepts = letters.Task.accepts

    def candidates(self, prompt: str) -> list[str]:
        """Return what is made of the letters."""
        return few(prompt)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return letters.save_model(tmp_path_factory.mktemp("llama"), seed=3)


def writing(reference: str, of: Any = few, **changes: Any) -> Any:
    """Return a model before any training that writes among candidates."""
    model = letters.generator(reference, epochs=0, among="candidates", **changes)
    return model.fit(dataclasses.replace(letters.work(), candidates=of), Runtime())


def test_each_token_is_the_most_probable_by_which_a_candidate_goes_on(llama):
    """The reference reads every candidate on its own and goes down their tokens, without cache, batch or mask."""
    import torch

    fitted, prompts = writing(llama), letters.rows(64)[0]
    values, texts = fitted.write(prompts)
    for prompt, value, text in zip(prompts, values[:, 0], texts[:, 0], strict=True):
        (row,), live, step = fitted.script.prompts([prompt]), [[*fitted.script.ids([t])[0], 0] for t in few(prompt)], 0
        while live[0][step - 1] or not step:
            with torch.no_grad():
                batch = {"input_ids": torch.tensor([row]), "attention_mask": torch.ones(1, len(row)).long()}
                logits = fitted.author.output(fitted.author.hidden(batch, None)[0])[-1]
            best = max({ids[step] for ids in live}, key=lambda token: float(logits[token]))
            live, row, step = [ids for ids in live if ids[step] == best], [*row, best], step + 1
        assert fitted.script.text(live[0]) == text
        assert np.log(value) == pytest.approx(letters.alone(fitted, prompt, text), abs=1e-4)
    assert len({few(prompt).index(text) for prompt, text in zip(prompts, texts[:, 0], strict=True)}) > 1
    assert fitted.facts["unfinished"] == 0
    free = letters.generator(llama, epochs=0).fit(letters.work(), Runtime()).write(prompts)[1][:, 0]
    assert sum(text in few(prompt) for prompt, text in zip(prompts, free, strict=True)) < 32  # the mask had work to do


def tokens_of(fitted: Any, prompts: Any, budget: int = 0) -> Any:
    """Return what is written in one batch, or in batches of few tokens."""
    from surpass.models import _decoding

    runtime = dataclasses.replace(fitted.runtime, tokens_per_batch=budget) if budget else fitted.runtime
    asked, choices = fitted.script.fitting(prompts)[0], fitted.candidates.choices(prompts)
    return _decoding.write(fitted.author, fitted.script, asked, fitted.way, runtime, choices)


@pytest.mark.parametrize("samples", [0, 4])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "mamba"])
def test_a_batch_writes_what_each_prompt_alone_is_written(tmp_path, kind, samples):
    fitted = writing(letters.save_model(tmp_path, seed=5, kind=kind), samples=samples)
    words = letters.rows(24)[0]
    prompts = [*(word[i % 3 :] if i % 2 else f"hg{word}" for i, word in enumerate(words)), words[0], words[0]]
    prompts = [prompt for prompt in prompts if len(prompt) > 3]
    together = tokens_of(fitted, prompts)
    single = [tokens_of(fitted, [prompt]) for prompt in prompts]
    assert np.array_equal(together.tokens, np.concatenate([one.tokens for one in single]))
    assert np.allclose(together.logs, np.concatenate([one.logs for one in single]), atol=1e-5)
    parts = tokens_of(fitted, prompts, budget=60)
    assert np.array_equal(together.tokens, parts.tokens)
    lengths = (together.tokens >= 0).sum(axis=2)
    assert lengths.min() < lengths.max()  # rows ended at different steps


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_where_the_free_text_is_a_candidate_it_is_written_with_its_probability(tmp_path, seed):
    reference, prompts = letters.save_model(tmp_path, seed=seed), letters.rows(200)[0]
    values, texts = letters.generator(reference, epochs=0).fit(letters.work(), Runtime()).write(prompts)
    ended = [0 < len(text) < 6 for text in texts[:, 0]]
    free = dict(zip(prompts, texts[:, 0].tolist(), strict=True))
    among, said = writing(reference, lambda prompt: [*few(prompt), free[prompt][:5]]).write(prompts)
    assert sum(ended) > 10
    assert said[ended].tolist() == texts[ended].tolist()
    assert np.allclose(among[ended], values[ended], rtol=1e-4)


def test_samples_are_candidates_drawn_by_the_probabilities_that_the_mask_leaves(llama):
    """Shares of many samples against probabilities multiplied token by token over what candidates allow."""
    import torch

    fitted = writing(llama, samples=4000, temperature=2.0)
    prompt = "abc="
    (start,), rows = fitted.script.prompts([prompt]), [[*ids, 0] for ids in fitted.script.ids(few(prompt))]
    wanted = []
    for row in rows:
        value = 1.0
        for step, token in enumerate(row):
            ids = torch.tensor([[*start, *row[:step]]])
            with torch.no_grad():
                hidden = fitted.author.hidden({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, None)
                weights = torch.exp(fitted.author.output(hidden[0])[-1].double() / 2.0)
            value *= float(weights[token] / sum(weights[t] for t in {r[step] for r in rows if r[:step] == row[:step]}))
        wanted.append(value)
    assert sum(wanted) == pytest.approx(1.0)
    said = [fitted.script.text([t for t in ids if t >= 0]) for ids in tokens_of(fitted, [prompt]).tokens[0].tolist()]
    share = np.array([said.count(text) for text in few(prompt)]) / len(said)
    assert np.abs(share - wanted).max() < 4 * np.sqrt(0.25 / len(said))
    assert len(wanted) == 5


def test_more_samples_than_candidates_are_as_many_texts_as_there_are(llama):
    fitted = writing(llama, lambda prompt: ["a", "ab", "a"], samples=40, temperature=5.0)
    values, texts = fitted.write(["abc=", "bcd="])
    assert values.shape == (2, 40)
    assert [sorted(filter(None, row)) for row in texts.tolist()] == [["a", "ab"], ["a", "ab"]]
    for prompt, row, said in zip(["abc=", "bcd="], values.tolist(), texts.tolist(), strict=True):
        assert row[0] >= row[1] > row[2] == 0
        assert np.log(row[:2]) == pytest.approx([letters.alone(fitted, prompt, text) for text in said[:2]], abs=1e-4)


def test_prompts_that_are_cut_to_one_text_keep_their_own_candidates(llama):
    fitted = writing(llama, lambda prompt: [prompt[0]], max_length=12)
    prompts = ["a" + "bcd" * 5, "c" + "bcd" * 5]
    (first, second), share = fitted.script.fitting(prompts)
    assert (first == second, share) == (True, 1.0)
    assert fitted.write(prompts)[1][:, 0].tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no candidates for prompt 'hac=', so nothing may be written. Leave such rows out, or set among: any"),
        (["a", "abcabc"], "'abcabc' of prompt 'hac=' has 6 tokens, but max_new_tokens=6 has room for 5 and the end"),
        (["a", "xa"], r"'xa' of prompt 'hac=' cannot be written: to the backbone's tokenizer it is '\?a'"),
        (["a", "a.b"], "'a.b' of prompt 'hac=' cannot be written: to the backbone's tokenizer it is 'a'"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_prompt(llama, given, message):
    fitted = writing(llama, lambda prompt: given)
    with pytest.raises(DataError, match=message):
        fitted.write(["hac="])
    work = dataclasses.replace(letters.work(16), candidates=lambda prompt: given)
    with pytest.raises(DataError, match="prompt"):  # before training, where rows are watched
        letters.generator(llama, among="candidates").fit(work, Runtime())


def test_training_reads_watched_rows_among_their_candidates(llama):
    work = dataclasses.replace(letters.work(), candidates=few)
    fitted = letters.generator(llama, epochs=2, among="candidates").fit(work, Runtime())
    assert fitted.watched_texts.shape == (2, 16)
    for row in fitted.watched_texts.tolist():
        assert all(text in few(prompt) for prompt, text in zip(work.watch, row, strict=True))
    assert fitted.watched_texts[-1].tolist() == fitted.write(work.watch)[1][:, 0].tolist()
    assert len(fitted.known) == 16
    free = letters.generator(llama, epochs=2).fit(work, Runtime())
    assert fitted.facts["train_loss"] == free.facts["train_loss"]  # what is learned is the same
    assert fitted.watched_texts.tolist() != free.watched_texts.tolist()


def test_a_fit_of_a_study_writes_candidates_of_its_task(llama):
    data = Data(task=Known(), n_weak=20, n_transfer=20, n_val=0, n_test=20).resolve()
    splits = make_splits(data)
    model = letters.generator(llama, epochs=1, among="candidates")
    spec = Fit(data=data, model=model, labels=Gold(), method=Soft(), seed=0)
    labels = {"labels": [Gold().compute(splits, ())]}
    job = Job.of(spec, splits, labels)
    found = job.finished(job.fit(Runtime()), Runtime())
    prompts = dict(zip(splits.rows.ids, splits.rows.inputs, strict=True))
    assert len(found.ids) == 40
    assert all(text in few(prompts[name]) for name, text in zip(found.ids, found.texts[:, 0], strict=True))
    unknown = dataclasses.replace(spec, data=dataclasses.replace(data, task=letters.Doubled()))
    assert Job.of(unknown, splits, labels).work().candidates is None


def test_a_task_takes_its_candidates_for_answers_and_no_others():
    prompts = ("abc=", "abc=", "hhh=")
    assert Known().accepts(prompts, ["aac", " cba ", "aac"]).tolist() == [True, True, False]
    assert letters.Task.accepts(letters.Doubled(), prompts, ["x", " ", ""]).tolist() == [True, False, False]


def test_a_task_without_candidates_is_refused_while_planning(llama):
    def study(task: Any) -> Study:
        data = {"n_weak": 20, "n_transfer": 20, "n_val": 10, "n_test": 20}
        pair = Pair(weak=letters.generator(llama), strong=letters.generator(llama, among="candidates"))
        return Study(name="texts", tasks=(task,), pairs=(pair,), data=data, seeds=1)

    assert problems_of(study(Known())) == []
    (found,) = problems_of(study(letters.Doubled()))
    assert found == (
        "pair 1, model 'generator' writes among candidates, but task 'letters:Doubled' names none. Leave out `among`, or "
        "give the task a `candidates(prompt)`."
    )
    with pytest.raises(SpecError, match="among='candidates', but the task names no candidates"):
        letters.generator(llama, among="candidates").fit(letters.work(), Runtime())


@pytest.mark.parametrize("role", ["weak", "through"])
def test_a_supervisor_and_a_model_between_are_refused_as_a_student_is(llama, role):
    plain, among = letters.generator(llama), letters.generator(llama, epochs=3, among="candidates")
    study = Study(
        name="texts",
        tasks=(letters.Doubled(),),
        pairs=(Pair(weak=among if role == "weak" else plain, strong=plain),),
        methods=(Route(method=Soft(), through=(among if role == "through" else plain,)),),
        data={"n_weak": 20, "n_transfer": 20, "n_val": 10, "n_test": 20},
        seeds=1,
    )
    (found,) = problems_of(study)
    assert "model 'generator' writes among candidates, but task 'letters:Doubled' names none" in found


@pytest.mark.parametrize("role", ["--strong", "--supervisor"])
def test_own_tables_have_no_candidates(llama, tmp_path, role):
    (tmp_path / "own.csv").write_text("prompt,weak,gold\nabc=,aac,aac\n")
    among = json.dumps({"model": "generator", "backbone": llama, "among": "candidates"})
    models = {"--strong": llama, "--supervisor": llama, role: among}
    words = [word for pair in models.items() for word in pair]
    done = CliRunner().invoke(
        main, ["fit", str(tmp_path / "own.csv"), "--kind", "generation", "--text", "prompt", "--gold", "gold", *words,
               "--out", str(tmp_path / "out")]
    )  # fmt: skip
    assert done.exit_code == 2
    assert "writes among candidates, but a table gives none. Leave out `among`." in " ".join(done.output.split())


def test_what_is_asked_for_is_in_names_and_keys_and_what_is_not_is_in_neither(llama):
    plain, among = letters.generator(llama), letters.generator(llama, among="candidates")
    assert key(plain) == key(dataclasses.replace(plain, among="any")) != key(among)
    assert "among=candidates" in among.label()
    assert "among" not in plain.label()
    assert among.pretrained().among == "candidates"
