"""Several texts of a row: distinct, by their probability, and what training reads of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import letters
import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.fits import Job
from surpass.labels.gold import Gold
from surpass.methods.soft import Soft
from surpass.models.generator import LEAST, Finetuned
from surpass.runtime import Runtime
from surpass.splits import Data, make_splits
from surpass.stages import Fit


def check_rows(values: Any, texts: Any) -> int:
    """Check that rows have distinct texts of falling probabilities, at most 1 in all; return how many have several."""
    several = 0
    for row, said in zip(values, texts, strict=True):
        kept = said[said != ""].tolist()
        assert len(set(kept)) == len(kept)
        assert (row[said != ""] > 0).all()
        assert (np.diff(row[said != ""]) <= 0).all()
        assert row.sum() <= 1 + 1e-6
        several += len(kept) > 1
    assert (values[texts == ""] == 0).all()
    return several


def test_samples_become_distinct_texts_the_most_probable_first(llama):
    """Which were drawn is what the decoder says; their probabilities are read again, each text alone."""
    from surpass.models import _decoding

    fitted = letters.generator(llama, samples=6, epochs=2).fit(letters.work(), Runtime())
    prompts = letters.rows(20)[0]
    values, texts = fitted.write(prompts)
    assert values.shape == texts.shape == (20, 6)
    assert check_rows(values, texts) > 10
    asked, script = fitted.script.fitting(prompts)[0], fitted.script
    drawn = _decoding.write(fitted.author, script, asked, fitted.way, fitted.runtime).tokens.tolist()
    for prompt, row, said, rows in zip(prompts, values, texts, drawn, strict=True):
        assert {*said} - {""} == {script.text([token for token in ids if token >= 0]) for ids in rows} - {""}
        wanted = [letters.alone(fitted, prompt, text) for text in said if text]
        assert np.log(row[said != ""]) == pytest.approx(wanted, abs=1e-3)
    assert fitted.watched_texts.shape == (2, 16)


def test_watched_rows_have_samples_as_others_have(llama):
    model, work = letters.generator(llama, samples=3, epochs=2), letters.work()
    values, texts = model.fit(work, Runtime()).write(work.watch)
    assert check_rows(values, texts) > 5
    others = model.fit(dataclasses.replace(work, watch=()), Runtime()).write(work.watch)
    assert np.array_equal(values, others[0])
    assert np.array_equal(texts, others[1])


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_training_that_changes_nothing_reads_the_same_texts_at_every_point(llama, samples):
    """What is read while training is what is predicted in the end, also where the most probable tokens say otherwise."""
    data = Data(task=letters.Doubled(), n_weak=20, n_transfer=20, n_val=10, n_test=20).resolve()
    splits = make_splits(data)
    model = letters.generator(llama, samples=samples, epochs=1, lr=1e-12)
    spec = Fit(data=data, model=model, labels=Gold(), method=Soft(), seed=0)
    job = Job.of(spec, splits, {"labels": [Gold().compute(splits, ())]})
    found = job.finished(job.fit(Runtime()), Runtime())
    places = {name: place for place, name in enumerate(found.ids)}
    said = found.texts[[places[name] for name in found.watched_ids], 0].tolist()
    first, last = found.watched_texts.tolist()
    assert first == last == said
    greedy = dataclasses.replace(model, samples=0).pretrained().fit(job.work(), Runtime()).write(job.work().watch)[1]
    assert said != greedy[:, 0].tolist()
    values = found.values[[places[name] for name in found.watched_ids], 0]
    assert found.watched[:, :, 0] == pytest.approx(np.stack([values, values]), rel=1e-4)


def test_a_text_whose_probability_no_number_holds_is_learned_and_an_empty_one_is_not(llama):
    from surpass.models._decoding import Found, Way
    from surpass.models._generation import exploded

    _, script, runtime = letters.author(llama)
    a, b = script.ids(["ab", "ba"])
    rows = [[a, b], [[], []], [[], b]]
    tokens = np.full((3, 2, 4), -1)
    for i, row in enumerate(rows):
        for j, ids in enumerate(row):
            tokens[i, j, : len(ids) + 1] = [*ids, script.end]
    logs = np.array([[-746.0, -1e4], [-800.0, -800.0], [-0.5, -800.0]])
    fitted = Finetuned(author=None, script=script, way=Way(samples=2), runtime=runtime)
    values, texts = fitted._texts(Found(tokens, logs))
    assert (np.exp(logs[logs < -1]) == 0).all()
    assert texts.tolist() == [["ab", "ba"], ["", ""], ["", "ba"]]
    assert values.tolist() == [[LEAST, LEAST], [0, 0], [0, LEAST]]
    rows, said, weight = exploded(Targets.of("xyz", values, texts=texts))
    assert (rows.tolist(), said) == ([0, 0, 2], ["ab", "ba", "ba"])
    assert weight.tolist() == pytest.approx([0.75, 0.75, 1.5])
