"""Does a premise entail a hypothesis that people wrote to mislead a model? Round 2 of ANLI."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnliR2(HubTask):
    """Does the premise entail the hypothesis? Neutral and contradicting hypotheses are one class, as in Burns et al.

    The rows are 45,460 training and 1,000 test pairs of the second round of Adversarial NLI. Hypotheses on one premise stay
    together.

    Licence: CC BY-NC 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "facebook/anli",
        (
            Split("train", "plain_text/train_r2-*.parquet", 45_460),
            Split("test", "plain_text/test_r2-*.parquet", 1_000),
        ),
        "8e4813d81f46d313dac7892e1c28076917cfcdf9",
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("not entailed", "entailed")
    licence: ClassVar[str] = "CC BY-NC 4.0"
    citation: ClassVar[str] = (
        "Nie et al. (2020). Adversarial NLI: A New Benchmark for Natural Language Understanding. ACL"
    )
    instruction: ClassVar[str] = "Here are a premise and a hypothesis. Answer 1 if the premise entails it, 0 otherwise."
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "uid": "a1",
            "premise": "The mill opened in 1901.",
            "hypothesis": "The mill is old.",
            "label": 0,
            "reason": "",
        },
        {
            "uid": "a2",
            "premise": "The mill opened in 1901.",
            "hypothesis": "The mill burned.",
            "label": 1,
            "reason": "",
        },
        {"uid": "a3", "premise": "Ana sold her boat.", "hypothesis": "Ana still owns it.", "label": 2, "reason": ""},
    )

    def read(self, row: Row) -> Labelled:
        """Return premise and hypothesis with whether the label is entailment (0)."""
        head = f"Premise: {row['premise']}\nHypothesis: {row['hypothesis']}"
        label = -1 if row["label"] == -1 else int(row["label"] == 0)
        return Labelled(f"{head}\n\nDoes the premise entail the hypothesis?", label, row["premise"])
