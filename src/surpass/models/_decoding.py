"""Writing texts in batches: prompts padded on the left, keys and values kept, each step one token of every row.

A row is read at the positions that it would have alone and sees no padding, so it gets the tokens that it would get alone;
rows that have ended leave the batch. Whether that holds is tried on two prompts of unlike length: where an architecture
answers otherwise (it sees its padding), rows are written one by one. One that hands out no keys and values, as Mamba, reads
all of a row again for each token. Where a prompt has candidates (`_candidates`), only tokens of theirs can be chosen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surpass.models import _backbone
from surpass.models._candidates import Choices, Walk
from surpass.models._script import Script
from surpass.runtime import Runtime

if TYPE_CHECKING:
    from surpass.models._generation import Author

# Length of the difference of two states over that of a state, as for a prompt's shared beginning: see `_prompting.SAME`.
ALIKE = {"fp32": 1e-3, "bf16": 0.1}
LEFT = 0.75  # of a batch: with fewer rows unfinished the others' keys and values are given up


@dataclasses.dataclass(frozen=True)
class Way:
    """How to choose the next token.

    Attributes:
        samples: texts of each row; 0: one, greedily.
        temperature: logits are divided by it before a sample is drawn.
        top_p: samples are of the most probable tokens whose probabilities reach this sum.
        seed: of the samples.
    """

    samples: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    @property
    def copies(self) -> int:
        """Texts of each prompt."""
        return max(1, self.samples)


@dataclasses.dataclass(frozen=True)
class Found:
    """What was written for n prompts, k texts each: tokens with the end token, -1 after it, and log probabilities (n, k)."""

    tokens: NDArray[np.int64]
    logs: NDArray[np.float64]

    def array(self) -> NDArray[np.float64]:
        """Return the most probable text of each prompt as numbers, (n, 1 + tokens): its log probability, then its tokens."""
        rows, best = np.arange(len(self.logs)), self.logs.argmax(axis=1)
        return np.column_stack([self.logs[rows, best], self.tokens[rows, best]])

    @classmethod
    def of(cls, array: NDArray[np.float64]) -> Found:
        """Return what `array` made numbers of."""
        return cls(array[:, None, 1:].astype(np.int64), array[:, :1])


def write(
    author: Author,
    script: Script,
    prompts: Sequence[Sequence[int]],
    way: Way,
    runtime: Runtime,
    choices: Sequence[Choices] | None = None,
) -> Found:
    """Return what the model writes after each prompt, at most `script.room` tokens, or one of its choices if those are given.

    The logarithms are of the probability of the text and its end, or of the text alone where it did not end, under the
    model as it is, whatever the temperature and the choices.
    """
    given: Sequence[Choices | None] = choices or [None] * len(prompts)
    asked = list(zip(map(tuple, prompts), given, strict=True))
    unique = {each: i for i, each in enumerate(dict.fromkeys(asked))}
    rows, among = [prompt for prompt, _ in unique], [each for _, each in unique if each is not None]
    tokens = np.full((len(rows), way.copies, script.room), -1, dtype=np.int64)
    logs = np.zeros((len(rows), way.copies))
    with torch.no_grad(), author.whole(), _backbone.casts_kept(), _backbone.autocast(author.backbone):
        together = len(rows) * way.copies > 1 and _alike(author, runtime)
        for part in _batches(rows, script.room, way.copies, runtime.tokens_per_batch if together else 0):
            walk = Walk([among[i] for i in part], way.copies, script.end) if among else None
            found = _write(author, script, [rows[i] for i in part], way, walk)
            tokens[part], logs[part] = found.tokens, found.logs
    places = np.array([unique[each] for each in asked], dtype=np.int64)
    return Found(tokens[places], logs[places])


def _batches(rows: Sequence[tuple[int, ...]], room: int, copies: int, budget: int) -> Iterator[list[int]]:
    """Yield rows (positions) of similar length, the longest first, within the token budget."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    start = 0
    while start < len(order):
        size = max(1, budget // ((len(rows[order[start]]) + room) * copies))
        yield order[start : start + size]
        start += size


def _write(author: Author, script: Script, rows: Sequence[Sequence[int]], way: Way, walk: Walk | None) -> Found:
    """Return what is written for one batch of prompts."""
    stream = Stream(author, rows, way.copies)
    noise = None
    if way.samples:
        drawn = [drawn_by(way.seed, row, way.copies, script.room) for row in rows]
        noise = torch.tensor(np.concatenate(drawn), device=stream.device)
    tokens = torch.full((len(rows) * way.copies, script.room), -1, dtype=torch.long, device=stream.device)
    logs = torch.zeros(len(tokens), dtype=torch.float64, device=stream.device)
    held = torch.arange(len(tokens), device=stream.device)  # the texts that the stream holds
    ended = torch.zeros(len(tokens), dtype=torch.bool, device=stream.device)
    for step in range(script.room):
        logits, uniform = stream.logits, None if noise is None else noise[held, step]
        chosen = _chosen(logits, uniform, way) if walk is None else _among(logits, uniform, way, walk)
        scores = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
        tokens[held[~ended], step] = chosen[~ended]
        logs[held[~ended]] += scores[~ended].double()
        ended = ended | (chosen == script.end)
        going = int((~ended).sum())
        if going == 0 or step == script.room - 1:
            break
        if going <= LEFT * len(held):
            kept = (~ended).nonzero()[:, 0]
            stream.keep(kept)
            held, chosen, ended = held[kept], chosen[kept], ended[kept]
            if walk is not None:
                walk.keep(kept)
        stream.read(chosen[:, None])
    shape = (len(rows), way.copies)
    return Found(tokens.view(*shape, -1).cpu().numpy(), logs.view(shape).cpu().numpy())


def _chosen(logits: Tensor, uniform: Tensor | None, way: Way) -> Tensor:
    """Return the token of each row, (b,): the most probable, or the one drawn by uniform numbers (b,)."""
    return logits.argmax(dim=-1) if uniform is None else _drawn(logits, uniform, way)


def _among(logits: Tensor, uniform: Tensor | None, way: Way, walk: Walk) -> Tensor:
    """Return the token of each row, (b,), among those by which a candidate of its prompt goes on."""
    ids, beyond = walk.tokens(logits.device)
    places = _chosen(logits.gather(1, ids).masked_fill(beyond, -torch.inf), uniform, way)
    chosen = ids.gather(1, places[:, None])[:, 0]
    walk.go(chosen)
    return chosen


def _drawn(logits: Tensor, noise: Tensor, way: Way) -> Tensor:
    """Return the token of each row, (b,), at the place of a uniform number (b,) among those that `way` allows."""
    probs, tokens = torch.softmax(logits.double() / way.temperature, dim=-1).sort(dim=-1, descending=True)
    sums = probs.cumsum(dim=-1)
    inside = sums - probs < way.top_p  # the token that reaches the sum is the last
    total = (probs * inside).sum(dim=-1)
    place = (sums < (noise * total)[:, None]).sum(dim=-1)
    last = inside.sum(dim=-1) - 1
    return tokens.gather(1, torch.minimum(place, last)[:, None])[:, 0]


class Stream:
    """Rows that are read token by token: their keys and values, and the logits of what comes next, (b, vocabulary) fp32."""

    def __init__(self, author: Author, rows: Sequence[Sequence[int]], copies: int = 1) -> None:
        """Read rows of tokens, padded on the left; then hold each of them `copies` times."""
        self.author, self.device = author, author.backbone.device
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=self.device)
        self.mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=self.device)
        self.placed = "position_ids" in inspect.signature(author.backbone.model.forward).parameters
        self.ids = ids
        self.cache: Any = None
        self.states = self.logits = torch.zeros(0)
        self._forward(ids)
        if copies > 1:
            if self.cache is not None:
                self.cache.batch_repeat_interleave(copies)  # type: ignore[unreachable]  # `_forward` sets it
            held = (self.ids, self.mask, self.logits)
            self.ids, self.mask, self.logits = (each.repeat_interleave(copies, dim=0) for each in held)

    def read(self, tokens: Tensor) -> None:
        """Read the next tokens of each row, (b, t)."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(tokens.shape)], dim=1)
        self.ids = torch.cat([self.ids, tokens], dim=1)
        self._forward(self.ids if self.cache is None else tokens)

    def keep(self, rows: Tensor) -> None:
        """Hold these rows (positions) alone; the logits are those of all until the next tokens are read."""
        if self.cache is not None:
            self.cache.batch_select_indices(rows)
        self.ids, self.mask = self.ids[rows], self.mask[rows]

    def _forward(self, ids: Tensor) -> None:
        author = self.author
        batch = {"input_ids": ids, "attention_mask": self.mask}
        if self.placed:
            batch["position_ids"] = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        # 64 prompts of some 40 tokens: plain attention took 4.7 to 5.9 s, the fused one 4.1.
        if self.device.type == "cpu":
            fused = getattr(author.body, "_supports_sdpa", False)
            author.body.config._attn_implementation = "sdpa" if fused else "eager"
        found = author.body(**batch, past_key_values=self.cache, use_cache=True)
        self.cache = getattr(found, "past_key_values", None)
        self.states = found.last_hidden_state[:, -1]
        self.logits = author.output(self.states).float()


def _alike(author: Author, runtime: Runtime) -> bool:
    """Return whether a short prompt beside a long one is read as it is alone; tried once per backbone."""
    known, memo = ("left", author.backbone.key), runtime.memo
    if known not in memo:
        last = author.backbone.model.config.get_text_config().vocab_size - 1
        rows = [[min(i, last) for i in (1, 2, 3, 4, 5)], [min(i, last) for i in (3, 1)]]
        more = torch.tensor([[min(2, last)], [last]], device=author.backbone.device)
        try:
            both, alone = Stream(author, rows), Stream(author, rows[1:])
            both.read(more)
            alone.read(more[1:])
            off = (both.states[1] - alone.states[0]).float().norm() / alone.states[0].float().norm()
            memo[known] = bool(off <= ALIKE[author.backbone.precision])
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError):
            memo[known] = False  # an architecture that keeps something else than keys and values
    found: bool = memo[known]
    return found


def drawn_by(seed: int, prompt: Sequence[int], samples: int, length: int) -> NDArray[np.float64]:
    """Return uniform numbers (samples, length) of a prompt's samples, whatever stands beside it in a batch."""
    digest = hashlib.sha256(f"{seed}/{list(prompt)}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big")).random((samples, length))
