"""Which of two conversations with an assistant do people prefer? Anthropic's helpful and harmless comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import ClassVar, Literal

from surpass.tasks._comparison import Compared, Comparison
from surpass.tasks._hub import Hub, Split, mark
from surpass.tasks.base import Example, Protocol, Row

REPLY = "\n\nAssistant:"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnthropicHh(Comparison):
    """Which of two replies to one conversation is better? A candidate is the whole conversation with its last reply.

    The rows are 160,800 training and 8,552 test comparisons, of helpfulness and of harmlessness. Comparisons of one prompt
    (the conversation up to the last reply) stay together.

    openai/weak-to-strong and EleutherAI/w2s show one reply without its rival and ask whether it was the preferred one; the
    best of seven models had .496 on ground truth, and a PGR was still printed. Here both are shown, in random order, as a
    preference task; `variant: released` keeps the published form, a classification of single conversations.

    Licence: MIT. The harmlessness part holds offensive texts.

    Attributes:
        variant: "mended", or "released": one conversation at a time, was it the preferred one?
    """

    hub: ClassVar[Hub] = Hub(
        "Anthropic/hh-rlhf",
        (Split("train", "h*/train.jsonl.gz", 160_800), Split("test", "h*/test.jsonl.gz", 8_552)),
        "09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa",
    )
    size: ClassVar[int] = hub.size
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = (
        "Bai et al. (2022). Training a Helpful and Harmless Assistant with Reinforcement Learning from Human Feedback. "
        "arXiv 2204.05862"
    )
    instruction: ClassVar[str] = (
        "Here are two conversations with an assistant that differ in its last reply. Answer 1 if the first reply is better, "
        "0 if the second is."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "chosen": "\n\nHuman: How do I peel garlic?\n\nAssistant: Crush it with the flat of a knife first.",
            "rejected": "\n\nHuman: How do I peel garlic?\n\nAssistant: Garlic.",
        },
        {
            "chosen": "\n\nHuman: Name a river.\n\nAssistant: The Danube.",
            "rejected": "\n\nHuman: Name a river.\n\nAssistant: A river is wet.",
        },
    )

    variant: Literal["mended", "released"] = "mended"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "released":  # the published form is another kind of task over the same rows
            text = (
                "Here is a conversation with an assistant. Answer 1 if people preferred it to another one, 0 otherwise."
            )
            form = {"target": "classification", "input": "text", "classes": ("rejected", "chosen"), "instruction": text}
            for name, value in form.items():
                object.__setattr__(self, name, value)

    def compared(self, row: Row) -> Compared:
        """Return both conversations; what they share is the text up to the last reply."""
        return Compared(row["chosen"], row["rejected"], row["chosen"].rpartition(REPLY)[0] or row["chosen"])

    def expand(self, row: Row, rng: Random, protocol: Protocol) -> Iterator[Example | None]:
        """Yield the pair; in the published form both conversations ("paper") or one of them ("eleuther")."""
        if self.variant == "mended":
            yield self.example(row, rng)
            return
        found, part = self.compared(row), row.get("part", "")
        for label in (1, 0) if protocol == "paper" else (int(rng.random() < 0.5),):
            text = found.better if label else found.worse
            yield Example(text, label, group=mark(found.shared), part=part) if text.strip() else None

    def known_defect(self) -> str:
        """Return what is wrong with the published form."""
        if self.variant == "mended":
            return ""
        return "one reply is shown without its rival, and which of two is better cannot be told from one (.496 at best)"
