"""Questions with several candidate answers, as labelled texts: as many right as wrong ones, or one candidate of each.

"paper" (Burns et al. 2023, appendix A.1): a question becomes as many right as wrong texts, drawn at random from what it has.
"eleuther" (EleutherAI/w2s): one candidate of a question, right with probability 1/2; of questions that their source has
one row an answer, every row. Both keep what belongs to one question, passage or dialogue in one group, and so in one split.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, ClassVar, NamedTuple

from surpass.tasks._hub import HubTask, mark
from surpass.tasks.base import Example, Protocol, Row, Task


class Question(NamedTuple):
    """A question, written out with each of its candidate answers.

    Attributes:
        texts: the whole input for each candidate.
        right: which of them are right.
        shared: text of what the question shares with others, such as its passage; or its own.
    """

    texts: tuple[str, ...]
    right: tuple[int, ...]
    shared: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choosing(Task):
    """Base of the tasks with one question and all its candidates in a row, wherever the rows are: is the answer right?"""

    classes: ClassVar[tuple[str, ...]] = ("wrong", "right")

    def question(self, row: Row, rng: Random) -> Question | None:
        """Return the question of a raw row, or None to leave it out."""
        raise NotImplementedError

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the row with one candidate, right with probability 1/2."""
        return next(iter(self.expand(row, rng, "eleuther")))

    def expand(self, row: Row, rng: Random, protocol: Protocol) -> Iterator[Example | None]:
        """Yield as many right as wrong examples ("paper") or one ("eleuther"); None for a question without either."""
        found = self.question(row, rng)
        if found is None:
            yield None
            return
        sides = {1: list(found.right), 0: [i for i in range(len(found.texts)) if i not in found.right]}
        if not (sides[0] and sides[1]):
            yield None
            return
        if protocol == "eleuther":
            label = int(rng.random() < 0.5)
            drawn = {label: [rng.choice(sides[label])]}
        else:
            n = min(map(len, sides.values()))
            drawn = {label: sorted(rng.sample(held, n)) for label, held in sides.items()}
        for label, indices in drawn.items():
            for i in indices:
                yield self.shown(found.texts[i], label, found.shared, row)

    def shown(self, text: str, label: int, shared: str, row: Row) -> Example:
        """Return the example of one candidate. Its id is its text, so that a question that is there twice is one."""
        return Example(text, label, group=mark(shared), part=row.get("part", ""))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice(Choosing, HubTask):
    """`Choosing` with rows of the hub."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers(HubTask):
    """Base of the tasks with one answer in a row, several rows a question, any number of them right.

    "paper" takes as many right as wrong answers of each question; "eleuther" takes every row, at its natural rates.
    """

    def question_of(self, row: Row) -> str:
        """Return what the rows of one question have in common."""
        raise NotImplementedError

    def examples(self, rows: Iterable[Row] | None = None, *, protocol: Protocol = "paper") -> Iterator[Example | None]:
        """Yield the examples of the rows; under "paper" those of one question together, None for an answer too many."""
        if protocol == "eleuther":
            yield from super().examples(rows, protocol=protocol)
            return
        questions: dict[str, list[Row]] = defaultdict(list)
        for row in self.source().rows() if rows is None else rows:
            questions[self.question_of(row)].append(row)
        for own in questions.values():
            yield from self._balanced(own)

    def _balanced(self, rows: list[Row]) -> Iterator[Example | None]:
        """Yield equal numbers of right and wrong answers, whatever the order of the rows."""
        rows = sorted(rows, key=_written)
        rng = Random(_written(rows))
        found = [self.example(row, rng) for row in rows]
        sides = {label: [e for e in found if e is not None and e.label == label] for label in (1, 0)}
        n = min(map(len, sides.values()))
        for held in sides.values():
            yield from rng.sample(held, n)
        yield from [None] * (len(rows) - 2 * n)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
