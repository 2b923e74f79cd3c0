"""Cross-entropy on the supervisor's probabilities: the naive baseline of weak-to-strong generalization.

Idea: train the student on what the supervisor says, with its doubt. Nothing else is done.

    loss = CE(softmax(z), y),  y the supervisor's probabilities

Of texts it is the mean loss of their tokens, each text by its share of the row's probability: with greedy labels, finetuning
on the supervisor's texts.

Source: Burns et al. 2023 (arXiv 2312.09390), section 3. Nothing differs from it. It has no parameter.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.methods.base import Method


@dataclasses.dataclass(frozen=True, kw_only=True)
class Soft(Method):
    """Weak labels as they are."""

    targets: ClassVar[frozenset[str]] = frozenset({"classification", "regression", "preference", "generation"})
