"""Training a causal language model from scratch: tokenizer, random weights, next tokens, perplexity on held-out texts.

The random model is written to a folder and loaded like any other; it is trained as a student is trained on its task's texts
(`_language.py`), so that packing, precision, checkpoints and schedule are those of all fits.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from surpass.artifacts import Facts
from surpass.disk import as_new
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.models import _backbone, _language, _lower, _packing, _trainer
from surpass.models._backbone import Tokens
from surpass.models._classifier import Classifier, Shape
from surpass.models._pretrain import Pretrain
from surpass.pretrained import Pretrained
from surpass.runtime import Runtime
from surpass.spec import key

END = "<|end|>"
HELD_OUT = "pretrain"


class _Folder:
    """A temporary folder that lives as long as this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="surpass-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def pretrained(spec: Pretrain, documents: Documents, runtime: Runtime) -> Pretrained:
    """Return the model that a spec describes, trained on the texts; see `Pretrain.compute`."""
    learned, held_out = documents.held_out(spec.held_out, HELD_OUT)
    if not (len(learned) and len(held_out)):
        groups = len(set(documents.groups))
        raise DataError(
            f"pretrain: corpus '{spec.corpus.label()}' has {len(documents)} texts in {groups} groups; held_out="
            f"{spec.held_out:g} leaves {len(learned)} to learn and {len(held_out)} to measure. Give more texts."
        )
    holder = None if runtime.scratch else _Folder()
    root = runtime.scratch or (holder.path if holder else Path())
    runtime = dataclasses.replace(runtime, memo={})
    start, folder = root / "start", root / "pretrained"
    _write_start(spec, learned, start)
    backbone = _backbone.load(f"path:{start}", key(spec), spec.precision, runtime)
    model = _trainer.seeded(lambda: Classifier(backbone, _shape(spec)), spec.seed)
    rows = _rows(spec, learned, backbone)
    facts = _language.tune(model, rows, _plan(spec), runtime)
    measured = perplexity(model, _rows(spec, held_out, backbone), runtime)
    _write(model, start, folder)
    as_new(folder)
    tokens = {"tokens": int(rows.tokens.lengths.sum()) * spec.epochs, "texts": len(learned)}
    return Pretrained(folder, {"parameters": spec.parameters(), **tokens, **facts, **measured}, holder)


def tokenizer_of(documents: Documents, vocabulary: int, words: str) -> Tokenizer:
    """Return byte-level BPE made of the texts, none of whose tokens goes beyond what `words` finds."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    found.train_from_iterator(documents.texts, trainer)
    return found


def _write_start(spec: Pretrain, documents: Documents, folder: Path) -> None:
    """Write tokenizer and random weights, unless a run that was killed has left them whole."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    if (folder / "whole").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer_of(documents, spec.vocabulary, spec.words),
        eos_token=END,
        pad_token=END,
        model_max_length=spec.context,
        clean_up_tokenization_spaces=False,
    )
    wrapped.save_pretrained(str(folder))
    end = wrapped.convert_tokens_to_ids(END)
    config = LlamaConfig(**spec.config(), bos_token_id=None, eos_token_id=end, pad_token_id=end)
    model = _trainer.seeded(lambda: LlamaForCausalLM(config), spec.seed)
    _write_model(config, model.model.state_dict(), folder)
    (folder / "whole").write_text("")


def _write(model: Classifier, start: Path, folder: Path) -> None:
    """Write the trained model with its tokenizer."""
    from transformers import AutoConfig

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _write_model(AutoConfig.from_pretrained(str(start)), model.body.state_dict(), folder)
    for file in start.glob("*token*"):
        shutil.copy(file, folder / file.name)


def _write_model(config: Any, body: dict[str, Tensor], folder: Path) -> None:
    """Write config and weights in fp32, as `save_pretrained` does for a causal model whose embeddings are one."""
    from safetensors.torch import save_file

    config.dtype = torch.float32
    config.save_pretrained(str(folder))
    weights = {f"model.{name}": value.detach().float().cpu().contiguous() for name, value in body.items()}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _shape(spec: Pretrain) -> Shape:
    return Shape(tune="full", layers=None, pool="last", rank=1, alpha=1.0, columns=1, max_length=spec.context)


def _plan(spec: Pretrain) -> _trainer.Plan:
    return _trainer.Plan(
        lr=spec.lr,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        warmup=spec.warmup,
        weight_decay=spec.weight_decay,
        beta2=0.95,
        schedule="cosine",
        clip=1.0,
        points=1,
        dropout=0.0,
        ema=None,
        l2_sp=0.0,
        seed=spec.seed,
    )


def _rows(spec: Pretrain, documents: Documents, backbone: _backbone.Backbone) -> _lower.Rows:
    """Return the texts, each with the token of its end, as rows of at most `context` tokens."""
    end = backbone.tokenizer.eos_token_id
    encoded = backbone.tokenizer(list(documents.texts), add_special_tokens=False, verbose=False)["input_ids"]
    pieces = tuple(piece for ids in encoded for piece in _pieces([*ids, end], spec.context))
    return _lower.Rows(Tokens(pieces, None, 0.0), backbone.device)


def _pieces(ids: list[int], context: int) -> Iterator[list[int]]:
    """Yield consecutive pieces of a text; a last piece of one token, which has nothing to predict, is left out."""
    for start in range(0, len(ids), context):
        if len(piece := ids[start : start + context]) > 1:
            yield piece


@torch.no_grad()
def perplexity(model: Classifier, rows: _lower.Rows, runtime: Runtime) -> Facts:
    """Return the perplexity of rows by token, and bits by byte of the tokens that are predicted: all but a row's first.

    How many tokens are a row's first, and how much is read before the others, depends on context and tokenizer.
    """
    loss = _language.TokenLoss(_language.OutputMap(model.backbone, runtime, model.body.get_input_embeddings()), 1)
    budget = _backbone.forward_budget(runtime, model.backbone.device, packed=model.backbone.packs > 0)
    total = 0.0
    for part in _packing.batches(rows.lengths, budget, model.backbone.packs):
        batch, _ = rows.batch(list(part))
        states = model.hidden(batch, None)
        with _backbone.autocast(model.backbone):
            total += float(loss.part(states, batch, 1))
    tokens = int((rows.lengths - 1).sum())
    bits = total / math.log(2) / max(1, predicted_bytes(model.backbone.tokenizer, rows.tokens.ids))
    return {"perplexity": math.exp(total / tokens), "bits_per_byte": bits, "held_out_tokens": tokens}


def predicted_bytes(tokenizer: Any, rows: Sequence[Sequence[int]]) -> int:
    """Return the bytes of all tokens but the first of each row; the end of a text has none.

    Byte-level BPE writes one sign for each byte of a token.
    """
    signs = {place: 0 if token == END else len(token) for token, place in tokenizer.get_vocab().items()}
    return sum(signs[token] for row in rows for token in row[1:])
