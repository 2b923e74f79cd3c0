"""A backbone that is trained here from scratch: models of one family, of any size, from one set of texts."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.errors import SpecError
from surpass.pretrained import Pretrained
from surpass.runtime import Runtime
from surpass.spec import Spec, key, option, options_of

WIDE = 256  # in bf16 a processor with units for it did 8,600 tokens a second at width 64 (fp32: 10,300), 6,150 at 128 (6,100)
WORDS = r" ?[^\s]+|\s"
LEAST_VOCABULARY = 300  # 256 bytes, the end of a text, and some words


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrain(Spec):
    """A causal language model of the Llama kind, trained on a corpus from random weights; a stage of a study.

    Its tokenizer is byte-level BPE made of the corpus, so that no text is unknown. Input and output embeddings are one.
    Equal corpus, vocabulary, words and context give models that read the same tokens, whatever their size.

    Attributes:
        corpus: the texts.
        layers: of the model.
        width: of its hidden states; its feed-forward layers are 8/3 as wide, in steps of 8.
        heads: of its attention.
        context: tokens that it reads at once. Longer texts are cut into pieces of so many.
        vocabulary: tokens that it knows, bytes included.
        words: regular expression of what no token goes beyond; by default a word with the space before it, whatever signs it
            has, so that a frequent one is one token.
        lr: peak learning rate of AdamW, which rises over the first steps and falls along a cosine.
        epochs: passes over the texts, each in a new order.
        batch_size: texts, or pieces of them, of an optimizer step.
        warmup: share of the steps over which the rate rises.
        weight_decay: of AdamW, times the rate; not for normalizations.
        held_out: share of the corpus's groups that are not learned and on which the perplexity is measured.
        precision: of matrix products; what trains is fp32. "auto" becomes the faster of the two on this machine, and fp32
            below a width of 256. Models on this backbone take it for their own "auto".
        seed: of the first weights and of the order of the texts.
    """

    kind: ClassVar[str] = "pretrain"

    corpus: Corpus
    layers: int = option(4, low=1)
    width: int = option(128, low=8)
    heads: int = option(4, low=1)
    context: int = option(512, low=8)
    vocabulary: int = option(1024, low=LEAST_VOCABULARY)
    words: str = WORDS
    lr: float = option(2e-3, above=0.0)
    epochs: int = option(1, low=1)
    batch_size: int = option(32, low=1)
    warmup: float = option(0.05, low=0.0, high=1.0)
    weight_decay: float = option(0.1, low=0.0)
    held_out: float = option(0.05, above=0.0, high=0.5)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = option(0, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % (2 * self.heads):
            raise SpecError(
                f"pretrain: width={self.width} and heads={self.heads}, but each head needs an even number of the width. "
                f"Give a width that is a multiple of {2 * self.heads}."
            )

    def resolve(self) -> Pretrain:
        """Fill what the corpus depends on and the precision that this machine runs faster; fp32 for small models."""
        from surpass.models import _precision

        small = self.precision == "auto" and self.width < WIDE
        precision = "fp32" if small else _precision.resolve(self.precision)
        return dataclasses.replace(self, corpus=self.corpus.resolve(), precision=precision)

    def problem(self) -> str | None:
        """Return why it cannot be trained here, or None."""
        for name in ("torch", "transformers", "tokenizers", "accelerate"):
            if importlib.util.find_spec(name) is None:
                return f"package '{name}' is not installed, but a pretrain needs it. pip install 'surpass[hf]'"
        from tokenizers import Regex

        try:
            Regex(self.words)
        except Exception as error:  # it has no class of its own
            return f"pretrain: words={self.words!r} is no regular expression ({error}). Mend it, or leave it out."
        return self.corpus.problem()

    def config(self) -> dict[str, Any]:
        """Return the model's config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self._inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": True,
        }

    @property
    def _inner(self) -> int:
        return 8 * round(self.width / 3)

    def multiplied(self) -> int:
        """Return the parameters that multiply every token, which embeddings do not."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self._inner + 2 * self.width) + self.width

    def parameters(self) -> int:
        """Return the parameters of the model.

        >>> from surpass.corpora.files import Files
        >>> [Pretrain(corpus=Files(path=""), layers=n, width=w).parameters() for n, w in ((2, 32), (3, 64), (4, 128))]
        [58016, 211904, 922752]
        """
        return self.vocabulary * self.width + self.multiplied()

    def compute(self, documents: Documents, runtime: Runtime) -> Pretrained:
        """Return the trained model and its tokenizer.

        Raises:
            DataError: the corpus has too few texts, or too few words for the vocabulary.
            StageError: the loss is no longer a number.
        """
        from surpass.models._pretraining import pretrained

        return pretrained(self, documents, runtime)

    def label(self) -> str:
        """Return a short name for tables: layers x width, and a sign of all other options, which would fill a line."""
        options = options_of(self, leave_out=("layers", "width", "precision"))
        return f"llama-{self.layers}x{self.width}~{hashlib.sha256(', '.join(options).encode()).hexdigest()[:4]}"

    def __str__(self) -> str:
        """Return a reference as other backbones have: a kind, the label, and what tells it from all others."""
        return f"pretrain:{self.label()}@{key(self)}"


Backbone = str | Pretrain
"""Where a pretrained model is from: `hub:ORG/NAME@REV`, `path:DIR`, `package:NAME`, or trained here."""


def pretrains(value: Any, stages: tuple[type[Spec], ...]) -> Iterator[Pretrain]:
    """Yield what a spec, or a tuple of some, has to have trained first; specs that are `stages` themselves see to theirs."""
    if isinstance(value, Pretrain):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from pretrains(item, stages)
    elif isinstance(value, Spec) and not isinstance(value, stages):
        for field in dataclasses.fields(value):
            yield from pretrains(getattr(value, field.name), stages)


def placed(value: Any, made: Mapping[Pretrain, Pretrained]) -> Any:
    """Return a spec, or a tuple of some, with the folder of each trained backbone in the place of its spec."""
    if isinstance(value, Pretrain):
        return f"path:{made[value].folder}" if value in made else value
    if isinstance(value, tuple):
        return tuple(placed(item, made) for item in value)
    if not isinstance(value, Spec) or not made:
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    changes = {name: new for name, held in fields.items() if (new := placed(held, made)) is not held and new != held}
    return dataclasses.replace(value, **changes) if changes else value
