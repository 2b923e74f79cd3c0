"""The report's tables of texts and models that a study made: a stage's kind says which it is, whatever was counted."""

from __future__ import annotations

import dataclasses

from sample_results import sample

from surpass.report.made import section
from surpass.results import StageFact


def stage(what: str, kind: str, **facts: float) -> StageFact:
    return StageFact(what, what, "done", 1.0, {}, "", facts, kind)


def test_texts_and_models_are_told_apart_by_the_kind_of_their_stage():
    made = (
        stage("games", "corpus", texts=9, perplexity=3.5),
        stage("llama", "pretrain", parameters=12, perplexity=2.5),
    )
    found = section(dataclasses.replace(sample(), stages=(*made, stage("a fit", ""))))
    assert found is not None
    _, models, texts = found.blocks
    assert [[cell.text for cell in row][:2] for row in models.rows] == [["llama", "12"]]
    assert [[cell.text for cell in row] for row in texts.rows] == [["games", "texts 9, perplexity 3.500"]]
    assert section(dataclasses.replace(sample(), stages=(stage("a fit", ""),))) is None
