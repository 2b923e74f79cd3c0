"""Which of two replies of an assistant do people prefer? HelpSteer3-Preference."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._comparison import Compared, Comparison
from surpass.tasks._hub import Hub, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Helpsteer3(Comparison):
    """Which of two replies to one conversation is better? A candidate is the whole conversation with that reply.

    The rows are 40,476 comparisons of replies to general, scientific, programming and multilingual prompts, 95 % of them for
    training, each judged by up to three people on a scale from -3 (the first is much better) to 3. Ties are left out;
    comparisons of one conversation stay together, and the domain is kept.

    Licence: CC BY 4.0.
    """

    hub: ClassVar[Hub] = Hub(
        "nvidia/HelpSteer3",
        (Split("train", "preference/train.jsonl.gz"), Split("test", "preference/validation.jsonl.gz")),
        "f6d145777bcbde96137596340fab89793acd1031",
    )
    size: ClassVar[int] = 40_476
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = (
        "Wang et al. (2025). HelpSteer3-Preference: Open Human-Annotated Preference Data across Diverse Tasks and Languages. "
        "arXiv 2505.11475"
    )
    instruction: ClassVar[str] = (
        "Here are two conversations with an assistant that differ in its last reply. Answer 1 if the first reply is better, "
        "0 if the second is."
    )
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "domain": "general",
            "language": "english",
            "context": [{"role": "user", "content": "Name a river."}],
            "response1": "The Danube.",
            "response2": "A river is wet.",
            "overall_preference": -2,
            "individual_preference": [{"score": -2, "reasoning": "Only the first answers."}],
        },
        {
            "domain": "code",
            "language": "python",
            "context": [{"role": "user", "content": "Print 1."}],
            "response1": "echo 1",
            "response2": "print(1)",
            "overall_preference": 3,
            "individual_preference": [{"score": 3, "reasoning": "The first is no Python."}],
        },
        {
            "domain": "general",
            "language": "english",
            "context": [{"role": "user", "content": "Say hello."}],
            "response1": "Hello.",
            "response2": "Hello!",
            "overall_preference": 0,
            "individual_preference": [{"score": 0, "reasoning": "The same."}],
        },
    )

    def compared(self, row: Row) -> Compared | None:
        """Return the conversation with the preferred and with the other reply; None for a tie."""
        if not row["overall_preference"]:
            return None
        names = {"user": "Human", "assistant": "Assistant", "system": "System"}
        talk = "".join(f"\n\n{names.get(turn['role'], turn['role'])}: {turn['content']}" for turn in row["context"])
        replies = [f"{talk}\n\nAssistant: {row[name]}" for name in ("response1", "response2")]
        better = int(row["overall_preference"] > 0)
        return Compared(replies[better], replies[1 - better], talk, row["domain"])
