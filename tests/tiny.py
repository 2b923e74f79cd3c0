"""Tiny pretrained models with random weights, built in a second: a decoder and an encoder over the same made-up words.

Word 0 is "!", which is also the padding token: a model that finds the last token by its id reads texts with "!" wrongly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Method
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.hf import HF

GOOD = ("fine", "great", "lovely", "superb")
BAD = ("dull", "awful", "grim", "tedious")
PLAIN = ("the", "film", "was", "and", "plot", "a", "with", "actors", "music", "really", "it", "of")
VOCABULARY = ("!", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *PLAIN)


def texts(n: int, seed: int = 0) -> tuple[tuple[str, ...], np.ndarray]:
    """Return n distinct texts of 3 to 12 words, some with "!" inside and at the end, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    found: dict[str, int] = {}
    while len(found) < n:
        label = int(labels[len(found)])
        words = [str(w) for w in rng.choice([*PLAIN, "!"], size=rng.integers(2, 11))]
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice((BAD, GOOD)[label])))
        found.setdefault(" ".join(words + ["!"] * int(rng.integers(0, 3))), label)
    return tuple(found), np.array(list(found.values()))


def work(n: int = 32, *, method: Method | None = None, watch: int = 12, seed: int = 0, smooth: float = 0.1) -> Work:
    """Return a fit of n texts with soft labels, watching others."""
    inputs, labels = texts(n + watch, seed=3)
    values = np.eye(2)[labels[:n]] * (1 - smooth) + smooth / 2
    targets = Targets.of([f"row-{i}" for i in range(n)], values)
    method = method or Soft()
    return Work(
        inputs=inputs[:n],
        targets=targets,
        watch=inputs[n:],
        target="classification",
        classes=2,
        method=method,
        seed=seed,
    )


def hf(backbone: str, **changes: Any) -> HF:
    """Return a model whose finetuning on `work` takes a second and learns something."""
    return HF(backbone=backbone, **{"precision": "fp32", "batch_size": 16, "lr": 3e-3, **changes})


def weights(fitted: Any) -> dict[str, Any]:
    """Return a copy of a fitted model's trained parameters by name."""
    return {name: p.detach().clone() for name, p in fitted.model.named_parameters() if p.requires_grad}


def save_llama(folder: Path, *, layers: int = 4, width: int = 32) -> str:
    """Save a random Llama with its tokenizer, and return its address."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,  # large enough for every layer to matter in the last decimals
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    _tokenizer(special=False).save_pretrained(folder)
    return f"path:{folder}"


def save_bert(folder: Path, *, layers: int = 3, width: int = 32) -> str:
    """Save a random BERT with its tokenizer, and return its address; its own dropout is on, as in real ones."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=128,
        initializer_range=0.2,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    _tokenizer(special=True).save_pretrained(folder)
    return f"path:{folder}"


def _tokenizer(*, special: bool):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {}
    if special:
        names = {"cls_token": "[CLS]", "sep_token": "[SEP]"}
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="!",
        model_input_names=["input_ids", *(["token_type_ids"] if special else []), "attention_mask"],
        **names,
    )
