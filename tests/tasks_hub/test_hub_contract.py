"""The contract of tasks notices what can go wrong with several examples of one row, and with pairs."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import pytest

from surpass import testing
from surpass.tasks.anthropic_hh import AnthropicHh
from surpass.tasks.base import Example
from surpass.tasks.openbookqa import Openbookqa

spec = dataclasses.dataclass(frozen=True, kw_only=True)


@spec
class _Doubled(Openbookqa):
    """Questions. Licence: none."""

    def expand(self, row: Any, rng: Random, protocol: Any) -> Any:
        yield from [Example(row["question_stem"], 1)] * 2


@spec
class _ByTurn(Openbookqa):
    """Questions. Licence: none."""

    def examples(self, rows: Any = None, *, protocol: Any = "paper") -> Any:
        for i, row in enumerate(rows):
            yield Example(row["question_stem"], i % 2)


@spec
class _OneSided(AnthropicHh):
    """Pairs. Licence: none."""

    def example(self, row: Any, rng: Random) -> Example:
        return Example((row["chosen"], row["chosen"]), 1)


@spec
class _Alone(AnthropicHh):
    """Pairs. Licence: none."""

    def example(self, row: Any, rng: Random) -> Example:
        return Example((row["chosen"],), 1)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (_Doubled, "a row becomes the same input twice"),
        (_ByTurn, "an example depends on the rows before it"),
        (_OneSided, "both candidates are"),
        (_Alone, "a preference is between two candidates, not 1"),
    ],
)
def test_broken_tasks_are_noticed(task: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        testing.check_task(task)


@pytest.mark.parametrize("variant", ["mended", "released"])
def test_the_contract_holds_for_both_variants(variant: str) -> None:
    testing.check_task("anthropic-hh", variant=variant)
    testing.check_task("openbookqa", variant=variant)
    testing.check_task("cosmos-qa", variant=variant)
    testing.check_task("ethics-virtue", variant=variant)
