"""What a corpus is: texts that are made or read once, for pretraining and for tasks that stand on them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from surpass.documents import Documents
from surpass.errors import DataError
from surpass.runtime import Runtime
from surpass.spec import Spec, describe_kind, name_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus(Spec):
    """A set of texts, and a stage of a study: it is built once and kept in the store.

    A file `corpora/NAME.py` with one class is a plug-in; its options are its fields. The class docstring says what the texts
    are, their licence and what to cite. A corpus that reads files fills a field `digest` in `resolve` and says in `problem`
    what is lacking.
    """

    family: ClassVar[str] = "corpus"
    columns: ClassVar[tuple[str, ...] | None] = None
    """Columns that its documents can have, for tasks that need some; None: it does not say."""
    required: ClassVar[tuple[tuple[str, ...], ...]] = (("build",),)

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpora that this one is made of; their documents are given to `build` in this order."""
        return ()

    def left_out(self) -> tuple[Corpus, ...]:
        """Return those of `sources` of which nothing is taken: what stands in them is left out here."""
        return ()

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the texts, the same for the same spec and sources on every machine.

        Long work keeps what is finished in the folder `runtime.scratch`, if there is one (make it first), and goes on from
        there when the same stage is built again; once the stage is done the folder is removed.
        """
        raise NotImplementedError

    def label(self) -> str:
        """Return a short name for tables."""
        return name_of(self)


def check_unchanged(corpus: Any) -> None:
    """Raise DataError where what a corpus reads at its `path` has another `digest` than when the study was planned."""
    if corpus.resolve().digest != corpus.digest:
        raise DataError(
            f"{describe_kind(corpus)}: '{corpus.path}' is not what it was when the study was planned. Run it again."
        )


def without(corpus: Corpus, *needed: str) -> str | None:
    """Return which of the columns that are needed a corpus has not, as far as its class says, or None."""
    if corpus.columns is None or not (lacking := [name for name in needed if name not in corpus.columns]):
        return None
    has = f"it has {', '.join(corpus.columns)}" if corpus.columns else "it has texts alone"
    return f"{describe_kind(corpus)} has no column {', '.join(map(repr, lacking))}: {has}."


def ids_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return an id for each text that depends on the text alone: 16 hex digits of its SHA-256."""
    return tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts)
