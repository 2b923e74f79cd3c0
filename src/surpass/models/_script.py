"""Prompts and targets as tokens, and tokens as texts.

Prompt and target are tokenized apart and joined, so that no token spans both and a target has the same tokens after every
prompt. Prompts that do not fit lose tokens at their start, targets never.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surpass.errors import DataError, SpecError
from surpass.models import _backbone
from surpass.models._backbone import Backbone, Tokens

QUOTED = 60  # characters of a text in an error, by which a person finds it


@dataclasses.dataclass(frozen=True)
class Script:
    """How a tokenizer writes prompts and targets.

    Attributes:
        tokenizer: of the backbone.
        start: what every prompt begins with: the tokenizer's first token, if it has one.
        end: the token after a target.
        limit: tokens of prompt and target together.
        room: tokens of a target, the end included, that a prompt leaves free.
    """

    tokenizer: Any
    start: tuple[int, ...]
    end: int
    limit: int
    room: int

    @classmethod
    def of(cls, backbone: Backbone, *, max_length: int, max_new_tokens: int) -> Script:
        """Return the script of a backbone; SpecError when it has no end token or no room for a prompt."""
        tokenizer = backbone.tokenizer
        config = backbone.model.config.get_text_config()
        ends = [tokenizer.eos_token_id, getattr(config, "eos_token_id", None)]
        ends = [end[0] if isinstance(end, list) else end for end in ends if end is not None]
        if not ends:
            raise SpecError(
                f"model 'generator': backbone '{backbone.reference}' has no end token, so it could never stop. Set "
                "`eos_token` of its tokenizer, or `eos_token_id` of its config."
            )
        limit = min(max_length, tokenizer.model_max_length, _backbone.positions(backbone.model.config))
        if limit <= max_new_tokens:
            raise SpecError(
                f"model 'generator': max_new_tokens={max_new_tokens} leaves nothing to a prompt of {limit} tokens in all. "
                "Lower max_new_tokens, or raise max_length where the model can take more."
            )
        first = tokenizer("", verbose=False)["input_ids"][:1]
        start = tuple(first) if first and first == [tokenizer.bos_token_id] else ()
        return cls(tokenizer, start, int(ends[0]), limit, max_new_tokens)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, without any that a tokenizer adds."""
        if not texts:
            return []
        return [list(row) for row in self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]]

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of prompts in full, never none: an empty prompt is the end token of a text before it."""
        return [[*self.start, *row] or [self.end] for row in self.ids(texts)]

    def cut(self, prompt: list[int], room: int) -> list[int]:
        """Return a prompt that leaves `room` tokens free, without the tokens after its start that do not fit."""
        over = len(prompt) + room - self.limit
        return prompt if over <= 0 else [*self.start, *prompt[len(self.start) + over :]]

    def fitting(self, texts: Sequence[str]) -> tuple[list[list[int]], float]:
        """Return prompts that leave room for a target, and the share of them that lost tokens."""
        whole = self.prompts(texts)
        found = [self.cut(row, self.room) for row in whole]
        return found, sum(len(a) < len(b) for a, b in zip(found, whole, strict=True)) / max(1, len(whole))

    def joined(self, texts: Sequence[str], targets: Sequence[str]) -> Lesson:
        """Return prompts with their targets, each as one row of tokens.

        Raises:
            DataError: targets leave no token to their prompts; it counts them and quotes the longest.
        """
        rows, starts, cut, long = list[list[int]](), list[int](), 0, 0
        said = self.ids(targets)
        self._check_room(targets, said)
        for prompt, ids in zip(self.prompts(texts), said, strict=True):
            target = [*ids, self.end]
            read = self.cut(prompt, max(self.room, len(target)))
            cut, long = cut + (len(read) < len(prompt)), long + (len(target) > self.room)
            rows.append([*read, *target])
            starts.append(len(read))
        n = max(1, len(rows))
        return Lesson(Tokens(tuple(rows), None, cut / n), np.array(starts, dtype=np.int64), long / n)

    def _check_room(self, targets: Sequence[str], said: Sequence[Sequence[int]]) -> None:
        """Raise DataError for targets so long, with their ends, that a prompt would have no token."""
        whole = np.array([len(ids) + 1 for ids in said], dtype=np.int64)
        over = np.flatnonzero(whole + len(self.start) >= self.limit)
        if not len(over):
            return
        longest = int(over[whole[over].argmax()])
        raise DataError(
            f"model 'generator': {len(over)} of {len(whole)} targets leave nothing to their prompts, since both have "
            f"{self.limit} tokens; the longest has {whole[longest]} and begins {targets[longest][:QUOTED]!r}. Raise "
            "max_length where the model can take more, or leave such rows out."
        )

    def text(self, ids: Sequence[int]) -> str:
        """Return what tokens say, up to the end token; a space before it stays, since its tokens are learned with it."""
        said = list(ids)[: list(ids).index(self.end)] if self.end in ids else list(ids)
        text: str = self.tokenizer.decode(said, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text


@dataclasses.dataclass(frozen=True)
class Lesson:
    """Prompts with targets: tokens of n rows, where each target starts (n,), and the share of targets beyond the room."""

    tokens: Tokens
    starts: NDArray[np.int64]
    long: float
