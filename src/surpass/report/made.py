"""What a study made before any student: texts, and the models that were pretrained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surpass.report import text
from surpass.report.blocks import Cell, Section, Table, Text
from surpass.results import Results, StageFact

MODEL_FACTS = ("parameters", "tokens", "perplexity", "bits_per_byte")
INTRO = "Texts and models that stages of this study made. Perplexity is that of texts that no model has learned."


def section(results: Results) -> Section | None:
    """Return what is known of corpora and pretrained models; None where there are none."""
    models = [stage for stage in results.stages if stage.facts and stage.kind == "pretrain"]
    texts = [stage for stage in results.stages if stage.facts and stage.kind == "corpus"]
    tables = [*([_models(models)] if models else []), *([_texts(texts)] if texts else [])]
    return Section("made", "Texts and models made here", (Text(INTRO), *tables)) if tables else None


def _models(stages: Sequence[StageFact]) -> Table:
    ordered = sorted(stages, key=lambda stage: (float(stage.facts.get("parameters", 0)), stage.what))
    rows = tuple(
        (Cell(stage.what), *(Cell(_number(stage.facts.get(name, "")), kind="number") for name in MODEL_FACTS))
        for stage in ordered
    )
    return Table("Pretrained models", ("Model", "Parameters", "Tokens read", "Perplexity", "Bits per byte"), rows)


def _texts(stages: Sequence[StageFact]) -> Table:
    rows = tuple((Cell(stage.what), Cell(_listed(stage.facts))) for stage in stages)
    return Table("Texts", ("Texts", "What was counted"), rows)


def _listed(facts: Mapping[str, float | int | str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in facts.items() if name != "machine")


def _number(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else text.number(value)
