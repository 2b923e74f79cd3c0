"""Writing one of the texts that a task gives for a prompt: each token is one by which some candidate goes on.

A candidate is written by the tokens that the tokenizer makes of it, as a target is learned, then the end token. What is
live of a prompt's candidates is a list that each token shortens: with tens of candidates a tree of their tokens would be no
faster, and would have to be made for every prompt and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surpass.errors import DataError
from surpass.tasks._judging import beginning, ending, named

if TYPE_CHECKING:
    from surpass.models._script import Script

Choices = tuple[tuple[int, ...], ...]
"""The candidates of a prompt as tokens, each with the end token."""


class Candidates:
    """What may be written after each prompt, as tokens; those of a text are made once."""

    def __init__(self, script: Script, of: Callable[[str], Sequence[str]]) -> None:
        """Take the candidates of a prompt as the function gives them."""
        self.script, self.of = script, of
        self._known: dict[str, tuple[int, ...]] = {}

    def choices(self, prompts: Sequence[str]) -> list[Choices]:
        """Return the candidates of each prompt.

        Raises:
            DataError: a prompt has none, the function returns no texts, or one has too many tokens or is not what its
                tokens say.
        """
        texts = {prompt: named(self.of, prompt) for prompt in dict.fromkeys(prompts)}
        new = dict[str, str]()
        for prompt, each in texts.items():
            if not each:
                raise DataError(
                    f"model 'generator': the task has no candidates for prompt {ending(prompt)}, so nothing may be written. "
                    "Leave such rows out, or set among: any."
                )
            for text in each:
                if text not in self._known:
                    new.setdefault(text, prompt)
        self._learn(new)
        made = {prompt: tuple(self._known[text] for text in each) for prompt, each in texts.items()}
        return [made[prompt] for prompt in prompts]

    def _learn(self, new: dict[str, str]) -> None:
        """Keep the tokens of candidates, each given with a prompt that has it."""
        script, said = self.script, self.script.ids(list(new))
        self._check_room(new, [len(ids) for ids in said])
        for (text, prompt), ids in zip(new.items(), said, strict=True):
            if (told := script.text(ids)).strip() != text.strip():
                raise DataError(
                    f"model 'generator': candidate {beginning(text)} of prompt {ending(prompt)} cannot be written: to the "
                    f"backbone's tokenizer it is {beginning(told)}. Take a backbone that can write it, or set among: any."
                )
            self._known[text] = (*ids, script.end)

    def _check_room(self, new: dict[str, str], counts: Sequence[int]) -> None:
        """Raise DataError for candidates that have no room with their ends; it quotes the longest of them."""
        script, most = self.script, max(counts, default=0)
        if most < script.room:
            return
        text, prompt = list(new.items())[counts.index(most)]
        remedy = f"Raise max_new_tokens to {most + 1}"
        if most + 1 >= script.limit:
            remedy += f" and max_length above that, where the model can take more than {script.limit} tokens"
        raise DataError(
            f"model 'generator': candidate {beginning(text)} of prompt {ending(prompt)} has {most} tokens, but "
            f"max_new_tokens={script.room} has room for {script.room - 1} and the end. {remedy}, or set among: any."
        )


class Walk:
    """Where the texts of a batch stand among their candidates; a text that has ended is held at the end token."""

    def __init__(self, choices: Sequence[Choices], copies: int, end: int) -> None:
        """Start `copies` texts for each prompt."""
        self.live = [each for each in choices for _ in range(copies)]
        self.step, self.end = 0, end

    def tokens(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the tokens by which each text may go on, (b, m) ascending, and which of them only fill the row."""
        found: dict[int, list[int]] = {}  # samples of a prompt begin with one and the same list of candidates
        rows = []
        for live in self.live:
            if id(live) not in found:
                found[id(live)] = sorted({ids[self.step] for ids in live}) or [self.end]
            rows.append(found[id(live)])
        most = max(map(len, rows))
        ids = torch.tensor([row + row[:1] * (most - len(row)) for row in rows], device=device)
        counts = torch.tensor([len(row) for row in rows], device=device)
        return ids, torch.arange(most, device=device) >= counts[:, None]

    def go(self, chosen: Tensor) -> None:
        """Take the next token of each text, (b,)."""
        for place, token in enumerate(chosen.tolist()):
            live = self.live[place] if token != self.end else ()
            self.live[place] = tuple(ids for ids in live if ids[self.step] == token)
        self.step += 1

    def keep(self, rows: Tensor) -> None:
        """Hold these texts (positions) alone."""
        self.live = [self.live[place] for place in rows.tolist()]
