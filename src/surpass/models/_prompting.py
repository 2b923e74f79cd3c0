"""A prompt around rows: its words, its tokens, and the probability of each answer.

What stands before the row is the same for all rows, so it is run once and its keys and values are shared; where an
architecture does not give the same answers that way, tried on two rows, every prompt is run whole.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surpass.artifacts import Inputs, Values
from surpass.errors import SpecError
from surpass.models import _backbone, _packing
from surpass.models._backbone import Backbone, Tokens
from surpass.models._language import OutputMap
from surpass.models.base import Work
from surpass.runtime import Runtime

CONTENT_FREE = "N/A"
LEAST_ROOM = 4  # tokens of a row; with fewer there is no question left
# Length of the difference of two states over that of a state: SmolLM2-135M differed by 1e-6 in fp32 and 0.02 in bf16 when
# its prefix was shared, and by 0.4 without the prefix.
SAME = {"fp32": 1e-3, "bf16": 0.1}
SHARED_COST = 8  # a shared token costs no product but memory: an eighth of a token in a batch's budget
_ROW = "\u27e8row\u27e9"

Example = tuple[Any, int]
"""A row, a text or several, and its class."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of every row.

    Attributes:
        instruction: what a row is and which digit stands for which class.
        parts: texts of a row: 1, or 2 for pairs.
        classes: number of them.
        chat: whether the tokenizer's chat template is used.
        examples: answered rows that come first.
    """

    instruction: str
    parts: int
    classes: int
    chat: bool
    examples: tuple[Example, ...] = ()

    @classmethod
    def of(cls, work: Work, *, chat: bool) -> Question:
        """Return the question of a task: its instruction, or one made from the names of its classes."""
        shown = next(iter([*work.inputs[:1], *work.watch[:1]]), "")
        parts = 1 if isinstance(shown, str) else len(shown)
        names = work.class_names or tuple(f"class {i}" for i in range(work.classes))
        what = "text" if parts == 1 else f"{parts} texts"
        answers = ", ".join(f"{i} for {name}" for i, name in enumerate(names))
        return cls(
            work.instruction or f"Name the class of the {what} below. Answer {answers}.", parts, work.classes, chat
        )

    def after(self, examples: Sequence[Example]) -> Question:
        """Return the question with answered rows before it."""
        return dataclasses.replace(self, examples=tuple(examples))

    def texts(self, row: Any) -> tuple[str, ...]:
        """Return the texts of a row, each with what stands before it but for the first one's, which is in the frame."""
        found = (row,) if self.parts == 1 else tuple(row)
        return tuple(f" {text}" if i == 0 else f"\nText {i + 1}: {text}" for i, text in enumerate(found))

    def content_free(self) -> Inputs:
        """Return the one row that says nothing."""
        return (CONTENT_FREE,) if self.parts == 1 else ((CONTENT_FREE,) * self.parts,)

    def frame(self, tokenizer: Any) -> tuple[str, str]:
        """Return the words before and after a row's texts."""
        label = "Text:" if self.parts == 1 else "Text 1:"
        asked = [label + "".join(self.texts(row)) for row, _ in self.examples]
        if not self.chat:
            done = [f"{text}\nAnswer: {kind}" for text, (_, kind) in zip(asked, self.examples, strict=True)]
            return "\n\n".join([self.instruction, *done, label]), "\nAnswer:"
        said = [f"{label} {_ROW}"] if not asked else [*asked, f"{label} {_ROW}"]
        said[0] = f"{self.instruction}\n\n{said[0]}"
        turns = []
        for text, (_, kind) in zip(said, [*self.examples, (None, None)], strict=True):
            turns.append({"role": "user", "content": text})
            turns += [] if kind is None else [{"role": "assistant", "content": str(kind)}]
        whole = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        before, _, after = whole.rpartition(f" {_ROW}")
        return before, after

    def written(self, tokenizer: Any) -> dict[str, str]:
        """Return the words before and after a row, for people."""
        before, after = self.frame(tokenizer)
        return {"before": before, "after": after}


