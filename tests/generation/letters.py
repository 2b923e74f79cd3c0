"""A task of texts that tiny models learn in a second, and tiny causal models that read letters: no words, no download."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.columns import written
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.generator import Generator
from surpass.runtime import Runtime
from surpass.tasks.base import Example, Generated, Row, Task

LETTERS = "abcdefgh"
END = "."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doubled(Task):
    """The first letter of three, twice, then the last one: `abc=` becomes `aac`. Generated; licence: none needed.

    Attributes:
        empty: every so many rows have no target; 0: none.
    """

    target: ClassVar[str] = "generation"
    licence: ClassVar[str] = "generated"
    sample: ClassVar[tuple[Row, ...]] = ({"text": "abc"}, {"text": "hga"})

    empty: int = 0

    def source(self) -> Generated:
        """Return all words of three letters."""
        return Generated(self._words)

    def _words(self) -> Iterator[Row]:
        for number in range(len(LETTERS) ** 3):
            places = (number // 64 % 8, number // 8 % 8, number % 8)
            yield {"text": "".join(LETTERS[place] for place in places), "number": number}

    def example(self, row: Row, rng: Any) -> Example | None:
        """Return the word with its answer."""
        word = row["text"]
        target = "" if self.empty and row["number"] % self.empty == 0 else word[0] * 2 + word[2]
        return Example(f"{word}=", target)

    def accepts(self, inputs: Any, texts: Any) -> Any:
        """Return which texts have three letters of the alphabet."""
        return np.array([len(text) == 3 and set(text) <= set(LETTERS) for text in texts], dtype=bool)


def save_model(
    folder: Path, *, width: int = 32, layers: int = 2, kind: str = "llama", seed: int = 1, **changes: Any
) -> str:
    """Save a random causal model that reads letters, and return its address."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

    torch.manual_seed(seed)
    common = {"vocab_size": len(LETTERS) + 4, "eos_token_id": 0, "bos_token_id": None, "pad_token_id": 1}
    if kind == "gpt2":
        config = GPT2Config(**common, n_embd=width, n_layer=layers, n_head=4, n_positions=64, initializer_range=0.2)
        GPT2LMHeadModel(config).save_pretrained(folder)
    elif kind == "mamba":
        config = MambaConfig(**common, hidden_size=width, num_hidden_layers=layers, initializer_range=0.4)
        MambaForCausalLM(config).save_pretrained(folder)
    else:
        sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
        config = LlamaConfig(**{**common, **sizes, **heads, "initializer_range": 0.2, **changes})
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return f"path:{folder}"


def author(reference: str, tune: str = "full", room: int = 6) -> Any:
    """Return a model before training, with its script and runtime."""
    from surpass.models import _backbone
    from surpass.models._classifier import Shape
    from surpass.models._generation import Author
    from surpass.models._script import Script

    runtime = Runtime(device="cpu")
    backbone = _backbone.load(reference, "", "fp32", runtime)
    shape = Shape(tune=tune, layers=None, pool="last", rank=2, alpha=4.0, columns=1, max_length=64)  # type: ignore[arg-type]
    return Author(backbone, shape, runtime), Script.of(backbone, max_length=64, max_new_tokens=room), runtime


def alone(fitted: Any, prompt: str, text: str) -> float:
    """Return the log probability of a text and, where there is room, its end, read without cache and without padding."""
    import torch

    script, author = fitted.script, fitted.author
    (start,), (said,) = script.prompts([prompt]), script.ids([text])
    row = [*start, *[*said, script.end][: script.room]]
    with torch.no_grad():
        batch = {"input_ids": torch.tensor([row]), "attention_mask": torch.ones(1, len(row)).long()}
        scores = torch.log_softmax(author.output(author.hidden(batch, None)[0]).float(), dim=-1)
    return sum(float(scores[i, row[i + 1]]) for i in range(len(start) - 1, len(row) - 1))


def tokenizer() -> Any:
    """Return a tokenizer whose tokens are single characters."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: place for place, word in enumerate([END, "_", "?", "=", *LETTERS])}
    found = Tokenizer(models.WordLevel(known, unk_token="?"))
    found.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    found.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=found, unk_token="?", pad_token="_", eos_token=END)


def rows(n: int, seed: int = 0) -> tuple[tuple[str, ...], list[str]]:
    """Return n prompts and their targets."""
    chosen = np.random.default_rng(seed).permutation(len(LETTERS) ** 3)[:n]
    words = ["".join(LETTERS[i // base % 8] for base in (64, 8, 1)) for i in chosen.tolist()]
    return tuple(f"{word}=" for word in words), [word[0] * 2 + word[2] for word in words]


def work(n: int = 64, *, watch: int = 16, seed: int = 0) -> Work:
    """Return a fit of n words, watching others."""
    inputs, targets = rows(n + watch)
    ids = [f"row-{i}" for i in range(n)]
    goal = Targets.of(ids, np.ones((n, 1)), texts=written([[text] for text in targets[:n]]))
    return Work(
        inputs=inputs[:n], targets=goal, watch=inputs[n:], target="generation", classes=1, method=Soft(), seed=seed
    )


def generator(backbone: str, **changes: Any) -> Generator:
    """Return a model that learns `work` in a second or two."""
    settings = {"precision": "fp32", "lr": 1e-2, "epochs": 6, "batch_size": 16, "max_new_tokens": 6, "points": 2}
    return Generator(backbone=backbone, **{**settings, **changes}).resolve()