class Asker:
    """A backbone with a question in tokens."""

    def __init__(self, backbone: Backbone, question: Question, *, limit: int, runtime: Runtime) -> None:
        """Write the prompt in tokens.

        Args:
            backbone: a causal language model.
            question: what to ask of every row.
            limit: tokens of the whole prompt; what the model can take may be less.
            runtime: place and memory.

        Raises:
            SpecError: see `Prompt.fit`.
        """
        self.backbone, self.question, self.runtime = backbone, question, runtime
        self.tokenizer = backbone.tokenizer
        output = OutputMap(backbone, runtime)
        if question.chat and not getattr(self.tokenizer, "chat_template", None):
            raise SpecError(
                f"model 'prompt': template='chat', but the tokenizer of backbone '{backbone.reference}' has no chat "
                "template. Write template='plain'."
            )
        before, after = question.frame(self.tokenizer)
        self.prefix = self._ids(before) if question.chat else [*self._start(), *self._ids(before)]
        self.tail, self.answers = self._answers(after)
        held = min(limit, self.tokenizer.model_max_length, _backbone.positions(backbone.model.config))
        self.room = held - len(self.prefix) - len(self.tail)
        if self.room < LEAST_ROOM:
            raise SpecError(
                f"model 'prompt': instruction and {len(question.examples)} examples take "
                f"{len(self.prefix) + len(self.tail)} of at most {held} tokens, which leaves no room for a row. "
                "Raise max_length where the model can take more, lower shots, or shorten the instruction."
            )
        self.output = output.of(self.answers)

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def _start(self) -> list[int]:
        """Return the token that the tokenizer begins every text with, if any."""
        first = self.tokenizer("", verbose=False)["input_ids"][:1]
        return list(first) if first == [self.tokenizer.bos_token_id] else []

    def _answers(self, after: str) -> tuple[list[int], list[int]]:
        """Return the tokens after a row, up to where the digits differ, and the one token of each digit."""
        for gap in ("", " ") if self.question.chat else (" ", ""):
            written = [self._ids(f"{after}{gap}{digit}") for digit in range(self.question.classes)]
            tails, last = {tuple(ids[:-1]) for ids in written}, [ids[-1] for ids in written]
            if len(tails) == 1 and len({*last} - {self.tokenizer.unk_token_id}) == len(written):
                return list(tails.pop()), last
        raise SpecError(
            f"model 'prompt': the tokenizer of backbone '{self.backbone.reference}' has no single token for each of the "
            f"answers 0 to {self.question.classes - 1}. Choose another backbone."
        )

    def fitting(self, inputs: Inputs, shots: int) -> NDArray[np.bool_]:
        """Return which rows are short enough to be examples: `shots` of them leave each row as much room.

        Raises:
            SpecError: fewer than `shots` are.
        """
        share = self.room // (shots + 1) - len(self.tail) - 3  # the lines between examples
        lengths = np.array([sum(map(len, pieces)) for pieces in self._pieces(inputs)])
        found: NDArray[np.bool_] = lengths <= share
        if found.sum() < shots:
            raise SpecError(
                f"model 'prompt': shots={shots}, but only {int(found.sum())} of {len(lengths)} training rows have up to "
                f"{max(share, 0)} tokens, which is what a prompt of {shots} examples leaves to each. Raise max_length "
                "where the model can take more, or lower shots."
            )
        return found

    def _pieces(self, inputs: Inputs) -> list[list[list[int]]]:
        """Return the tokens of each text of each row."""
        texts = [self.question.texts(row) for row in inputs]
        flat = [text for row in texts for text in row]
        ids = iter(self.tokenizer(flat, add_special_tokens=False, verbose=False)["input_ids"] if flat else ())
        return [[list(next(ids)) for _ in row] for row in texts]

    def tokens(self, inputs: Inputs) -> Tokens:
        """Return what follows the prefix, for each row: its texts, cut to the room from the longest on, and the tail."""
        found, cut = [], 0
        for pieces in self._pieces(inputs):
            over = sum(map(len, pieces)) - self.room
            cut += over > 0
            for _ in range(over):
                max(pieces, key=len).pop()
            found.append([*(token for piece in pieces for token in piece), *self.tail])
        return Tokens(tuple(found), None, cut / max(1, len(found)))

    def probabilities(self, inputs: Inputs) -> Values:
        """Return P(class) of each row, (n, C)."""
        states = self._states(self.tokens(inputs), shared=self.shares)
        with torch.no_grad():
            values: Values = torch.softmax(self.output(states).double(), dim=-1).cpu().numpy()
        return values

    @functools.cached_property
    def shares(self) -> bool:
        """Whether a shared prefix gives the states of whole prompts, tried on two rows of unlike length."""
        long = self.question.instruction
        pair: Inputs = (CONTENT_FREE, long)
        if self.question.parts > 1:
            pair = ((CONTENT_FREE,) * self.question.parts, (long,) * self.question.parts)
        tokens = self.tokens(pair)
        want = self._states(tokens, shared=False)
        try:
            off = (self._states(tokens, shared=True) - want).norm(dim=1) / want.norm(dim=1)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError):
            return False  # an architecture that keeps something else than keys and values
        return bool(off.max() <= SAME[self.backbone.precision])

    @functools.cached_property
    def _cache(self) -> Any:
        """Keys and values of the prefix, one row of them."""
        batch = Tokens((self.prefix,), None, 0.0).batch([0], self.backbone.device)
        _backbone.choose_attention(self.backbone.model, batch, training=False)
        return self.backbone.model(**batch, use_cache=True).past_key_values

    @torch.no_grad()
    def _states(self, tokens: Tokens, *, shared: bool) -> Tensor:
        """Return the states that the answers are read from, (n, width) fp32, after the prefix's tokens."""
        if not shared:
            tokens = Tokens(tuple([*self.prefix, *row] for row in tokens.ids), None, tokens.truncated)
        found = torch.zeros(len(tokens.ids), self.backbone.width, device=self.backbone.device)
        costs = tokens.lengths + (len(self.prefix) // SHARED_COST if shared else 0)
        for rows in _packing.padded(costs, _backbone.forward_budget(self.runtime, self.backbone.device)):
            batch = tokens.batch(rows, self.backbone.device)
            mask = batch["attention_mask"]
            if shared:
                batch |= self._before(mask)
            _backbone.choose_attention(self.backbone.model, batch, training=False)
            found[rows] = _backbone.pool(self.backbone.model(**batch).last_hidden_state, mask, "last")
        return found

    def _before(self, mask: Tensor) -> dict[str, Any]:
        """Return what a batch is called with beside its tokens when the prefix stands before each of its rows."""
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(mask))
        whole = torch.cat([mask.new_ones(len(mask), len(self.prefix)), mask], dim=1)
        return {"attention_mask": whole, "past_key_values": cache, "use_cache": True}
